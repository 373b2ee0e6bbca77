"""What the sandbox's objects say, in our words. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import httpx

from domain.dispute import DisputeObservation, DisputeWord
from domain.errors import OutcomeUnknown, ProviderDeclined, ProviderError, ProviderKeyReused
from domain.evidence import Channel, Observation, Word, storable
from domain.money import Money
from domain.reconciliation import Listed, Subject
from domain.refund import RefundObservation, RefundWord
from domain.said import Said as Tellable
from domain.subscription import ClockObservation, CustomerObservation, SavedMethod
from providers.base import ILLEGIBLE, Checkout, Heard, evidence, legible, unread, web_page

Said = Mapping[str, Any]

# (session status, payment status) -> our word. Whatever is not here is unclear, never success.
_WORDS: Final[Mapping[tuple[str, str], Word]] = {
    ("open", "unpaid"): Word.OPEN,
    ("open", "processing"): Word.PROCESSING,
    ("complete", "processing"): Word.PROCESSING,
    ("complete", "paid"): Word.PAID,
    ("complete", "failed"): Word.FAILED,
    ("expired", "unpaid"): Word.EXPIRED,
    ("cancelled", "unpaid"): Word.CANCELLED,
}

_CHARGE_WORDS: Final[Mapping[str, Word]] = {
    "succeeded": Word.PAID,
    "failed": Word.FAILED,
}

_REFUND_WORDS: Final[Mapping[str, RefundWord]] = {
    "pending": RefundWord.PENDING,
    "succeeded": RefundWord.SUCCEEDED,
    "failed": RefundWord.FAILED,
}

_DISPUTE_WORDS: Final[Mapping[str, DisputeWord]] = {
    "inquiry": DisputeWord.INQUIRY,
    "open": DisputeWord.OPENED,
    "under_review": DisputeWord.UNDER_REVIEW,
    "won": DisputeWord.WON,
    "lost": DisputeWord.LOST,
    "closed": DisputeWord.CLOSED,
}

MUST_COME: Final = "authentication_required"
"""The reason of a decline that the payer can put right by being there."""

# The same card will not do, however long one waits.
_FOR_GOOD: Final = frozenset(
    {"expired_card", "invalid_number", "lost_card", "payment_method_removed", "stolen_card"}
)


def refusal(status: int, said: Said) -> ProviderError | None:
    """What the sandbox means by an answer of 300 to 499; None leaves it to the status."""
    error = said.get("error")
    code = error.get("code") if isinstance(error, Mapping) else None
    if status == httpx.codes.BAD_REQUEST and code == "idempotency_mismatch":
        return ProviderKeyReused(f"sandbox answered {status}: {code}")
    if status == httpx.codes.PAYMENT_REQUIRED:
        reason = code if isinstance(code, str) else None
        return ProviderDeclined("sandbox: the bank declined", reason=reason, again=reason not in _FOR_GOOD)
    return None


@legible
def opened(said: Said) -> Checkout:
    """A page that was made for the payer."""
    return Checkout(reference=said["id"], url=said["url"])


@legible
def page(said: Said) -> str:
    """The address of a page that has no other name."""
    return web_page(said["url"])


@legible
def name(said: Said) -> str:
    """The company's name for a thing. Raises ``OutcomeUnknown`` where there is none."""
    found = said["id"]
    if not isinstance(found, str) or not found:
        raise TypeError("this is no name")
    return storable(found)


@legible
def methods(said: Said) -> tuple[SavedMethod, ...]:
    """What a customer keeps, in the order in which they want it used."""
    return tuple(
        SavedMethod(reference=name(one), kind=one["kind"], brand=one.get("brand"), last4=one.get("last4"))
        for one in said["data"]
    )


def _sandbox(said: Said) -> bool | None:
    return {"test": True, "live": False}.get(said.get("mode", ""))


def _taken(said: Said) -> Money | None:
    """What was really captured, whatever was asked for."""
    if not said.get("amount_captured"):
        return None
    currency = said.get("currency_captured") or said["currency"]
    return Money(amount_minor=said["amount_captured"], currency=currency)


@legible
def checkout(session: Said, channel: Channel, cause: str, now: datetime) -> Observation:
    """A checkout session."""
    state, paid = str(session.get("status")), str(session.get("payment_status"))
    word = _WORDS.get((state, paid), Word.UNCLEAR)
    error = session.get("last_error") or {}
    if word is Word.OPEN and error and channel is Channel.WEBHOOK:
        word = Word.ATTEMPT_FAILED
    return Observation(
        word=word,
        raw_state=f"{state}/{paid}",
        channel=channel,
        cause_id=cause,
        payment_id=session.get("reference"),
        reference=session.get("id"),
        checkout_url=session.get("url"),
        sandbox=_sandbox(session),
        captured=_taken(session),
        failure_code=error.get("code"),
        failure_message=error.get("message"),
        observed_at=now,
        evidence_sha256=evidence(session),
    )


