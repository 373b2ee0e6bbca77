"""How late a delivery is tried again, and what its attempts mean for the endpoint: contract § 6."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.delivery import FAILING_LASTS, Tried, Verdict, asked_pause, backoff, judge
from domain.endpoint import DisabledReason

NOW = datetime(2026, 1, 1, 12, 30, 59, tzinfo=UTC)

# How long after the failure of attempt n the next one follows, ±20 %: as the contract lists it.
STEPS = {
    1: timedelta(seconds=5),
    2: timedelta(minutes=5),
    3: timedelta(minutes=30),
    4: timedelta(hours=2),
    5: timedelta(hours=5),
    6: timedelta(hours=10),
    7: timedelta(hours=14),
    8: timedelta(hours=20),
    9: timedelta(hours=24),
}

steps = pytest.mark.parametrize(("attempts", "step"), STEPS.items())
moments = st.datetimes(timezones=st.just(UTC), min_value=datetime(2020, 1, 1))  # noqa: DTZ001 - hypothesis wants it naive
failures = st.one_of(st.none(), st.integers(300, 599).filter(lambda status: status != 410))


def wait(delivery_id: str, attempts: int, asked_for: timedelta | None = None) -> timedelta:
    pause = backoff(delivery_id, attempts, asked_for=asked_for)
    assert pause is not None
    return pause


def judged(
    status: int | None = 500,
    *,
    number: int = 1,
    failing_for: timedelta | None = None,
    scale: float = 1,
    **facts: str | int | None,
) -> Verdict:
    """What a failure means that happened now, to an endpoint that has failed for so long."""
    tried = Tried.model_validate(
        {"delivery_id": "dlv_1", "number": number, "status": status, "at": NOW} | facts
    )
    since = None if failing_for is None else NOW - failing_for
    return judge(tried, since, lambda delay: delay / scale)


# --- When it is tried again -----------------------------------------------------------------------


@steps
@given(delivery_id=st.text(min_size=1))
def test_each_step_is_kept_to_a_fifth(attempts: int, step: timedelta, delivery_id: str) -> None:
    assert step * 0.8 <= wait(delivery_id, attempts) <= step * 1.2


@steps
def test_deliveries_spread_over_the_whole_width(attempts: int, step: timedelta) -> None:
    waits = [wait(f"dlv_{number}", attempts) for number in range(2_000)]
    assert (min(waits), max(waits)) == (step * 0.8, step * 1.2)


@given(st.text(min_size=1), st.integers(min_value=1, max_value=12))
def test_a_repeated_step_decides_alike(delivery_id: str, attempts: int) -> None:
    assert backoff(delivery_id, attempts) == backoff(delivery_id, attempts)


def test_the_tenth_attempt_is_the_last() -> None:
    assert backoff("dlv_1", 9) is not None
    assert backoff("dlv_1", 10) is None
    assert backoff("dlv_1", 10, asked_for=timedelta(hours=1)) is None


@steps
@given(share=st.floats(min_value=0, max_value=1_000))
def test_a_receiver_may_ask_for_up_to_twice_the_step(attempts: int, step: timedelta, share: float) -> None:
    asked_for = step * share
    plain, asked = wait("dlv_1", attempts), wait("dlv_1", attempts, asked_for)
    assert plain <= asked <= 2 * step
    if plain <= asked_for <= 2 * step:
        assert asked == asked_for


@steps
@given(before=st.integers(0, 50), asked=st.one_of(st.none(), st.text(), moments.map(format_datetime)))
def test_whatever_is_answered_the_next_attempt_is_neither_hasty_nor_far(
    attempts: int, step: timedelta, before: int, asked: str | None
) -> None:
    """Also when a redelivery began the schedule anew, after any number of attempts."""
    verdict = judged(503, number=before + attempts, begun_at_attempt=before, retry_after=asked)
    assert verdict.next_at is not None
    assert step * 0.8 <= verdict.next_at - NOW <= 2 * step


def test_a_redelivery_has_ten_attempts_of_its_own() -> None:
    last = [judged(number=number, begun_at_attempt=3).next_at for number in (12, 13)]
    assert [at is None for at in last] == [False, True]


def test_an_installation_may_count_faster() -> None:
    slow, fast = judged(number=4).next_at, judged(number=4, scale=60).next_at
    assert slow is not None
    assert fast == NOW + (slow - NOW) / 60


# --- What a receiver asks for ---------------------------------------------------------------------


@given(st.integers(0, 10**8))
def test_seconds_are_understood(seconds: int) -> None:
    assert asked_pause(str(seconds), NOW) == timedelta(seconds=seconds)


@given(moments)
def test_a_date_is_understood_and_one_that_is_past_asks_for_nothing(until: datetime) -> None:
    until = until.replace(microsecond=0)
    assert asked_pause(format_datetime(until, usegmt=True), NOW) == max(until - NOW, timedelta())


@given(st.text())
def test_nonsense_is_no_wish_and_no_error(text: str) -> None:
    asked = asked_pause(text, NOW)
    assert asked is None or asked >= timedelta()


@pytest.mark.parametrize("text", ["", " ", "soon", "-1", "1.5", "²", "9" * 65, "Wed, 99 Oct 2026 07:28 GMT"])
def test_what_is_neither_seconds_nor_a_date_is_passed_over(text: str) -> None:
    assert asked_pause(text, NOW) is None


# --- What it means for the endpoint ---------------------------------------------------------------


@given(st.integers(200, 299), st.one_of(st.none(), st.timedeltas(timedelta(), timedelta(days=400))))
def test_a_success_ends_all_trouble(status: int, failing_for: timedelta | None) -> None:
    verdict = judged(status, failing_for=failing_for)
    assert verdict == Verdict(next_at=None, failing_since=None, trouble=None)


@given(failures)
def test_anything_but_2xx_is_a_failure_from_which_failing_is_counted(status: int | None) -> None:
    verdict = judged(status)
    assert (verdict.failing_since, verdict.trouble) == (NOW, None)
    assert verdict.next_at is not None


@given(failures, st.timedeltas(timedelta(), 2 * FAILING_LASTS))
def test_nothing_but_failures_for_120_hours_is_trouble(status: int | None, failing_for: timedelta) -> None:
    verdict = judged(status, failing_for=failing_for)
    assert (verdict.trouble is DisabledReason.FAILING) == (failing_for >= timedelta(hours=120))
    assert verdict.failing_since == NOW - failing_for


def test_the_120_hours_are_counted_as_the_installation_counts() -> None:
    assert judged(failing_for=timedelta(hours=2), scale=60).trouble is DisabledReason.FAILING
    assert judged(failing_for=timedelta(hours=1.9), scale=60).trouble is None


@pytest.mark.parametrize("number", [1, 10])
def test_410_is_the_end_at_once_and_the_delivery_goes_on_waiting_or_is_exhausted(number: int) -> None:
    verdict = judged(410, number=number)
    assert verdict.trouble is DisabledReason.GONE
    assert (verdict.next_at is None) == (number == 10)
