"""Whatever a company that keeps the schedule says, and in whatever order: it comes to one state."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as some

from domain.billing import SubscriptionStatus, gives
from domain.calendar import Interval, Rhythm
from domain.catalog import Offer, Plan, Price
from domain.mirror import Standing, Word, doubtful, mirrored, new_of_bill, placed, standing
from domain.money import Money
from domain.standing import Subscription, Terms
from domain.subscription import InvoiceObservation, InvoiceWord, SubscriptionObservation
from domain.subscription import SubscriptionWord as W

S = SubscriptionStatus
BEGUN: Final = datetime(2026, 1, 31, 9, tzinfo=UTC)
MONTH: Final = timedelta(days=30)
PRICE: Final = Price(
    id="prc_1",
    money=Money(amount_minor=1990000, currency="HUF"),
    interval=Interval.MONTH,
    per_seat=True,
    provider_prices={"dodo": "pdt_pro"},
)
PLAN: Final = Plan(
    id="pln_1", tenant_id="ten_1", name="Pro", prices=(PRICE,), created_at=BEGUN, updated_at=BEGUN
)
OFFER: Final = Offer(plan=PLAN, price=PRICE)
FRESH: Final = Subscription(
    id="sub_1",
    tenant_id="ten_1",
    user_id="user",
    customer_id="cus_1",
    account_id="acc_1",
    provider="dodo",
    provider_run=True,
    status=S.INCOMPLETE,
    terms=Terms(plan_id="pln_1", plan_name="Pro", price=PRICE, quantity=1),
    rhythm=Rhythm(anchor=BEGUN, interval=Interval.MONTH),
    sandbox=True,
    begun_at=BEGUN,
    created_at=BEGUN,
    updated_at=BEGUN,
)


def says(word: W, day: float = 0, number: int = 0, **facts: Any) -> SubscriptionObservation:
    """How it stood on a day of its life, told in event ``number``."""
    at = BEGUN + timedelta(days=day)
    month = int(day // 30)
    usual = {
        "price": "pdt_pro",
        "quantity": 1,
        "current_period_start": BEGUN + month * MONTH,
        "current_period_end": BEGUN + (month + 1) * MONTH,
        "told_at": at,
    }
    return SubscriptionObservation(
        word=word,
        raw_state=word,
        cause_id=f"evt_{number}",
        reference="theirs",
        observed_at=at,
        **(usual | facts),
    )


def heard(*said: SubscriptionObservation) -> Standing:
    words: list[Word] = []
    for each in said:
        words.append(placed(each, words))
    return standing(words)


def lived(*said: SubscriptionObservation) -> Subscription:
    """Our subscription after it heard these, one after the other."""
    sub, words = FRESH, list[Word]()
    for each in said:
        if each.cause_id not in {word.said.cause_id for word in words}:
            words.append(placed(each, words))
        sub = mirrored(sub, standing(words), OFFER).after
    return sub


_NEXT: Final = {
    W.INCOMPLETE: [W.TRIALING, W.ACTIVE, W.INCOMPLETE_EXPIRED],
    W.TRIALING: [W.ACTIVE, W.PAST_DUE, W.PAUSED, W.CANCELED],
    W.ACTIVE: [W.ACTIVE, W.PAST_DUE, W.PAUSED, W.CANCELED],
    W.PAST_DUE: [W.ACTIVE, W.PAST_DUE, W.UNPAID, W.CANCELED],
    W.UNPAID: [W.ACTIVE, W.CANCELED],
    W.PAUSED: [W.ACTIVE, W.CANCELED],
}


@some.composite
def lives(draw: some.DrawFn) -> list[SubscriptionObservation]:
    """A life in the order in which it happened: no two words of the same instant."""
    word, day, told = W.INCOMPLETE, 0.0, [says(W.INCOMPLETE)]
    for number in range(1, draw(some.integers(min_value=1, max_value=9))):
        if word not in _NEXT:
            break
        word = draw(some.sampled_from(_NEXT[word]))
        day += draw(some.sampled_from([0.01, 3, 27, 30, 31]))
        leaves = word is not W.CANCELED and draw(some.booleans())
        told.append(
            says(
                word,
                day,
                number,
                quantity=draw(some.integers(min_value=1, max_value=9)),
                cancel_at_period_end=leaves,
            )
        )
    return told


@given(life=lives(), data=some.data())
def test_any_order_any_repetition_and_any_loss_but_of_the_last_word_end_alike(
    life: list[SubscriptionObservation], data: some.DataObject
) -> None:
    kept = data.draw(some.lists(some.sampled_from(life), max_size=12))
    mixed = data.draw(some.permutations([*kept, life[-1]]))
    assert lived(*mixed) == lived(*life)


@given(life=lives(), data=some.data())
def test_what_is_told_of_a_life_in_its_order_names_each_status_it_came_to(
    life: list[SubscriptionObservation], data: some.DataObject
) -> None:
    sub, words, told = FRESH, list[Word](), list[str]()
    for each in life:
        words.append(placed(each, words))
        step = mirrored(sub, standing(words), OFFER)
        assert step.grant is False or gives(step.after.status)
        sub, told = step.after, [*told, *step.told]
    assert sub.status == life[-1].word.value
    last = {S.CANCELED: "canceled", S.UNPAID: "unpaid", S.INCOMPLETE_EXPIRED: "incomplete_expired"}
    assert sub.status not in last or last[sub.status] in told
    # Heard once more, nothing is told again.
    again = placed(data.draw(some.sampled_from(life)), words)
    assert mirrored(sub, standing([*words, again]), OFFER).told == ()


def test_an_end_is_for_ever_whatever_is_dated_later() -> None:
    ended = says(W.CANCELED, 10, 1)
    assert heard(ended, says(W.ACTIVE, 11, 2)).status is S.CANCELED
    assert lived(says(W.ACTIVE, 11, 2), ended) == lived(ended, says(W.ACTIVE, 11, 2))


def test_a_beginning_that_failed_may_still_be_paid() -> None:
    assert heard(says(W.INCOMPLETE_EXPIRED, 1, 1), says(W.ACTIVE, 2, 2)).status is S.ACTIVE


def test_of_one_instant_the_later_status_counts_and_the_company_is_asked() -> None:
    first, then = says(W.ACTIVE, 30, 1), says(W.PAST_DUE, 30, 2)
    assert heard(first, then).status is heard(then, first).status is S.PAST_DUE
    words = [placed(first, []), placed(then, [])]
    assert doubtful(words[1], words)


def test_what_was_read_is_newer_than_what_was_told_whatever_the_clocks_show() -> None:
    told = says(W.ACTIVE, 700, 1)
    read = says(W.PAST_DUE, 0, 2, told_at=None)
    assert heard(told, read).status is S.PAST_DUE
    words = [placed(told, [])]
    words.append(placed(read, words))
    assert not doubtful(words[1], words)
    # What happened after that is newer again.
    assert heard(told, read, says(W.ACTIVE, 701, 3)).status is S.ACTIVE


def test_a_late_word_that_contradicts_is_a_reason_to_ask_and_one_that_agrees_is_not() -> None:
    now = placed(says(W.ACTIVE, 30, 2), [])
    old, same = placed(says(W.PAST_DUE, 29, 1), []), placed(says(W.ACTIVE, 30, 3), [])
    assert doubtful(old, [now, old])
    assert not doubtful(same, [now, same])
    assert not doubtful(now, [now, old])
    end = placed(says(W.CANCELED, 40, 4), [])
    assert not doubtful(old, [now, old, end])


def test_what_a_word_leaves_out_an_earlier_one_has_told() -> None:
    bare = says(W.PAST_DUE, 31, 2, price=None, quantity=None, current_period_start=None)
    stands = heard(says(W.ACTIVE, 30, 1, quantity=4), bare)
    assert (stands.price, stands.quantity, stands.status) == ("pdt_pro", 4, S.PAST_DUE)
    assert stands.period is not None
    assert stands.period.start == BEGUN + MONTH


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (W.INCOMPLETE, W.TRIALING, ("trialing",)),
        (W.INCOMPLETE, W.ACTIVE, ("activated",)),
        (W.TRIALING, W.ACTIVE, ("activated",)),
        (W.ACTIVE, W.ACTIVE, ("renewed",)),
        (W.ACTIVE, W.PAST_DUE, ("past_due",)),
        (W.PAST_DUE, W.ACTIVE, ("activated", "renewed")),
        (W.PAST_DUE, W.UNPAID, ("unpaid",)),
        (W.ACTIVE, W.PAUSED, ("paused",)),
        (W.PAUSED, W.ACTIVE, ("resumed",)),
        (W.ACTIVE, W.CANCELED, ("canceled",)),
        (W.INCOMPLETE, W.INCOMPLETE_EXPIRED, ("incomplete_expired",)),
    ],
)
def test_tenants_hear_the_same_words_as_of_a_schedule_of_ours(
    before: W, after: W, told: tuple[str, ...]
) -> None:
    first, then = says(before, 0, 1), says(after, 31, 2)
    words = [placed(first, []), placed(then, [])]
    sub = lived(first)
    assert mirrored(sub, standing(words), OFFER).told == told


def test_another_price_or_a_wish_to_leave_is_a_change() -> None:
    sub = lived(says(W.ACTIVE, 0, 1))
    for news in ({"quantity": 3}, {"cancel_at_period_end": True}):
        step = mirrored(sub, heard(says(W.ACTIVE, 1, 2, **news)), OFFER)
        assert step.told == ("changed",)
    leaving = lived(says(W.ACTIVE, 0, 1), says(W.ACTIVE, 1, 2, cancel_at_period_end=True))
    assert leaving.cancel_at == BEGUN + MONTH


def test_of_a_paid_bill_no_failed_charge_is_told_and_nothing_twice() -> None:
    def bill(word: InvoiceWord, number: int) -> InvoiceObservation:
        return InvoiceObservation(
            word=word,
            raw_state=word,
            cause_id=f"evt_{number}",
            reference="in_1",
            subscription="theirs",
            observed_at=BEGUN,
        )

    failed, paid = bill(InvoiceWord.PAYMENT_FAILED, 1), bill(InvoiceWord.PAID, 2)
    assert new_of_bill(failed, [])
    assert new_of_bill(paid, [failed])
    assert not new_of_bill(failed, [paid])
    assert not new_of_bill(bill(InvoiceWord.PAID, 3), [paid])
    assert not new_of_bill(bill(InvoiceWord.DRAFT, 4), [])
