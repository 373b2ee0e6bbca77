"""What every adapter is asked in the conformance suite, and what counts as having understood the answer.

The same questions for all companies: each is put to an adapter, with the same names and the same money. What
a company answers to them is in ``cases/<provider>.py``.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from domain.dispute import DisputeObservation, DisputeWord
from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.payment import PaymentOrder
from domain.reconciliation import Page, Subject, Window
from domain.refund import Origin, Refund, RefundObservation, RefundState, RefundWord
from domain.subscription import (
    Charge,
    Customer,
    PlanChange,
    SavedMethod,
    SetupOrder,
    SubscriptionObservation,
    SubscriptionOrder,
    SubscriptionWord,
)
from domain.values import derived_id
from providers.base import Capability, Checkout, Heard, Provider

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
MADE: Final = NOW - timedelta(minutes=10)
PRICE: Final = Money(amount_minor=1_990_000, currency="HUF")

# How the company calls things: nobody's names, which an adapter must take as they are; as long as real ones.
CHECKOUT: Final = "checkout_test_" + "a1B2c3D4" * 6
CAPTURE, REFUNDED, DISPUTE, METHOD, SUBSCRIPTION, CUSTOMER, PLAN, DEARER = (
    f"{kind}_1PgafyB7WZ01zgkWSjxsAJo3"
    for kind in ("capture", "refunded", "dispute", "method", "subscription", "customer", "plan", "dearer")
)

WINDOW: Final = Window(since=NOW - timedelta(days=3), until=NOW)
FACTS: Final[Mapping[str, Any]] = {"statement": "The payer agreed.", "proof": {"digest": "ab" * 32}}


def order(name: str = "order", money: Money = PRICE) -> PaymentOrder:
    """The same payment for the same name."""
    return PaymentOrder(
        payment_id=derived_id("pay", MADE, name),
        tenant_id=derived_id("ten", MADE, "tenant"),
        idempotency_key="key",
        digest="digest",
        user_id="user-123",
        money=money,
        provider="any",
        description="Pro, a month",
        customer_email="payer@example.com",
        success_url="https://shop.example/thanks",
        cancel_url="https://shop.example/cart",
        metadata={"plan": "pro"},
        sandbox=True,
        created_at=MADE,
        expires_at=MADE + timedelta(hours=1),
    )


def refund(name: str = "refund", money: Money = PRICE) -> Refund:
    return Refund(
        id=derived_id("ref", MADE, name),
        tenant_id=ORDER.tenant_id,
        payment_id=ORDER.payment_id,
        account_id=derived_id("acc", MADE, "account"),
        provider="any",
        money=money,
        state=RefundState.PENDING,
        origin=Origin.TENANT,
        reason="the payer changed their mind",
        checkout_reference=CHECKOUT,
        created_at=MADE,
        updated_at=MADE,
    )


def customer(name: str = "customer") -> Customer:
    return Customer(id=derived_id("cus", MADE, name), email="payer@example.com", name="Payer")


def charge(name: str = "charge", money: Money = PRICE) -> Charge:
    return Charge(
        payment_id=derived_id("pay", MADE, "charge", name),
        money=money,
        customer=CUSTOMER,
        method=METHOD,
        description="Pro",
    )


def setup(name: str = "setup") -> SetupOrder:
    return SetupOrder(
        id=derived_id("set", MADE, name),
        customer=CUSTOMER,
        success_url="https://shop.example/thanks",
        cancel_url="https://shop.example/account",
        expires_at=NOW + timedelta(hours=1),
    )


def subscription(name: str = "subscription") -> SubscriptionOrder:
    return SubscriptionOrder(
        subscription_id=derived_id("sub", MADE, name),
        customer=CUSTOMER,
        price=PLAN,
        trial_days=14,
        success_url="https://shop.example/thanks",
        cancel_url="https://shop.example/cart",
        expires_at=NOW + timedelta(hours=1),
    )


def change(name: str = "change") -> PlanChange:
    return PlanChange(key=derived_id("chg", MADE, name), price=DEARER)


ORDER: Final = order()
REFUND: Final = refund()
CHARGE: Final = charge()

Ask = Callable[[Provider], Awaitable[Any]]
NamedAsk = Callable[[Provider, str, datetime], Awaitable[Any]]


class Verb(NamedTuple):
    """One question of the port."""

    name: str
    ask: Ask
    understood: Callable[[Any], bool]
    """Whether this is what the case's answer means."""
    needs: frozenset[Capability] = frozenset()
    """A provider with any of these has the verb; one with none of them says so. Empty: everybody has it."""
    optional: bool = True
    """Whether the port refuses it by itself; else it is a use of a verb that everybody has."""
    named: NamedAsk | None = None
    """The same at some time for a thing of ours of some name: what has an operation key."""


