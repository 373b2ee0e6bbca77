"""The life of a subscription: how it comes to each status, what is charged on the way, and when."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.billing import Access, AfterDunning, access
from domain.billing import SubscriptionStatus as S
from domain.calendar import Interval
from domain.changes import Proration, change
from domain.errors import IllegalTransition, ValidationFailed
from domain.invoice import InvoiceStatus, Reason
from domain.lifecycle import cancel, due, expired, pause, resume, take
from tests.domain.living import Card, Life, begun, terms, unborn

NEW_YEAR = datetime(2026, 1, 1, 9, tzinfo=UTC)
LAST_OF_JANUARY = datetime(2026, 1, 31, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONTH = 31 * DAY
"""January's."""


def dunned(card: Card = Card.POOR, policy: AfterDunning = AfterDunning.CANCEL) -> Life:
    """One whose first renewal, on 1 February, has just been refused."""
    life = begun(NEW_YEAR)
    life.card, life.policy = card, policy
    life.until(NEW_YEAR + MONTH)
    assert life.status is S.PAST_DUE
    return life


def on_trial(days: int = 14, card: Card = Card.GOOD) -> Life:
    life = begun(NEW_YEAR, terms(trial_days=days))
    life.card = card
    return life


def days_since(start: datetime, instants: list[datetime]) -> list[float]:
    return [(at - start) / DAY for at in instants]


def starts(life: Life) -> list[str]:
    paid = (invoice.period for invoice in life.invoices(InvoiceStatus.PAID))
    zone = ZoneInfo(life.sub.rhythm.zone)
    return [period.start.astimezone(zone).strftime("%Y-%m-%d %H:%M") for period in paid]


# --- The beginning --------------------------------------------------------------------------------


def test_who_pays_has_it_from_that_moment_on() -> None:
    life = Life(unborn(NEW_YEAR, terms()), NEW_YEAR)
    assert access(life.status) is Access.NONE
    life.now += 3 * HOUR
    life.subscribes()
    assert (life.status, access(life.status), life.events) == (S.ACTIVE, Access.FULL, ["activated"])
    assert life.sub.period is not None
    assert life.sub.period.start == NEW_YEAR + 3 * HOUR
    assert len(life.charges) == 1


def test_who_does_not_pay_within_23_hours_has_nothing() -> None:
    life = Life(unborn(NEW_YEAR, terms()), NEW_YEAR)
    life.until(NEW_YEAR + 23 * HOUR - timedelta(seconds=1))
    assert life.status is S.INCOMPLETE
    life.until(NEW_YEAR + 40 * HOUR)
    assert (life.status, access(life.status)) == (S.INCOMPLETE_EXPIRED, Access.NONE)
    assert life.told == [("incomplete_expired", NEW_YEAR + 23 * HOUR)]
    assert life.sub.ended_at == NEW_YEAR + 23 * HOUR
    assert due(life.sub) is None


def test_what_has_never_begun_can_be_called_off_but_neither_paused_nor_changed() -> None:
    sub = unborn(NEW_YEAR, terms())
    assert cancel(sub, NEW_YEAR, at_period_end=True).after.status is S.CANCELED
    with pytest.raises(IllegalTransition):
        pause(sub, NEW_YEAR)
    with pytest.raises(IllegalTransition):
        resume(sub, NEW_YEAR)
    with pytest.raises(IllegalTransition):
        change(sub, terms(2_000), Proration.PRORATE, NEW_YEAR)


def test_what_has_ended_stays_ended() -> None:
    over = cancel(begun(NEW_YEAR).sub, NEW_YEAR + DAY, at_period_end=False).after
    assert cancel(over, NEW_YEAR + 2 * DAY, at_period_end=False).told == ()
    for wish in (pause, resume):
        with pytest.raises(IllegalTransition):
            wish(over, NEW_YEAR + 2 * DAY)
    never = expired(unborn(NEW_YEAR, terms()), NEW_YEAR + DAY).after
    with pytest.raises(IllegalTransition):
        cancel(never, NEW_YEAR + 2 * DAY, at_period_end=False)


