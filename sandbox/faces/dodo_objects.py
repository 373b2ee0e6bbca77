"""Dodo Payments' objects and ids, laid out from what our core knows."""

from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sandbox import customers
from sandbox.checkout import Session
from sandbox.customers import Customer, Method
from sandbox.dialects import Shown
from sandbox.disputes import Dispute
from sandbox.faces.dodo_forms import CUSTOMER
from sandbox.faces.dodo_subscriptions import Subscription, who
from sandbox.payments import Payment
from sandbox.refunds import Refund
from sandbox.store import Query, Record
from sandbox.wire import shown_instant
from sandbox.world import World

BRAND: Final = "brnd_sandbox"
_NO_ADDRESS: Final = {"city": "", "country": "US", "state": "", "street": "", "zipcode": ""}
_DISPUTE_STATES: Final = {
    "inquiry": "dispute_opened",
    "open": "dispute_opened",
    "under_review": "dispute_challenged",
    "won": "dispute_won",
    "lost": "dispute_lost",
    "closed": "dispute_cancelled",
}


def business(account: str) -> str:
    """Name the business behind an account."""
    return f"bus_{account}"


def payment_id(session: str) -> str:
    """Name the payment of a session."""
    return "pay_" + session.rpartition("_")[2]


def session_id(payment: str) -> str:
    """Name the session of a payment."""
    return "cks_" + payment.removeprefix("pay_")


def customer_id(account: str, email: str) -> str:
    """Name a customer who was introduced by an address."""
    return "cus_" + sha256(f"{account}:{email}".encode()).hexdigest()[:20]


def session(of: Session) -> Shown:
    """Lay out how a checkout stands; without a payment until the payer acts."""
    return {
        "id": of.id,
        "created_at": shown_instant(of.created_at),
        "customer_email": of.customer_email,
        "customer_name": of.asked["customer"]["name"],
        "payment_id": payment_id(of.id) if of.attempted_at else None,
        "payment_status": payment_status(of),
    }


def payment_status(of: Session) -> str | None:
    """Say how the payment of a session stands; None until the payer acts."""
    if of.attempted_at is None:
        return None
    if of.status == "complete":
        return "succeeded" if of.payment_status == "paid" else of.payment_status
    if of.status != "open":
        return "cancelled" if of.status == "cancelled" else "failed"
    return "requires_customer_action" if of.challenge else "requires_payment_method"


def _head(of: Session, acted_at: datetime, taken: Payment | None) -> Shown:
    """Lay out what a payment shows in a list and alone."""
    bought = of.asked.get("subscription")
    return {
        "brand_id": BRAND,
        "card_last_four": taken.last4 if taken else None,
        "charge_type": None,
        "checkout_session_id": None if of.asked.get("bill") else of.id,
        "created_at": shown_instant(acted_at),
        "currency": of.currency_captured or of.currency,
        "customer": of.asked["customer"],
        "digital_products_delivered": False,
        "includes_usage": False,
        "invoice_id": None,
        "invoice_url": None,
        "is_multi_subscription": False,
        "metadata": of.metadata,
        "payment_id": payment_id(of.id),
        "payment_method": "bank_transfer" if of.bank else "card",
        "payment_method_type": None,
        "payment_provider": "dodo",
        "refund_status": _refund_status(taken),
        "retry_attempt": 0,
        "service_periods": [],
        "status": payment_status(of),
        "subscription_id": bought,
        "subscription_ids": [bought] if bought else [],
        "total_amount": of.amount_captured or of.amount,
    }


def payment_in_list(world: World, of: Session) -> Shown:
    """Lay out the payment of a session that was tried, as lists show it."""
    taken = _taken(world, of)
    disputes = world.store.all(Dispute, Query(parent=taken.id)) if taken else []
    latest = dispute(disputes[-1])["dispute_status"] if disputes else None
    shown = _head(of, of.attempted_at or of.created_at, taken)
    return {**shown, "dispute_status": latest, "has_license_key": False}


def payment(world: World, of: Session) -> Shown:
    """Lay out the payment of a session that was tried, with its refunds and disputes."""
    taken = _taken(world, of)
    error = of.last_error or {}
    code = error.get("code")
    hanging = Query(parent=taken.id if taken else "nothing")
    shown = _head(of, of.attempted_at or of.created_at, taken)
    return {
        **shown,
        "billing": {**_NO_ADDRESS, **of.asked["billing"]},
        "business_id": business(of.account),
        "discount_id": None,
        "disputes": [dispute(one) for one in world.store.all(Dispute, hanging)],
        "error_code": code.upper() if code else None,
        "error_message": error.get("message"),
        "is_update_payment_method": False,
        "payment_link": None if of.asked.get("bill") else of.url,
        "product_cart": [
            {"product_id": item["product_id"], "quantity": item["quantity"]} for item in of.asked["cart"]
        ],
        "refunds": [refund_in_list(world, one) for one in world.store.all(Refund, hanging)],
        "settlement_amount": shown["total_amount"],
        "settlement_currency": shown["currency"],
        "settlement_tax": 0,
        "tax": 0,
        "updated_at": None,
    }


