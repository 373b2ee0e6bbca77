"""What the suite must know of Stripe: small answers of the shapes in its reference (API 2026-10-28)."""

import hmac
from collections.abc import Sequence
from datetime import datetime

from providers.stripe.adapter import Stripe
from tests.providers.case import (
    Case,
    Event,
    Place,
    Sent,
    heard_customer,
    heard_dispute,
    heard_invoice,
    heard_paid,
    heard_refund,
    heard_subscription,
)
from tests.providers.scripted import Asked, Json, Rule, Script
from tests.providers.verbs import (
    CAPTURE,
    CHARGE,
    CHECKOUT,
    CUSTOMER,
    DISPUTE,
    MADE,
    METHOD,
    NOW,
    ORDER,
    PLAN,
    PRICE,
    REFUND,
    REFUNDED,
    SUBSCRIPTION,
)

CREATED = int(MADE.timestamp())
SESSIONS = "/v1/checkout/sessions"
INTENTS = "/v1/payment_intents"
CHARGED = f"pi_{CAPTURE}"
"""A charge goes by its payment intent, and is told by how that begins."""


def session(**changes: Json) -> Json:
    return {
        "id": CHECKOUT,
        "object": "checkout.session",
        "created": CREATED,
        "mode": "payment",
        "status": "open",
        "payment_status": "unpaid",
        "amount_total": PRICE.amount_minor,
        "currency": "huf",
        "client_reference_id": ORDER.payment_id,
        "metadata": {"paysaga_payment": ORDER.payment_id},
        "payment_intent": None,
        "livemode": False,
        "url": f"https://checkout.stripe.test/c/{CHECKOUT}",
        **changes,
    }


def intent(**changes: Json) -> Json:
    return {
        "id": CAPTURE,
        "object": "payment_intent",
        "created": CREATED,
        "status": "succeeded",
        "amount": PRICE.amount_minor,
        "amount_received": PRICE.amount_minor,
        "currency": "huf",
        "last_payment_error": None,
        "livemode": False,
        "metadata": {"paysaga_payment": CHARGE.payment_id, "paysaga_kind": "charge"},
        **changes,
    }


def paid(units: int = PRICE.amount_minor, currency: str = "huf", payment_intent: Json = CAPTURE) -> Json:
    money = {"amount_total": units, "currency": currency.lower()}
    return session(status="complete", payment_status="paid", payment_intent=payment_intent, **money)


def refund(name: str = REFUNDED) -> Json:
    return {
        "id": name,
        "object": "refund",
        "created": CREATED,
        "status": "succeeded",
        "amount": PRICE.amount_minor,
        "currency": "huf",
        "payment_intent": CAPTURE,
        "metadata": {"paysaga_refund": REFUND.id, "paysaga_payment": ORDER.payment_id},
    }


def dispute(name: str = DISPUTE, status: str = "needs_response") -> Json:
    return {
        "id": name,
        "object": "dispute",
        "created": CREATED,
        "status": status,
        "amount": PRICE.amount_minor,
        "currency": "huf",
        "payment_intent": CAPTURE,
        "reason": "fraudulent",
        "balance_transactions": [{"fee": 500_000, "currency": "huf"}],
        "evidence_details": {"due_by": CREATED + 86_400},
        "livemode": False,
        "metadata": {},
    }


def subscription() -> Json:
    item = {
        "id": "si_1",
        "object": "subscription_item",
        "price": {"id": PLAN, "object": "price"},
        "quantity": 1,
        "current_period_start": CREATED,
        "current_period_end": CREATED + 2_592_000,
    }
    return {
        "id": SUBSCRIPTION,
        "object": "subscription",
        "created": CREATED,
        "status": "active",
        "customer": CUSTOMER,
        "items": listed([item]),
        "trial_end": None,
        "cancel_at": None,
        "canceled_at": None,
        "cancel_at_period_end": True,
        "livemode": False,
        "metadata": {"paysaga_subscription": "sub_ours"},
    }


def invoice() -> Json:
    return {
        "id": "in_1",
        "object": "invoice",
        "status": "paid",
        "amount_due": PRICE.amount_minor,
        "currency": "huf",
        "livemode": False,
        "parent": {"subscription_details": {"subscription": SUBSCRIPTION, "metadata": {}}},
    }


def method() -> Json:
    return {
        "id": METHOD,
        "object": "payment_method",
        "type": "card",
        "created": CREATED,
        "customer": CUSTOMER,
        "card": {"brand": "visa", "last4": "4242"},
    }


