"""What Dodo Payments says, in our words: tables and pure translations of its API's and webhooks' JSON.

Decided on the object, never on an event's name: its webhooks keep no order and show the state at delivery.
What cannot be read raises ``OutcomeUnknown``; a word nobody knows is UNCLEAR.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict, cast

from domain.dispute import DisputeObservation, DisputeWord
from domain.errors import OutcomeUnknown, ProviderDeclined
from domain.evidence import Channel, Observation, Word
from domain.reconciliation import Listed, Subject
from domain.refund import Refund, RefundObservation, RefundWord
from domain.said import Said
from domain.subscription import SavedMethod
from providers.base import evidence, legible, unread
from providers.dodo.money import counted, disputed, money
from providers.dodo.wire import Thing

if TYPE_CHECKING:
    from dodopayments.types import Currency
    from dodopayments.types.refund_create_params import Item

# Our names over there. Dodo copies a checkout's metadata to its payment, or to its subscription.
PAYMENT: Final = "paysaga_payment"
REFUND: Final = "paysaga_refund"
SUBSCRIPTION: Final = "paysaga_subscription"
CUSTOMER: Final = "paysaga_customer"

_OURS: Final = "paysaga_"
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_PAIRS: Final = 50
_LONGEST_VALUE: Final = 500
_LONGEST_REASON: Final = 3000

# Of a payment; None while it has not been tried. What is not here is unclear: partly captured money, too.
_PAYMENT_WORDS: Final[Mapping[str | None, Word]] = {
    None: Word.OPEN,
    "requires_payment_method": Word.OPEN,
    "requires_confirmation": Word.OPEN,
    "requires_customer_action": Word.OPEN,
    "requires_merchant_action": Word.OPEN,
    "processing": Word.PROCESSING,
    "requires_capture": Word.PROCESSING,
    "succeeded": Word.PAID,
    "failed": Word.FAILED,
    "cancelled": Word.CANCELLED,
}

_REFUND_WORDS: Final[Mapping[str, RefundWord]] = {
    "pending": RefundWord.PENDING,
    "review": RefundWord.PENDING,
    "succeeded": RefundWord.SUCCEEDED,
    "failed": RefundWord.FAILED,
}

_INQUIRY: Final = "pre_dispute"
# (stage, status). While the bank only asks no money has moved: nobody says what an unanswered question costs.
_DISPUTE_WORDS: Final[Mapping[tuple[str, str], DisputeWord]] = {
    (stage, status): word
    for stage in (_INQUIRY, "dispute", "pre_arbitration")
    for status, word in (
        ("dispute_opened", DisputeWord.INQUIRY if stage == _INQUIRY else DisputeWord.OPENED),
        ("dispute_challenged", DisputeWord.INQUIRY if stage == _INQUIRY else DisputeWord.UNDER_REVIEW),
        ("dispute_expired", DisputeWord.UNCLEAR if stage == _INQUIRY else DisputeWord.LOST),
        ("dispute_accepted", DisputeWord.LOST),
        ("dispute_lost", DisputeWord.LOST),
        ("dispute_cancelled", DisputeWord.CLOSED),
        ("dispute_won", DisputeWord.WON),
    )
}

# Declines after which the same method must not be tried again.
_FOR_GOOD: Final = frozenset(
    {
        "AUTHENTICATION_FAILURE",
        "DO_NOT_HONOR",
        "FRAUDULENT",
        "LOST_CARD",
        "PICKUP_CARD",
        "STOLEN_CARD",
    }
)


class Part(TypedDict, total=False):
    """Of a refund's request: what goes back; empty for all of it."""

    currency: "Currency"
    items: list["Item"]


class Hearing(NamedTuple):
    """How and when something was said. Dodo's objects do not tell play money; the account does."""

    cause: str
    at: datetime
    sandbox: bool
    channel: Channel = Channel.READ


