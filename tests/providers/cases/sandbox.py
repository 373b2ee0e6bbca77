"""What the suite must know of the sandbox: small answers of the kind that ``python -m sandbox`` gives."""

from collections.abc import Sequence

from domain.evidence import Observation, Word
from domain.subscription import ClockObservation, CustomerObservation
from providers.sandbox import Sandbox
from tests.providers.case import Case, Event, Place, Sent, heard_dispute, heard_paid, heard_refund
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
    PRICE,
    REFUND,
    REFUNDED,
)


def session(**changes: Json) -> Json:
    return {
        "id": CHECKOUT,
        "object": "checkout_session",
        "created_at": MADE.isoformat(),
        "reference": ORDER.payment_id,
        "status": "open",
        "payment_status": "unpaid",
        "amount": PRICE.amount_minor,
        "currency": PRICE.currency,
        "amount_captured": 0,
        "currency_captured": None,
        "payment": None,
        "mode": "test",
        "last_error": None,
        "url": f"https://pay.example/{CHECKOUT}",
        **changes,
    }


def paid(units: int = PRICE.amount_minor, currency: str = PRICE.currency) -> Json:
    captured = {"amount_captured": units, "currency_captured": currency}
    return session(status="complete", payment_status="paid", payment=CAPTURE, **captured)


def capture(name: str = CAPTURE) -> Json:
    return {
        "id": name,
        "object": "payment",
        "created_at": MADE.isoformat(),
        "reference": ORDER.payment_id,
        "session": CHECKOUT,
        "status": "succeeded",
        "amount": PRICE.amount_minor,
        "currency": PRICE.currency,
        "mode": "test",
    }


def charged(**changes: Json) -> Json:
    return {
        "id": "ch_test",
        "object": "charge",
        "created_at": MADE.isoformat(),
        "reference": CHARGE.payment_id,
        "status": "succeeded",
        "amount": PRICE.amount_minor,
        "currency": PRICE.currency,
        "amount_captured": PRICE.amount_minor,
        "currency_captured": PRICE.currency,
        "payment": CAPTURE,
        "mode": "test",
        "last_error": None,
        **changes,
    }


def customer() -> Json:
    return {
        "id": CUSTOMER,
        "object": "customer",
        "created_at": MADE.isoformat(),
        "reference": "cus_ours",
        "payment_method": METHOD,
        "mode": "test",
    }


def refund(name: str = REFUNDED) -> Json:
    return {
        "id": name,
        "object": "refund",
        "created_at": MADE.isoformat(),
        "payment": CAPTURE,
        "reference": REFUND.id,
        "payment_reference": ORDER.payment_id,
        "status": "succeeded",
        "amount": PRICE.amount_minor,
        "currency": PRICE.currency,
        "mode": "test",
        "failure": None,
    }


def dispute(name: str = DISPUTE, status: str = "open") -> Json:
    return {
        "id": name,
        "object": "dispute",
        "created_at": MADE.isoformat(),
        "reference": ORDER.payment_id,
        "status": status,
        "amount": PRICE.amount_minor,
        "fee": 500_000,
        "currency": PRICE.currency,
        "reason": "fraudulent",
        "evidence_due_by": MADE.isoformat(),
        "mode": "test",
    }


def heard_charge(heard: Sequence[object]) -> bool:
    (said,) = heard
    if not isinstance(said, Observation) or (said.word, said.captured) != (Word.PAID, PRICE):
        return False
    return (said.payment_id, said.reference) == (CHARGE.payment_id, "ch_test")


def heard_customer(heard: Sequence[object]) -> bool:
    (said,) = heard
    if not isinstance(said, CustomerObservation) or said.raw_state != "customer.method_saved":
        return False
    return (said.reference, said.customer_id) == (CUSTOMER, "cus_ours")


def heard_clock(heard: Sequence[object]) -> bool:
    (said,) = heard
    return isinstance(said, ClockObservation) and said.ahead_seconds == 86_400


_ENTRY = {"list_payments": capture, "list_refunds": refund, "list_disputes": dispute}


def page(verb: str, names: Sequence[str], more: bool) -> Json:  # noqa: FBT001 - what companies call has_more
    cursor = f"after-{names[-1] if names else 'nothing'}" if more else None
    return {"data": [_ENTRY[verb](name) for name in names], "has_more": more, "next_cursor": cursor}


def _script_of_paid(units: int, currency: str) -> Script:
    return [Rule("GET", f"/v1/checkout_sessions/{CHECKOUT}", paid(units, currency))]


def _sent(asked: Asked) -> Sent:
    # A refund names no currency: it is that of the payment.
    return Sent(asked.json["amount"], asked.json.get("currency", "HUF"))


_BY_STATUS, _IN_LIST = (Place(0, "status"),), (Place(0, "data.0.status"),)
_SESSION = (Place(0, "status"), Place(0, "payment_status"))

