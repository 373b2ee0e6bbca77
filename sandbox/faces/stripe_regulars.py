"""Stripe's objects for those who pay again: customers, what they keep, charges without them, their pages."""

from sandbox.charges import Charge
from sandbox.customers import Customer, Method
from sandbox.dialects import Shown
from sandbox.faces.stripe_forms import CUSTOMER, SETUP
from sandbox.faces.stripe_objects import INTENT, SESSION, amount_out, charge_id, payment_error, seconds
from sandbox.portals import Portal
from sandbox.setups import Setup

_STATES = {"succeeded": "succeeded", "failed": "requires_payment_method", "cancelled": "canceled"}


def customer(of: Customer) -> Shown:
    """Lay out a customer."""
    nothing = dict.fromkeys(("custom_fields", "footer", "rendering_options"))
    return {
        "id": of.id,
        "object": "customer",
        "balance": 0,
        "created": seconds(of, "created_at"),
        "delinquent": False,
        "email": of.email,
        "invoice_prefix": "SANDBOX",
        "invoice_settings": {**nothing, "default_payment_method": of.payment_method},
        "livemode": False,
        "metadata": {CUSTOMER: of.reference} if of.reference else {},
        "name": of.name,
        "preferred_locales": [],
        "tax_exempt": "none",
        **dict.fromkeys(("address", "currency", "default_source", "description", "discount", "phone")),
        **dict.fromkeys(("shipping", "test_clock")),
    }


def method(of: Method) -> Shown:
    """Lay out a card that is kept."""
    card = {
        "brand": of.brand or "unknown",
        "exp_month": 12,
        "exp_year": 2040,
        "funding": "credit",
        "last4": of.last4,
        **dict.fromkeys(
            ("checks", "country", "generated_from", "networks", "three_d_secure_usage", "wallet")
        ),
    }
    return {
        "id": of.id,
        "object": "payment_method",
        "billing_details": dict.fromkeys(("address", "email", "name", "phone", "tax_id")),
        "card": card,
        "created": seconds(of, "created_at"),
        "customer": of.customer,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def intent(of: Charge) -> Shown:
    """Lay out the payment intent of a charge without its payer."""
    currency = of.currency_captured or of.currency
    total = amount_out(of.amount_captured or of.amount, currency)
    return {
        **INTENT,
        "id": of.id,
        "amount": total,
        "amount_received": total if of.payment else 0,
        "cancellation_reason": of.given_up,
        "created": seconds(of, "created_at"),
        "currency": currency.lower(),
        "customer": of.customer,
        "description": of.description,
        "last_payment_error": payment_error(of.last_error),
        "latest_charge": charge_id(of.payment) if of.payment else None,
        "metadata": of.metadata,
        "next_action": None,
        "payment_method": of.payment_method if of.payment else None,
        "status": _STATES[of.status],
    }


def setup_session(of: Setup) -> Shown:
    """Lay out a checkout session that takes nothing."""
    return {
        **SESSION,
        "id": of.id,
        "amount_subtotal": None,
        "amount_total": None,
        "cancel_url": of.cancel_url,
        "client_reference_id": of.reference,
        "created": seconds(of, "created_at"),
        "currency": None,
        "customer": of.customer,
        "customer_details": None,
        "customer_email": None,
        "expires_at": seconds(of, "expires_at"),
        "metadata": {SETUP: of.reference} if of.reference else {},
        "mode": "setup",
        "payment_intent": None,
        "payment_status": "no_payment_required",
        "status": of.status if of.status in {"complete", "open"} else "expired",
        "success_url": of.success_url,
        "ui_mode": "hosted_page",
        "url": of.url if of.status == "open" else None,
    }


def portal(of: Portal) -> Shown:
    """Lay out a visit to the portal."""
    return {
        "id": of.id,
        "object": "billing_portal.session",
        "configuration": "bpc_sandbox",
        "created": seconds(of, "created_at"),
        "customer": of.customer,
        "flow": None,
        "livemode": False,
        "locale": None,
        "on_behalf_of": None,
        "return_url": of.return_url,
        "url": of.url,
    }
