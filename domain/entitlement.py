"""What a user may do because something was paid for, and how much of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from domain.errors import LimitExceeded
from domain.values import Value

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Grant(Value):
    """What an order promises to its user, once paid. Without a duration it does not end."""

    feature: Annotated[str, Field(min_length=1, max_length=128)]
    quantity: Annotated[int, Field(ge=1)] = 1
    duration_seconds: Annotated[int, Field(ge=1)] | None = None


class Entitlement(Value):
    """A granted right as it stands at the moment it was read.

    ``active`` is computed, never stored: paid, not fully refunded, no open or lost dispute, and the
    period runs. That of a subscription is active while its status gives access, under the same conditions
    on the payment of its period.
    """

    id: str
    user_id: str
    feature: str
    quantity: int
    limit: int | None = None
    """How much of it in the period; None is as much as one likes."""
    used: int = 0
    source_type: Literal["payment", "subscription"]
    source_id: str
    payment_id: str | None
    """The payment that it stands and falls with; none for a trial and a free plan."""
    valid_from: datetime
    """For a subscription, when the period began that was paid; ``used`` counts from there."""
    valid_to: datetime | None
    active: bool

    @property
    def remaining(self) -> int | None:
        """None is as much as one likes. A plan that gives less than before takes nothing back."""
        return None if self.limit is None else max(self.limit - self.used, 0)


class Allowance(Value):
    """What all the rights of a user to one feature come to."""

    entitled: bool
    """Whether the user may use it now: a right holds, and something is left of it."""
    limit: int | None
    used: int
    remaining: int | None
    reason: Literal["active", "limit_reached", "not_active", "not_granted"]
    valid_to: datetime | None
    """When the last of the rights that hold ends; None when one of them does not end."""


def allowance(rights: Sequence[Entitlement]) -> Allowance:
    """Rights that hold add up, and one without a limit outweighs all others. Given are all of one feature."""
    holding = [right for right in rights if right.active]
    if not holding:
        reason: Literal["not_active", "not_granted"] = "not_active" if rights else "not_granted"
        return Allowance(entitled=False, limit=None, used=0, remaining=None, reason=reason, valid_to=None)
    limits = [right.limit for right in holding if right.limit is not None]
    unlimited = len(limits) < len(holding)
    left = sum(right.remaining or 0 for right in holding)
    ends = [right.valid_to for right in holding if right.valid_to is not None]
    return Allowance(
        entitled=unlimited or left > 0,
        limit=None if unlimited else sum(limits),
        used=sum(right.used for right in holding),
        remaining=None if unlimited else left,
        reason="active" if unlimited or left > 0 else "limit_reached",
        valid_to=max(ends) if len(ends) == len(holding) else None,
    )


class Portion(Value):
    """How much is taken from one right, in the period that its ``valid_from`` names."""

    entitlement_id: str
    valid_from: datetime
    quantity: int


def portions(rights: Sequence[Entitlement], quantity: int) -> list[Portion]:
    """From which rights a use is taken: one without a limit, else those first that end first.

    Raises ``LimitExceeded`` when they do not have it all: then nothing is taken.
    """
    holding = sorted(
        (right for right in rights if right.active),
        key=lambda right: (right.limit is not None, right.valid_to or _NEVER, right.id),
    )
    taken, wanted = [], quantity
    for right in holding:
        amount = wanted if right.remaining is None else min(wanted, right.remaining)
        if amount:
            taken.append(Portion(entitlement_id=right.id, valid_from=right.valid_from, quantity=amount))
        wanted -= amount
    if wanted:
        raise LimitExceeded(remaining=quantity - wanted)
    return taken
