"""Stripe's objects, ids and amounts, laid out from what our core knows."""

from typing import Final

from sandbox.checkout import Session
from sandbox.clock import to_microseconds
from sandbox.dialects import Shown
from sandbox.disputes import FEE, Dispute
from sandbox.errors import Refused, invalid
from sandbox.payments import Payment
from sandbox.refunds import Refund
from sandbox.store import Record

# docs.stripe.com/currencies: what Stripe counts otherwise than ISO 4217 does, and what it rounds to tens.
_HUNDREDFOLD: Final = frozenset({"ISK", "UGX"})
_HUNDREDTH: Final = frozenset({"MGA"})
_IN_TENS: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
_LEAST: Final = {"EUR": 50, "GBP": 30, "HUF": 17_500, "USD": 50}
"""The smallest payments, of those that are best known."""

_DECLINES: Final = {
    "card_declined": ("card_declined", "generic_decline"),
    "insufficient_funds": ("card_declined", "insufficient_funds"),
    "lost_card": ("card_declined", "lost_card"),
    "stolen_card": ("card_declined", "stolen_card"),
    "expired_card": ("expired_card", "expired_card"),
    "incorrect_cvc": ("incorrect_cvc", "incorrect_cvc"),
    "processing_error": ("processing_error", "processing_error"),
    "invalid_number": ("incorrect_number", "incorrect_number"),
    "authentication_failed": ("payment_intent_authentication_failure", None),
    "authentication_required": ("authentication_required", "authentication_required"),
    "bank_refused": ("payment_intent_payment_attempt_failed", None),
}
_EVIDENCE: Final = (
    *("access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure"),
    *("cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name"),
    *("customer_purchase_ip", "customer_signature", "duplicate_charge_documentation"),
    *("duplicate_charge_explanation", "duplicate_charge_id", "product_description", "receipt"),
    *("refund_policy", "refund_policy_disclosure", "refund_refusal_explanation", "service_date"),
    *("service_documentation", "shipping_address", "shipping_carrier", "shipping_date"),
    *("shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text"),
)
EVIDENCE: Final = frozenset(_EVIDENCE)

# What is the same of every session and of every intent here.
SESSION: Final[Shown] = {
    "object": "checkout.session",
    "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
    "custom_fields": [],
    "custom_text": dict.fromkeys(
        ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    ),
    "livemode": False,
    "mode": "payment",
    "payment_method_options": {},
    "payment_method_types": ["card"],
    "phone_number_collection": {"enabled": False},
    "shipping_options": [],
    "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    **dict.fromkeys(("client_secret", "customer", "invoice", "payment_link", "setup_intent", "submit_type")),
    **dict.fromkeys(("shipping_address_collection", "shipping_cost", "subscription")),
}
INTENT: Final[Shown] = {
    "object": "payment_intent",
    "amount_capturable": 0,
    "amount_details": {"tip": {}},
    "capture_method": "automatic_async",
    "confirmation_method": "automatic",
    "livemode": False,
    "payment_method_options": {},
    "payment_method_types": ["card"],
    **dict.fromkeys(("application", "application_fee_amount", "automatic_payment_methods", "canceled_at")),
    **dict.fromkeys(("client_secret", "customer", "on_behalf_of", "payment_method", "processing", "source")),
    **dict.fromkeys(("receipt_email", "review", "setup_future_usage", "shipping", "transfer_data")),
    **dict.fromkeys(("statement_descriptor", "statement_descriptor_suffix", "transfer_group")),
}


def amount_out(amount: int, currency: str) -> int:
    """Count an amount of ISO 4217 minor units as Stripe does."""
    if currency in _HUNDREDFOLD:
        return amount * 100
    return amount // 100 if currency in _HUNDREDTH else amount


def price_in(amount: int, currency: str) -> int:
    """Count what a payment asks for; refuse what Stripe does not take or calls too little."""
    if amount < _LEAST.get(currency, 1):
        raise Refused(
            400, "amount_too_small", f"in {currency}, {_LEAST[currency]} is the least", "line_items"
        )
    return amount_in(amount, currency)