def _taken(world: World, of: Session) -> Payment | None:
    return world.store.get(Payment, of.payment) if of.payment else None


def _refund_status(taken: Payment | None) -> str | None:
    if taken is None or not taken.amount_refunded:
        return None
    return "full" if taken.amount_refunded == taken.amount else "partial"


def refund_in_list(world: World, of: Refund) -> Shown:
    """Lay out a refund as lists show it."""
    taken = world.store.get(Payment, of.payment)
    return {
        "amount": of.amount,
        "business_id": business(of.account),
        "created_at": shown_instant(of.created_at),
        "currency": of.currency,
        "is_partial": taken is not None and of.amount < taken.amount,
        "payment_id": payment_id(of.session),
        "reason": of.reason,
        "refund_id": of.id,
        "status": of.status,
    }


def refund(world: World, of: Refund) -> Shown:
    """Lay out a refund alone."""
    return {
        **refund_in_list(world, of),
        "brand_id": BRAND,
        "customer": _customer(world, of),
        "metadata": of.asked.get("metadata", {}),
        "network_reference": None,
    }


def dispute(of: Dispute) -> Shown:
    """Lay out a dispute as lists show it. Its amount is a string."""
    state = f"dispute_{of.because}" if of.because else _DISPUTE_STATES[of.status]
    return {
        "amount": str(of.amount),
        "business_id": business(of.account),
        "created_at": shown_instant(of.created_at),
        "currency": of.currency,
        "dispute_id": of.id,
        "dispute_stage": "dispute" if of.taken else "pre_dispute",
        "dispute_status": state,
        "is_resolved_by_rdr": False,
        "payment_id": payment_id(of.session),
        "payment_provider": "dodo",
        "remarks": None,
    }


def whole_dispute(world: World, of: Dispute) -> Shown:
    """Lay out a dispute alone."""
    return {**dispute(of), "brand_id": BRAND, "customer": _customer(world, of), "reason": of.reason}


def customer(of: Customer) -> Shown:
    """Lay out a customer."""
    return {
        **who(of),
        "business_id": business(of.account),
        "created_at": shown_instant(of.created_at),
        "metadata": {CUSTOMER: of.reference} if of.reference else {},
        "phone_number": None,
    }


def saved_method(of: Method) -> Shown:
    """Lay out a card that is kept."""
    return {
        "payment_method": "card",
        "payment_method_id": of.id,
        "payment_method_type": None,
        "card": {"card_network": (of.brand or "").upper() or None, "last4_digits": of.last4},
        "last_used_at": None,
        "recurring_enabled": True,
    }


def subscription(world: World, of: Subscription) -> Shown:
    """Lay out a subscription as it stands."""
    holder = customers.find(world, of.customer)
    frequency = of.plan.interval.capitalize()
    return {
        "addons": [],
        "billing": {**_NO_ADDRESS, **of.billing},
        "brand_id": BRAND,
        "cancel_at_next_billing_date": of.cancel_at_next,
        "cancelled_at": shown_instant(of.cancelled_at) if of.cancelled_at else None,
        "created_at": shown_instant(of.created_at),
        "credit_entitlement_cart": [],
        "currency": of.plan.currency,
        "customer": who(holder),
        "discount_cycles_remaining": None,
        "discount_id": None,
        "expires_at": None,
        "has_payment_method": holder.payment_method is not None,
        "metadata": of.metadata,
        "meter_credit_entitlement_cart": [],
        "meters": [],
        "next_billing_date": shown_instant(of.until),
        "on_demand": False,
        "payment_frequency_count": 1,
        "payment_frequency_interval": frequency,
        "previous_billing_date": shown_instant(of.since),
        "product_id": of.product,
        "quantity": of.quantity,
        "recurring_pre_tax_amount": of.plan.amount,
        "status": of.status,
        "subscription_id": of.id,
        "subscription_period_count": 10,
        "subscription_period_interval": "Year",
        "tax_inclusive": True,
        "trial_period_days": of.trial_days,
    }


def _customer(world: World, of: Record) -> Any:
    found = world.store.get(Session, getattr(of, "session", ""))
    return None if found is None else found.asked["customer"]
