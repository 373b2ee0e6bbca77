"""What tenants are told: event types and the envelope."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from domain.billing import access
from domain.dispute import Dispute, DisputeState
from domain.entitlement import Entitlement
from domain.event_data import (
    BillData,
    DisputeData,
    EntitlementData,
    InvoiceData,
    MismatchData,
    PaymentData,
    RefundData,
    SubscriptionData,
)
from domain.invoice import Invoice
from domain.payment import Payment, PaymentStatus
from domain.reconciliation import Difference, Run
from domain.refund import Refund, RefundState
from domain.standing import Subscription
from domain.subscription import InvoiceObservation
from domain.values import Value

EVENT_OF_STATUS: Final[Mapping[PaymentStatus, str]] = {
    PaymentStatus.CREATED: "payment.created",
    PaymentStatus.PROVIDER_PENDING: "payment.pending",
    PaymentStatus.SUCCEEDED: "payment.succeeded",
    PaymentStatus.FAILED: "payment.failed",
    PaymentStatus.EXPIRED: "payment.expired",
    PaymentStatus.CANCELLED: "payment.cancelled",
    PaymentStatus.UNKNOWN: "payment.unknown",
    PaymentStatus.REVIEW: "payment.review",
}


class Announcement(Value):
    """Something to tell a tenant; storage gives it its place in the tenant's sequence."""

    type: str
    payment_id: str | None
    data: dict[str, Any]


LATE_SUCCEEDED: Final = "payment.late_succeeded"
EVENT_OF_REFUND: Final[Mapping[RefundState, str]] = {
    RefundState.SUCCEEDED: "refund.succeeded",
    RefundState.FAILED: "refund.failed",
}
EVENT_OF_DECISION: Final[Mapping[RefundState, str]] = {
    RefundState.PENDING: "refund.approved",
    RefundState.REJECTED: "refund.rejected",
}
"""When a second person decided where a refund goes."""

EVENT_OF_DISPUTE: Final[Mapping[DisputeState, str]] = {
    DisputeState.INQUIRY: "dispute.inquiry_opened",
    DisputeState.OPEN: "dispute.opened",
    DisputeState.WON: "dispute.won",
    # Withdrawn: the money and the right are back, which is all that a tenant has to know.
    DisputeState.CLOSED: "dispute.won",
    DisputeState.LOST: "dispute.lost",
}
EVIDENCE_DUE: Final = "dispute.evidence_due"


def payment_announcement(payment: Payment, type_: str | None = None) -> Announcement:
    """That a payment has come to its status, or what else happened to it."""
    order = payment.order
    more: dict[str, Any] = {}
    if payment.captured is not None:
        more = {
            "amount_captured": payment.captured.amount_minor,
            "currency_captured": payment.captured.currency,
        }
    data = PaymentData(
        payment_id=payment.id,
        user_id=order.user_id,
        order_id=order.order_id,
        amount=order.money.amount_minor,
        currency=order.money.currency,
        status=payment.status,
        provider=order.provider,
        late=payment.late,
        metadata=order.metadata,
        **more,
        **_failure(payment),
    )
    type_ = type_ or EVENT_OF_STATUS[payment.status]
    return Announcement(type=type_, payment_id=payment.id, data=data.told())


def _failure(of: Payment | Refund) -> dict[str, Any]:
    if not of.failure_code:
        return {}
    return {"failure_code": of.failure_code, "failure_message": of.failure_message}


def grant_announcement(right: Entitlement) -> Announcement:
    return _of_right(right, "entitlement.granted")


def right_announcements(before: Sequence[Entitlement], after: Sequence[Entitlement]) -> list[Announcement]:
    """Which rights went and which came back, told from how they stood before and stand now."""
    stood = {right.id: right.active for right in before}
    return [
        _of_right(right, "entitlement.granted" if right.active else "entitlement.revoked")
        for right in after
        if right.active is not stood[right.id]
    ]


def _of_right(right: Entitlement, type_: str) -> Announcement:
    source = {"subscription_id": right.source_id} if right.source_type == "subscription" else {}
    data = EntitlementData(
        entitlement_id=right.id,
        payment_id=right.payment_id,
        **source,
        user_id=right.user_id,
        feature=right.feature,
        quantity=right.quantity,
    )
    return Announcement(type=type_, payment_id=right.payment_id, data=data.told())