def metadata(own: Mapping[str, str], **ours: str) -> dict[str, str | float | bool]:
    """Our names, and of the tenant's as many as Dodo takes."""
    fitting = {
        key: value
        for key, value in own.items()
        if _KEY.fullmatch(key) and not key.startswith(_OURS) and len(value) <= _LONGEST_VALUE
    }
    return {**dict(list(fitting.items())[: _PAIRS - len(ours)]), **ours}


@legible
def named(thing: Thing, name: str) -> str | None:
    """What we called it, under one of our names."""
    ours = (thing.get("metadata") or {}).get(name)
    return ours if isinstance(ours, str) and ours else None


def is_bill(payment: Thing) -> bool:
    """Whether Dodo charged by itself, for a subscription. What cannot be read is for others to say so."""
    try:
        return _subscribed(payment) and named(payment, PAYMENT) is None
    except (AttributeError, OutcomeUnknown):
        return False


@legible
def unpaid(session: Thing, reference: str, hearing: Hearing) -> Observation:
    """A checkout that has no payment yet."""
    status = session.get("payment_status")
    opened = _PAYMENT_WORDS.get(status) is Word.OPEN
    return Observation(
        word=Word.OPEN if opened else Word.UNCLEAR,
        raw_state="open" if status is None else str(status),
        channel=hearing.channel,
        cause_id=hearing.cause,
        reference=reference,
        sandbox=hearing.sandbox,
        observed_at=hearing.at,
        evidence_sha256=evidence(session),
    )


@legible
def payment_said(payment: Thing, hearing: Hearing, reference: str | None = None) -> Observation:
    """A payment, told as the checkout that brought it: ``reference``, if it was asked for by that."""
    name, status, error = payment["payment_id"], payment.get("status"), payment.get("error_code")
    word = _PAYMENT_WORDS.get(status, Word.UNCLEAR)
    if word is Word.OPEN and error is not None and hearing.channel is Channel.WEBHOOK:
        word = Word.ATTEMPT_FAILED
    paid = word is Word.PAID
    return Observation(
        word=word,
        raw_state="open" if status is None else str(status),
        channel=hearing.channel,
        cause_id=hearing.cause,
        payment_id=named(payment, PAYMENT),
        reference=reference or _where(payment),
        capture=name if paid else None,
        checkout_url=payment.get("payment_link"),
        sandbox=hearing.sandbox,
        captured=money(payment["total_amount"], payment["currency"]) if paid else None,
        failure_code=error,
        failure_message=payment.get("error_message"),
        observed_at=hearing.at,
        evidence_sha256=evidence(payment),
    )


def closed(said: Observation) -> Observation:
    """What it comes to that nobody may pay here any more: Dodo itself closes nothing before a day is over."""
    if said.word is not Word.OPEN:
        return said
    state = f"{said.raw_state}, cannot be closed"
    return said.model_copy(update={"word": Word.EXPIRED, "raw_state": state})


def most_telling(payments: Sequence[Thing], hearing: Hearing) -> Thing:
    """Of several payments of one order the one that says most: money before hope, hope before none."""
    said = [(payment_said(payment, hearing).word, payment) for payment in payments]
    for word in (Word.PAID, Word.UNCLEAR, Word.PROCESSING, Word.OPEN):
        for found, payment in said:
            if found is word:
                return payment
    return payments[0]


@legible
def partly(refund: Refund, payment: Thing, product: str) -> Part:
    """What of this payment goes back: nothing is named when all of it does.

    Without the currency Dodo takes an amount for one in the merchant's own.
    """
    if money(payment["total_amount"], payment["currency"]) == refund.money:
        return {}
    cart = payment.get("product_cart") or []
    item = cart[0]["product_id"] if len(cart) == 1 else product
    returned: Item = {"item_id": item, "amount": counted(refund.money), "tax_inclusive": True}
    return {"currency": cast("Currency", refund.money.currency), "items": [returned]}


def reason(refund: Refund) -> str | None:
    return None if refund.reason is None else refund.reason[:_LONGEST_REASON]


