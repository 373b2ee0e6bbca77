"""Periods: the anchor is kept, through short months, leap days, summer time and years."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import Interval, Rhythm

BUDAPEST = ZoneInfo("Europe/Budapest")


def monthly(*at: int, zone: str = "UTC", count: int = 1) -> Rhythm:
    anchor = datetime(*at, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[misc, arg-type]
    return Rhythm(anchor=anchor, interval=Interval.MONTH, zone=zone, count=count)


def days(rhythm: Rhythm, numbers: range) -> list[str]:
    zone = ZoneInfo(rhythm.zone)
    return [rhythm.start(number).astimezone(zone).strftime("%Y-%m-%d %H:%M") for number in numbers]


def test_the_last_of_january_comes_back_in_march() -> None:
    assert days(monthly(2026, 1, 31, 9), range(5)) == [
        "2026-01-31 09:00",
        "2026-02-28 09:00",
        "2026-03-31 09:00",
        "2026-04-30 09:00",
        "2026-05-31 09:00",
    ]
    assert days(monthly(2028, 1, 31, 9), range(1, 3)) == ["2028-02-29 09:00", "2028-03-31 09:00"]


def test_a_leap_day_is_kept_for_the_next_one() -> None:
    anchor = datetime(2028, 2, 29, 12, tzinfo=UTC)
    yearly = Rhythm(anchor=anchor, interval=Interval.YEAR)
    assert [yearly.start(number).date().isoformat() for number in range(5)] == [
        "2028-02-29",
        "2029-02-28",
        "2030-02-28",
        "2031-02-28",
        "2032-02-29",
    ]


def test_nine_in_the_morning_is_nine_in_summer_too() -> None:
    rhythm = monthly(2026, 1, 15, 9, zone="Europe/Budapest")
    assert days(rhythm, range(12)) == [f"2026-{month:02}-15 09:00" for month in range(1, 13)]
    lengths = {rhythm.period(number).length % timedelta(days=1) for number in range(12)}
    # March is an hour short, and October an hour long.
    assert lengths == {timedelta(0), timedelta(hours=1), timedelta(hours=23)}


@pytest.mark.parametrize(
    ("began", "number", "expected"),
    [
        # 02:30 does not exist on 29 March 2026; half an hour after the jump is the same instant's name.
        ((2026, 1, 29, 2, 30), 2, "2026-03-29 03:30"),
        # 02:30 comes twice on 25 October 2026: the first of them.
        ((2026, 9, 25, 2, 30), 1, "2026-10-25 02:30"),
    ],
)
def test_an_hour_that_is_skipped_or_comes_twice_is_one_instant(
    began: tuple[int, ...], number: int, expected: str
) -> None:
    rhythm = monthly(*began, zone="Europe/Budapest")
    assert days(rhythm, range(number, number + 1)) == [expected]
    if expected.startswith("2026-10"):
        assert rhythm.start(number) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_year_ends_in_the_middle_of_a_period() -> None:
    assert days(monthly(2026, 11, 30, 23, 59), range(4)) == [
        "2026-11-30 23:59",
        "2026-12-30 23:59",
        "2027-01-30 23:59",
        "2027-02-28 23:59",
    ]


INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
RHYTHMS = st.builds(
    Rhythm,
    anchor=INSTANTS,
    interval=st.sampled_from(Interval),
    count=st.integers(1, 12),
    zone=st.sampled_from(["UTC", "Europe/Budapest", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
)


@given(RHYTHMS, st.integers(0, 24))
def test_periods_meet_without_gap_or_overlap(rhythm: Rhythm, number: int) -> None:
    period, following = rhythm.period(number), rhythm.period(number + 1)
    assert period.end == following.start
    assert period.start < period.end


@given(RHYTHMS, INSTANTS)
def test_every_instant_lies_in_the_period_it_is_said_to(rhythm: Rhythm, instant: datetime) -> None:
    if instant < rhythm.anchor:
        with pytest.raises(ValueError, match="no period yet"):
            rhythm.at(instant)
        return
    period = rhythm.period(rhythm.at(instant))
    assert period.start <= instant < period.end
