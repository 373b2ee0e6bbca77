"""Stripe's words in ours: every one of the map, the old shapes and the new, and those that nobody knows."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from domain.dispute import DisputeWord
from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.reconciliation import Subject
from domain.refund import RefundWord
from domain.subscription import InvoiceWord, SubscriptionWord
from providers.base import ILLEGIBLE
from providers.stripe import words
from providers.stripe.lists import listed
from tests.providers.stripe_objects import (
    DECLINE,
    Json,
    dispute,
    intent,
    invoice,
    refund,
    session,
    subscription,
)
from tests.providers.stripe_orders import HUF, NOW, PAYMENT_ID


def told(said: Json) -> Observation:
    return words.checkout(said, Channel.READ, "cause", NOW)


# --- Checkouts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "paid", "word"),
    [
        ("open", "unpaid", Word.OPEN),
        ("open", "no_payment_required", Word.OPEN),
        ("complete", "paid", Word.PAID),
        ("complete", "no_payment_required", Word.PAID),
        ("complete", "unpaid", Word.PROCESSING),
        ("expired", "unpaid", Word.EXPIRED),
        ("expired", "no_payment_required", Word.EXPIRED),
        # What Stripe does not say today is never success, and never the end.
        ("open", "paid", Word.UNCLEAR),
        ("expired", "paid", Word.UNCLEAR),
        ("complete", "partially_paid", Word.UNCLEAR),
        ("archived", "paid", Word.UNCLEAR),
    ],
)
def test_a_session_says(status: str, paid: str, word: Word) -> None:
    said = told(session(status, paid))
    assert (said.word, said.raw_state) == (word, f"{status}/{paid}")
    assert (said.captured is not None) == (word is Word.PAID)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("processing", Word.PROCESSING),
        ("succeeded", Word.PROCESSING),
        ("requires_action", Word.PROCESSING),
        ("requires_payment_method", Word.FAILED),
        ("canceled", Word.FAILED),
        ("unheard_of", Word.PROCESSING),
    ],
)
def test_a_session_that_is_complete_but_unpaid_says_what_its_payment_intent_does(
    status: str, word: Word
) -> None:
    said = told(session("complete", "unpaid", payment_intent=intent(status, last_payment_error=DECLINE)))
    assert (said.word, said.raw_state) == (word, f"complete/unpaid/{status}")
    assert (said.failure_code, said.failure_message) == ("insufficient_funds", "Not enough.")


def test_a_session_that_expired_after_a_declined_card_has_expired() -> None:
    declined = intent("requires_payment_method", last_payment_error={"code": "card_declined"})
    said = told(session("expired", "unpaid", payment_intent=declined))
    assert (said.word, said.failure_code) == (Word.EXPIRED, "card_declined")


def test_a_paid_session_names_the_money_the_payment_and_the_mode() -> None:
    for payment_intent in ("pi_1", intent("succeeded")):
        said = told(session(payment_intent=payment_intent, url="https://checkout.stripe.com/c/pay/cs_test_1"))
        assert (said.captured, said.payment_id, said.reference) == (HUF, PAYMENT_ID, "cs_test_1")
        assert (said.capture, said.sandbox) == ("pi_1", True)
        assert said.checkout_url == "https://checkout.stripe.com/c/pay/cs_test_1"
    assert told(session(livemode=True)).sandbox is False
    assert told(session(livemode=None)).sandbox is None


def test_a_session_without_our_note_is_known_by_its_reference() -> None:
    assert told(session(metadata={})).payment_id == PAYMENT_ID
    assert told(session(metadata=None)).payment_id == PAYMENT_ID


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("1990000", "huf"),
        (1.5, "huf"),
        (True, "huf"),
        (None, "huf"),
        (100, "points"),
        (100, None),
        (50, "isk"),
    ],
)
def test_money_that_cannot_be_read_is_not_guessed_at(amount: object, currency: object) -> None:
    said = told(session(amount_total=amount, currency=currency))
    assert (said.word, said.captured) == (Word.UNCLEAR, None)
    charged = intent("succeeded", amount_received=amount, currency=currency)
    assert words.charge(charged, Channel.READ, "c", NOW).word is Word.UNCLEAR


def test_a_session_that_begins_a_subscription_is_no_payment() -> None:
    assert told(session(mode="subscription")).word is Word.UNCLEAR


# --- Charges without a checkout ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("succeeded", Word.PAID),
        ("processing", Word.PROCESSING),
        ("requires_action", Word.ATTEMPT_FAILED),
        ("requires_confirmation", Word.ATTEMPT_FAILED),
        ("requires_payment_method", Word.FAILED),
        ("canceled", Word.FAILED),
        ("requires_capture", Word.UNCLEAR),
    ],
)
def test_a_payment_intent_says(status: str, word: Word) -> None:
    said = words.charge(intent(status, last_payment_error=DECLINE), Channel.READ, "c", NOW)
    assert (said.word, said.reference, said.capture, said.sandbox) == (word, "pi_1", "pi_1", False)
    assert said.captured == (HUF if word is Word.PAID else None)
    assert said.failure_code == (None if word is Word.PAID else "insufficient_funds")


@pytest.mark.parametrize(
    ("status", "channel", "word"),
    [
        ("requires_payment_method", Channel.READ, Word.ATTEMPT_FAILED),
        ("canceled", Channel.READ, Word.CANCELLED),
        ("canceled", Channel.CLOSE, Word.EXPIRED),
    ],
)
def test_a_charge_that_no_bank_declined_has_not_failed(status: str, channel: Channel, word: Word) -> None:
    assert words.charge(intent(status), channel, "c", NOW).word is word


def test_a_charge_that_was_given_up_for_want_of_its_payer_has_failed() -> None:
    for channel in (Channel.READ, Channel.CLOSE):
        said = words.charge(intent("canceled", cancellation_reason="abandoned"), channel, "c", NOW)
        assert (said.word, said.failure_code) == (Word.FAILED, "authentication_required")


def test_a_declined_attempt_names_the_payment_and_no_checkout() -> None:
    said = words.failed_attempt(intent("requires_payment_method", last_payment_error=DECLINE), "evt_1", NOW)
    assert said is not None
    assert (said.word, said.payment_id, said.reference) == (Word.ATTEMPT_FAILED, PAYMENT_ID, None)
    assert words.failed_attempt(intent("requires_payment_method", metadata={}), "evt_1", NOW) is None


# --- Refunds and disputes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("pending", RefundWord.PENDING),
        ("requires_action", RefundWord.PENDING),
        ("succeeded", RefundWord.SUCCEEDED),
        ("failed", RefundWord.FAILED),
        ("canceled", RefundWord.FAILED),
        ("returned", RefundWord.UNCLEAR),
    ],
)
def test_a_refund_says(status: str, word: RefundWord) -> None:
    said = words.refund(refund(status, failure_reason="lost_or_stolen_card"), "c", NOW)
    assert (said.word, said.money, said.refund_id, said.payment_id) == (word, HUF, "ref_1", PAYMENT_ID)
    assert (said.reference, said.capture, said.failure_code) == ("re_1", "pi_1", "lost_or_stolen_card")


def test_a_refund_made_in_the_dashboard_is_none_of_ours() -> None:
    said = words.refund(refund("succeeded", metadata={}, payment_intent={"id": "pi_1"}), "c", NOW)
    assert (said.refund_id, said.payment_id, said.capture) == (None, None, "pi_1")


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("warning_needs_response", DisputeWord.INQUIRY),
        ("warning_under_review", DisputeWord.INQUIRY),
        ("warning_closed", DisputeWord.CLOSED),
        ("prevented", DisputeWord.CLOSED),
        ("needs_response", DisputeWord.OPENED),
        ("under_review", DisputeWord.UNDER_REVIEW),
        ("appeal_needs_response", DisputeWord.UNDER_REVIEW),
        ("appeal_under_review", DisputeWord.UNDER_REVIEW),
        ("won", DisputeWord.WON),
        ("lost", DisputeWord.LOST),
        ("appeal_won", DisputeWord.UNCLEAR),
        ("charge_refunded", DisputeWord.UNCLEAR),
    ],
)
def test_a_dispute_says(status: str, word: DisputeWord) -> None:
    said = words.dispute(dispute(status), "c", NOW)
    assert (said.word, said.money, said.capture, said.payment_id) == (word, HUF, "pi_1", None)
    assert (said.reason, said.evidence_due_by) == ("fraudulent", datetime(2026, 11, 21, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("fees", "total"),
    [
        ([(1500, "eur")], Money(amount_minor=1500, currency="EUR")),
        ([(1500, "eur"), (0, "eur")], Money(amount_minor=1500, currency="EUR")),
        # Won, and the fee came back.
        ([(1500, "eur"), (-1500, "eur")], Money(amount_minor=0, currency="EUR")),
        ([], None),
        ([(1500, "eur"), (1500, "usd")], None),
    ],
)
def test_a_dispute_costs_what_its_moves_cost_together(
    fees: list[tuple[int, str]], total: Money | None
) -> None:
    moves = [{"fee": fee, "currency": currency} for fee, currency in fees]
    assert words.dispute(dispute("needs_response", balance_transactions=moves), "c", NOW).fee == total


# --- Subscriptions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [each for each in SubscriptionWord if each is not SubscriptionWord.UNCLEAR])
def test_a_subscription_says(word: SubscriptionWord) -> None:
    said = words.subscription(subscription(word.value), "c", NOW)
    assert (said.word, said.subscription_id, said.reference) == (word, "sub_ours", "sub_1")
    assert (said.price, said.quantity, said.customer) == ("price_1", 2, "cus_1")


def test_a_subscription_in_a_state_nobody_knows_is_unclear() -> None:
    for status in ("hibernating", "unclear"):
        assert words.subscription(subscription(status), "c", NOW).word is SubscriptionWord.UNCLEAR


def test_a_period_is_read_where_each_version_puts_it() -> None:
    new = words.subscription(subscription(), "c", NOW)
    bare = {"data": [{"id": "si_1", "price": "price_1"}]}
    dates: Json = {"current_period_start": 1_795_262_400, "current_period_end": 1_797_854_400}
    old = words.subscription(subscription(items=bare, **dates), "c", NOW)
    for said in (new, old):
        assert said.current_period_start == datetime(2026, 11, 21, 12, tzinfo=UTC)
        assert said.current_period_end == datetime(2026, 12, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("draft", InvoiceWord.DRAFT),
        ("open", InvoiceWord.OPEN),
        ("paid", InvoiceWord.PAID),
        ("void", InvoiceWord.VOID),
        ("uncollectible", InvoiceWord.UNCOLLECTIBLE),
        (None, InvoiceWord.UNCLEAR),
        ("lost_in_the_mail", InvoiceWord.UNCLEAR),
    ],
)
def test_a_bill_says(status: str | None, word: InvoiceWord) -> None:
    said = words.invoice(invoice(status), "c", NOW)
    assert said is not None
    assert (said.word, said.money, said.subscription, said.subscription_id) == (
        word,
        HUF,
        "sub_1",
        "sub_ours",
    )


def test_a_bill_names_its_subscription_where_each_version_puts_it() -> None:
    noted: Json = {"subscription_details": {"metadata": {"paysaga_subscription": "sub_ours"}}}
    old = words.invoice(invoice(parent=None, subscription="sub_1", **noted), "c", NOW)
    assert old is not None
    assert (old.subscription, old.subscription_id) == ("sub_1", "sub_ours")
    assert words.invoice(invoice(parent=None), "c", NOW) is None
    assert (
        words.invoice(invoice(parent={"quote_details": {"quote": "qt_1"}}, subscription=None), "c", NOW)
        is None
    )


def method(number: int, **more: object) -> Json:
    card: Json = {"brand": "visa", "last4": "4242", "fingerprint": "secret"}
    return {"id": f"pm_{number}", "type": "card", "created": number, "card": card, **more}


def test_a_saved_method_shows_no_more_of_a_card_than_anybody_may_see() -> None:
    (said,) = words.saved([method(1)], None)
    assert (said.reference, said.kind, said.brand, said.last4) == ("pm_1", "card", "visa", "4242")
    (other,) = words.saved([method(2, type="link", link={"email": "anna@example.com"})], None)
    assert (other.kind, other.brand, other.last4) == ("link", None, None)


def test_the_method_a_customer_wants_used_comes_first_and_then_the_newest() -> None:
    kept = [method(2), method(3), method(1)]
    for favourite, order in ((None, [3, 2, 1]), ("pm_1", [1, 3, 2]), ("pm_gone", [3, 2, 1])):
        assert [each.reference for each in words.saved(kept, favourite)] == [f"pm_{each}" for each in order]


# --- Lists ------------------------------------------------------------------------------------------------


def test_captures_are_listed_by_the_payment_intent_and_what_brought_no_money_is_not() -> None:
    item = listed(Subject.PAYMENT, session(), NOW)
    assert item is not None
    assert (item.reference, item.made_at) == ("pi_1", datetime(2026, 11, 21, 12, tzinfo=UTC))
    assert isinstance(item.said, Observation)
    assert (item.said.captured, item.said.reference) == (HUF, "cs_test_1")
    others = (session(paid="unpaid"), session(paid="no_payment_required"), session(mode="subscription"))
    assert [listed(Subject.PAYMENT, other, NOW) for other in others] == [None] * 3


@pytest.mark.parametrize("item", [None, 7, [], "cs_1", {}, {"id": 7}, {"id": "x", "mode": "payment"}])
def test_what_cannot_be_read_is_listed_as_that(item: object) -> None:
    for subject in Subject:
        found = listed(subject, item, NOW)
        assert found is not None
        assert found.said is None


def test_a_capture_without_a_name_cannot_be_compared() -> None:
    found = listed(Subject.PAYMENT, session(payment_intent=None), NOW)
    assert found is not None
    assert (found.said, found.reference) == (None, "cs_test_1")


ODD: tuple[object, ...] = (
    None,
    True,
    7,
    -1,
    1 << 70,
    1.5,
    float("nan"),
    "",
    "text",
    "\ud800",
    "\0",
    [],
    ["x"],
    {},
    {"id": 7},
    [[{}]],
)
READERS: tuple[tuple[Json, Callable[[Json], object]], ...] = (
    (session(payment_intent=intent("canceled")), told),
    (intent("succeeded"), lambda said: words.charge(said, Channel.READ, "c", NOW)),
    (refund("succeeded"), lambda said: words.refund(said, "c", NOW)),
    (
        dispute("lost", balance_transactions=[{"fee": 1, "currency": "huf"}]),
        lambda s: words.dispute(s, "c", NOW),
    ),
    (subscription(), lambda said: words.subscription(said, "c", NOW)),
    (invoice(), lambda said: words.invoice(said, "c", NOW)),
)


def test_whatever_stands_in_a_field_is_read_or_unreadable_and_nothing_else() -> None:
    for sound, read in READERS:
        for name in sound:
            for odd in ODD:
                with suppress(*ILLEGIBLE):
                    read(sound | {name: odd})
