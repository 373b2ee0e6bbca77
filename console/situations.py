"""What a payer has to know of a payment: one of a few situations, read from its row and nothing else."""

from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from domain.money import Money
from domain.payment import DisputeStatus, Payment, PaymentStatus, RefundStatus


class Situation(StrEnum):
    PREPARING = "preparing"
    WAITING = "waiting"
    DECLINED = "declined"
    """As WAITING, after a card was declined."""
    CHARGING = "charging"
    """Without the payer, with what is saved."""
    CLOSING = "closing"
    """Its time is up, and the provider is asked whether it was paid."""
    UNKNOWN = "unknown"
    REVIEW = "review"
    HELD = "held"
    """Late money that waits for a person."""
    SUCCEEDED = "succeeded"
    ACCEPTED = "accepted"
    """Late money that the tenant took."""
    REFUNDING = "refunding"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    LOST = "lost"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    GOING_BACK = "going_back"
    """Money that came although the payment had ended, or that nobody wanted to keep."""
    GONE_BACK = "gone_back"


class Tone(StrEnum):
    """How it looks; each has a sign of its own, as colour alone tells nothing."""

    WAIT = "wait"
    GOOD = "good"
    BAD = "bad"
    QUIET = "quiet"


class Way(StrEnum):
    """Where the payer may go from here."""

    PAY = "pay"
    AGAIN = "again"
    ON = "on"
    NOWHERE = "nowhere"


class Manner(NamedTuple):
    tone: Tone
    way: Way
    moving: bool
    """Whether it is about to change by itself, so that looking again makes sense."""


S = Situation
MANNERS: Final = {
    S.PREPARING: Manner(Tone.WAIT, Way.NOWHERE, moving=True),
    S.WAITING: Manner(Tone.WAIT, Way.PAY, moving=True),
    S.DECLINED: Manner(Tone.BAD, Way.PAY, moving=True),
    S.CHARGING: Manner(Tone.WAIT, Way.NOWHERE, moving=True),
    S.CLOSING: Manner(Tone.WAIT, Way.NOWHERE, moving=True),
    S.UNKNOWN: Manner(Tone.WAIT, Way.NOWHERE, moving=True),
    S.REVIEW: Manner(Tone.QUIET, Way.NOWHERE, moving=True),
    S.HELD: Manner(Tone.QUIET, Way.NOWHERE, moving=True),
    S.SUCCEEDED: Manner(Tone.GOOD, Way.ON, moving=False),
    S.ACCEPTED: Manner(Tone.GOOD, Way.ON, moving=False),
    S.REFUNDING: Manner(Tone.WAIT, Way.NOWHERE, moving=True),
    S.PARTLY_REFUNDED: Manner(Tone.GOOD, Way.ON, moving=False),
    S.REFUNDED: Manner(Tone.QUIET, Way.NOWHERE, moving=False),
    S.DISPUTED: Manner(Tone.QUIET, Way.NOWHERE, moving=False),
    S.LOST: Manner(Tone.QUIET, Way.NOWHERE, moving=False),
    S.FAILED: Manner(Tone.BAD, Way.AGAIN, moving=False),
    S.EXPIRED: Manner(Tone.QUIET, Way.AGAIN, moving=False),
    S.CANCELLED: Manner(Tone.QUIET, Way.AGAIN, moving=False),
    S.GOING_BACK: Manner(Tone.WAIT, Way.AGAIN, moving=True),
    S.GONE_BACK: Manner(Tone.QUIET, Way.AGAIN, moving=False),
}


_PLAIN: Final = {
    PaymentStatus.CREATED: S.PREPARING,
    PaymentStatus.UNKNOWN: S.UNKNOWN,
    PaymentStatus.FAILED: S.FAILED,
    PaymentStatus.EXPIRED: S.EXPIRED,
    PaymentStatus.CANCELLED: S.CANCELLED,
}


def situation(payment: Payment, now: datetime, *, declined: bool = False) -> Situation:
    """The payer's view of the row; ``declined`` when the last thing heard was a refused card."""
    if payment.status is PaymentStatus.PROVIDER_PENDING:
        return _while_open(payment, now, declined=declined)
    if payment.status is PaymentStatus.REVIEW:
        return S.HELD if payment.late else S.REVIEW
    if payment.status is PaymentStatus.SUCCEEDED:
        return _after_success(payment)
    if payment.captured is not None:
        return S.GONE_BACK if payment.refund_status is RefundStatus.FULL else S.GOING_BACK
    return _PLAIN[payment.status]


def _while_open(payment: Payment, now: datetime, *, declined: bool) -> Situation:
    if payment.checkout_url is None:
        return S.CHARGING
    if now >= payment.order.expires_at:
        return S.CLOSING
    return S.DECLINED if declined else S.WAITING


def _after_success(payment: Payment) -> Situation:
    if payment.dispute_status is DisputeStatus.OPEN:
        return S.DISPUTED
    if payment.dispute_status is DisputeStatus.LOST:
        return S.LOST
    match payment.refund_status:
        case RefundStatus.FULL:
            return S.REFUNDED
        case RefundStatus.PENDING:
            return S.REFUNDING
        case RefundStatus.PARTIAL:
            return S.PARTLY_REFUNDED
    return S.ACCEPTED if payment.late else S.SUCCEEDED


def arrived(payment: Payment) -> Money | None:
    """What came, where that is not just what was ordered."""
    return None if payment.captured == payment.order.money else payment.captured


def given_back(payment: Payment) -> Money | None:
    """What has gone back already."""
    currency = (payment.captured or payment.order.money).currency
    amount = payment.amount_refunded
    return Money(amount_minor=amount, currency=currency) if amount else None
