"""Dodo's objects as its API and its webhooks show them, without what nobody reads."""

from typing import Any, Final

Json = dict[str, Any]

PAYMENT: Final[Json] = {
    "payload_type": "Payment",
    "payment_id": "pay_theirs",
    "checkout_session_id": "cks_1",
    "business_id": "bus_1",
    "created_at": "2026-11-21T11:59:00.123456Z",
    "status": "succeeded",
    "total_amount": 1990000,
    "currency": "HUF",
    "settlement_amount": 5100,
    "settlement_currency": "USD",
    "error_code": None,
    "error_message": None,
    "subscription_id": None,
    "metadata": {"paysaga_payment": "pay_ours", "plan": "pro"},
}
REFUND: Final[Json] = {
    "payload_type": "Refund",
    "refund_id": "ref_theirs",
    "payment_id": "pay_theirs",
    "created_at": "2026-11-21T11:59:00Z",
    "is_partial": True,
    "amount": 490000,
    "currency": "HUF",
    "status": "succeeded",
    "metadata": {"paysaga_payment": "pay_ours", "paysaga_refund": "ref_ours"},
}
DISPUTE: Final[Json] = {
    "payload_type": "Dispute",
    "dispute_id": "dp_1",
    "payment_id": "pay_theirs",
    "created_at": "2026-11-21T11:59:00Z",
    "amount": "1990000",
    "currency": "HUF",
    "dispute_stage": "dispute",
    "dispute_status": "dispute_opened",
    "reason": "fraudulent",
}
SUBSCRIPTION: Final[Json] = {
    "payload_type": "Subscription",
    "subscription_id": "sub_theirs",
    "status": "active",
    "created_at": "2026-11-20T12:00:00Z",
    "previous_billing_date": "2026-11-20T12:00:00Z",
    "next_billing_date": "2026-12-20T12:00:00Z",
    "trial_period_days": 0,
    "cancel_at_next_billing_date": False,
    "cancelled_at": None,
    "customer": {"customer_id": "cus_theirs"},
    "product_id": "pdt_pro",
    "quantity": 2,
    "metadata": {"paysaga_subscription": "sub_ours"},
}
