"""The plan is patient with a house that is down."""

import itertools

import pytest

from tests.chaos.clock import PlanClock


class Watch:
    """A watch whose hands are turned by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, clock: PlanClock, seconds: int) -> float:
        for _ in itertools.repeat(None, seconds * 10):
            self.seconds += 0.1
            # Somebody waits, and looks at it now and then.
            now = clock.now
        return round(now)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def clock(watch: Watch) -> PlanClock:
    return PlanClock(watch)


def test_plan_time_passes_as_time_does_while_the_house_recovers_soon(watch: Watch, clock: PlanClock) -> None:
    assert watch.pass_by(clock, 5) == 5
    clock.killed()
    assert watch.pass_by(clock, 4) == 9
    clock.sold(begun_at=watch())
    assert watch.pass_by(clock, 40) == 49


def test_it_slows_down_until_something_begun_after_the_kill_is_sold(watch: Watch, clock: PlanClock) -> None:
    before = watch()
    clock.killed()
    assert watch.pass_by(clock, 30) == 10 + 20 * 0.2
    clock.sold(begun_at=before)
    assert watch.pass_by(clock, 10) == 16
    clock.sold(begun_at=watch())
    assert watch.pass_by(clock, 5) == 21
    assert round(clock.slowed_for) == 30


def test_a_further_kill_does_not_begin_the_wait_anew_but_must_be_survived_as_well(
    watch: Watch, clock: PlanClock
) -> None:
    clock.killed()
    assert watch.pass_by(clock, 8) == 8
    between = watch()
    watch.pass_by(clock, 1)
    clock.killed()
    assert watch.pass_by(clock, 11) == 12
    clock.sold(begun_at=between)
    assert watch.pass_by(clock, 10) == 14
