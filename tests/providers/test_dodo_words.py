"""What Dodo says, word by word: every state it has, unknown ones, and its money."""

from datetime import UTC, datetime
from typing import Final, get_args

import pytest
from dodopayments.types import Currency, IntentStatus, RefundStatus, SubscriptionStatus
from dodopayments.types.dispute_stage import DisputeStage
from dodopayments.types.dispute_status import DisputeStatus

from domain.dispute import DisputeWord
from domain.errors import (
    OutcomeUnknown,
    ProviderDeclined,
)
from domain.evidence import Channel, Word
from domain.money import CURRENCIES, Money
from domain.reconciliation import Subject
from domain.refund import RefundWord
from domain.subscription import InvoiceWord, SubscriptionWord
from providers.dodo import billing, words
from providers.dodo.money import UNITS
from providers.dodo.words import Hearing
from tests.providers.dodo_samples import DISPUTE, PAYMENT, REFUND, SUBSCRIPTION

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEARING: Final = Hearing("cause", NOW, sandbox=True)
WEBHOOK: Final = HEARING._replace(channel=Channel.WEBHOOK)

# --- Payments ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (None, Word.OPEN),
        ("requires_payment_method", Word.OPEN),
        ("requires_confirmation", Word.OPEN),
        ("requires_customer_action", Word.OPEN),
        ("requires_merchant_action", Word.OPEN),
        ("processing", Word.PROCESSING),
        ("requires_capture", Word.PROCESSING),
        ("succeeded", Word.PAID),
        ("failed", Word.FAILED),
        ("cancelled", Word.CANCELLED),
        ("partially_captured", Word.UNCLEAR),
        ("partially_captured_and_capturable", Word.UNCLEAR),
        ("Succeeded", Word.UNCLEAR),
        ("paid", Word.UNCLEAR),
        ("", Word.UNCLEAR),
    ],
)
def test_a_payments_status_has_one_meaning(status: str | None, word: Word) -> None:
    said = words.payment_said(PAYMENT | {"status": status}, HEARING)
    assert (said.word, said.raw_state) == (word, "open" if status is None else status)
    assert (said.captured is None, said.capture is None) == (word is not Word.PAID, word is not Word.PAID)


def test_captured_is_what_the_payer_paid_and_not_what_the_merchant_is_credited() -> None:
    said = words.payment_said(PAYMENT, HEARING)
    assert said.captured == Money(amount_minor=1990000, currency="HUF")
    assert (said.payment_id, said.reference, said.capture) == ("pay_ours", "cks_1", "pay_theirs")
    assert said.sandbox is True


@pytest.mark.parametrize(("currency", "amount"), [("HUF", 1990050), ("JPY", 1990), ("KWD", 1990), ("EUR", 1)])
def test_amounts_are_in_the_minor_units_of_their_currency(currency: str, amount: int) -> None:
    said = words.payment_said(PAYMENT | {"total_amount": amount, "currency": currency}, HEARING)
    assert said.captured == Money(amount_minor=amount, currency=currency)


@pytest.mark.parametrize("amount", [19900.0, "1990000", True, None, [], -1, 1 << 63])
def test_money_that_is_not_clear_is_no_money(amount: object) -> None:
    with pytest.raises(OutcomeUnknown):
        words.payment_said(PAYMENT | {"total_amount": amount}, HEARING)


def test_a_decline_leaves_the_checkout_open_and_is_news_only_to_whom_it_is_told() -> None:
    declined = PAYMENT | {"status": "requires_payment_method", "error_code": "INSUFFICIENT_FUNDS"}
    assert words.payment_said(declined, HEARING).word is Word.OPEN
    said = words.payment_said(declined, WEBHOOK)
    assert (said.word, said.failure_code) == (Word.ATTEMPT_FAILED, "INSUFFICIENT_FUNDS")


