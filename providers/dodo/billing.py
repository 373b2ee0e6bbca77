"""What Dodo Payments says of the schedules it runs, in our words: subscriptions, and their bills."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from domain.subscription import InvoiceObservation, InvoiceWord, SubscriptionObservation, SubscriptionWord
from providers.base import evidence, legible
from providers.dodo.money import money
from providers.dodo.wire import Thing
from providers.dodo.words import SUBSCRIPTION, Hearing, instant, instant_or_none, named

_SUBSCRIPTION_WORDS: Final[Mapping[str, SubscriptionWord]] = {
    "pending": SubscriptionWord.INCOMPLETE,
    "active": SubscriptionWord.ACTIVE,
    "on_hold": SubscriptionWord.PAST_DUE,
    "past_due": SubscriptionWord.PAST_DUE,
    "paused": SubscriptionWord.PAUSED,
    "cancelled": SubscriptionWord.CANCELED,
    "expired": SubscriptionWord.CANCELED,
    "failed": SubscriptionWord.INCOMPLETE_EXPIRED,
}

# Of a payment that it takes by itself: it keeps no other record of a bill.
_BILL_WORDS: Final[Mapping[str, InvoiceWord]] = {
    "requires_payment_method": InvoiceWord.OPEN,
    "requires_confirmation": InvoiceWord.OPEN,
    "requires_customer_action": InvoiceWord.OPEN,
    "requires_merchant_action": InvoiceWord.OPEN,
    "requires_capture": InvoiceWord.OPEN,
    "processing": InvoiceWord.OPEN,
    "succeeded": InvoiceWord.PAID,
    "failed": InvoiceWord.PAYMENT_FAILED,
    "cancelled": InvoiceWord.VOID,
}


@legible
def subscription_said(subscription: Thing, hearing: Hearing) -> SubscriptionObservation:
    status, trial = str(subscription.get("status")), subscription.get("trial_period_days") or 0
    word = _SUBSCRIPTION_WORDS.get(status, SubscriptionWord.UNCLEAR)
    trial_end = instant(subscription["created_at"]) + timedelta(days=trial) if trial else None
    begun = instant_or_none(subscription.get("previous_billing_date"))
    if word is SubscriptionWord.ACTIVE and trial_end is not None and hearing.at < trial_end:
        # What was billed for since is no trial, however early it is by our clock.
        word = SubscriptionWord.TRIALING if begun is None or begun < trial_end else word
    period_end = instant_or_none(subscription.get("next_billing_date"))
    ends = subscription.get("cancel_at_next_billing_date") is True
    return SubscriptionObservation(
        word=word,
        raw_state=status,
        cause_id=hearing.cause,
        subscription_id=named(subscription, SUBSCRIPTION),
        reference=subscription["subscription_id"],
        customer=(subscription.get("customer") or {}).get("customer_id"),
        price=subscription.get("product_id"),
        quantity=subscription.get("quantity"),
        current_period_start=begun,
        current_period_end=period_end,
        trial_end=trial_end,
        cancel_at=period_end if ends else None,
        canceled_at=instant_or_none(subscription.get("cancelled_at")),
        cancel_at_period_end=ends,
        sandbox=hearing.sandbox,
        observed_at=hearing.at,
        evidence_sha256=evidence(subscription),
    )


@legible
def bill_said(payment: Thing, hearing: Hearing) -> InvoiceObservation:
    """A payment for a subscription, which is all there is of its bill."""
    status = str(payment.get("status"))
    several = payment.get("subscription_ids") or (None,)
    return InvoiceObservation(
        word=_BILL_WORDS.get(status, InvoiceWord.UNCLEAR),
        raw_state=status,
        cause_id=hearing.cause,
        reference=payment["payment_id"],
        subscription=payment.get("subscription_id") or several[0],
        subscription_id=named(payment, SUBSCRIPTION),
        money=money(payment["total_amount"], payment["currency"]),
        sandbox=hearing.sandbox,
        observed_at=hearing.at,
        evidence_sha256=evidence(payment),
    )
