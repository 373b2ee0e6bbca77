"""What may be done about a payment now, and by whom. It only spares people refusals: the routes decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.approval import ApprovalKind, ApprovalState
from domain.payment import DISPUTED, OPEN, Payment, PaymentStatus
from domain.tenant import MAY_TRADE, Caller, Role

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    cancel: bool = False
    refund: bool = False
    review: bool = False
    send_again: bool = False


def possible(payment: Payment, approvals: Sequence[Line], who: Caller | None) -> Possible:
    """For this person, or for the platform's operator, who is nobody's ``Caller``."""
    review = payment.status is PaymentStatus.REVIEW and not any(map(_settles_review, approvals))
    if who is None:
        return Possible(review=review)
    if who.role not in MAY_TRADE:
        return Possible()
    return Possible(
        cancel=payment.status in OPEN,
        refund=payment.status is PaymentStatus.SUCCEEDED
        and payment.dispute_status not in DISPUTED
        and refundable(payment) > 0,
        review=review,
        send_again=True,
    )


def refundable(payment: Payment) -> int:
    """What has not gone back and is not on its way back, in minor units."""
    return 0 if payment.captured is None else payment.captured.amount_minor - payment.refund_reserved


def _settles_review(approval: Line) -> bool:
    settled = {ApprovalState.PENDING, ApprovalState.APPROVED}
    return approval["kind"] == ApprovalKind.REVIEW and approval["state"] in settled


def waiting(approvals: Sequence[Line], now: datetime) -> list[Line]:
    """What still waits for an answer."""
    return [line for line in approvals if line["state"] == ApprovalState.PENDING and now < line["expires_at"]]


def may_decide(approval: Line, who: Caller | None) -> bool:
    """Whether it is theirs to answer: an approver's, but not of what the same credential asked for."""
    if who is None or who.role is not Role.APPROVER:
        return False
    return bool(approval["requester_credential_id"] != who.credential_id)
