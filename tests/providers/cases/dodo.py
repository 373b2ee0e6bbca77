"""What the suite must know of Dodo Payments: small answers of the shapes that its reference gives."""

from collections.abc import Sequence

from providers.dodo.adapter import Dodo
from tests.providers.case import (
    Case,
    Event,
    Place,
    Sent,
    heard_dispute,
    heard_invoice,
    heard_paid,
    heard_refund,
    heard_subscription,
)
from tests.providers.scripted import Asked, Json, Rule, Script
from tests.providers.signing import new_secret, standard_webhook
from tests.providers.verbs import (
    CAPTURE,
    CHARGE,
    CHECKOUT,
    CUSTOMER,
    DISPUTE,
    MADE,
    METHOD,
    ORDER,
    PLAN,
    PRICE,
    REFUND,
    REFUNDED,
    SUBSCRIPTION,
)


def session(payment: str | None = CAPTURE, status: str | None = "succeeded") -> Json:
    return {
        "id": CHECKOUT,
        "created_at": MADE.isoformat(),
        "payment_id": payment,
        "payment_status": status,
    }


def payment(**changes: Json) -> Json:
    return {
        "payment_id": CAPTURE,
        "checkout_session_id": CHECKOUT,
        "created_at": MADE.isoformat(),
        "status": "succeeded",
        "total_amount": PRICE.amount_minor,
        "currency": PRICE.currency,
        "error_code": None,
        "error_message": None,
        "subscription_id": None,
        "product_cart": [{"product_id": "pdt_any", "quantity": 1}],
        "metadata": {"paysaga_payment": ORDER.payment_id},
        **changes,
    }


def refund(name: str = REFUNDED) -> Json:
    return {
        "refund_id": name,
        "payment_id": CAPTURE,
        "created_at": MADE.isoformat(),
        "status": "succeeded",
        "amount": PRICE.amount_minor,
        "currency": PRICE.currency,
        "is_partial": False,
        "metadata": {"paysaga_refund": REFUND.id, "paysaga_payment": ORDER.payment_id},
    }


def brief(name: str = REFUNDED) -> Json:
    """A refund as lists show it."""
    return {key: value for key, value in refund(name).items() if key != "metadata"}


def dispute(name: str = DISPUTE) -> Json:
    return {
        "dispute_id": name,
        "payment_id": CAPTURE,
        "created_at": MADE.isoformat(),
        "amount": str(PRICE.amount_minor),
        "currency": PRICE.currency,
        "dispute_stage": "dispute",
        "dispute_status": "dispute_opened",
    }


def subscription() -> Json:
    return {
        "subscription_id": SUBSCRIPTION,
        "created_at": MADE.isoformat(),
        "status": "active",
        "customer": {"customer_id": CUSTOMER},
        "product_id": PLAN,
        "quantity": 1,
        "previous_billing_date": MADE.isoformat(),
        "next_billing_date": "2026-12-21T12:00:00Z",
        "trial_period_days": 0,
        "cancel_at_next_billing_date": True,
        "cancelled_at": None,
        "metadata": {"paysaga_subscription": "sub_ours"},
    }


def page(verb: str, names: Sequence[str], more: bool) -> Json:  # noqa: ARG001, FBT001 - a full page promises more
    if verb == "list_payments":
        return {"items": [payment(payment_id=name) for name in names]}
    return {"items": [refund(name) if verb == "list_refunds" else dispute(name) for name in names]}


def _payment(**changes: Json) -> Rule:
    return Rule("GET", f"/payments/{CAPTURE}", payment(**changes))


_OPENED = {"session_id": CHECKOUT, "checkout_url": f"https://checkout.dodo.test/{CHECKOUT}"}
_CHECKOUT = Rule("GET", f"/checkouts/{CHECKOUT}", session())
_SUBSCRIPTION = Rule("GET", f"/subscriptions/{SUBSCRIPTION}", subscription())
_STRANGERS = [payment(metadata={}, payment_id=f"pay_{number}") for number in range(100)]


def _script_of_paid(units: int, currency: str) -> Script:
    return [_payment(total_amount=units, currency=currency), _CHECKOUT]


def _sent(asked: Asked) -> Sent:
    said = asked.json
    if "product_cart" in said:
        (sold,) = said["product_cart"]
        return Sent(sold["amount"], said["billing_currency"])
    if "product_price" in said:
        return Sent(said["product_price"], said["product_currency"])
    (returned,) = said["items"]
    return Sent(returned["amount"], said["currency"])


def _event(kind: str, thing: Json) -> Json:
    payload = kind.partition(".")[0].capitalize()
    return {
        "type": kind,
        "business_id": "bus_1",
        "timestamp": MADE.isoformat(),
        "data": {"payload_type": payload, **thing},
    }


_BY_STATUS = (Place(0, "status"),)