def opened(answer: Any) -> bool:
    return isinstance(answer, Checkout) and answer.reference == CHECKOUT and answer.url.startswith("https://")


def paid(answer: Any) -> bool:
    """Paid, as ordered, and known by our name."""
    if not isinstance(answer, Observation) or answer.word is not Word.PAID or answer.captured != PRICE:
        return False
    return answer.payment_id in {ORDER.payment_id, CHARGE.payment_id} and answer.sandbox is True


def found(answer: Any) -> bool:
    known = isinstance(answer, Observation) and answer.word in {Word.OPEN, Word.PAID}
    return known and answer.reference == CHECKOUT and answer.payment_id == ORDER.payment_id


def closed(answer: Any) -> bool:
    return isinstance(answer, Observation) and answer.word is Word.EXPIRED and answer.channel is Channel.CLOSE


def given_back(answer: Any) -> bool:
    if not isinstance(answer, RefundObservation) or answer.word is not RefundWord.SUCCEEDED:
        return False
    return answer.money == PRICE and answer.refund_id == REFUND.id and answer.reference == REFUNDED


def disputed(word: DisputeWord) -> Callable[[Any], bool]:
    def told(answer: Any) -> bool:
        if not isinstance(answer, DisputeObservation) or answer.word is not word or answer.money != PRICE:
            return False
        # A company that repeats our name, or names the money that it concerns.
        known = answer.payment_id == ORDER.payment_id or answer.capture == CAPTURE
        return known and answer.reference == DISPUTE

    return told


def listed(subject: Subject) -> Callable[[Any], bool]:
    def told(answer: Any) -> bool:
        if not isinstance(answer, Page) or answer.next_cursor is not None or len(answer.items) != 1:
            return False
        (item,) = answer.items
        return item.subject is subject and item.said is not None and item.made_at is not None

    return told


def subscribed(*words: SubscriptionWord) -> Callable[[Any], bool]:
    def told(answer: Any) -> bool:
        known = isinstance(answer, SubscriptionObservation) and answer.word in words
        return known and answer.reference == SUBSCRIPTION and answer.current_period_end is not None

    return told


def chargeable(answer: Any) -> bool:
    return isinstance(answer, tuple) and bool(answer) and isinstance(answer[0], SavedMethod)


_PAYER = frozenset({Capability.PORTAL, Capability.SAVED_METHODS, Capability.SUBSCRIPTIONS})
_DISPUTES = frozenset({Capability.DISPUTES})
_EVIDENCE = frozenset({Capability.DISPUTE_EVIDENCE})
_BOOKS = frozenset({Capability.LIST_BY_DATE})
_PORTAL = frozenset({Capability.PORTAL})
_SAVED = frozenset({Capability.SAVED_METHODS})
_KEPT = frozenset({Capability.METHOD_SETUP})
_PLANS = frozenset({Capability.SUBSCRIPTIONS})
_ACTIVE = subscribed(SubscriptionWord.ACTIVE)