def customer() -> Json:
    chosen = {"default_payment_method": METHOD}
    return {
        "id": CUSTOMER,
        "object": "customer",
        "invoice_settings": chosen,
        "livemode": False,
        "metadata": {},
    }


def listed(data: Sequence[Json], *, more: bool = False, kind: str = "list") -> Json:
    return {"object": kind, "data": list(data), "has_more": more, "url": "/v1/things"}


def page(verb: str, names: Sequence[str], more: bool) -> Json:  # noqa: FBT001 - what companies call has_more
    if verb == "list_payments":
        # Known by the money; the list goes on from the session.
        entries = [paid(payment_intent=name) | {"id": f"session-of-{name}"} for name in names]
    else:
        entries = [refund(name) if verb == "list_refunds" else dispute(name) for name in names]
    return listed(entries, more=more)


def _read(said: Json) -> Rule:
    return Rule("GET", f"{SESSIONS}/{CHECKOUT}", said)


def _script_of_paid(units: int, currency: str) -> Script:
    return [_read(paid(units, currency, intent()))]


def _sent(asked: Asked) -> Sent:
    form = asked.form
    price = "line_items[0][price_data]"
    # A refund names no currency: it is that of the payment.
    units, currency = form.get(f"{price}[unit_amount]"), form.get(f"{price}[currency]")
    return Sent(int(units or form["amount"]), currency or form.get("currency", "HUF"))


def sign(secrets: Sequence[str], body: bytes, at: datetime) -> dict[str, str]:
    """By docs.stripe.com/webhooks: HMAC-SHA256 over ``timestamp.body``, the secret as it is written."""
    stamp = str(int(at.timestamp()))
    made = [hmac.digest(secret.encode(), f"{stamp}.".encode() + body, "sha256").hex() for secret in secrets]
    return {"stripe-signature": ",".join([f"t={stamp}", *(f"v1={signature}" for signature in made)])}


def _event(kind: str, thing: Json) -> Json:
    return {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created": CREATED,
        "livemode": False,
        "data": {"object": thing},
    }


_BY_STATUS, _IN_LIST = (Place(0, "status"),), (Place(0, "data.0.status"),)
_STATUS = ("data.object.status",)
_SESSION = (Place(0, "status"), Place(0, "payment_status"))

