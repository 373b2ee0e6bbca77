"""A payment: what was ordered, how far it has come, and where it may go.

Storage guards its UPDATEs with the table that stands here; ``domain.verdicts`` decides by it.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field

from domain.entitlement import Grant
from domain.money import Money
from domain.values import Message, Value


class PaymentStatus(StrEnum):
    CREATED = "CREATED"
    PROVIDER_PENDING = "PROVIDER_PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    """The provider was called and nobody can yet say what happened. Left only on evidence."""
    REVIEW = "REVIEW"
    """Money arrived that does not match the order."""


class RefundStatus(StrEnum):
    NONE = "NONE"
    PENDING = "PENDING"
    PARTIAL = "PARTIAL"
    FULL = "FULL"


class DisputeStatus(StrEnum):
    NONE = "NONE"
    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


DISPUTED: Final = frozenset({DisputeStatus.OPEN, DisputeStatus.LOST})
"""The bank has the money: the right is off, and nothing is refunded."""
S = PaymentStatus

# The whole life of a payment. From EXPIRED and CANCELLED only late money leads on.
TRANSITIONS: Final[Mapping[S, frozenset[S]]] = {
    S.CREATED: frozenset({S.PROVIDER_PENDING, S.FAILED, S.UNKNOWN, S.CANCELLED}),
    S.PROVIDER_PENDING: frozenset({S.SUCCEEDED, S.FAILED, S.EXPIRED, S.CANCELLED, S.UNKNOWN, S.REVIEW}),
    S.UNKNOWN: frozenset({S.PROVIDER_PENDING, S.SUCCEEDED, S.FAILED, S.EXPIRED, S.CANCELLED, S.REVIEW}),
    S.REVIEW: frozenset({S.SUCCEEDED, S.FAILED}),
    S.EXPIRED: frozenset({S.SUCCEEDED, S.REVIEW}),
    S.CANCELLED: frozenset({S.SUCCEEDED, S.REVIEW}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
}

# Still on its way: a workflow is working on it.
OPEN: Final = frozenset({S.CREATED, S.PROVIDER_PENDING, S.UNKNOWN})
# The provider has had its last word, as far as a payer's session goes.
ENDED: Final = frozenset({S.SUCCEEDED, S.FAILED, S.EXPIRED, S.CANCELLED})


def sources(to: PaymentStatus, *, late: bool = False) -> list[PaymentStatus]:
    """The statuses a payment may be in just before ``to``; EXPIRED and CANCELLED only when late."""
    closed = {S.EXPIRED, S.CANCELLED}
    return [status for status in S if to in TRANSITIONS[status] and (status in closed) == late]


class PaymentOrder(Value):
    """What a tenant asked for, checked and complete. It never changes."""

    payment_id: str
    tenant_id: str
    idempotency_key: str
    digest: str
    """Of the validated body: tells a repeat from another request under the same key."""
    user_id: str
    money: Money
    provider: str
    alternatives: tuple[str, ...] = ()
    """Providers to turn to, in this order, should the first definitely not have made a checkout."""
    order_id: str | None = None
    description: str | None = None
    customer_email: str | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    entitlements: tuple[Grant, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    sandbox: bool
    invoice_id: str | None = None
    """The invoice it pays; its money then moves a subscription."""
    customer_id: str | None = None
    """Who pays with what is kept for them, or has it kept with this payment."""
    off_session: bool = False
    """Whether it is charged without the payer being there, instead of waiting at a checkout."""
    correlation_id: str | None = None
    """The request that asked for it: found again in logs, audit and workflow."""
    created_at: datetime
    expires_at: datetime


class Payment(Value):
    """A payment as its row tells it."""

    order: PaymentOrder
    account_id: str
    """The provider account it was given to."""
    status: PaymentStatus
    provider_reference: str | None = None
    checkout_url: str | None = None
    opened_at: datetime | None = None
    """When the checkout first existed; what a replayed create answer is dated with."""
    captured: Money | None = None
    """What the provider took, whatever was ordered."""
    capture_reference: str | None = None
    """The provider's name for it."""
    refund_reserved: int = 0
    """Of refunds that succeeded, or still may."""
    amount_refunded: int = 0
    refund_status: RefundStatus = RefundStatus.NONE
    dispute_status: DisputeStatus = DisputeStatus.NONE
    failure_code: str | None = None
    failure_message: str | None = None
    late: bool = False
    """Money came after the end."""
    updated_at: datetime

    @property
    def id(self) -> str:
        return self.order.payment_id

    @property
    def as_opened(self) -> "Payment":
        """The payment as it was when its checkout came to be: what a create is answered with, for ever."""
        if self.opened_at is None:
            return self
        return Payment(
            order=self.order,
            account_id=self.account_id,
            status=PaymentStatus.PROVIDER_PENDING,
            provider_reference=self.provider_reference,
            checkout_url=self.checkout_url,
            opened_at=self.opened_at,
            updated_at=self.opened_at,
        )

    def as_of(self, progress: "Progress") -> "Payment":
        """The payment as its workflow tells it; its provider stays the one this row knows."""
        return self.model_copy(update=progress.model_dump(exclude={"provider"}))

    @property
    def ref(self) -> "PaymentRef":
        order = self.order
        return PaymentRef(
            tenant_id=order.tenant_id,
            payment_id=order.payment_id,
            digest=order.digest,
            money=order.money,
            provider=order.provider,
            expires_at=order.expires_at,
            correlation_id=order.correlation_id,
        )

    @property
    def progress(self) -> "Progress":
        return Progress(
            provider=self.order.provider,
            status=self.status,
            provider_reference=self.provider_reference,
            checkout_url=self.checkout_url,
            opened_at=self.opened_at,
            failure_code=self.failure_code,
            failure_message=self.failure_message,
            updated_at=self.updated_at,
        )


class PaymentRef(Message):
    """What a payment's workflow is told: ids, the amount and the deadline; nothing personal."""

    tenant_id: str
    payment_id: str
    digest: str
    money: Money
    provider: str
    expires_at: datetime
    correlation_id: str | None = None


class Progress(Message):
    """How far a payment has come: the part of its row that a workflow works with."""

    status: PaymentStatus
    provider: str | None = None
    """Another one than the order's after a failover."""
    provider_reference: str | None = None
    checkout_url: str | None = None
    opened_at: datetime | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    updated_at: datetime