VERBS: Final[Mapping[str, Verb]] = {
    verb.name: verb
    for verb in (
        Verb(
            "open_checkout",
            lambda it: it.open_checkout(ORDER),
            opened,
            named=lambda it, name, _: it.open_checkout(order(name)),
        ),
        # Whoever keeps no cards takes the money all the same.
        Verb(
            "open_keeping",
            lambda it: it.open_checkout(ORDER, CUSTOMER),
            opened,
            named=lambda it, name, _: it.open_checkout(order(f"keeping-{name}"), CUSTOMER),
        ),
        Verb("read_checkout", lambda it: it.read_checkout(CHECKOUT, NOW), paid),
        Verb("close_checkout", lambda it: it.close_checkout(CHECKOUT, NOW), closed),
        Verb("find_checkout", lambda it: it.find_checkout(ORDER.payment_id, NOW), found),
        Verb(
            "refund",
            lambda it: it.refund(REFUND, NOW),
            given_back,
            named=lambda it, name, now: it.refund(refund(name), now),
        ),
        Verb("find_refund", lambda it: it.find_refund(REFUND, NOW), given_back),
        Verb(
            "read_dispute",
            lambda it: it.read_dispute(DISPUTE, NOW),
            disputed(DisputeWord.OPENED),
            _DISPUTES,
        ),
        Verb(
            "answer_dispute",
            lambda it: it.answer_dispute(DISPUTE, FACTS, NOW, submit=True),
            disputed(DisputeWord.UNDER_REVIEW),
            _EVIDENCE,
        ),
        Verb(
            "list_payments", lambda it: it.list_payments(WINDOW, None, NOW), listed(Subject.PAYMENT), _BOOKS
        ),
        Verb("list_refunds", lambda it: it.list_refunds(WINDOW, None, NOW), listed(Subject.REFUND), _BOOKS),
        Verb(
            "list_disputes", lambda it: it.list_disputes(WINDOW, None, NOW), listed(Subject.DISPUTE), _BOOKS
        ),
        Verb(
            "ensure_customer",
            lambda it: it.ensure_customer(customer()),
            lambda answer: answer == CUSTOMER,
            _PAYER,
            named=lambda it, name, _: it.ensure_customer(customer(name)),
        ),
        Verb(
            "portal_url",
            lambda it: it.portal_url(CUSTOMER, "https://shop.example/account"),
            lambda answer: isinstance(answer, str) and answer.startswith("https://"),
            _PORTAL,
        ),
        Verb(
            "open_setup",
            lambda it: it.open_setup(setup()),
            opened,
            _KEPT,
            named=lambda it, name, _: it.open_setup(setup(name)),
        ),
        Verb("saved_methods", lambda it: it.saved_methods(CUSTOMER), chargeable, _SAVED),
        Verb(
            "charge_saved",
            lambda it: it.charge_saved(CHARGE, NOW),
            paid,
            _SAVED,
            named=lambda it, name, now: it.charge_saved(charge(name), now),
        ),
        # What was charged without a checkout is found by the same verb.
        Verb(
            "find_charge", lambda it: it.find_checkout(CHARGE.payment_id, NOW), paid, _SAVED, optional=False
        ),
        Verb(
            "subscribe",
            lambda it: it.subscribe(subscription()),
            opened,
            _PLANS,
            named=lambda it, name, _: it.subscribe(subscription(name)),
        ),
        Verb("read_subscription", lambda it: it.read_subscription(SUBSCRIPTION, NOW), _ACTIVE, _PLANS),
        Verb(
            "cancel_subscription",
            lambda it: it.cancel_subscription(SUBSCRIPTION, NOW, at_period_end=True),
            _ACTIVE,
            _PLANS,
        ),
        Verb("keep_subscription", lambda it: it.keep_subscription(SUBSCRIPTION, NOW), _ACTIVE, _PLANS),
        Verb(
            "change_subscription",
            lambda it: it.change_subscription(SUBSCRIPTION, change(), NOW),
            _ACTIVE,
            _PLANS,
            named=lambda it, name, now: it.change_subscription(SUBSCRIPTION, change(name), now),
        ),
    )
}


def is_storable(said: Heard) -> bool:
    """Whether our books can take it as it is: no text that a column refuses, no time of nowhere."""
    fields = said.model_dump()
    times = [value for value in fields.values() if isinstance(value, datetime)]
    texts = [value for value in fields.values() if isinstance(value, str)]
    return all(at.tzinfo is not None for at in times) and not any(
        character == "\0" or "\ud800" <= character <= "\udfff" for text in texts for character in text
    )


def has(provider: type[Provider], verb: Verb) -> bool:
    """Whether it claims to have this verb."""
    return not verb.needs or bool(verb.needs & provider.capabilities)
