"""What Stripe's objects say, in our words. Pure.

Objects come in the shapes of many API versions: a webhook's follows its endpoint, an answer's follows our
request. What cannot be read raises one of ``ILLEGIBLE``; money that cannot be read is never guessed at.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from domain.dispute import DisputeObservation, DisputeWord
from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.refund import RefundObservation, RefundWord
from domain.subscription import (
    CustomerObservation,
    InvoiceObservation,
    InvoiceWord,
    SavedMethod,
    SubscriptionObservation,
    SubscriptionWord,
)
from providers.base import ILLEGIBLE, evidence
from providers.stripe.units import UNITS

Said = Mapping[str, Any]

# Our names over there, in their metadata.
PAYMENT: Final = "paysaga_payment"
REFUND: Final = "paysaga_refund"
SETUP: Final = "paysaga_setup"
SUBSCRIPTION: Final = "paysaga_subscription"
CUSTOMER: Final = "paysaga_customer"
KIND: Final = "paysaga_kind"
CHARGE: Final = "charge"
"""The kind of a payment intent that we made ourselves, without a checkout."""

MUST_COME: Final = "authentication_required"
ABANDONED: Final = "abandoned"
"""Why we cancel a charge that waits for a payer who is not there."""

# (session status, payment status) -> our word. Whatever is not here is unclear, never success.
_CHECKOUT: Final[Mapping[tuple[str, str], Word]] = {
    ("open", "unpaid"): Word.OPEN,
    ("open", "no_payment_required"): Word.OPEN,
    ("complete", "paid"): Word.PAID,
    ("complete", "no_payment_required"): Word.PAID,
    ("complete", "unpaid"): Word.PROCESSING,
    # Also after a declined attempt: FAILED would race with our own closing, which says EXPIRED.
    ("expired", "unpaid"): Word.EXPIRED,
    ("expired", "no_payment_required"): Word.EXPIRED,
}
# What a payer's bank made of a checkout that was complete before the money came, or of a charge.
_BOUNCED: Final = frozenset({"requires_payment_method", "canceled"})

_CHARGE: Final[Mapping[str, Word]] = {
    "succeeded": Word.PAID,
    "processing": Word.PROCESSING,
    "requires_action": Word.ATTEMPT_FAILED,
    "requires_confirmation": Word.ATTEMPT_FAILED,
    "requires_payment_method": Word.ATTEMPT_FAILED,
    "canceled": Word.CANCELLED,
}

_REFUND: Final[Mapping[str, RefundWord]] = {
    "pending": RefundWord.PENDING,
    "requires_action": RefundWord.PENDING,
    "succeeded": RefundWord.SUCCEEDED,
    "failed": RefundWord.FAILED,
    "canceled": RefundWord.FAILED,
}

_DISPUTE: Final[Mapping[str, DisputeWord]] = {
    "warning_needs_response": DisputeWord.INQUIRY,
    "warning_under_review": DisputeWord.INQUIRY,
    "warning_closed": DisputeWord.CLOSED,
    "prevented": DisputeWord.CLOSED,
    "needs_response": DisputeWord.OPENED,
    "under_review": DisputeWord.UNDER_REVIEW,
    # The bank still has the money. An appeal wants other evidence than ours: a person answers it over there.
    "appeal_needs_response": DisputeWord.UNDER_REVIEW,
    "appeal_under_review": DisputeWord.UNDER_REVIEW,
    "won": DisputeWord.WON,
    "lost": DisputeWord.LOST,
}

_SUBSCRIPTION: Final[Mapping[str, SubscriptionWord]] = {
    word.value: word for word in SubscriptionWord if word is not SubscriptionWord.UNCLEAR
}

_INVOICE: Final[Mapping[str, InvoiceWord]] = {
    "draft": InvoiceWord.DRAFT,
    "open": InvoiceWord.OPEN,
    "paid": InvoiceWord.PAID,
    "void": InvoiceWord.VOID,
    "uncollectible": InvoiceWord.UNCOLLECTIBLE,
}


# --- Payments ---------------------------------------------------------------------------------------------


def checkout(session: Said, channel: Channel, cause: str, now: datetime) -> Observation:
    """A checkout session of mode ``payment``, its payment intent expanded or not."""
    status, paid = str(session.get("status")), str(session.get("payment_status"))
    intent, raw, captured = session.get("payment_intent"), f"{status}/{paid}", None
    word = _CHECKOUT.get((status, paid), Word.UNCLEAR) if session["mode"] == "payment" else Word.UNCLEAR
    if word is Word.PROCESSING and isinstance(intent, Mapping):
        raw = f"{raw}/{intent.get('status')}"
        word = Word.FAILED if intent.get("status") in _BOUNCED else word
    if word is Word.PAID:
        try:
            captured = _money(session, "amount_total")
        except ILLEGIBLE:
            word = Word.UNCLEAR
    code, message = _failure(intent) if word is not Word.PAID else (None, None)
    return Observation(
        word=word,
        raw_state=raw,
        channel=channel,
        cause_id=cause,
        payment_id=noted(session, PAYMENT) or session.get("client_reference_id"),
        reference=session["id"],
        capture=named(intent),
        checkout_url=session.get("url"),
        sandbox=_sandbox(session),
        captured=captured,
        failure_code=code,
        failure_message=message,
        observed_at=now,
        evidence_sha256=evidence(session),
    )


def charge(intent: Said, channel: Channel, cause: str, now: datetime) -> Observation:
    """A payment intent that we made ourselves, to charge a saved method, and once only."""
    status = str(intent.get("status"))
    word, captured = _CHARGE.get(status, Word.UNCLEAR), None
    if word is Word.PAID:
        try:
            captured = _money(intent, "amount_received")
        except ILLEGIBLE:
            word = Word.UNCLEAR
    code, message = _failure(intent) if word is not Word.PAID else (None, None)
    if intent.get("cancellation_reason") == ABANDONED and word is Word.CANCELLED:
        word, code = Word.FAILED, code or MUST_COME
    elif status in _BOUNCED and (code or message):
        # Nobody is there who would try another card.
        word = Word.FAILED
    elif word is Word.CANCELLED and channel is Channel.CLOSE:
        # As of a checkout that we close: whose wish that was, only we know.
        word = Word.EXPIRED
    return Observation(
        word=word,
        raw_state=f"payment_intent/{status}",
        channel=channel,
        cause_id=cause,
        payment_id=noted(intent, PAYMENT),
        reference=intent["id"],
        capture=intent["id"],
        sandbox=_sandbox(intent),
        captured=captured,
        failure_code=code,
        failure_message=message,
        observed_at=now,
        evidence_sha256=evidence(intent),
    )


def captured_by(session: Said) -> str | None:
    """Stripe's name for the money of a checkout; None when there is none."""
    intent = session["payment_intent"]
    return None if intent is None else needed(intent if isinstance(intent, Mapping) else {"id": intent}, "id")