def test_a_plan_that_costs_nothing_begins_without_a_payment_and_goes_on_so() -> None:
    life = begun(NEW_YEAR, terms(0))
    life.days(100)
    assert (life.status, life.charges) == (S.ACTIVE, [])
    assert life.events == ["activated", "renewed", "renewed", "renewed"]
    assert {invoice.totals.total_minor for invoice in life.invoices(InvoiceStatus.PAID)} == {0}


# --- The trial ------------------------------------------------------------------------------------


def test_a_trial_gives_everything_reminds_and_becomes_a_subscription() -> None:
    life = on_trial(14)
    assert (life.status, access(life.status), life.charges) == (S.TRIALING, Access.FULL, [])
    life.days(20)
    end = NEW_YEAR + 14 * DAY
    assert life.told == [
        ("trialing", NEW_YEAR),
        ("trial_will_end", end - 3 * DAY),
        ("activated", end),
    ]
    assert life.tried == [end]
    assert life.sub.period is not None
    assert life.sub.period.start == end


@pytest.mark.parametrize("late", [timedelta(0), 2 * HOUR], ids=["at once", "hours after the order"])
def test_nobody_is_reminded_of_a_short_trial_as_it_begins(late: timedelta) -> None:
    life = Life(unborn(NEW_YEAR, terms(trial_days=3)), NEW_YEAR + late)
    life.subscribes()
    life.days(10)
    assert life.events == ["trialing", "activated"]


def test_a_trial_without_a_card_pauses_and_a_card_begins_the_subscription() -> None:
    life = on_trial(14, Card.NONE)
    life.days(20)
    assert (life.status, access(life.status), life.charges) == (S.PAUSED, Access.NONE, [])
    assert life.told[-1] == ("paused", NEW_YEAR + 14 * DAY)
    life.put_in(Card.GOOD)
    assert life.status is S.ACTIVE
    assert life.sub.period is not None
    assert life.sub.period.start == NEW_YEAR + 20 * DAY
    assert life.events[-3:] == ["resumed", "activated", "renewed"]


def test_a_trial_whose_card_is_refused_is_past_due() -> None:
    life = on_trial(14, Card.POOR)
    life.days(14)
    assert (life.status, life.statuses) == (S.PAST_DUE, [S.TRIALING, S.PAST_DUE])
    life.put_in(Card.GOOD)
    assert life.status is S.ACTIVE


def test_a_trial_that_is_called_off_ends_with_nothing_charged_and_nobody_reminded() -> None:
    life = on_trial(14)
    life.days(2)
    life.do(cancel(life.sub, life.now, at_period_end=True))
    assert life.sub.cancel_at == NEW_YEAR + 14 * DAY
    life.days(30)
    assert (life.status, life.charges) == (S.CANCELED, [])
    assert life.events == ["trialing", "changed", "canceled"]
    assert life.sub.ended_at == NEW_YEAR + 14 * DAY


def test_a_trial_of_a_free_plan_needs_no_card_but_one_that_turns_into_a_paid_plan_does() -> None:
    free = on_trial(14, Card.NONE)
    free.do(change(free.sub, terms(0), Proration.PRORATE, NEW_YEAR + DAY))
    dear = Life(free.sub, free.now, card=Card.NONE)
    dear.do(change(dear.sub, terms(500), Proration.NEXT_PERIOD, NEW_YEAR + DAY))
    for life in (free, dear):
        life.days(20)
    assert (free.status, dear.status) == (S.ACTIVE, S.PAUSED)


def test_a_card_that_comes_while_its_trial_ends_is_not_forgotten() -> None:
    life = on_trial(14, Card.NONE)
    life.until(NEW_YEAR + 13 * DAY)
    life.put_in(Card.GOOD)
    # It was looked for before it came; the trial's end is written down after.
    life.now = NEW_YEAR + 14 * DAY
    paused = take(life.sub, life.now, life.policy, has_method=False)
    assert paused is not None
    life.do(paused)
    assert life.events[-1] == "paused"
    life.until(life.now)
    assert life.events[-3:] == ["resumed", "activated", "renewed"]