def amount_in(amount: int, currency: str) -> int:
    """Count an amount of Stripe's in ISO 4217 minor units; refuse one that Stripe does not take."""
    if currency in _HUNDREDTH:
        return amount * 100
    if currency in _IN_TENS and amount % 10:
        raise invalid(f"amounts in {currency} end in 0")
    if currency not in _HUNDREDFOLD:
        return amount
    if amount % 100:
        raise invalid(f"amounts in {currency} end in 00")
    return amount // 100


def intent_id(session: str) -> str:
    """Name the payment intent of a session."""
    return "pi_" + session.rpartition("_")[2]


def session_id(intent: str) -> str:
    """Name the session of a payment intent."""
    return "cs_test_" + intent.removeprefix("pi_")


def charge_id(payment: str) -> str:
    """Name the charge of a payment."""
    return "ch_" + payment.removeprefix("py_")


def payment_id(charge: str) -> str:
    """Name the payment of a charge."""
    return "py_" + charge.removeprefix("ch_")


def session(of: Session) -> Shown:
    """Lay out a checkout session."""
    currency = of.currency_captured or of.currency
    return {
        **SESSION,
        "id": of.id,
        "amount_subtotal": amount_out(of.amount, of.currency),
        "amount_total": amount_out(of.amount_captured or of.amount, currency),
        "cancel_url": of.cancel_url,
        "client_reference_id": of.asked.get("client_reference_id"),
        "created": seconds(of, "created_at"),
        "currency": currency.lower(),
        "customer": of.asked.get("customer"),
        "customer_details": _customer(of),
        "customer_email": of.customer_email,
        "expires_at": seconds(of, "expires_at"),
        "metadata": of.metadata,
        "payment_intent": intent_id(of.id) if of.attempted_at else None,
        "payment_status": "paid" if of.payment_status == "paid" else "unpaid",
        "status": of.status if of.status in {"complete", "open"} else "expired",
        "success_url": of.asked.get("success_url"),
        "ui_mode": of.asked.get("ui_mode"),
        "url": of.url if of.status == "open" else None,
    }


def _customer(of: Session) -> Shown | None:
    if of.customer_email is None:
        return None
    nothing = dict.fromkeys(("address", "business_name", "individual_name", "name", "phone", "tax_ids"))
    return {**nothing, "email": of.customer_email, "tax_exempt": "none"}


def intent(of: Session) -> Shown:
    """Lay out the payment intent of a session that was tried."""
    currency, status = of.currency_captured or of.currency, _intent_status(of)
    total = amount_out(of.amount_captured or of.amount, currency)
    return {
        **INTENT,
        "id": intent_id(of.id),
        "amount": total,
        "amount_received": total if of.payment else 0,
        "cancellation_reason": "automatic" if status == "canceled" else None,
        "created": seconds(of, "attempted_at"),
        "currency": currency.lower(),
        "customer": of.asked.get("customer"),
        "description": of.asked.get("intent_description"),
        "last_payment_error": payment_error(of.last_error, bank=of.bank is not None),
        "latest_charge": charge_id(of.payment) if of.payment else None,
        "metadata": of.asked.get("intent_metadata", {}),
        "next_action": {"type": "use_stripe_sdk"} if status == "requires_action" else None,
        "status": status,
    }


def _intent_status(of: Session) -> str:
    if of.payment_status == "paid":
        return "succeeded"
    if of.payment_status == "processing":
        return "processing"
    if of.status == "expired":
        return "canceled"
    return "requires_action" if of.challenge else "requires_payment_method"


def payment_error(last: dict[str, str] | None, *, bank: bool = False) -> Shown | None:
    """Lay out why the last attempt failed, if it did."""
    if last is None:
        return None
    code, decline_code = _DECLINES[last["code"]]
    kind = "invalid_request_error" if bank else "card_error"
    shown = {"type": kind, "code": code, "message": last["message"]}
    return shown if decline_code is None else {**shown, "decline_code": decline_code}