def names_charge(reference: str) -> bool:
    """Whether what goes by this name was charged without a checkout: it is the payment intent's then."""
    return reference.startswith("pi_")


def is_charge(intent: Said) -> bool:
    """Whether we made this payment intent ourselves, without a checkout."""
    return noted(intent, KIND) == CHARGE


def failed_attempt(intent: Said, cause: str, now: datetime) -> Observation | None:
    """A declined card, of a payment of ours; None for one of others. It does not say at which checkout."""
    if noted(intent, PAYMENT) is None:
        return None
    told = charge(intent, Channel.WEBHOOK, cause, now)
    return told.model_copy(update={"word": Word.ATTEMPT_FAILED, "reference": None, "capture": None})


# --- Refunds and disputes ---------------------------------------------------------------------------------


def refund(said: Said, cause: str, now: datetime) -> RefundObservation:
    return RefundObservation(
        word=_REFUND.get(str(said.get("status")), RefundWord.UNCLEAR),
        raw_state=str(said.get("status")),
        cause_id=cause,
        payment_id=noted(said, PAYMENT),
        capture=named(said.get("payment_intent")),
        refund_id=noted(said, REFUND),
        reference=said["id"],
        sandbox=_sandbox(said),
        money=_money(said, "amount"),
        failure_code=text(said.get("failure_reason")),
        observed_at=now,
        evidence_sha256=evidence(said),
    )


def dispute(said: Said, cause: str, now: datetime) -> DisputeObservation:
    return DisputeObservation(
        word=_DISPUTE.get(str(said.get("status")), DisputeWord.UNCLEAR),
        raw_state=str(said.get("status")),
        cause_id=cause,
        reference=said["id"],
        payment_id=noted(said, PAYMENT),
        capture=named(said.get("payment_intent")),
        sandbox=_sandbox(said),
        money=_money(said, "amount"),
        fee=_fee(said.get("balance_transactions") or ()),
        reason=said.get("reason"),
        evidence_due_by=moment((said.get("evidence_details") or {}).get("due_by")),
        observed_at=now,
        evidence_sha256=evidence(said),
    )


def _fee(moves: Iterable[Said]) -> Money | None:
    """What the dispute has cost so far: a fee that was given back is among the moves as a negative one."""
    fees = [UNITS.money(abs(_whole(move["fee"])), move["currency"]) for move in moves]
    signs = [1 if move["fee"] >= 0 else -1 for move in moves]
    if len({fee.currency for fee in fees}) != 1:
        return None
    total = sum(fee.amount_minor * sign for fee, sign in zip(fees, signs, strict=True))
    return Money(amount_minor=max(total, 0), currency=fees[0].currency)


# --- Subscriptions ----------------------------------------------------------------------------------------


