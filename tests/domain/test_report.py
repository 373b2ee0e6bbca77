"""Shares, sums that add up to the unit, and a history that misses no change of what comes in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.billing import AfterDunning, SubscriptionStatus
from domain.calendar import Interval, Rhythm
from domain.catalog import Price
from domain.changes import Proration, change
from domain.errors import IllegalTransition, ValidationFailed
from domain.invoice import Reason
from domain.lifecycle import Step, Subscription, Terms, cancel, due, failed, paid, pause, resume, take
from domain.money import Money
from domain.report import basis_points, revenue

E4 = 10_000
NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


def test_a_share_is_rounded_to_the_basis_point_and_of_nothing_there_is_none() -> None:
    assert [basis_points(*share) for share in ((1, 3), (2, 3), (1, 20_000), (1, 20_001), (0, 5), (5, 5))] == [
        *(3333, 6667, 1, 0),
        *(0, 10_000),
    ]
    assert basis_points(0, 0) is None


amounts = st.integers(min_value=0, max_value=10**15)


@given(amounts, st.tuples(amounts, amounts, amounts, amounts, amounts))
def test_movements_add_up_to_the_unit_and_each_is_right_to_the_unit(
    start: int, movements: tuple[int, int, int, int, int]
) -> None:
    told = revenue("HUF", start, movements)
    shown = (told.new, told.reactivated, told.expansion, told.contraction, told.churned)
    up, down = sum(shown[:3]), sum(shown[3:])
    assert told.start + up - down == told.end
    for exact, rounded in zip(movements, shown, strict=True):
        assert abs(exact - rounded * E4) <= E4
        assert exact or rounded == 0


def test_twelve_yearly_prices_bring_one_of_them_a_month() -> None:
    assert revenue("EUR", 12 * (10_000 * E4 // 12), (0, 0, 0, 0, 0)).start == 10_000


# --- Every change of what comes in is told --------------------------------------------------------


def priced(amount: int, interval: Interval, trial_days: int) -> Terms:
    price = Price(
        id=f"prc_{amount}_{interval}",
        money=Money(amount_minor=amount, currency="EUR"),
        interval=interval,
        trial_days=trial_days,
        per_seat=True,
    )
    return Terms(plan_id="pln_1", plan_name="Pro", price=price, quantity=1)


OFFERS = [priced(amount, interval, 0) for amount in (0, 999, 2_500) for interval in Interval]
TRIAL = priced(999, Interval.MONTH, 14)


def begin(terms: Terms) -> Subscription:
    rhythm = Rhythm(anchor=NOW, interval=terms.price.interval, count=terms.price.interval_count)
    return Subscription(
        id="sub_1",
        tenant_id="ten_1",
        user_id="user-1",
        customer_id="cus_1",
        account_id="acc_1",
        provider="sandbox",
        status=SubscriptionStatus.INCOMPLETE,
        terms=terms,
        rhythm=rhythm,
        sandbox=True,
        set_up_at=NOW if terms.price.trial_days or not terms.total_minor else None,
        begun_at=NOW,
        created_at=NOW,
        updated_at=NOW,
    )


def act(data: st.DataObject, sub: Subscription, now: datetime) -> Step | None:
    """Something that can happen to a subscription: time passes, money comes or does not, people wish."""
    one, policy = data.draw(st.booleans()), data.draw(st.sampled_from(AfterDunning))
    terms = data.draw(st.sampled_from(OFFERS)).model_copy(update={"quantity": data.draw(st.integers(1, 3))})
    deeds: list[Callable[[], Step | None]] = [
        lambda: take(sub.model_copy(update={"method_changed": True}), now, policy, has_method=one),
        lambda: paid(sub, Reason.CYCLE if one else Reason.CHANGE, now),
        lambda: failed(sub, "stolen_card" if one else "card_declined", now, sub.updated_at, policy),
        lambda: cancel(sub, now, at_period_end=one),
        lambda: pause(sub, now),
        lambda: resume(sub, now),
        lambda: change(sub, terms, data.draw(st.sampled_from(Proration)), now),
    ]
    if data.draw(st.booleans()):
        return take(sub, now, policy, has_method=one)
    return data.draw(st.sampled_from(deeds))()


@settings(max_examples=60)
@given(st.data())
def test_nothing_changes_what_a_subscription_brings_without_an_event(data: st.DataObject) -> None:
    sub, now = begin(data.draw(st.sampled_from([OFFERS[2], TRIAL]))), NOW
    if sub.set_up_at is None:
        sub = paid(sub, Reason.START, now).after
    for _ in range(data.draw(st.integers(3, 12))):
        now = max(now + timedelta(days=data.draw(st.integers(0, 3))), due(sub) or now)
        try:
            step = act(data, sub, now)
        except (IllegalTransition, ValidationFailed):
            continue
        if step is not None:
            assert step.told or step.after.mrr_e4 == sub.mrr_e4, (sub, step)
            sub = step.after
