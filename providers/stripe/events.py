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
from typing import Any, Final

from domain.errors import SignatureInvalid, SignatureMissing, UnreadableEvent
from domain.evidence import Channel, Observation, Word
from domain.signatures import TOLERANCE
from domain.subscription import InvoiceWord
from providers.base import Heard, evidence
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


def read(body: bytes, now: datetime) -> list[Heard]:
    """What an authentic event tells; nothing, when it is about nothing of ours.

    Raises ``UnreadableEvent``, and nothing else, whatever the bytes.
    """
    try:
        event = json.loads(body)
        # Refunds do not say of which mode they are; their event does.
        subject = {"livemode": event.get("livemode"), **event["data"]["object"]}
        reader = _READERS.get(str(subject.get("object")))
        heard = None if reader is None else reader(subject, str(event["type"]), event["id"], now)
    except words.UNREADABLE as error:
        raise UnreadableEvent("stripe: an authentic event cannot be read") from error
    return [] if heard is None else [heard.model_copy(update={"evidence_sha256": evidence(body)})]


def _checkout(session: Said, kind: str, event: str, now: datetime) -> Heard | None:
    if session["mode"] != "payment":
        # What begins a subscription is told by the subscription.
        return None
    said = words.checkout(session, Channel.WEBHOOK, event, now)
    if said.payment_id is None:
        return None
    if kind == "checkout.session.async_payment_failed" and said.word is Word.PROCESSING:
        # The session goes on saying "complete/unpaid"; only the payment intent, or this event, tells why.
        return said.model_copy(update={"word": Word.FAILED, "raw_state": f"{said.raw_state}/{kind}"})
    return said


def _intent(intent: Said, kind: str, event: str, now: datetime) -> Observation | None:
    """Of a payment intent at a checkout the session tells all but this: that an attempt was declined."""
    if kind == "payment_intent.payment_failed":
        return words.failed_attempt(intent, event, now)
    if (intent.get("metadata") or {}).get(words.KIND) == words.CHARGE and kind == "payment_intent.succeeded":
        return words.charge(intent, Channel.WEBHOOK, event, now)
    return None


def _invoice(invoice: Said, kind: str, event: str, now: datetime) -> Heard | None:
    if kind == "invoice.upcoming":
        # A bill that does not exist yet, and has no name.
        return None
    said = words.invoice(invoice, event, now)
    if said is not None and kind == "invoice.payment_failed" and said.word is InvoiceWord.OPEN:
        return said.model_copy(update={"word": InvoiceWord.PAYMENT_FAILED})
    return said


_READERS: Final[Mapping[str, Callable[[Said, str, Any, datetime], Heard | None]]] = {
    "checkout.session": _checkout,
    "payment_intent": _intent,
    "refund": lambda refund, _, event, now: words.refund(refund, event, now),
    "dispute": lambda dispute, _, event, now: words.dispute(dispute, event, now),
    "subscription": lambda subscription, _, event, now: words.subscription(subscription, event, now),
    "invoice": _invoice,
}