def subscription(
    said: Said, cause: str, now: datetime, told_at: datetime | None = None
) -> SubscriptionObservation:
    item: Said = next(iter((said.get("items") or {}).get("data") or ()), {})
    return SubscriptionObservation(
        word=_SUBSCRIPTION.get(str(said.get("status")), SubscriptionWord.UNCLEAR),
        raw_state=str(said.get("status")),
        cause_id=cause,
        subscription_id=noted(said, SUBSCRIPTION),
        reference=said["id"],
        customer=named(said.get("customer")),
        price=named(item.get("price")),
        quantity=item.get("quantity"),
        # Since 2025-03-31 a period is its item's; before, the subscription's.
        current_period_start=moment(item.get("current_period_start") or said.get("current_period_start")),
        current_period_end=moment(item.get("current_period_end") or said.get("current_period_end")),
        trial_end=moment(said.get("trial_end")),
        cancel_at=moment(said.get("cancel_at")),
        canceled_at=moment(said.get("canceled_at")),
        cancel_at_period_end=said.get("cancel_at_period_end") is True,
        sandbox=_sandbox(said),
        told_at=told_at,
        observed_at=now,
        evidence_sha256=evidence(said),
    )


def invoice(said: Said, cause: str, now: datetime) -> InvoiceObservation | None:
    """A bill; None for one that is of no subscription."""
    parent = (said.get("parent") or {}).get("subscription_details") or {}
    # Since 2025-03-31 the subscription is the parent; before, it stood on the bill itself.
    billed = named(parent.get("subscription")) or named(said.get("subscription"))
    if billed is None:
        return None
    ours = parent.get("metadata") or (said.get("subscription_details") or {}).get("metadata") or {}
    return InvoiceObservation(
        word=_INVOICE.get(str(said.get("status")), InvoiceWord.UNCLEAR),
        raw_state=str(said.get("status")),
        cause_id=cause,
        reference=said["id"],
        subscription=billed,
        subscription_id=text(ours.get(SUBSCRIPTION)),
        money=_money(said, "amount_due"),
        sandbox=_sandbox(said),
        observed_at=now,
        evidence_sha256=evidence(said),
    )


def only_item(said: Said) -> str | None:
    """The name of the one thing that is subscribed to; None when there are more."""
    items = said["items"]["data"]
    return named(items[0]) if len(items) == 1 else None


# --- Customers --------------------------------------------------------------------------------------------


def saved(methods: Sequence[Said], favourite: str | None) -> tuple[SavedMethod, ...]:
    """What a customer can be charged by: their favourite first, then the newest."""
    newest = sorted(methods, key=lambda each: _whole(each["created"]), reverse=True)
    return tuple(_method(each) for each in sorted(newest, key=lambda each: each["id"] != favourite))


def _method(said: Said) -> SavedMethod:
    kind = said["type"]
    # A card, a bank account: told under the name of its kind.
    details = said.get(kind) or {}
    return SavedMethod(
        reference=said["id"],
        kind=kind,
        brand=text(details.get("brand")),
        last4=text(details.get("last4")),
    )


def favourite(customer: Said) -> str | None:
    """The method that a customer wants used; None of one who named none, or is deleted."""
    return named((customer.get("invoice_settings") or {}).get("default_payment_method"))


def methods_changed(
    said: Said, customer: str | None, kind: str, cause: str, now: datetime
) -> CustomerObservation | None:
    """That what a customer can be charged by is not what it was; None where there is no customer."""
    if customer is None:
        return None
    return CustomerObservation(
        raw_state=kind,
        cause_id=cause,
        reference=customer,
        customer_id=noted(said, CUSTOMER),
        setup_id=noted(said, SETUP),
        sandbox=_sandbox(said),
        observed_at=now,
        evidence_sha256=evidence(said),
    )


# --- Reading ----------------------------------------------------------------------------------------------


def named(thing: object) -> str | None:
    """The name of what is told by its name alone, or in full."""
    return text(thing.get("id") if isinstance(thing, Mapping) else thing)


def needed(said: Said, name: str) -> str:
    """Text that must be there. Raises one of ``ILLEGIBLE`` where it is not."""
    found = text(said[name])
    if found is None:
        raise TypeError(f"there is no {name}")
    return found


def text(thing: object) -> str | None:
    """Text that says something."""
    return thing if isinstance(thing, str) and thing else None


def noted(said: Said, name: str) -> str | None:
    """Our own name for it, as they repeat it."""
    return text((said.get("metadata") or {}).get(name))


def _failure(intent: object) -> tuple[str | None, str | None]:
    """Why the last attempt was declined: the bank's reason where there is one, and the text beside it."""
    error = intent.get("last_payment_error") if isinstance(intent, Mapping) else None
    if not isinstance(error, Mapping):
        return None, None
    return text(error.get("decline_code")) or text(error.get("code")), text(error.get("message"))


def _sandbox(said: Said) -> bool | None:
    live = said.get("livemode")
    return not live if isinstance(live, bool) else None


def _money(said: Said, amount: str) -> Money:
    return UNITS.money(_whole(said[amount]), said["currency"])


def _whole(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError("this is no whole number")
    return number


def moment(seconds: object) -> datetime | None:
    """An instant as Stripe writes it, in seconds since 1970."""
    return None if seconds is None else datetime.fromtimestamp(_whole(seconds), UTC)
