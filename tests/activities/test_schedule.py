"""When a provider is asked again: by marks that slow answers do not shift."""

from datetime import timedelta

import pytest

from activities.schedule import RESOLVING, WAITING, next_question

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def asked_at(marks: tuple[timedelta, ...], afterwards: timedelta, until: timedelta) -> list[timedelta]:
    now, moments = timedelta(), []
    while now < until:
        now += next_question(marks, afterwards, now) * SECOND
        moments.append(now)
    return moments


def test_while_a_payer_may_pay_it_is_asked_at_the_marks_and_then_hourly() -> None:
    assert asked_at(WAITING, HOUR, 3 * HOUR) == [*WAITING, 2 * HOUR, 3 * HOUR]


def test_while_nobody_knows_it_is_asked_at_the_marks_and_then_daily() -> None:
    six = 6 * HOUR
    assert asked_at(RESOLVING, DAY, six + 2 * DAY) == [*RESOLVING, six + DAY, six + 2 * DAY]


@pytest.mark.parametrize("slow", [timedelta(), 7 * SECOND, 40 * SECOND])
def test_a_slow_answer_shifts_no_later_mark(slow: timedelta) -> None:
    asked = WAITING[0] + slow
    assert asked + next_question(WAITING, HOUR, asked) * SECOND == WAITING[1]


def test_whoever_is_woken_a_little_early_does_not_ask_twice() -> None:
    assert next_question(WAITING, HOUR, WAITING[0] - timedelta(milliseconds=50)) > 200


def test_there_is_always_a_second_in_between() -> None:
    for milliseconds in range(0, 70_000, 37):
        assert next_question(RESOLVING, DAY, timedelta(milliseconds=milliseconds)) >= 1