CASE = Case(
    provider=Sandbox,
    secrets={
        "apiKey": "sk_sandbox_canary_one",
        "webhookSecret": new_secret(1),
        "previousWebhookSecret": new_secret(41),
    },
    other={
        "apiKey": "sk_sandbox_canary_two",
        "webhookSecret": new_secret(81),
        "previousWebhookSecret": new_secret(121),
    },
    private=("apiKey", "webhookSecret", "previousWebhookSecret"),
    api_key="apiKey",
    webhook_secrets=("webhookSecret", "previousWebhookSecret"),
    scripts={
        "open_checkout": [Rule("POST", "/v1/checkout_sessions", session(), 201)],
        "open_keeping": [Rule("POST", "/v1/checkout_sessions", session(), 201)],
        "read_checkout": _script_of_paid(PRICE.amount_minor, PRICE.currency),
        "close_checkout": [
            Rule("POST", f"/v1/checkout_sessions/{CHECKOUT}/expire", session(status="expired")),
            Rule("GET", f"/v1/checkout_sessions/{CHECKOUT}", paid()),
        ],
        "find_checkout": [
            Rule("GET", "/v1/checkout_sessions", {"data": [session()], "next_cursor": None}),
            Rule("GET", "/v1/charges", {"data": [], "next_cursor": None}),
        ],
        "refund": [
            Rule("POST", "/v1/refunds", refund()),
            Rule("GET", f"/v1/checkout_sessions/{CHECKOUT}", paid()),
        ],
        "find_refund": [Rule("GET", "/v1/refunds", page("list_refunds", [REFUNDED], more=False))],
        "ensure_customer": [Rule("POST", "/v1/customers", customer(), 201)],
        "portal_url": [Rule("POST", "/v1/portal_sessions", {"url": "https://pay.example/portal/po_1"}, 201)],
        "open_setup": [
            Rule(
                "POST", "/v1/setup_sessions", {"id": CHECKOUT, "url": f"https://pay.example/{CHECKOUT}"}, 201
            )
        ],
        "saved_methods": [
            Rule(
                "GET",
                f"/v1/customers/{CUSTOMER}/payment_methods",
                {"data": [{"id": METHOD, "kind": "card", "brand": "visa", "last4": "4242"}]},
            )
        ],
        "charge_saved": [Rule("POST", "/v1/charges", charged(), 201)],
        "find_charge": [
            Rule("GET", "/v1/charges", {"data": [charged()], "next_cursor": None}),
            Rule("GET", "/v1/checkout_sessions", {"data": [], "next_cursor": None}),
        ],
        "read_dispute": [Rule("GET", f"/v1/disputes/{DISPUTE}", dispute())],
        "answer_dispute": [Rule("POST", f"/v1/disputes/{DISPUTE}/evidence", dispute(status="under_review"))],
        "list_payments": [Rule("GET", "/v1/payments", page("list_payments", [CAPTURE], more=False))],
        "list_refunds": [Rule("GET", "/v1/refunds", page("list_refunds", [REFUNDED], more=False))],
        "list_disputes": [Rule("GET", "/v1/disputes", page("list_disputes", [DISPUTE], more=False))],
    },
    states={
        "read_checkout": _SESSION,
        "close_checkout": _SESSION,
        "find_checkout": (Place(0, "data.0.status"), Place(0, "data.0.payment_status")),
        "refund": _BY_STATUS,
        "find_refund": _IN_LIST,
        "charge_saved": _BY_STATUS,
        "find_charge": _IN_LIST,
        "read_dispute": _BY_STATUS,
        "answer_dispute": _BY_STATUS,
        "list_payments": _IN_LIST,
        "list_refunds": _IN_LIST,
        "list_disputes": _IN_LIST,
    },
    paid=_script_of_paid,
    sent={"open_checkout": _sent, "charge_saved": _sent, "refund": _sent},
    page=page,
    entries="data",
    full_page={"list_payments": 2, "list_refunds": 2, "list_disputes": 2},
    events={
        "paid": Event({"type": "checkout.completed", "data": paid()}, heard_paid, ("data.status",)),
        "refund": Event({"type": "refund.succeeded", "data": refund()}, heard_refund, ("data.status",)),
        "dispute": Event({"type": "dispute.opened", "data": dispute()}, heard_dispute, ("data.status",)),
        "charge": Event({"type": "charge.succeeded", "data": charged()}, heard_charge, ("data.status",)),
        "customer": Event({"type": "customer.method_saved", "data": customer()}, heard_customer),
        "clock": Event(
            {"type": "clock.advanced", "data": {"object": "clock", "ahead_seconds": 86_400}}, heard_clock
        ),
        "none of ours": Event({"type": "payout.paid", "data": {"object": "payout"}}, lambda heard: not heard),
    },
    sign=standard_webhook,
    signature_header="webhook-signature",
    error=lambda status, message: {"error": {"code": f"code_{status}", "message": message}},
)
