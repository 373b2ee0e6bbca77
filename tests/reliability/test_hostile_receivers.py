"""Receivers that mean no good cost themselves: others are told all the same, and nothing grows."""

import pytest

from activities.world import World
from bench.receivers import measure
from tests.house import House


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_hostile_receivers_keep_nobody_from_being_told_and_fill_nothing(
    house: House, world: World
) -> None:
    # How fast the others are told is measured by `make bench`: here it only has to happen.
    found = await measure(house, world)
    print(found)  # noqa: T201 - the figure is of use when it passes, too
    assert found.worker_lived
    assert found.worker_grew_mib < 64, found
    assert all(found.visits)
    assert max(attempt["duration_ms"] for attempt in found.attempts) < 20_000
    assert {attempt["status"] for attempt in found.attempts} == {None, 200}
