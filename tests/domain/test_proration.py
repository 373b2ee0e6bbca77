"""Changes within a period: to the minor unit, and nothing is lost on the way."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import Period
from domain.proration import difference, left, settled

JANUARY = Period(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 2, 1, tzinfo=UTC))
AMOUNTS = st.integers(0, 1_000_000_000)
MOMENTS = st.datetimes(datetime(2025, 12, 1), datetime(2026, 3, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_half_of_the_time_is_half_of_the_price() -> None:
    middle = JANUARY.start + JANUARY.length / 2
    assert difference(1000, 3001, JANUARY, middle) == (500, 1501)


def test_a_day_of_thirty_one() -> None:
    assert left(3100, JANUARY, JANUARY.end - timedelta(days=1)) == 100


@given(AMOUNTS, MOMENTS)
def test_what_is_left_is_between_nothing_and_all(amount: int, now: datetime) -> None:
    assert 0 <= left(amount, JANUARY, now) <= amount
    if now <= JANUARY.start:
        assert left(amount, JANUARY, now) == amount
    if now >= JANUARY.end:
        assert left(amount, JANUARY, now) == 0


@given(st.lists(AMOUNTS, min_size=1, max_size=8), MOMENTS)
def test_there_and_back_at_one_instant_costs_nothing(prices: list[int], now: datetime) -> None:
    total = 0
    for before, after in zip(prices, [*prices[1:], prices[0]], strict=True):
        given_back, charged = difference(before, after, JANUARY, now)
        total += charged - given_back
    assert total == 0


@given(st.integers(-(10**9), 10**9), AMOUNTS)
def test_an_invoice_is_never_negative_and_no_credit_is_lost(total: int, credit: int) -> None:
    due, kept = settled(total, credit)
    assert due >= 0
    assert kept >= 0
    assert due - kept == total - credit