def charge(of: Payment) -> Shown:
    """Lay out the charge of a payment."""
    amount = amount_out(of.amount, of.currency)
    return {
        "id": charge_id(of.id),
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": amount_out(of.amount_refunded, of.currency),
        "balance_transaction": None,
        "billing_details": dict.fromkeys(("address", "email", "name", "phone", "tax_id")),
        "captured": True,
        "created": seconds(of, "created_at"),
        "currency": of.currency.lower(),
        "customer": None,
        "disputed": of.disputed,
        "livemode": False,
        "metadata": {},
        "paid": True,
        "payment_intent": intent_id(of.session),
        "payment_method_details": {
            "type": "card",
            "card": {"brand": "visa", "exp_month": 12, "exp_year": 2040, "last4": of.last4},
        },
        "refunded": of.amount_refunded == of.amount,
        "status": "succeeded",
    }


def refund(of: Refund) -> Shown:
    """Lay out a refund."""
    shown = {
        "id": of.id,
        "object": "refund",
        "amount": amount_out(of.amount, of.currency),
        "balance_transaction": None,
        "charge": charge_id(of.payment),
        "created": seconds(of, "created_at"),
        "currency": of.currency.lower(),
        "destination_details": {"type": "card", "card": {"type": "refund"}},
        "metadata": of.asked.get("metadata", {}),
        "payment_intent": intent_id(of.session),
        "reason": of.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": of.status,
        "transfer_reversal": None,
    }
    return {**shown, "failure_reason": "expired_or_canceled_card"} if of.failure else shown


def dispute(of: Dispute, now: int) -> Shown:
    """Lay out a dispute as it stands at an instant."""
    given = {name: value for name, value in (of.evidence or {}).items() if value}
    due_by = seconds(of, "evidence_due_by")
    return {
        "id": of.id,
        "object": "dispute",
        "amount": amount_out(of.amount, of.currency),
        "balance_transactions": _balance_transactions(of),
        "charge": charge_id(of.payment),
        "created": seconds(of, "created_at"),
        "currency": of.currency.lower(),
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}, **given},
        "evidence_details": {
            "due_by": due_by,
            "enhanced_eligibility": {},
            "has_evidence": bool(given),
            "past_due": due_by is not None and due_by < now,
            "submission_count": int(of.submitted),
        },
        "is_charge_refundable": not of.taken,
        "livemode": False,
        "metadata": of.asked.get("metadata", {}),
        "payment_intent": intent_id(of.session),
        "reason": of.reason,
        "status": _dispute_status(of),
    }


def _dispute_status(of: Dispute) -> str:
    if of.status == "inquiry":
        return "warning_under_review" if of.submitted else "warning_needs_response"
    if of.status == "closed":  # a cardholder who withdraws lets the merchant win
        return "won" if of.taken else "warning_closed"
    return "needs_response" if of.status == "open" else of.status


def _balance_transactions(of: Dispute) -> list[Shown]:
    """What a dispute took, and what came back."""
    if not of.taken:
        return []
    back = of.status in {"won", "closed"}
    return [_balance_transaction(of, sign) for sign in ((-1, 1) if back else (-1,))]


def _balance_transaction(of: Dispute, sign: int) -> Shown:
    amount, fee = sign * amount_out(of.amount, of.currency), -sign * amount_out(FEE, of.currency)
    created = seconds(of, "created_at")
    word = "dispute" if sign < 0 else "dispute_reversal"
    return {
        "id": f"txn_{of.id.rpartition('_')[2]}{'w' if sign < 0 else 'r'}",
        "object": "balance_transaction",
        "amount": amount,
        "available_on": created,
        "created": created,
        "currency": of.currency.lower(),
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": amount - fee,
        "reporting_category": word,
        "source": of.id,
        "status": "available",
        "type": "adjustment",
    }


def seconds(record: Record, name: str) -> int | None:
    """Tell an instant as Stripe does: in whole seconds since 1970."""
    instant = getattr(record, name)
    return None if instant is None else to_microseconds(instant) // 1_000_000