# --- Renewals -------------------------------------------------------------------------------------


def test_a_month_after_the_other_is_charged_once() -> None:
    life = begun(LAST_OF_JANUARY)
    life.until(datetime(2026, 7, 1, tzinfo=UTC))
    assert starts(life) == [
        f"2026-{day} 09:00" for day in ("01-31", "02-28", "03-31", "04-30", "05-31", "06-30")
    ]
    assert life.tried == [invoice.period.start for invoice in life.invoices(InvoiceStatus.PAID)]
    assert life.statuses == [S.ACTIVE]
    assert life.events == ["activated", *["renewed"] * 5]


def test_two_years_pushed_at_once_are_twenty_four_renewals_each_on_its_day() -> None:
    slowly, at_once = begun(LAST_OF_JANUARY), begun(LAST_OF_JANUARY)
    then = LAST_OF_JANUARY.replace(year=2028, hour=10)
    slowly.until(then)
    at_once.pushed(then)
    assert len(at_once.charges) == 1 + 24
    assert starts(at_once) == starts(slowly)
    assert [invoice.created_at for invoice in at_once.closed] == [
        invoice.period.start for invoice in at_once.closed
    ]
    assert starts(at_once)[-1] == "2028-01-31 09:00"
    assert "2027-02-28 09:00" in starts(at_once)


@pytest.mark.parametrize(
    ("first", "wanted", "zone", "expected"),
    [
        pytest.param(
            datetime(2028, 1, 31, 9, tzinfo=UTC),
            terms(),
            "UTC",
            ["2028-01-31 09:00", "2028-02-29 09:00", "2028-03-31 09:00"],
            id="leap day",
        ),
        pytest.param(
            datetime(2028, 2, 29, 9, tzinfo=UTC),
            terms(interval=Interval.YEAR),
            "UTC",
            [f"20{day} 09:00" for day in ("28-02-29", "29-02-28", "30-02-28", "31-02-28", "32-02-29")],
            id="a year from a leap day on",
        ),
        pytest.param(
            datetime(2026, 2, 28, 9, tzinfo=ZoneInfo("Europe/Budapest")).astimezone(UTC),
            terms(),
            "Europe/Budapest",
            ["2026-02-28 09:00", "2026-03-28 09:00", "2026-04-28 09:00"],
            id="summer time begins",
        ),
        pytest.param(
            datetime(2026, 9, 30, 9, tzinfo=ZoneInfo("Europe/Budapest")).astimezone(UTC),
            terms(),
            "Europe/Budapest",
            ["2026-09-30 09:00", "2026-10-30 09:00", "2026-11-30 09:00"],
            id="summer time ends",
        ),
        pytest.param(
            datetime(2026, 12, 31, 23, 30, tzinfo=ZoneInfo("Europe/Budapest")).astimezone(UTC),
            terms(),
            "Europe/Budapest",
            ["2026-12-31 23:30", "2027-01-31 23:30", "2027-02-28 23:30", "2027-03-31 23:30"],
            id="the year ends",
        ),
    ],
)
def test_the_day_it_began_on_is_kept(first: datetime, wanted: object, zone: str, expected: list[str]) -> None:
    life = begun(first, wanted, zone)  # type: ignore[arg-type]
    while len(life.charges) < len(expected):
        life.days(28)
    assert starts(life) == expected


def test_a_charge_that_takes_its_time_moves_no_day_and_nothing_is_done_meanwhile() -> None:
    life = begun(LAST_OF_JANUARY)
    life.slow = True
    life.until(datetime(2026, 3, 5, tzinfo=UTC))
    assert (life.status, life.on_its_way) == (S.ACTIVE, True)
    life.answered(Card.GOOD)
    life.slow = False
    life.until(datetime(2026, 4, 1, tzinfo=UTC))
    assert starts(life)[1:] == ["2026-02-28 09:00", "2026-03-31 09:00"]


# --- When a renewal is not paid -------------------------------------------------------------------


