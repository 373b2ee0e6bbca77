"""Every type of event that a tenant can be told, and when it is told.

Filters of endpoints are checked against these, and the catalogue in the documents is made of them.
"""

from collections.abc import Mapping
from typing import Final, Literal

EVENT_TYPES: Final[Mapping[str, str]] = {
    "payment.created": "The order was taken, and its idempotency key is used for ever.",
    "payment.pending": "The provider has a checkout open: the payer can pay.",
    "payment.succeeded": "The money arrived, exactly as ordered, and what the order grants is granted.",
    "payment.failed": "The provider definitely refused, or its last word on the checkout was a failure.",
    "payment.expired": "Nobody paid in time, and the checkout takes no more money.",
    "payment.cancelled": "You or the payer gave up, and the checkout takes no more money.",
    "payment.unknown": "The provider was called, and nobody can say yet what happened. We go on asking.",
    "payment.review": "Money arrived that does not match the order: two people decide about it.",
    "payment.late_succeeded": (
        "Money arrived after the end. Your setting `latePayment` decides what becomes of it, and "
        "`payment.succeeded`, `payment.review` or `refund.requested` says so."
    ),
    "refund.requested": (
        "A refund was asked for and its amount reserved; above your threshold it waits for approval."
    ),
    "refund.approved": "A second person agreed: the refund is on its way.",
    "refund.rejected": (
        "A second person refused, or nobody decided in time. The reserved amount is free again."
    ),
    "refund.succeeded": "The provider gave the money back.",
    "refund.failed": (
        "The money did not go back, and can be asked for again. A bank may say so days after a success."
    ),
    "dispute.inquiry_opened": "The payer's bank asks about a payment; it has taken no money.",
    "dispute.inquiry_closed": "An inquiry was closed without a dispute.",
    "dispute.opened": "The payer's bank has taken the money back for now, and the right is off.",
    "dispute.evidence_due": "The deadline for your evidence is three days away, or one.",
    "dispute.won": (
        "The money stays yours, or the payer has withdrawn; the right is on again if it still runs."
    ),
    "dispute.lost": "The money is gone for good, and the right with it.",
    "entitlement.granted": "A user has a right, for the first time or again.",
    "entitlement.revoked": (
        "A user's right is off: refunded, disputed, or its subscription gives nothing any more."
    ),
    "subscription.created": "Somebody was sent to a checkout to subscribe.",
    "subscription.trialing": "A trial has begun.",
    "subscription.trial_will_end": "A trial ends within three days.",
    "subscription.activated": (
        "It is paid, or free, and gives what its plan says: for the first time, or after a debt was paid."
    ),
    "subscription.renewed": "The next period is paid and runs.",
    "subscription.past_due": "A charge failed. It is tried again, and access goes on as `grace`.",
    "subscription.unpaid": "All tries were in vain. It gives nothing until somebody pays.",
    "subscription.paused": "It rests: nothing is charged and nothing given.",
    "subscription.resumed": "It goes on after a pause.",
    "subscription.changed": "Its price, quantity or end has changed, or will at the end of the period.",
    "subscription.canceled": "It is over.",
    "subscription.incomplete_expired": "Its first payment did not come in time; it never began.",
    "invoice.created": "An invoice has its number and is owed.",
    "invoice.paid": "An invoice is paid. One of nothing is paid as it is made.",
    "invoice.payment_failed": (
        "A charge for an invoice failed; the subscription says whether it is tried again."
    ),
    "invoice.voided": "An invoice is not owed any more, or `replacedBy` names the one that took its place.",
    "invoice.marked_uncollectible": "An invoice is still owed, and we have stopped asking for it.",
    "reconciliation.mismatch": "The provider's books differ from ours in a way that nothing mends by itself.",
    "endpoint.disabled": (
        "One of your endpoints is sent nothing more until you enable it; its backlog is kept."
    ),
    "endpoint.test": "You asked for a test of one of your endpoints. It is sent to that one only.",
}

SubscriptionNews = Literal[
    "created",
    "trialing",
    "trial_will_end",
    "activated",
    "renewed",
    "past_due",
    "unpaid",
    "paused",
    "resumed",
    "changed",
    "canceled",
    "incomplete_expired",
]
"""What can be told of a subscription: its events, by their names behind ``subscription.``."""
