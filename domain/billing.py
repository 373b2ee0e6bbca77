"""Which statuses a subscription may have, and what it gives in each: values and rules, pure.

``domain.catalog`` says what is for sale, ``domain.calendar`` when periods begin, ``domain.proration`` what a
change comes to, ``domain.dunning`` when a renewal is tried again.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from domain.errors import IllegalTransition


class SubscriptionStatus(StrEnum):
    """The eight of the contract; whoever runs the schedule, they mean the same."""

    INCOMPLETE = "incomplete"
    """The first payment is awaited, for 23 hours."""
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    """A renewal was not paid; it is tried again."""
    UNPAID = "unpaid"
    """All tries were in vain. The subscription stays, and gives nothing."""
    PAUSED = "paused"
    CANCELED = "canceled"


class AfterDunning(StrEnum):
    """What becomes of a subscription when all tries to have it paid were in vain."""

    CANCEL = "cancel"
    UNPAID = "unpaid"


class Schedule(StrEnum):
    """Who runs new subscriptions where both could: when to charge, and how often to try again."""

    OURS = "ours"
    PROVIDER = "provider"


S = SubscriptionStatus
TRANSITIONS: Final[Mapping[S, frozenset[S]]] = {
    S.INCOMPLETE: frozenset({S.TRIALING, S.ACTIVE, S.INCOMPLETE_EXPIRED, S.CANCELED}),
    # A trial that ends without a way of paying pauses.
    S.TRIALING: frozenset({S.ACTIVE, S.PAST_DUE, S.PAUSED, S.CANCELED}),
    S.ACTIVE: frozenset({S.PAST_DUE, S.PAUSED, S.CANCELED}),
    S.PAST_DUE: frozenset({S.ACTIVE, S.UNPAID, S.PAUSED, S.CANCELED}),
    S.UNPAID: frozenset({S.ACTIVE, S.CANCELED}),
    S.PAUSED: frozenset({S.TRIALING, S.ACTIVE, S.PAST_DUE, S.CANCELED}),
    S.INCOMPLETE_EXPIRED: frozenset(),
    S.CANCELED: frozenset(),
}


def sources(to: SubscriptionStatus) -> list[SubscriptionStatus]:
    """The statuses a subscription may be in just before ``to``."""
    return [status for status in S if to in TRANSITIONS[status]]


def in_order(status: SubscriptionStatus, to: SubscriptionStatus) -> None:
    """Raises ``IllegalTransition`` when a subscription that is in ``status`` cannot come to be in ``to``."""
    if to not in TRANSITIONS[status]:
        raise IllegalTransition(f"A subscription that is {status} does not become {to}.")


class Access(StrEnum):
    """What a subscriber may use."""

    FULL = "full"
    GRACE = "grace"
    """All of it, while a payment is still being tried."""
    NONE = "none"


def access(status: SubscriptionStatus | None) -> Access:
    """What this status gives (contract, section 4); None is somebody without a subscription."""
    if status in {S.TRIALING, S.ACTIVE}:
        return Access.FULL
    return Access.GRACE if status is S.PAST_DUE else Access.NONE


def gives(status: SubscriptionStatus) -> bool:
    """Whether a subscriber may use the plan's features."""
    return access(status) is not Access.NONE
