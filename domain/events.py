"""What tenants are told: event types and the envelope."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from domain.billing import access
from domain.dispute import Dispute, DisputeState
from domain.entitlement import Entitlement
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
    data: dict[str, Any] = {
        "paymentId": payment.id,
        "userId": order.user_id,
        "orderId": order.order_id,
        "amount": order.money.amount_minor,
        "currency": order.money.currency,
        "status": payment.status.value,
        "provider": order.provider,
        "late": payment.late,
        "metadata": order.metadata,
    }
    if payment.captured is not None:
        data |= {
            "amountCaptured": payment.captured.amount_minor,
            "currencyCaptured": payment.captured.currency,
        }
    if payment.failure_code:
        data |= {"failureCode": payment.failure_code, "failureMessage": payment.failure_message}
    return Announcement(type=type_ or EVENT_OF_STATUS[payment.status], payment_id=payment.id, data=data)


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
    source = {"subscriptionId": right.source_id} if right.source_type == "subscription" else {}
    return Announcement(
        type=type_,
        payment_id=right.payment_id,
        data={
            "entitlementId": right.id,
            "paymentId": right.payment_id,
            **source,
            "userId": right.user_id,
            "feature": right.feature,
            "quantity": right.quantity,
        },
    )


def refund_announcement(refund: Refund, type_: str) -> Announcement:
    data: dict[str, Any] = {
        "refundId": refund.id,
        "paymentId": refund.payment_id,
        "amount": refund.money.amount_minor,
        "currency": refund.money.currency,
        "status": refund.state.value,
        "reason": refund.reason,
    }
    if refund.approval_id:
        data["approvalId"] = refund.approval_id
    if refund.failure_code:
        data |= {"failureCode": refund.failure_code, "failureMessage": refund.failure_message}
    return Announcement(type=type_, payment_id=refund.payment_id, data=data)


def dispute_announcement(dispute: Dispute, type_: str) -> Announcement:
    due = dispute.evidence_due_by
    return Announcement(
        type=type_,
        payment_id=dispute.payment_id,
        data={
            "disputeId": dispute.id,
            "paymentId": dispute.payment_id,
            "amount": dispute.money.amount_minor,
            "currency": dispute.money.currency,
            "status": dispute.state.value,
            "reason": dispute.reason,
            "evidenceDueBy": None if due is None else rfc3339(due),
        },
    )


def subscription_announcement(sub: Subscription, type_: str) -> Announcement:
    """What has become of a subscription."""
    period, pending = sub.period, sub.pending
    return Announcement(
        type=type_,
        payment_id=None,
        data={
            "subscriptionId": sub.id,
            "userId": sub.user_id,
            "status": sub.status.value,
            "access": access(sub.status).value,
            "planId": sub.terms.plan_id,
            "priceId": sub.terms.price.id,
            "quantity": sub.terms.quantity,
            "currentPeriodStart": None if period is None else rfc3339(period.start),
            "currentPeriodEnd": None if period is None else rfc3339(period.end),
            "trialEnd": None if sub.trial_end is None else rfc3339(sub.trial_end),
            "cancelAtPeriodEnd": sub.cancel_at_period_end,
            "pendingPriceId": None if pending is None else pending.price.id,
            "pendingQuantity": None if pending is None else pending.quantity,
        },
    )


def invoice_announcement(invoice: Invoice, type_: str, **more: Any) -> Announcement:
    """What has become of an invoice; ``more`` says what of its payment."""
    return Announcement(
        type=type_,
        payment_id=None,
        data={
            "invoiceId": invoice.id,
            "number": invoice.number,
            "subscriptionId": invoice.subscription_id,
            "userId": invoice.user_id,
            "status": invoice.status.value,
            "currency": invoice.currency,
            "total": invoice.totals.total_minor,
            "amountDue": invoice.totals.amount_due_minor,
            "replacedBy": invoice.replaced_by,
            **more,
        },
    )


def bill_announcement(sub: Subscription, said: InvoiceObservation, type_: str) -> Announcement:
    """What has become of a bill that the company wrote: it has no number of ours, nor a row."""
    return Announcement(
        type=type_,
        payment_id=None,
        data={
            "invoiceId": None,
            "providerReference": said.reference,
            "subscriptionId": sub.id,
            "userId": sub.user_id,
            "status": said.word.value,
            "currency": None if said.money is None else said.money.currency,
            "total": None if said.money is None else said.money.amount_minor,
        },
    )


def mismatch_announcement(run: Run, difference_id: str, found: Difference) -> Announcement:
    """That the provider's books differ from ours in a way that nothing mends."""
    return Announcement(
        type="reconciliation.mismatch",
        payment_id=found.payment_id,
        data={
            "differenceId": difference_id,
            "runId": run.id,
            "class": found.drift.value,
            "subject": found.subject.value,
            "provider": run.provider,
            "paymentId": found.payment_id,
            "ourId": found.our_id,
            "providerReference": found.their_id,
            "here": found.here,
            "there": found.there,
        },
    )


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
