"""Payments, and what may become of paid money. Amounts are integers in the currency's minor units."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime

from paysaga_client.models.base import Answer, Named, Wish, Word

PaymentStatus = Annotated[
    Literal[
        "CREATED", "PROVIDER_PENDING", "SUCCEEDED", "FAILED", "EXPIRED", "CANCELLED", "UNKNOWN", "REVIEW"
    ],
    Word,
]
RefundStatus = Annotated[Literal["NONE", "PENDING", "PARTIAL", "FULL"], Word]
DisputeStatus = Annotated[Literal["NONE", "OPEN", "WON", "LOST"], Word]
RefundState = Annotated[
    Literal["PENDING_APPROVAL", "PENDING", "SUCCEEDED", "FAILED", "UNKNOWN", "REJECTED"], Word
]
DisputeState = Annotated[Literal["INQUIRY", "OPEN", "UNDER_REVIEW", "WON", "LOST", "CLOSED"], Word]
ApprovalKind = Annotated[Literal["refund", "review"], Word]
ApprovalState = Annotated[Literal["PENDING", "APPROVED", "REJECTED", "EXPIRED"], Word]
Choice = Annotated[Literal["accept", "refund"], Word]


class Grant(Wish):
    """A right that a payment gives: to a feature, so many times or without limit, for so long or for ever."""

    feature: str
    quantity: int | None = None
    duration_seconds: int | None = None


class Payment(Answer):
    id: str
    tenant_id: str
    user_id: str
    order_id: str | None
    amount: int
    currency: str
    status: PaymentStatus
    provider: str
    provider_reference: str | None
    checkout_url: str | None
    """Where to send the payer; None while there is no checkout yet, and once it cannot be paid any more."""
    refund_status: RefundStatus
    amount_refunded: int
    dispute_status: DisputeStatus
    failure_code: str | None
    failure_message: str | None
    late: bool
    sandbox: bool
    metadata: dict[str, str]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    expires_at: AwareDatetime

    @property
    def paid(self) -> bool:
        """Whether the money arrived as ordered. Whether some went back, ``refund_status`` says."""
        return self.status == "SUCCEEDED"

    @property
    def ended(self) -> bool:
        """Whether the payer can do no more about it. UNKNOWN and REVIEW are neither yes nor no."""
        return self.status in {"SUCCEEDED", "FAILED", "EXPIRED", "CANCELLED"}


class CreatedPayment(Payment):
    checkout_token: str
    """Lets the payer's browser read this one payment, and nothing else."""


class PaymentEvent(Answer):
    id: str
    type: str
    at: AwareDatetime
    cause: str


class PaymentWithEvents(Payment):
    events: tuple[PaymentEvent, ...]
    """Oldest first."""


class Refund(Named):
    payment_id: str
    amount: int
    currency: str
    status: RefundState
    reason: str | None
    approval_id: str | None
    failure_code: str | None
    failure_message: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Dispute(Named):
    payment_id: str
    amount: int
    currency: str
    fee: int
    fee_currency: str
    status: DisputeState
    reason: str | None
    evidence_due_by: AwareDatetime | None
    evidence_sent_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Approval(Named):
    """A large refund, or a decision about money under review, that waits for a second person."""

    kind: ApprovalKind
    status: ApprovalState
    payment_id: str
    refund_id: str | None
    decision: Choice | None
    amount: int
    currency: str
    reason: str | None
    requested_by: str
    decided_by: str | None
    decided_at: AwareDatetime | None
    created_at: AwareDatetime
    expires_at: AwareDatetime


class Proof(Answer):
    """All that is known of a payment, signed. Keep it as it came: the signature is over its very members."""

    type: str
    key_id: str
    public_keys: tuple[str, ...]
    facts: dict[str, Any]
    signature: str