def test_it_is_tried_again_on_days_2_7_14_and_21_and_then_ends() -> None:
    life = dunned()
    assert access(life.status) is Access.GRACE
    start = life.now
    life.days(40)
    assert days_since(start, life.tried[1:]) == [0, 2, 7, 14, 21]
    assert life.told[1:] == [("past_due", start), ("canceled", start + 21 * DAY)]
    (owed,) = life.invoices(InvoiceStatus.UNCOLLECTIBLE)
    assert owed.reason is Reason.CYCLE
    assert (life.status, due(life.sub)) == (S.CANCELED, None)


def test_all_days_pushed_at_once_are_all_tries() -> None:
    life = begun(NEW_YEAR)
    life.card = Card.POOR
    life.pushed(NEW_YEAR + MONTH + 22 * DAY)
    assert [card for _, card in life.charges] == [Card.GOOD, *[Card.POOR] * 5]
    assert life.status is S.CANCELED


def test_a_tenant_may_have_it_stay_unpaid_until_a_card_heals_it() -> None:
    life = dunned(policy=AfterDunning.UNPAID)
    life.days(60)
    assert (life.status, access(life.status)) == (S.UNPAID, Access.NONE)
    assert life.events[-1] == "unpaid"
    assert len(life.charges) == 1 + 5
    life.put_in(Card.POOR)
    assert (life.status, life.events[-1]) == (S.UNPAID, "unpaid")
    life.put_in(Card.GOOD)
    assert (life.status, life.events[-2:]) == (S.ACTIVE, ["activated", "renewed"])
    # It gave nothing for a while: what is paid for begins now, and is not charged for twice.
    assert life.sub.period is not None
    assert life.sub.period.start == life.now
    assert len(life.invoices(InvoiceStatus.PAID)) == 2
    assert (life.sub.tries, life.sub.dunning_since) == (0, None)


def test_healed_within_its_period_it_keeps_its_days() -> None:
    life = dunned()
    life.days(9)
    life.put_in(Card.GOOD)
    assert (life.status, life.events[-2:]) == (S.ACTIVE, ["activated", "renewed"])
    life.until(datetime(2026, 3, 2, tzinfo=UTC))
    assert starts(life) == ["2026-01-01 09:00", "2026-02-01 09:00", "2026-03-01 09:00"]


def test_a_card_that_is_good_again_heals_at_the_next_try() -> None:
    life = dunned()
    start, life.card = life.now, Card.GOOD
    life.days(10)
    assert days_since(start, life.tried[1:]) == [0, 2]
    assert life.status is S.ACTIVE


@pytest.mark.parametrize("card", [Card.LOST, Card.NONE])
def test_a_hard_decline_ends_the_tries_and_leaves_the_grace(card: Card) -> None:
    life = dunned(card)
    start = life.now
    life.days(21 - 0.01)
    assert (life.status, days_since(start, life.tried[1:])) == (S.PAST_DUE, [0])
    life.days(0.01)
    assert (life.status, life.told[-1]) == (S.CANCELED, ("canceled", start + 21 * DAY))


def test_a_card_that_is_lost_during_the_tries_ends_them() -> None:
    life = dunned()
    start = life.now
    life.days(3)
    life.card = Card.LOST
    life.days(30)
    assert days_since(start, life.tried[1:]) == [0, 2, 7]
    assert life.told[-1] == ("canceled", start + 21 * DAY)


def test_another_card_in_place_of_a_lost_one_has_the_days_that_are_left() -> None:
    life = dunned(Card.LOST)
    start = life.now
    life.days(3)
    life.put_in(Card.POOR)
    assert life.status is S.PAST_DUE
    life.days(30)
    assert days_since(start, life.tried[1:]) == [0, 3, 7, 14, 21]


def test_a_subscriber_who_tries_card_after_card_loses_none_of_the_days() -> None:
    life = dunned()
    start = life.now
    for _ in range(5):
        life.put_in(Card.POOR)
    assert life.status is S.PAST_DUE
    life.days(30)
    assert days_since(start, life.tried[1:]) == [*[0] * 6, 2, 7, 14, 21]


