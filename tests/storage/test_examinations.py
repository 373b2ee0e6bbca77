"""All trails are examined all the time, a stretch at a time; what was found is known until it is mended."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from storage import examinations
from tests.house import House
from tests.storage.trails import NOTARY, Trail, trail

LENGTH, STRETCH = 1_200, 500
DAY = timedelta(days=1)


@pytest.fixture
async def told(house: House) -> AsyncIterator[Trail]:
    async with trail(house, LENGTH) as told:
        yield told


async def look(told: Trail, times: int = 1, later: timedelta = timedelta(0)) -> list[tuple[int, bool]]:
    found = []
    for _ in range(times):
        now = datetime.now(UTC) + later
        looked = await examinations.go_on(told.tx, told.tenant_id, NOTARY.keyring.trusts, now, STRETCH)
        assert looked is not None
        found.append((looked.breaches, looked.news))
    return found


async def edit(told: Trail, place: int, actor: str) -> None:
    await told.db.execute("UPDATE audit_records SET actor = $2 WHERE id = $1", told.ids[place], actor)


async def test_a_breach_is_found_once_and_stays_known_until_a_pass_finds_it_mended(told: Trail) -> None:
    await edit(told, 700, "nobody")
    assert await look(told, 5) == [(0, False), (1, True), (1, False), (1, False), (1, False)]
    await edit(told, 700, "owner:owner:crd_1")
    assert await look(told, 2) == [(1, False), (1, False)]
    assert await look(told, 4, DAY) == [(1, False), (1, False), (0, False), (0, False)]


async def test_the_end_of_a_trail_is_looked_at_again_and_again(told: Trail) -> None:
    assert await look(told, 3) == [(0, False)] * 3
    await edit(told, LENGTH, "nobody")
    assert await look(told, 2) == [(1, True), (1, False)]
    await edit(told, LENGTH, "owner:owner:crd_1")
    assert await look(told) == [(0, False)]


async def test_a_trail_that_has_become_shorter_has_lost_its_end(told: Trail) -> None:
    assert await look(told, 3) == [(0, False)] * 3
    # Records, seals and checkpoint alike: what is left of the chain is sound.
    for table, column in (("audit_seals", "number"), ("audit_checkpoints", "number")):
        await told.db.execute(
            f"DELETE FROM {table} WHERE tenant_id = $1 AND {column} > 1000",  # noqa: S608 - names of ours
            told.tenant_id,
        )
    await told.db.execute("DELETE FROM audit_records WHERE id > $1", told.ids[1000])
    assert await look(told) == [(1, True)]


async def test_trails_have_their_turn_by_how_long_they_have_waited(told: Trail) -> None:
    now = datetime.now(UTC)
    everybody = 10_000
    assert told.tenant_id in await examinations.due(told.tx, now, everybody)
    await look(told)
    assert told.tenant_id not in await examinations.due(told.tx, now, everybody)
    assert told.tenant_id in await examinations.due(told.tx, now + timedelta(minutes=2), everybody)