@legible
def charge(said: Said, channel: Channel, cause: str, now: datetime) -> Observation:
    """A charge without the payer. One that was declined is over, whatever it was declined for."""
    status, error = str(said.get("status")), said.get("last_error") or {}
    return Observation(
        word=_CHARGE_WORDS.get(status, Word.UNCLEAR),
        raw_state=f"charge/{status}",
        channel=channel,
        cause_id=cause,
        payment_id=said["reference"],
        reference=said["id"],
        sandbox=_sandbox(said),
        captured=_taken(said),
        failure_code=error.get("code"),
        failure_message=error.get("message"),
        observed_at=now,
        evidence_sha256=evidence(said),
    )


def listed(subject: Subject, item: Any, now: datetime) -> Listed:
    """One entry of a list. What cannot be read must not keep the others from being compared."""
    try:
        reference, made_at = item["id"], datetime.fromisoformat(item["created_at"])
        said = _READ[subject](item, f"listed:{now.isoformat()}:{reference}", now)
        return Listed(subject=subject, reference=reference, made_at=made_at, said=said)
    except (*ILLEGIBLE, OutcomeUnknown):
        return unread(subject, item.get("id") if isinstance(item, dict) else None)


@legible
def captured(payment: Said, cause: str, now: datetime) -> Observation:
    """A capture, told as the checkout that brought it."""
    status = str(payment["status"])
    return Observation(
        word=Word.PAID if status == "succeeded" else Word.UNCLEAR,
        raw_state=f"payment/{status}",
        channel=Channel.READ,
        cause_id=cause,
        payment_id=payment["reference"],
        reference=payment["session"],
        sandbox=_sandbox(payment),
        captured=Money(amount_minor=payment["amount"], currency=payment["currency"]),
        observed_at=now,
        evidence_sha256=evidence(payment),
    )


@legible
def refund(refund: Said, cause: str, now: datetime) -> RefundObservation:
    error = refund.get("failure") or {}
    return RefundObservation(
        word=_REFUND_WORDS.get(str(refund.get("status")), RefundWord.UNCLEAR),
        raw_state=str(refund.get("status")),
        cause_id=cause,
        payment_id=refund.get("payment_reference"),
        refund_id=refund.get("reference"),
        reference=refund["id"],
        sandbox=_sandbox(refund),
        money=Money(amount_minor=refund["amount"], currency=refund["currency"]),
        failure_code=error.get("code"),
        failure_message=error.get("message"),
        observed_at=now,
        evidence_sha256=evidence(refund),
    )


@legible
def dispute(dispute: Said, cause: str, now: datetime) -> DisputeObservation:
    currency, due = dispute["currency"], dispute.get("evidence_due_by")
    return DisputeObservation(
        word=_DISPUTE_WORDS.get(str(dispute.get("status")), DisputeWord.UNCLEAR),
        raw_state=str(dispute.get("status")),
        cause_id=cause,
        reference=dispute["id"],
        payment_id=dispute.get("reference"),
        sandbox=_sandbox(dispute),
        money=Money(amount_minor=dispute["amount"], currency=currency),
        fee=Money(amount_minor=dispute.get("fee", 0), currency=currency),
        reason=dispute.get("reason"),
        evidence_due_by=None if due is None else datetime.fromisoformat(due),
        observed_at=now,
        evidence_sha256=evidence(dispute),
    )


_READ: Final[Mapping[Subject, Callable[[Said, str, datetime], Tellable]]] = {
    Subject.PAYMENT: captured,
    Subject.REFUND: refund,
    Subject.DISPUTE: dispute,
}


def told(event: Said, event_id: str, now: datetime) -> Heard | None:
    """What a webhook says; None for a subject that is none of ours."""
    reader = _HEARD.get(event["data"].get("object"))
    return None if reader is None else reader(event, event_id, now)


def _customer(event: Said, cause: str, now: datetime) -> CustomerObservation:
    customer = event["data"]
    return CustomerObservation(
        raw_state=event["type"],
        cause_id=cause,
        reference=customer["id"],
        customer_id=customer["reference"],
        sandbox=_sandbox(customer),
        observed_at=now,
    )


def _set_up(event: Said, cause: str, now: datetime) -> CustomerObservation:
    session = event["data"]
    return CustomerObservation(
        raw_state=event["type"],
        cause_id=cause,
        reference=session["customer"],
        setup_id=session["reference"],
        sandbox=_sandbox(session),
        observed_at=now,
    )


def _clock(event: Said, cause: str, now: datetime) -> ClockObservation:
    return ClockObservation(
        raw_state=event["type"],
        cause_id=cause,
        ahead_seconds=event["data"]["ahead_seconds"],
        observed_at=now,
    )


_HEARD: Final[Mapping[str, Callable[[Said, str, datetime], Heard]]] = {
    "checkout_session": lambda event, cause, now: checkout(event["data"], Channel.WEBHOOK, cause, now),
    "charge": lambda event, cause, now: charge(event["data"], Channel.WEBHOOK, cause, now),
    "refund": lambda event, cause, now: refund(event["data"], cause, now),
    "dispute": lambda event, cause, now: dispute(event["data"], cause, now),
    "customer": _customer,
    "setup_session": _set_up,
    "clock": _clock,
}