def test_a_card_that_comes_while_the_old_one_is_charged_is_tried_at_once() -> None:
    life = begun(NEW_YEAR)
    life.card, life.slow = Card.LOST, True
    life.until(NEW_YEAR + MONTH)
    life.put_in(Card.GOOD)
    life.answered(Card.LOST)
    life.slow = False
    life.until(life.now)
    assert life.status is S.ACTIVE


def test_news_that_was_not_needed_makes_no_try_of_its_own() -> None:
    life = begun(NEW_YEAR)
    life.put_in(Card.POOR)
    life.until(NEW_YEAR + MONTH + DAY)
    assert life.tried[1:] == [NEW_YEAR + MONTH]


# --- Its end --------------------------------------------------------------------------------------


def test_cancelled_at_once_it_gives_nothing_more() -> None:
    life = begun(NEW_YEAR)
    life.days(10)
    life.do(cancel(life.sub, life.now, at_period_end=False))
    assert (life.status, access(life.status), life.told[-1]) == (
        S.CANCELED,
        Access.NONE,
        ("canceled", life.now),
    )
    assert life.sub.canceled_at == life.sub.ended_at == life.now
    life.days(100)
    assert len(life.charges) == 1


def test_cancelled_with_its_period_it_gives_what_was_paid_for() -> None:
    life = begun(NEW_YEAR)
    life.days(10)
    life.do(cancel(life.sub, life.now, at_period_end=True))
    life.do(cancel(life.sub, life.now + HOUR, at_period_end=True))
    assert (life.status, life.sub.cancel_at) == (S.ACTIVE, NEW_YEAR + MONTH)
    life.days(100)
    assert (life.status, len(life.charges)) == (S.CANCELED, 1)
    assert life.told[1:] == [("changed", NEW_YEAR + 10 * DAY), ("canceled", NEW_YEAR + MONTH)]
    assert (life.sub.canceled_at, life.sub.ended_at) == (NEW_YEAR + 10 * DAY, NEW_YEAR + MONTH)


def test_who_thinks_better_of_it_goes_on() -> None:
    life = begun(NEW_YEAR)
    life.do(cancel(life.sub, NEW_YEAR + DAY, at_period_end=True))
    life.do(resume(life.sub, NEW_YEAR + 2 * DAY))
    assert (life.sub.cancel_at, life.sub.canceled_at) == (None, None)
    assert resume(life.sub, NEW_YEAR + 2 * DAY).told == ()
    life.until(NEW_YEAR + MONTH)
    assert (life.status, len(life.charges)) == (S.ACTIVE, 2)


def test_a_cancel_stops_the_tries_at_once() -> None:
    now, at_the_end = dunned(), dunned()
    now.do(cancel(now.sub, now.now + DAY, at_period_end=False))
    at_the_end.do(cancel(at_the_end.sub, at_the_end.now + DAY, at_period_end=True))
    for life in (now, at_the_end):
        life.put_in(Card.GOOD)
        life.days(60)
        assert (life.status, len(life.charges)) == (S.CANCELED, 2)
        assert len(life.invoices(InvoiceStatus.UNCOLLECTIBLE)) == 1


@pytest.mark.parametrize("policy", AfterDunning)
def test_what_is_owed_and_called_off_gives_nothing_beyond_its_grace(policy: AfterDunning) -> None:
    life = begun(NEW_YEAR, terms(interval=Interval.YEAR))
    life.card, life.policy = Card.POOR, policy
    life.days(365)
    life.do(cancel(life.sub, life.now, at_period_end=True))
    assert life.sub.cancel_at == NEW_YEAR + 386 * DAY
    life.days(30)
    assert (life.status, life.told[-1]) == (S.CANCELED, ("canceled", NEW_YEAR + 386 * DAY))


