"""An approval: what one person asked for and another, who must be somebody else, decides about once."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.errors import Forbidden, FourEyes
from domain.money import Money
from domain.tenant import Caller, Role
from domain.values import Message, Value
from domain.verdicts import Choice, Ruling

# How long a question waits for its answer; no answer is a no.
LIFE: Final = timedelta(days=7)


class ApprovalKind(StrEnum):
    REFUND = "refund"
    """May this refund go out?"""
    REVIEW = "review"
    """May the money of a payment under REVIEW be accepted, or given back?"""


class ApprovalState(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    """Nobody decided in time."""


class Approval(Value):
    """A question and its answer, as the row tells them. The question never changes, the answer comes once."""

    id: str
    tenant_id: str
    kind: ApprovalKind
    payment_id: str
    refund_id: str | None = None
    choice: Choice | None = None
    """What would be done with money under review."""
    money: Money
    """What would move: exactly this much, or nothing."""
    reason: str | None = None
    requested_by: str
    requester_credential_id: str | None = None
    """None: an operator of the platform asked, who has no credential of the tenant."""
    state: ApprovalState = ApprovalState.PENDING
    decided_by: str | None = None
    decider_credential_id: str | None = None
    decided_at: datetime | None = None
    correlation_id: str | None = None
    created_at: datetime
    expires_at: datetime

    @property
    def ref(self) -> "ApprovalRef":
        return ApprovalRef(
            tenant_id=self.tenant_id,
            approval_id=self.id,
            payment_id=self.payment_id,
            awaited=self.state is ApprovalState.PENDING,
        )


class ApprovalRef(Message):
    """Which approval a workflow waits for. All else it reads from the row, when it must act on it."""

    tenant_id: str
    approval_id: str
    payment_id: str
    awaited: bool = True
    """Nobody has decided yet, as far as whoever speaks of it knows."""


class Answer(Message):
    """How far an approval has come: the part of its row that a workflow works with."""

    state: ApprovalState
    expires_at: datetime
    ruling: Ruling | None = None
    """What to do with money under review, once that is approved."""


def check_decider(approval: Approval, who: Caller) -> None:
    """Raise ``FourEyes`` for whoever asked, whatever their role, and ``Forbidden`` for who is no approver."""
    if who.credential_id == approval.requester_credential_id:
        raise FourEyes
    if who.role is not Role.APPROVER:
        raise Forbidden("Only the role approver decides.")
