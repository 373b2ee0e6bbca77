"""What we ask of Stripe, in its words. Pure: the same order always makes the same request.

Stripe refuses a repeat under the same key that asks for anything else; so there is no clock in here.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from domain.errors import ProviderRejected, ValidationFailed
from domain.money import Money
from domain.payment import PaymentOrder
from domain.refund import Refund
from domain.subscription import Charge, SetupOrder, SubscriptionOrder
from domain.values import minted_at
from providers.base import key_of
from providers.stripe.units import UNITS
from providers.stripe.words import CHARGE, KIND, PAYMENT, REFUND, SETUP, SUBSCRIPTION

if TYPE_CHECKING:
    from stripe.params import PaymentIntentCreateParams, RefundCreateParams
    from stripe.params.checkout import SessionCreateParams, SessionListParamsCreated

# A session lives for half an hour at least from when Stripe makes it, and for a day at most. Stripe may be
# asked for it until the payment's own time is up, and each time for the same moment.
_SHORTEST: Final = timedelta(minutes=31)
_LONGEST: Final = timedelta(hours=23, minutes=55)

_METADATA: Final = 48
"""Stripe takes fifty; two are left to us."""
_FIELD: Final = 20_000
"""Characters that fit into one field of evidence."""


def payment_session(order: PaymentOrder, customer: str | None = None) -> "SessionCreateParams":
    """What is paid with is kept for a customer. Raises ``ProviderRejected`` for what has no session."""
    if not order.success_url:
        raise ProviderRejected("stripe: a payment needs a successUrl")
    ours = {PAYMENT: order.payment_id}
    wanted: SessionCreateParams = {
        "mode": "payment",
        "client_reference_id": order.payment_id,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": order.money.currency.lower(),
                    "unit_amount": units(order.money),
                    "product_data": {"name": order.description or order.order_id or order.payment_id},
                },
            }
        ],
        "payment_intent_data": {"metadata": ours},
        "metadata": _fitting(order.metadata) | ours,
        "expires_at": _closes(order.created_at, order.expires_at),
        "success_url": order.success_url,
    }
    if order.cancel_url:
        wanted["cancel_url"] = order.cancel_url
    if customer is not None:
        # Stripe takes a customer or an address, not both.
        wanted["customer"] = customer
        wanted["payment_intent_data"]["setup_future_usage"] = "off_session"
    elif order.customer_email:
        wanted["customer_email"] = order.customer_email
    return wanted


def setup_session(order: SetupOrder) -> "SessionCreateParams":
    """Raises ``ProviderRejected`` for what Stripe has no session for."""
    if not order.success_url:
        raise ProviderRejected("stripe: to keep a card, a success URL is needed")
    ours = {SETUP: order.id}
    wanted: SessionCreateParams = {
        "mode": "setup",
        "client_reference_id": order.id,
        "customer": order.customer,
        # For any other way of paying Stripe would have to know in which money.
        "allowed_payment_method_types": ["card"],
        "setup_intent_data": {"metadata": ours},
        "metadata": ours,
        "expires_at": _closes(minted(order.id), order.expires_at),
        "success_url": order.success_url,
    }
    if order.cancel_url:
        wanted["cancel_url"] = order.cancel_url
    return wanted


def subscription_session(order: SubscriptionOrder) -> "SessionCreateParams":
    """Raises ``ProviderRejected`` for what Stripe has no session for."""
    if not order.success_url:
        raise ProviderRejected("stripe: a subscription needs a success URL")
    ours = {SUBSCRIPTION: order.subscription_id}
    wanted: SessionCreateParams = {
        "mode": "subscription",
        "client_reference_id": order.subscription_id,
        "customer": order.customer,
        "line_items": [{"price": order.price, "quantity": order.quantity}],
        "subscription_data": {"metadata": ours},
        "metadata": ours,
        "expires_at": _closes(minted(order.subscription_id), order.expires_at),
        "success_url": order.success_url,
    }
    if order.trial_days:
        wanted["subscription_data"]["trial_period_days"] = order.trial_days
    if order.cancel_url:
        wanted["cancel_url"] = order.cancel_url
    return wanted


def refund(wish: Refund, capture: str) -> "RefundCreateParams":
    # Stripe's own reasons are three words; ours is kept beside them.
    reason = {} if wish.reason is None else {"reason": wish.reason[:500]}
    return {
        "payment_intent": capture,
        "amount": units(wish.money),
        "metadata": reason | {REFUND: wish.id, PAYMENT: wish.payment_id},
    }


def charge(wish: Charge) -> "PaymentIntentCreateParams":
    wanted: PaymentIntentCreateParams = {
        "amount": units(wish.money),
        "currency": wish.money.currency.lower(),
        "customer": wish.customer,
        "payment_method": wish.method,
        "confirm": True,
        "off_session": True,
        # Nobody is there to be sent anywhere.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": {PAYMENT: wish.payment_id, KIND: CHARGE},
    }
    if wish.description:
        wanted["description"] = wish.description
    return wanted


def evidence(facts: Mapping[str, Any]) -> str:
    """The tenant's statement and the signed proof; of a proof that is too long, what identifies it."""
    statement, proof = facts.get("statement") or "", facts.get("proof") or {}
    written = json.dumps(proof, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    told = f"{statement}\n\nSigned record of this payment:\n{written}".strip()
    if len(told) <= _FIELD:
        return told
    known = proof.get("facts") or {}
    named = {
        "type": proof.get("type"),
        "keyId": proof.get("keyId"),
        "paymentId": known.get("paymentId"),
        "at": known.get("at"),
        "sha256": sha256(written.encode()).hexdigest(),
        "signature": proof.get("signature"),
    }
    brief = f"\n\nSigned record of this payment, available on request:\n{json.dumps(named)}"
    return (statement[: _FIELD - len(brief)] + brief).strip()


def made_in(since: datetime, until: datetime) -> "SessionListParamsCreated":
    """Stripe counts whole seconds: rounded down at both ends, stretches that meet do not overlap."""
    return {"gte": int(since.timestamp()), "lt": int(until.timestamp())}


def anew(verb: str, reference: str, now: datetime) -> str:
    """A key for a write that means the same however often it is made."""
    return key_of(verb, reference, now.isoformat())


def minted(name: str) -> datetime:
    """When this name of ours was given. Raises ``ProviderRejected`` for one that is none of ours."""
    try:
        return minted_at(name)
    except ValueError as error:
        raise ProviderRejected("stripe: what we ask about is dated by its id, and this is none") from error


def units(money: Money) -> int:
    """The amount as Stripe counts it. Raises ``ProviderRejected`` for what it cannot express."""
    try:
        return UNITS.of(money)
    except ValidationFailed as error:
        raise ProviderRejected(f"stripe: {error.detail}") from error


def _closes(begun: datetime, due: datetime) -> int:
    """We close it ourselves when its time is up; this is for the case that we cannot."""
    return int(min(due + _SHORTEST, begun + _LONGEST).timestamp())


def _fitting(metadata: Mapping[str, str]) -> dict[str, str]:
    """As much of the tenant's own as Stripe takes. It is all kept with us."""
    fits = [
        (key, value)
        for key, value in metadata.items()
        if 0 < len(key) <= 40 and not {"[", "]"} & set(key) and len(value) <= 500
    ]
    return dict(fits[:_METADATA])