def test_the_tries_go_on_for_who_thinks_better_of_it_but_not_with_a_lost_card() -> None:
    for card, tries in ((Card.POOR, [0, 6, 7, 14, 21]), (Card.LOST, [0])):
        life = dunned(card)
        start = life.now
        life.do(cancel(life.sub, life.now, at_period_end=True))
        life.days(6)
        life.do(resume(life.sub, life.now))
        life.days(30)
        assert days_since(start, life.tried[1:]) == tries
        assert life.told[-1] == ("canceled", start + 21 * DAY)


def test_money_that_comes_after_a_cancel_goes_back() -> None:
    life = begun(NEW_YEAR)
    life.slow = True
    life.until(NEW_YEAR + MONTH)
    life.do(cancel(life.sub, life.now, at_period_end=False))
    life.answered(Card.GOOD)
    assert (life.status, life.given_back) == (S.CANCELED, 1_000)


# --- The pause ------------------------------------------------------------------------------------


def test_a_pause_keeps_the_time_that_was_paid_for() -> None:
    life = begun(NEW_YEAR)
    life.days(10)
    life.do(pause(life.sub, life.now))
    assert (life.status, access(life.status), life.events[-1]) == (S.PAUSED, Access.NONE, "paused")
    life.days(100)
    assert len(life.charges) == 1
    life.do(resume(life.sub, life.now))
    assert (life.status, life.events[-1]) == (S.ACTIVE, "resumed")
    life.until(NEW_YEAR + 100 * DAY + MONTH + DAY)
    assert life.tried[1:] == [NEW_YEAR + 100 * DAY + MONTH]


def test_what_is_left_after_a_pause_is_worth_as_much_as_before() -> None:
    life = begun(NEW_YEAR, terms(3_100))
    life.until(NEW_YEAR + 21 * DAY)
    life.do(pause(life.sub, life.now))
    life.days(50)
    life.do(resume(life.sub, life.now))
    changed = change(life.sub, terms(6_200), Proration.PRORATE, life.now)
    assert changed.bill is not None
    assert [line.amount_minor for line in changed.bill.lines] == [-1_000, 2_000]


def test_a_trial_pauses_and_goes_on_as_a_trial() -> None:
    life = on_trial(14)
    life.days(4)
    life.do(pause(life.sub, life.now))
    life.days(30)
    life.do(resume(life.sub, life.now))
    assert (life.status, life.sub.trial_end) == (S.TRIALING, NEW_YEAR + 44 * DAY)
    life.days(10)
    assert life.told[-2:] == [("trial_will_end", NEW_YEAR + 41 * DAY), ("activated", NEW_YEAR + 44 * DAY)]


def test_a_card_does_not_end_a_pause_that_somebody_wished() -> None:
    # The second one came when its period was over, and nobody had noticed yet.
    for later in (10 * DAY, MONTH + HOUR):
        life = begun(NEW_YEAR)
        life.now += later
        life.do(pause(life.sub, life.now))
        life.put_in(Card.GOOD)
        life.days(100)
        assert (life.status, len(life.charges)) == (S.PAUSED, 1)


def test_after_a_pause_with_no_time_left_a_new_period_is_paid_for() -> None:
    life = begun(NEW_YEAR)
    life.now += MONTH + HOUR
    life.do(pause(life.sub, life.now))
    life.days(10)
    life.slow = True
    life.do(resume(life.sub, life.now))
    # Whoever asks twice has not paid for it either.
    life.do(resume(life.sub, life.now))
    assert (life.status, access(life.status)) == (S.PAUSED, Access.NONE)
    life.answered(Card.GOOD)
    assert life.status is S.ACTIVE
    assert life.sub.period is not None
    assert life.sub.period.start == NEW_YEAR + MONTH + HOUR + 10 * DAY


@pytest.mark.parametrize("card", [Card.POOR, Card.LOST])
def test_what_is_owed_cannot_pause(card: Card) -> None:
    life = dunned(card)
    with pytest.raises(IllegalTransition):
        pause(life.sub, life.now)
    with pytest.raises(IllegalTransition):
        resume(life.sub, life.now)


# --- Changes --------------------------------------------------------------------------------------


