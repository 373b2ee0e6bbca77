"""Dunning: on days 2, 7, 14 and 21, and not where the bank has said no for good."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.dunning import next_try

FIRST = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(("tries", "day"), [(1, 2), (2, 7), (3, 14), (4, 21), (5, None), (6, None)])
def test_it_is_tried_again_on_the_days_of_the_contract(tries: int, day: int | None) -> None:
    expected = None if day is None else FIRST + timedelta(days=day)
    assert next_try(FIRST, tries, hard=False) == expected


@pytest.mark.parametrize("tries", [1, 2, 3, 4])
def test_a_hard_decline_ends_it(tries: int) -> None:
    assert next_try(FIRST, tries, hard=True) is None