def test_what_was_charged_without_a_checkout_goes_by_its_own_name() -> None:
    charge = PAYMENT | {"checkout_session_id": None, "subscription_id": "sub_1"}
    assert words.payment_said(charge, HEARING).reference == "pay_theirs"
    assert words.payment_said(PAYMENT | {"checkout_session_id": None}, HEARING).reference is None


def test_a_checkout_that_nobody_has_tried_is_open() -> None:
    said = words.unpaid({"id": "cks_1", "payment_id": None, "payment_status": None}, "cks_1", HEARING)
    assert (said.word, said.raw_state, said.reference) == (Word.OPEN, "open", "cks_1")
    odd = words.unpaid({"payment_id": None, "payment_status": "succeeded"}, "cks_1", HEARING)
    assert odd.word is Word.UNCLEAR


@pytest.mark.parametrize(
    ("status", "word", "raw"),
    [
        ("requires_customer_action", Word.EXPIRED, "requires_customer_action, cannot be closed"),
        (None, Word.EXPIRED, "open, cannot be closed"),
        ("processing", Word.PROCESSING, "processing"),
        ("succeeded", Word.PAID, "succeeded"),
        ("partially_captured", Word.UNCLEAR, "partially_captured"),
    ],
)
def test_closing_ends_only_what_nobody_has_paid(status: str | None, word: Word, raw: str) -> None:
    said = words.closed(words.payment_said(PAYMENT | {"status": status}, HEARING))
    assert (said.word, said.raw_state) == (word, raw)


def test_of_several_payments_of_one_order_money_says_most() -> None:
    said = [
        PAYMENT | {"status": status} for status in ("failed", "processing", "succeeded", "requires_capture")
    ]
    for several in (said, said[::-1]):
        assert words.most_telling(several, HEARING)["status"] == "succeeded"
    partly = [PAYMENT | {"status": status} for status in ("processing", "partially_captured")]
    assert words.most_telling(partly, HEARING)["status"] == "partially_captured"


@pytest.mark.parametrize(("code", "again"), [("INSUFFICIENT_FUNDS", True), ("STOLEN_CARD", False)])
def test_a_declined_charge_says_whether_the_card_may_be_tried_again(code: str, *, again: bool) -> None:
    with pytest.raises(ProviderDeclined) as declined:
        words.charged(PAYMENT | {"status": "failed", "error_code": code}, HEARING)
    assert (declined.value.reason, declined.value.again) == (code, again)


def test_a_charge_that_the_payer_must_approve_is_an_attempt() -> None:
    assert words.charged(PAYMENT | {"status": "requires_customer_action"}, HEARING).word is (
        Word.ATTEMPT_FAILED
    )


# --- Refunds, disputes, subscriptions ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("pending", RefundWord.PENDING),
        ("review", RefundWord.PENDING),
        ("succeeded", RefundWord.SUCCEEDED),
        ("failed", RefundWord.FAILED),
        ("reversed", RefundWord.UNCLEAR),
        (None, RefundWord.UNCLEAR),
    ],
)
def test_a_refunds_status_has_one_meaning(status: str | None, word: RefundWord) -> None:
    said = words.refund_said(REFUND | {"status": status}, HEARING)
    assert said.word is word
    assert (said.refund_id, said.payment_id, said.capture) == ("ref_ours", "pay_ours", "pay_theirs")


def test_a_refund_made_in_the_dashboard_names_the_capture_alone() -> None:
    said = words.refund_said(REFUND | {"metadata": {}}, HEARING)
    assert (said.refund_id, said.payment_id, said.capture) == (None, None, "pay_theirs")