def test_a_renewal_takes_over_what_is_owed_for_a_change() -> None:
    life = begun(NEW_YEAR)
    life.until(NEW_YEAR + 28 * DAY)
    life.card = Card.POOR
    life.do(change(life.sub, terms(5_000), Proration.PRORATE, life.now))
    life.until(NEW_YEAR + 28 * DAY)
    assert life.status is S.PAST_DUE
    first = life.now
    life.until(NEW_YEAR + MONTH)
    # On the first day of the change, two days later, and then with the renewal.
    assert days_since(first, life.tried[1:]) == [0, 2, 3]
    (replaced,) = life.invoices(InvoiceStatus.VOID)
    assert life.pending is not None
    assert life.pending.lines[:2] == replaced.lines
    assert (replaced.reason, life.pending.reason) == (Reason.CHANGE, Reason.CYCLE)
    # The renewal's try was beside the calendar, which counts from the first that was in vain.
    life.card = Card.GOOD
    life.days(10)
    assert days_since(first, life.tried[4:]) == [7]
    assert (life.status, life.events[-2:]) == (S.ACTIVE, ["activated", "renewed"])


def test_what_was_not_billed_is_not_given_back_and_what_was_is_not_billed_again() -> None:
    for other in (310, 31_000):
        life = begun(NEW_YEAR, terms(3_100))
        life.until(NEW_YEAR + 21 * DAY)
        life.do(change(life.sub, terms(other), Proration.NONE, life.now))
        back = change(life.sub, terms(3_100), Proration.PRORATE, life.now)
        assert back.bill is not None
        assert [line.amount_minor for line in back.bill.lines] == [-1_000, 1_000]
        # From the next period on it is billed as it is, and given back so.
        life.until(NEW_YEAR + MONTH)
        later = change(life.sub, terms(0), Proration.PRORATE, life.now)
        assert later.bill is not None
        assert later.bill.lines[0].amount_minor == -other


def test_credit_that_was_set_against_what_is_replaced_is_set_against_the_next() -> None:
    life = begun(NEW_YEAR, terms(3_100))
    life.until(NEW_YEAR + 30 * DAY)
    # Of the last day's 100 all but 10 are given back, and set against the renewal.
    life.do(change(life.sub, terms(310), Proration.PRORATE, life.now))
    assert life.sub.credit_minor == 90
    life.card = Card.POOR
    life.until(NEW_YEAR + MONTH)
    assert life.pending is not None
    assert (life.pending.totals.amount_due_minor, life.sub.credit_minor) == (220, 0)
    life.do(change(life.sub, terms(3_100), Proration.PRORATE, life.now))
    assert (life.pending.totals.amount_due_minor, life.sub.credit_minor) == (3_010, 0)


def test_a_change_cannot_be_dated_before_the_last_one() -> None:
    life = begun(NEW_YEAR, terms(310))
    life.days(20)
    life.do(change(life.sub, terms(31_000), Proration.PRORATE, life.now))
    life.days(5)
    with pytest.raises(ValidationFailed):
        change(life.sub, terms(310), Proration.PRORATE, life.now, NEW_YEAR + DAY)
    back = change(life.sub, terms(310), Proration.PRORATE, life.now, NEW_YEAR + 20 * DAY)
    assert back.bill is not None
    assert [line.amount_minor for line in back.bill.lines] == [-11_000, 110]
    life.do(back)
    again = change(life.sub, terms(310), Proration.PRORATE, life.now, NEW_YEAR + 20 * DAY)
    assert (again.bill, again.told) == (None, ())


def test_a_change_that_costs_less_than_nothing_becomes_credit_which_renewals_use_up() -> None:
    life = begun(NEW_YEAR, terms(3_100))
    life.until(NEW_YEAR + 21 * DAY)
    life.do(change(life.sub, terms(310), Proration.PRORATE, life.now))
    assert (life.status, life.sub.credit_minor, len(life.charges)) == (S.ACTIVE, 900, 1)
    life.days(80)
    paid = [invoice.totals.amount_due_minor for invoice in life.invoices(InvoiceStatus.PAID)]
    assert (paid, life.sub.credit_minor) == ([3_100, 0, 0, 0, 30], 0)