CASE = Case(
    provider=Stripe,
    secrets={
        "apiKey": "sk_test_canary_one",
        "webhookSecret": "whsec_canary_three",
        "previousWebhookSecret": "whsec_canary_four",
    },
    other={
        "apiKey": "sk_test_canary_two",
        "webhookSecret": "whsec_canary_five",
        "previousWebhookSecret": "whsec_canary_six",
    },
    private=("apiKey", "webhookSecret", "previousWebhookSecret"),
    api_key="apiKey",
    webhook_secrets=("webhookSecret", "previousWebhookSecret"),
    scripts={
        "open_checkout": [Rule("POST", SESSIONS, session())],
        "open_keeping": [Rule("POST", SESSIONS, session(customer=CUSTOMER))],
        "read_checkout": _script_of_paid(PRICE.amount_minor, "huf"),
        "close_checkout": [
            Rule("POST", f"{SESSIONS}/{CHECKOUT}/expire", session(status="expired")),
            _read(paid()),
        ],
        "find_checkout": [Rule("GET", SESSIONS, listed([session()])), _read(session())],
        "refund": [Rule("POST", "/v1/refunds", refund()), _read(paid())],
        "find_refund": [Rule("GET", "/v1/refunds", listed([refund()])), _read(paid())],
        "read_dispute": [Rule("GET", f"/v1/disputes/{DISPUTE}", dispute())],
        "answer_dispute": [Rule("POST", f"/v1/disputes/{DISPUTE}", dispute(status="under_review"))],
        "list_payments": [
            Rule("GET", SESSIONS, page("list_payments", [CAPTURE], False)),
            Rule("GET", INTENTS, listed([])),
        ],
        "list_refunds": [Rule("GET", "/v1/refunds", page("list_refunds", [REFUNDED], False))],
        "list_disputes": [Rule("GET", "/v1/disputes", page("list_disputes", [DISPUTE], False))],
        "ensure_customer": [
            Rule("GET", "/v1/customers/search", listed([], kind="search_result")),
            Rule("POST", "/v1/customers", {"id": CUSTOMER, "object": "customer"}),
        ],
        "portal_url": [
            Rule(
                "POST",
                "/v1/billing_portal/sessions",
                {"id": "bps_1", "object": "billing_portal.session", "url": "https://billing.stripe.test/p/1"},
            )
        ],
        "open_setup": [Rule("POST", SESSIONS, session(mode="setup", amount_total=None, currency=None))],
        "saved_methods": [
            Rule("GET", f"/v1/customers/{CUSTOMER}/payment_methods", listed([method()])),
            Rule("GET", f"/v1/customers/{CUSTOMER}", customer()),
        ],
        "charge_saved": [Rule("POST", INTENTS, intent())],
        "find_charge": [
            Rule("GET", INTENTS, listed([intent(id=CHARGED)])),
            Rule("GET", SESSIONS, listed([])),
            Rule("GET", f"{INTENTS}/{CHARGED}", intent(id=CHARGED)),
        ],
        "subscribe": [Rule("POST", SESSIONS, session(mode="subscription"))],
        "read_subscription": [Rule("GET", f"/v1/subscriptions/{SUBSCRIPTION}", subscription())],
        "cancel_subscription": [
            Rule("POST", f"/v1/subscriptions/{SUBSCRIPTION}", subscription()),
            Rule("GET", f"/v1/subscriptions/{SUBSCRIPTION}", subscription()),
        ],
        "keep_subscription": [Rule("POST", f"/v1/subscriptions/{SUBSCRIPTION}", subscription())],
        "change_subscription": [
            Rule("POST", f"/v1/subscriptions/{SUBSCRIPTION}", subscription()),
            Rule("GET", f"/v1/subscriptions/{SUBSCRIPTION}", subscription()),
        ],
    },
    states={
        "read_checkout": _SESSION,
        "close_checkout": _SESSION,
        "find_checkout": (Place(1, "status"), Place(1, "payment_status")),
        "refund": _BY_STATUS,
        "find_refund": _IN_LIST,
        "read_dispute": _BY_STATUS,
        "answer_dispute": _BY_STATUS,
        "list_payments": _IN_LIST,
        "list_refunds": _IN_LIST,
        "list_disputes": _IN_LIST,
        "charge_saved": _BY_STATUS,
        "find_charge": (Place(2, "status"),),
        "read_subscription": _BY_STATUS,
        "cancel_subscription": _BY_STATUS,
        "keep_subscription": _BY_STATUS,
        "change_subscription": _BY_STATUS,
    },
    paid=_script_of_paid,
    sent={"open_checkout": _sent, "refund": _sent, "charge_saved": _sent},
    page=page,
    entries="data",
    full_page={"list_payments": 2, "list_refunds": 2, "list_disputes": 2},
    endless={
        "find_charge": [
            Rule("GET", INTENTS, listed([intent(metadata={})], more=True)),
            Rule("GET", SESSIONS, listed([])),
        ],
        "find_checkout": [
            Rule("GET", SESSIONS, listed([session(client_reference_id="other", metadata={})], more=True))
        ],
        "find_refund": [
            Rule("GET", "/v1/refunds", listed([refund() | {"metadata": {}}], more=True)),
            _read(paid()),
        ],
    },
    events={
        "paid": Event(
            _event("checkout.session.completed", paid()),
            heard_paid,
            ("data.object.status", "data.object.payment_status"),
        ),
        "refund": Event(_event("refund.updated", refund()), heard_refund, _STATUS),
        "dispute": Event(_event("charge.dispute.created", dispute()), heard_dispute, _STATUS),
        "subscription": Event(
            _event("customer.subscription.updated", subscription()), heard_subscription, _STATUS
        ),
        "invoice": Event(_event("invoice.paid", invoice()), heard_invoice, _STATUS),
        "charge": Event(_event("payment_intent.succeeded", intent(id=CHARGED)), heard_paid, _STATUS),
        "customer": Event(_event("payment_method.attached", method()), heard_customer),
        "none of ours": Event(
            _event("payout.paid", {"object": "payout", "id": "po_1"}), lambda heard: not heard
        ),
    },
    sign=sign,
    signature_header="stripe-signature",
    error=lambda status, message: {
        "error": {
            "type": "card_error" if status == 402 else "invalid_request_error",
            "code": "card_declined" if status == 402 else "resource_missing" if status == 404 else None,
            "message": message,
            "doc_url": f"https://docs.stripe.test/{int(NOW.timestamp())}",
        }
    },
)