@pytest.mark.parametrize(
    ("stage", "status", "word"),
    [
        ("pre_dispute", "dispute_opened", DisputeWord.INQUIRY),
        ("pre_dispute", "dispute_challenged", DisputeWord.INQUIRY),
        ("pre_dispute", "dispute_expired", DisputeWord.UNCLEAR),
        ("pre_dispute", "dispute_accepted", DisputeWord.LOST),
        ("pre_dispute", "dispute_lost", DisputeWord.LOST),
        ("pre_dispute", "dispute_cancelled", DisputeWord.CLOSED),
        ("pre_dispute", "dispute_won", DisputeWord.WON),
        ("dispute", "dispute_opened", DisputeWord.OPENED),
        ("dispute", "dispute_challenged", DisputeWord.UNDER_REVIEW),
        ("dispute", "dispute_expired", DisputeWord.LOST),
        ("dispute", "dispute_accepted", DisputeWord.LOST),
        ("dispute", "dispute_lost", DisputeWord.LOST),
        ("dispute", "dispute_cancelled", DisputeWord.CLOSED),
        ("dispute", "dispute_won", DisputeWord.WON),
        ("pre_arbitration", "dispute_opened", DisputeWord.OPENED),
        ("pre_arbitration", "dispute_challenged", DisputeWord.UNDER_REVIEW),
        ("arbitration", "dispute_opened", DisputeWord.UNCLEAR),
        ("dispute", "dispute_settled", DisputeWord.UNCLEAR),
    ],
)
def test_a_disputes_stage_and_status_have_one_meaning(stage: str, status: str, word: DisputeWord) -> None:
    said = words.dispute_said(DISPUTE | {"dispute_stage": stage, "dispute_status": status}, HEARING)
    assert (said.word, said.raw_state) == (word, f"{stage}/{status}")


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("1990050", "HUF", 1990050), ("1", "EUR", 1), ("1990", "JPY", 1990), (400, "USD", 400)],
)
def test_a_disputes_amount_is_a_string_of_minor_units(amount: str, currency: str, minor: int) -> None:
    said = words.dispute_said(DISPUTE | {"amount": amount, "currency": currency}, HEARING)
    assert said.money == Money(amount_minor=minor, currency=currency)


@pytest.mark.parametrize(
    "amount", ["19900.50", "19,900", "-1", "", " 1", "1e3", "٣", 4.0, True, None, "9" * 19]
)
def test_a_disputes_amount_that_might_mean_something_else_is_refused(amount: object) -> None:
    with pytest.raises(OutcomeUnknown):
        words.dispute_said(DISPUTE | {"amount": amount}, HEARING)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("pending", SubscriptionWord.INCOMPLETE),
        ("active", SubscriptionWord.ACTIVE),
        ("on_hold", SubscriptionWord.PAST_DUE),
        ("past_due", SubscriptionWord.PAST_DUE),
        ("paused", SubscriptionWord.PAUSED),
        ("cancelled", SubscriptionWord.CANCELED),
        ("expired", SubscriptionWord.CANCELED),
        ("failed", SubscriptionWord.INCOMPLETE_EXPIRED),
        ("frozen", SubscriptionWord.UNCLEAR),
    ],
)
def test_a_subscriptions_status_has_one_meaning(status: str, word: SubscriptionWord) -> None:
    said = billing.subscription_said(SUBSCRIPTION | {"status": status}, HEARING)
    assert (said.word, said.subscription_id, said.reference) == (word, "sub_ours", "sub_theirs")
    assert (said.customer, said.price, said.quantity) == ("cus_theirs", "pdt_pro", 2)


def test_a_subscription_is_trialing_until_its_trial_is_over() -> None:
    trial = SUBSCRIPTION | {"trial_period_days": 14}
    end = datetime(2026, 12, 4, 12, tzinfo=UTC)
    said = billing.subscription_said(trial, HEARING)
    assert (said.word, said.trial_end) == (SubscriptionWord.TRIALING, end)
    assert billing.subscription_said(trial, HEARING._replace(at=end)).word is SubscriptionWord.ACTIVE
    billed = trial | {"previous_billing_date": end.isoformat()}
    assert billing.subscription_said(billed, HEARING).word is SubscriptionWord.ACTIVE
    assert (
        billing.subscription_said(trial | {"status": "cancelled"}, HEARING).word is SubscriptionWord.CANCELED
    )