@legible
def refund_said(refund: Thing, hearing: Hearing) -> RefundObservation:
    status, amount, currency = str(refund.get("status")), refund.get("amount"), refund.get("currency")
    return RefundObservation(
        word=_REFUND_WORDS.get(status, RefundWord.UNCLEAR),
        raw_state=status,
        cause_id=hearing.cause,
        payment_id=named(refund, PAYMENT),
        capture=refund["payment_id"],
        refund_id=named(refund, REFUND),
        reference=refund["refund_id"],
        sandbox=hearing.sandbox,
        money=None if amount is None or currency is None else money(amount, currency),
        observed_at=hearing.at,
        evidence_sha256=evidence(refund),
    )


@legible
def dispute_said(dispute: Thing, hearing: Hearing) -> DisputeObservation:
    """Its fee Dodo does not name, nor until when it must be answered; its pages give different times."""
    stage, status = str(dispute.get("dispute_stage")), str(dispute.get("dispute_status"))
    return DisputeObservation(
        word=_DISPUTE_WORDS.get((stage, status), DisputeWord.UNCLEAR),
        raw_state=f"{stage}/{status}",
        cause_id=hearing.cause,
        reference=dispute["dispute_id"],
        payment_id=named(dispute, PAYMENT),
        capture=dispute["payment_id"],
        sandbox=hearing.sandbox,
        money=disputed(dispute["amount"], dispute["currency"]),
        reason=dispute.get("reason"),
        observed_at=hearing.at,
        evidence_sha256=evidence(dispute),
    )


@legible
def saved_method(method: Thing) -> SavedMethod:
    card = method.get("card") or {}
    return SavedMethod(
        reference=method["payment_method_id"],
        kind=method["payment_method"],
        brand=card.get("card_network"),
        last4=card.get("last4_digits"),
    )


def charged(payment: Thing, hearing: Hearing) -> Observation:
    """A charge without the payer. Raises ``ProviderDeclined`` when the bank said no."""
    said = payment_said(payment, hearing)
    if said.word is Word.FAILED or (said.word is Word.OPEN and said.failure_code is not None):
        code = said.failure_code
        raise ProviderDeclined("dodo: the charge was declined", reason=code, again=code not in _FOR_GOOD)
    if said.word is Word.OPEN and payment.get("status") == "requires_customer_action":
        return said.model_copy(update={"word": Word.ATTEMPT_FAILED})
    return said


def listed(subject: Subject, item: Any, hearing: Hearing) -> Listed:
    """One entry of a list. What cannot be read must not keep the others from being compared."""
    name = item.get(f"{subject}_id") if isinstance(item, Mapping) else None
    try:
        cause = f"{hearing.cause}:{name}"
        said = _SAID[subject](item, hearing._replace(cause=cause))
        return Listed(subject=subject, reference=name, made_at=_made_at(item), said=said)
    except (ValueError, OutcomeUnknown):
        return unread(subject, name)


_SAID: Final[Mapping[Subject, Callable[[Thing, Hearing], Said]]] = {
    Subject.PAYMENT: payment_said,
    Subject.REFUND: refund_said,
    Subject.DISPUTE: dispute_said,
}


@legible
def _made_at(thing: Thing) -> datetime:
    return instant(thing["created_at"])


def _where(payment: Thing) -> str | None:
    """The checkout it came by; what was charged without one goes by its own name."""
    session: str | None = payment.get("checkout_session_id")
    return session or (payment["payment_id"] if _subscribed(payment) else None)


def _subscribed(payment: Thing) -> bool:
    return bool(payment.get("subscription_id") or payment.get("subscription_ids"))


def instant(written: str) -> datetime:
    """Raises ``ValueError`` for one that names no zone."""
    at = datetime.fromisoformat(written)
    if at.tzinfo is None:
        raise ValueError("an instant names its zone")
    return at


def instant_or_none(written: str | None) -> datetime | None:
    return None if written is None else instant(written)
