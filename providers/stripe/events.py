"""Stripe's webhooks: whether a body is Stripe's, and what it tells. Pure.

The SDK's own verifier accepts any future timestamp, knows one secret, and wants the body to be text; so this
is ours. The tests use the SDK's as an independent judge.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from domain.errors import SignatureInvalid, SignatureMissing, UnreadableEvent
from domain.evidence import Channel, Observation, Word
from domain.signatures import TOLERANCE
from domain.subscription import (
    CustomerObservation,
    InvoiceObservation,
    InvoiceWord,
    SubscriptionObservation,
)
from providers.base import ILLEGIBLE, Heard, evidence
from providers.stripe import words
from providers.stripe.words import Said

_TIMESTAMP: Final = re.compile(r"[0-9]{1,20}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Return when any of ``secrets`` made any of the ``v1`` signatures over these bytes, just now.

    Raises ``SignatureMissing`` when the header is absent or unreadable, and ``SignatureInvalid`` when it is
    wrong, stale or from the future. Every secret meets every signature in constant time.
    """
    sent = {name.lower(): value for name, value in headers.items()}.get("stripe-signature", "")
    parts = [part.strip().partition("=") for part in sent.split(",")]
    times = [value for name, _, value in parts if name == "t" and _TIMESTAMP.fullmatch(value)]
    signatures = [value for name, _, value in parts if name == "v1" and _SIGNATURE.fullmatch(value)]
    if len(times) != 1 or not signatures:
        raise SignatureMissing
    # Whole seconds: a header may hold more of them than a datetime can.
    if abs(int(now.timestamp()) - int(times[0])) > int(TOLERANCE.total_seconds()):
        raise SignatureInvalid("The timestamp is too far from now")
    signed = f"{times[0]}.".encode() + body
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    # A sum rather than any(), which would tell by its haste which secret matched.
    if not sum(hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures):
        raise SignatureInvalid


class _Event(NamedTuple):
    subject: Said
    before: Said
    """What of the subject was otherwise before, where the event tells."""
    kind: str
    id: Any
    created: object
    now: datetime


def read(body: bytes, now: datetime) -> list[Heard]:
    """What an authentic event tells; nothing, when it is about nothing of ours.

    Raises ``UnreadableEvent``, and nothing else, whatever the bytes.
    """
    try:
        told = json.loads(body)
        data = told["data"]
        # Refunds do not say of which mode they are; their event does.
        subject = {"livemode": told.get("livemode"), **data["object"]}
        before = data.get("previous_attributes") or {}
        event = _Event(subject, before, str(told["type"]), told["id"], told.get("created"), now)
        reader = _READERS.get(str(subject.get("object")))
        heard = None if reader is None else reader(event)
    except ILLEGIBLE as error:
        raise UnreadableEvent("stripe: an authentic event cannot be read") from error
    return [] if heard is None else [heard.model_copy(update={"evidence_sha256": evidence(body)})]


def _checkout(event: _Event) -> Heard | None:
    session, mode = event.subject, event.subject["mode"]
    if mode == "setup" and event.kind == "checkout.session.completed":
        return _customer(event, session["customer"])
    if mode != "payment":
        # What begins a subscription is told by the subscription.
        return None
    said = words.checkout(session, Channel.WEBHOOK, event.id, event.now)
    if said.payment_id is None:
        return None
    if event.kind == "checkout.session.async_payment_failed" and said.word is Word.PROCESSING:
        # The session goes on saying "complete/unpaid"; only the payment intent, or this event, tells why.
        return said.model_copy(update={"word": Word.FAILED, "raw_state": f"{said.raw_state}/{event.kind}"})
    return said


def _intent(event: _Event) -> Observation | None:
    """Of a payment intent at a checkout the session tells all but this: that an attempt was declined."""
    intent = event.subject
    if words.is_charge(intent):
        told = event.kind in _OF_CHARGES and words.noted(intent, words.PAYMENT) is not None
        return words.charge(intent, Channel.WEBHOOK, event.id, event.now) if told else None
    if event.kind == "payment_intent.payment_failed":
        return words.failed_attempt(intent, event.id, event.now)
    return None


def _subscription(event: _Event) -> SubscriptionObservation:
    return words.subscription(event.subject, event.id, event.now, words.moment(event.created))


def _invoice(event: _Event) -> InvoiceObservation | None:
    if event.kind == "invoice.upcoming":
        # A bill that does not exist yet, and has no name.
        return None
    said = words.invoice(event.subject, event.id, event.now)
    if said is not None and event.kind == "invoice.payment_failed" and said.word is InvoiceWord.OPEN:
        return said.model_copy(update={"word": InvoiceWord.PAYMENT_FAILED})
    return said


def _setup(event: _Event) -> CustomerObservation | None:
    kept = event.kind == "setup_intent.succeeded"
    return _customer(event, event.subject["customer"]) if kept else None


def _method(event: _Event) -> CustomerObservation | None:
    if event.kind not in {"payment_method.attached", "payment_method.detached"}:
        return None
    # What was taken away belongs to nobody any more.
    return _customer(event, event.subject["customer"] or event.before.get("customer"))


def _favourite(event: _Event) -> CustomerObservation | None:
    """Of a customer's own changes only this matters: by what they want to be charged."""
    changed = "default_payment_method" in (event.before.get("invoice_settings") or {})
    return _customer(event, event.subject) if changed and event.kind == "customer.updated" else None


def _customer(event: _Event, customer: object) -> CustomerObservation | None:
    name = words.named(customer)
    return words.methods_changed(event.subject, name, event.kind, event.id, event.now)


# One that was cancelled, we cancelled ourselves: that would contradict what we made of it.
_OF_CHARGES: Final = frozenset({"payment_intent.succeeded", "payment_intent.payment_failed"})
_READERS: Final[Mapping[str, Callable[[_Event], Heard | None]]] = {
    "checkout.session": _checkout,
    "payment_intent": _intent,
    "refund": lambda event: words.refund(event.subject, event.id, event.now),
    "dispute": lambda event: words.dispute(event.subject, event.id, event.now),
    "subscription": _subscription,
    "invoice": _invoice,
    "setup_intent": _setup,
    "payment_method": _method,
    "customer": _favourite,
}
