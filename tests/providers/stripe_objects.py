"""Objects as Stripe tells them, with what the adapter reads and little else."""

from typing import Any

from tests.providers.stripe_orders import PAYMENT_ID

Json = dict[str, Any]

DECLINE = {"code": "card_declined", "decline_code": "insufficient_funds", "message": "Not enough."}


def session(status: str = "complete", paid: str = "paid", **more: object) -> Json:
    return {
        "object": "checkout.session",
        "id": "cs_test_1",
        "mode": "payment",
        "status": status,
        "payment_status": paid,
        "amount_total": 1_990_000,
        "currency": "huf",
        "client_reference_id": PAYMENT_ID,
        "metadata": {"paysaga_payment": PAYMENT_ID},
        "payment_intent": "pi_1",
        "livemode": False,
        "created": 1_795_262_400,
        "url": None,
    } | more


def intent(status: str, **more: object) -> Json:
    return {
        "object": "payment_intent",
        "id": "pi_1",
        "status": status,
        "amount_received": 1_990_000,
        "currency": "huf",
        "metadata": {"paysaga_payment": PAYMENT_ID},
        "livemode": True,
    } | more


def refund(status: str, **more: object) -> Json:
    return {
        "object": "refund",
        "id": "re_1",
        "status": status,
        "amount": 1_990_000,
        "currency": "huf",
        "payment_intent": "pi_1",
        "metadata": {"paysaga_refund": "ref_1", "paysaga_payment": PAYMENT_ID},
    } | more


def dispute(status: str, **more: object) -> Json:
    return {
        "object": "dispute",
        "id": "dp_1",
        "status": status,
        "amount": 1_990_000,
        "currency": "huf",
        "payment_intent": "pi_1",
        "reason": "fraudulent",
        "evidence_details": {"due_by": 1_795_262_400},
        "balance_transactions": [],
        "livemode": False,
        "metadata": {},
    } | more


def subscription(status: str = "active", **more: object) -> Json:
    item = {"id": "si_1", "price": {"id": "price_1"}, "quantity": 2}
    return {
        "object": "subscription",
        "id": "sub_1",
        "status": status,
        "customer": "cus_1",
        "items": {
            "data": [item | {"current_period_start": 1_795_262_400, "current_period_end": 1_797_854_400}]
        },
        "metadata": {"paysaga_subscription": "sub_ours"},
        "cancel_at_period_end": False,
        "livemode": False,
    } | more


def invoice(status: str | None = "open", **more: object) -> Json:
    details = {"subscription": "sub_1", "metadata": {"paysaga_subscription": "sub_ours"}}
    return {
        "object": "invoice",
        "id": "in_1",
        "status": status,
        "amount_due": 1_990_000,
        "currency": "huf",
        "parent": {"type": "subscription_details", "subscription_details": details},
        "livemode": False,
    } | more