def refund_announcement(refund: Refund, type_: str) -> Announcement:
    approval = {"approval_id": refund.approval_id} if refund.approval_id else {}
    data = RefundData(
        refund_id=refund.id,
        payment_id=refund.payment_id,
        amount=refund.money.amount_minor,
        currency=refund.money.currency,
        status=refund.state,
        reason=refund.reason,
        **approval,
        **_failure(refund),
    )
    return Announcement(type=type_, payment_id=refund.payment_id, data=data.told())


def dispute_announcement(dispute: Dispute, type_: str) -> Announcement:
    due = dispute.evidence_due_by
    data = DisputeData(
        dispute_id=dispute.id,
        payment_id=dispute.payment_id,
        amount=dispute.money.amount_minor,
        currency=dispute.money.currency,
        status=dispute.state,
        reason=dispute.reason,
        evidence_due_by=None if due is None else rfc3339(due),
    )
    return Announcement(type=type_, payment_id=dispute.payment_id, data=data.told())


def subscription_announcement(sub: Subscription, type_: str) -> Announcement:
    """What has become of a subscription."""
    period, pending = sub.period, sub.pending
    data = SubscriptionData(
        subscription_id=sub.id,
        user_id=sub.user_id,
        status=sub.status,
        access=access(sub.status),
        plan_id=sub.terms.plan_id,
        price_id=sub.terms.price.id,
        quantity=sub.terms.quantity,
        current_period_start=None if period is None else rfc3339(period.start),
        current_period_end=None if period is None else rfc3339(period.end),
        trial_end=None if sub.trial_end is None else rfc3339(sub.trial_end),
        cancel_at_period_end=sub.cancel_at_period_end,
        pending_price_id=None if pending is None else pending.price.id,
        pending_quantity=None if pending is None else pending.quantity,
    )
    return Announcement(type=type_, payment_id=None, data=data.told())


def invoice_announcement(invoice: Invoice, type_: str, **more: Any) -> Announcement:
    """What has become of an invoice; ``more`` says what of its payment."""
    data = InvoiceData(
        invoice_id=invoice.id,
        number=invoice.number,
        subscription_id=invoice.subscription_id,
        user_id=invoice.user_id,
        status=invoice.status,
        currency=invoice.currency,
        total=invoice.totals.total_minor,
        amount_due=invoice.totals.amount_due_minor,
        replaced_by=invoice.replaced_by,
        **more,
    )
    return Announcement(type=type_, payment_id=None, data=data.told())


def bill_announcement(sub: Subscription, said: InvoiceObservation, type_: str) -> Announcement:
    """What has become of a bill that the company wrote: it has no number of ours, nor a row."""
    data = BillData(
        invoice_id=None,
        provider_reference=said.reference,
        subscription_id=sub.id,
        user_id=sub.user_id,
        status=said.word,
        currency=None if said.money is None else said.money.currency,
        total=None if said.money is None else said.money.amount_minor,
    )
    return Announcement(type=type_, payment_id=None, data=data.told())


def mismatch_announcement(run: Run, difference_id: str, found: Difference) -> Announcement:
    """That the provider's books differ from ours in a way that nothing mends."""
    data = MismatchData(
        difference_id=difference_id,
        run_id=run.id,
        class_=found.drift,
        subject=found.subject,
        provider=run.provider,
        payment_id=found.payment_id,
        our_id=found.our_id,
        provider_reference=found.their_id,
        here=found.here,
        there=found.there,
    )
    return Announcement(type="reconciliation.mismatch", payment_id=found.payment_id, data=data.told())


def envelope(event: Mapping[str, Any], *, sandbox: bool) -> dict[str, Any]:
    """The body of a webhook, and of an entry of the event log: the same bytes on every attempt."""
    return {
        "eventId": event["id"],
        "eventType": event["type"],
        "type": event["type"],
        "timestamp": rfc3339(event["at"]),
        "tenantId": event["tenant_id"],
        "sandbox": sandbox,
        "sequence": event["sequence"],
        "data": event["data"],
    }


def body(event: Mapping[str, Any], *, sandbox: bool) -> bytes:
    """What is sent, and signed."""
    return json.dumps(envelope(event, sandbox=sandbox), separators=(",", ":"), ensure_ascii=False).encode()


def rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