def test_a_subscription_that_ends_with_its_period_says_when() -> None:
    said = billing.subscription_said(SUBSCRIPTION | {"cancel_at_next_billing_date": True}, HEARING)
    assert said.cancel_at_period_end
    assert said.cancel_at == said.current_period_end == datetime(2026, 12, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("succeeded", InvoiceWord.PAID),
        ("failed", InvoiceWord.PAYMENT_FAILED),
        ("processing", InvoiceWord.OPEN),
        ("cancelled", InvoiceWord.VOID),
        ("partially_captured", InvoiceWord.UNCLEAR),
    ],
)
def test_what_is_paid_for_a_subscription_is_its_bill(status: str, word: InvoiceWord) -> None:
    ours = {"metadata": {"paysaga_subscription": "sub_ours"}, "status": status}
    for bill in ({"subscription_id": "sub_1"}, {"subscription_id": None, "subscription_ids": ["sub_1"]}):
        said = billing.bill_said(PAYMENT | bill | ours, HEARING)
        assert (said.word, said.reference, said.subscription) == (word, "pay_theirs", "sub_1")
        assert (said.subscription_id, said.money) == (
            "sub_ours",
            Money(amount_minor=1_990_000, currency="HUF"),
        )


def test_every_word_that_the_sdk_knows_is_known_here() -> None:
    """A new release of the SDK fails here when Dodo has learnt a word."""
    partly = {"partially_captured", "partially_captured_and_capturable"}
    for status in sorted(set(get_args(IntentStatus)) - partly):
        assert words.payment_said(PAYMENT | {"status": status}, HEARING).word is not Word.UNCLEAR
        bill = PAYMENT | {"status": status, "subscription_id": "sub_1"}
        assert billing.bill_said(bill, HEARING).word is not InvoiceWord.UNCLEAR
    for status in get_args(RefundStatus):
        assert words.refund_said(REFUND | {"status": status}, HEARING).word is not RefundWord.UNCLEAR
    for status in get_args(SubscriptionStatus):
        said = billing.subscription_said(SUBSCRIPTION | {"status": status}, HEARING)
        assert said.word is not SubscriptionWord.UNCLEAR
    for status in get_args(DisputeStatus):
        for stage in get_args(DisputeStage):
            if (stage, status) != ("pre_dispute", "dispute_expired"):
                dispute = DISPUTE | {"dispute_stage": stage, "dispute_status": status}
                assert words.dispute_said(dispute, HEARING).word is not DisputeWord.UNCLEAR


def test_it_takes_the_currencies_that_dodo_and_we_both_know_in_isos_units() -> None:
    assert UNITS.currencies == CURRENCIES & set(get_args(Currency))
    assert {"HUF", "EUR", "JPY", "KWD"} < UNITS.currencies
    assert not UNITS.decimals
    assert (UNITS.least["HUF"], UNITS.least["JPY"], UNITS.least["GBP"]) == (17500, 50, 30)
    assert set(UNITS.least) <= UNITS.currencies


def test_the_tenants_metadata_goes_along_as_far_as_it_fits_and_ours_always() -> None:
    own = {f"key-{number}": "value" for number in range(60)}
    sent = words.metadata(own, paysaga_payment="pay_ours")
    assert len(sent) == 50
    assert sent["paysaga_payment"] == "pay_ours"
    odd = {"paysaga_refund": "theirs", "k" * 41: "v", "with space": "v", "long": "v" * 501, "plan": "pro"}
    assert words.metadata(odd, paysaga_payment="pay_ours") == {"plan": "pro", "paysaga_payment": "pay_ours"}


def test_an_entry_of_a_list_that_cannot_be_read_is_listed_as_that() -> None:
    odd: tuple[object, ...] = (
        {"payment_id": "pay_1", "currency": "XXX"},
        {"payment_id": 7},
        {},
        None,
        "pay_1",
    )
    for item in odd:
        assert words.listed(Subject.PAYMENT, item, HEARING).said is None
    found = words.listed(Subject.DISPUTE, DISPUTE, HEARING)
    assert (found.reference, found.made_at) == ("dp_1", datetime(2026, 11, 21, 11, 59, tzinfo=UTC))