CASE = Case(
    provider=Dodo,
    secrets={
        "apiKey": "dodo_canary_one",
        "webhookSecret": new_secret(2),
        "previousWebhookSecret": new_secret(42),
        "productId": "pdt_any",
        "environment": "test_mode",
    },
    other={
        "apiKey": "dodo_canary_two",
        "webhookSecret": new_secret(82),
        "previousWebhookSecret": new_secret(122),
        "productId": "pdt_other",
        "environment": "test_mode",
    },
    private=("apiKey", "webhookSecret", "previousWebhookSecret"),
    api_key="apiKey",
    webhook_secrets=("webhookSecret", "previousWebhookSecret"),
    scripts={
        "open_checkout": [Rule("POST", "/checkouts", _OPENED)],
        "open_keeping": [Rule("POST", "/checkouts", _OPENED)],
        "read_checkout": _script_of_paid(PRICE.amount_minor, PRICE.currency),
        "close_checkout": [Rule("GET", f"/checkouts/{CHECKOUT}", session(None, None))],
        "find_checkout": [_payment(), Rule("GET", "/payments", {"items": [payment()]})],
        "refund": [Rule("POST", "/refunds", refund()), _CHECKOUT, _payment()],
        "find_refund": [
            Rule("GET", f"/refunds/{REFUNDED}", refund()),
            _CHECKOUT,
            _payment(refunds=[brief()]),
        ],
        "read_dispute": [Rule("GET", f"/disputes/{DISPUTE}", dispute())],
        "list_payments": [Rule("GET", "/payments", {"items": [payment()]})],
        "list_refunds": [
            Rule("GET", "/refunds", {"items": [brief()]}),
            Rule("GET", f"/refunds/{REFUNDED}", refund()),
        ],
        "list_disputes": [Rule("GET", "/disputes", {"items": [dispute()]})],
        "ensure_customer": [
            Rule("GET", "/customers", {"items": []}),
            Rule("POST", "/customers", {"customer_id": CUSTOMER}),
        ],
        "portal_url": [
            Rule(
                "POST",
                f"/customers/{CUSTOMER}/customer-portal/session",
                {"link": "https://customer.dodo.test/p/1"},
            )
        ],
        "saved_methods": [
            Rule(
                "GET",
                f"/customers/{CUSTOMER}/payment-methods",
                {
                    "items": [
                        {
                            "payment_method_id": METHOD,
                            "payment_method": "card",
                            "card": {"card_network": "VISA", "last4_digits": "4242"},
                        }
                    ]
                },
            )
        ],
        "charge_saved": [
            _payment(checkout_session_id=None, metadata={"paysaga_payment": CHARGE.payment_id}),
            Rule("GET", "/payments", {"items": []}),
            Rule("POST", f"/subscriptions/{METHOD}/charge", {"payment_id": CAPTURE}),
        ],
        "find_charge": [
            _payment(checkout_session_id=None, metadata={"paysaga_payment": CHARGE.payment_id}),
            Rule("GET", "/payments", {"items": [payment(metadata={"paysaga_payment": CHARGE.payment_id})]}),
        ],
        "subscribe": [Rule("POST", "/checkouts", _OPENED)],
        "read_subscription": [_SUBSCRIPTION],
        "cancel_subscription": [
            Rule("PATCH", f"/subscriptions/{SUBSCRIPTION}", subscription()),
            _SUBSCRIPTION,
        ],
        "keep_subscription": [Rule("PATCH", f"/subscriptions/{SUBSCRIPTION}", subscription())],
        "change_subscription": [
            _SUBSCRIPTION,
            Rule("POST", f"/subscriptions/{SUBSCRIPTION}/change-plan", {"status": "applied"}),
        ],
    },
    states={
        "read_checkout": _BY_STATUS,
        "close_checkout": (Place(0, "payment_status"),),
        "find_checkout": _BY_STATUS,
        "refund": _BY_STATUS,
        "find_refund": _BY_STATUS,
        "read_dispute": (Place(0, "dispute_status"), Place(0, "dispute_stage")),
        "list_payments": (Place(0, "items.0.status"),),
        "list_refunds": (Place(1, "status"),),
        "list_disputes": (Place(0, "items.0.dispute_status"), Place(0, "items.0.dispute_stage")),
        "charge_saved": _BY_STATUS,
        "find_charge": _BY_STATUS,
        "read_subscription": _BY_STATUS,
        "cancel_subscription": _BY_STATUS,
        "keep_subscription": _BY_STATUS,
        "change_subscription": _BY_STATUS,
    },
    paid=_script_of_paid,
    sent={"open_checkout": _sent, "refund": _sent, "charge_saved": _sent},
    page=page,
    entries="items",
    full_page={"list_payments": 100, "list_refunds": 10, "list_disputes": 100},
    endless={
        "find_checkout": [Rule("GET", "/payments", {"items": _STRANGERS})],
        "charge_saved": [Rule("GET", "/payments", {"items": _STRANGERS})],
        "ensure_customer": [Rule("GET", "/customers", {"items": [{"customer_id": "cus_other"}] * 100})],
    },
    events={
        "paid": Event(_event("payment.succeeded", payment()), heard_paid, ("data.status",)),
        "refund": Event(_event("refund.succeeded", refund()), heard_refund, ("data.status",)),
        "dispute": Event(
            _event("dispute.opened", dispute()), heard_dispute, ("data.dispute_status", "data.dispute_stage")
        ),
        "subscription": Event(
            _event("subscription.active", subscription()), heard_subscription, ("data.status",)
        ),
        "invoice": Event(
            _event("payment.succeeded", payment(metadata={}, subscription_id=SUBSCRIPTION)),
            heard_invoice,
            ("data.status",),
        ),
        "none of ours": Event(
            _event("license_key.created", {"payload_type": "LicenseKey", "id": "lic_1"}),
            lambda heard: not heard,
        ),
    },
    sign=standard_webhook,
    signature_header="webhook-signature",
    error=lambda status, message: {"code": f"CODE_{status}", "message": message},
    key_header=None,
)
