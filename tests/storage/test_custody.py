"""Whatever somebody with every right does to one record of ten thousand is found, at its place."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.custody import IN_FLIGHT
from storage import sealing
from tests.house import House
from tests.storage.trails import STEP, Trail, trail

LENGTH = 10_000
PLACE = 4_321


@pytest.fixture(scope="module")
async def long_trail(house: House) -> AsyncIterator[Trail]:
    async with trail(house, LENGTH) as long:
        yield long


@pytest.fixture
async def long(long_trail: Trail) -> AsyncIterator[Trail]:
    """The trail as it was sealed, whatever the test before did to it."""
    saved = await long_trail.tx.begin_nested()
    yield long_trail
    await saved.rollback()


async def test_what_nobody_touched_is_found_sound(long: Trail) -> None:
    report = await long.report(exported=long.points[-1])
    assert (report.sealed, report.pending, report.checkpoints) == (LENGTH, 0, LENGTH // sealing.BATCH)
    assert report.verified
    assert report.complete


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'provider:sandbox'",
        "action = 'payment.succeeded'",
        "result = 'refused'",
        "failure = ''",
        "organization = 'ours'",
        "correlation_id = 'x'",
        "provider = 'sandbox'",
        "resource = 'pay_other'",
        "at = at + interval '1 microsecond'",
    ],
)
async def test_a_record_with_any_other_word_is_found(long: Trail, change: str) -> None:
    await long.db.execute(f"UPDATE audit_records SET {change} WHERE id = $1", long.ids[PLACE])  # noqa: S608
    assert await long.found() == [("edited", PLACE)]


@pytest.mark.parametrize("place", [1, 2, 500, 501, LENGTH])
async def test_an_edited_record_is_found_wherever_it_stands(long: Trail, place: int) -> None:
    await long.db.execute("UPDATE audit_records SET actor = 'nobody' WHERE id = $1", long.ids[place])
    assert await long.found() == [("edited", place)]


@pytest.mark.parametrize("place", [1, 500, 501, PLACE, LENGTH - 1])
async def test_a_deleted_record_is_found(long: Trail, place: int) -> None:
    await long.db.execute("DELETE FROM audit_records WHERE id = $1", long.ids[place])
    assert await long.found() == [("deleted", place)]


async def test_a_record_that_is_deleted_with_its_seal_is_found(long: Trail) -> None:
    await long.db.execute("DELETE FROM audit_records WHERE id = $1", long.ids[PLACE])
    await long.db.execute("DELETE FROM audit_seals WHERE record_id = $1", long.ids[PLACE])
    assert await long.found() == [("deleted", PLACE)]


async def test_a_record_given_to_another_tenant_is_found(long: Trail) -> None:
    await long.db.execute(
        "UPDATE audit_records SET tenant_id = (SELECT id FROM tenants WHERE id <> $2 LIMIT 1) WHERE id = $1",
        long.ids[PLACE],
        long.tenant_id,
    )
    assert await long.found() == [("deleted", PLACE)]


@pytest.mark.parametrize("other", [PLACE + 1, PLACE + 2_000])
async def test_two_records_that_changed_places_are_found(long: Trail, other: int) -> None:
    await long.db.execute(
        "UPDATE audit_records r SET resource = o.resource, at = o.at FROM audit_records o"
        " WHERE (r.id, o.id) IN (($1, $2), ($2, $1))",
        long.ids[PLACE],
        long.ids[other],
    )
    assert await long.found() == [("swapped", PLACE)]


async def test_two_seals_that_changed_places_are_found(long: Trail) -> None:
    other = PLACE + 7
    await long.db.execute(
        "UPDATE audit_seals SET record_id = record_id - $1::bigint - $2::bigint WHERE record_id IN ($1, $2)",
        long.ids[PLACE],
        long.ids[other],
    )
    await long.db.execute("UPDATE audit_seals SET record_id = -record_id WHERE record_id < 0")
    assert await long.found() == [("swapped", PLACE)]


# --- Slipped in -----------------------------------------------------------------------------------


async def test_a_record_slipped_in_is_found_where_it_says_it_was_written_and_is_not_sealed(
    long: Trail,
) -> None:
    await long.insert(long.began + STEP * PLACE + STEP / 2)
    assert await long.found() == [("inserted", PLACE)]
    await long.insert(datetime.now(UTC))
    assert await long.seal(datetime.now(UTC)) is not None
    assert await long.seal(datetime.now(UTC)) is None
    assert await long.found() == [("inserted", PLACE)]


async def test_a_record_slipped_in_between_two_ids_is_found_whatever_time_it_bears(long: Trail) -> None:
    await long.insert(datetime.now(UTC), long.ids[PLACE] + 1)
    (breach,) = (await long.report()).findings
    assert (breach.kind, breach.record) == ("inserted", f"aud_{long.ids[PLACE] + 1:019d}")
    assert await long.seal(datetime.now(UTC)) is None


async def test_a_record_with_a_seal_of_its_own_is_found(long: Trail) -> None:
    record_id = await long.insert(datetime.now(UTC))
    await long.db.execute(
        "INSERT INTO audit_seals VALUES ($1, $2, $3, $4)", long.tenant_id, LENGTH + 1, record_id, b"x" * 32
    )
    assert {place for _, place in await long.found()} == {LENGTH + 1}


async def test_a_record_from_a_slow_transaction_is_sealed_all_the_same(long: Trail) -> None:
    late = long.began + STEP * LENGTH - IN_FLIGHT + STEP
    await long.insert(late, long.ids[LENGTH] - 1)
    point = await long.seal(datetime.now(UTC))
    assert point is not None
    assert (point.first, point.number) == (LENGTH + 1, LENGTH + 1)
    assert await long.found() == []


async def test_what_piled_up_while_nobody_sealed_is_sealed_all_the_same(long: Trail) -> None:
    for minute in range(1, 1_000):
        await long.insert(long.began + STEP * LENGTH + timedelta(minutes=minute) / 60)
    later = datetime.now(UTC) + timedelta(hours=2)
    while await long.seal(later):
        pass
    report = await long.report()
    assert (report.sealed, report.pending, report.findings) == (LENGTH + 999, 0, ())


# --- Cut off --------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [1, 2, 700])
async def test_a_trail_whose_end_is_gone_is_found_cut_off(long: Trail, gone: int) -> None:
    await long.db.execute("DELETE FROM audit_records WHERE id > $1", long.ids[LENGTH - gone])
    assert await long.found() == [("truncated", LENGTH - gone + 1)]
    await long.db.execute("DELETE FROM audit_seals WHERE number > $1", LENGTH - gone)
    assert await long.found() == [("truncated", LENGTH - gone + 1)]


async def test_an_emptied_trail_is_found_cut_off_at_its_beginning(long: Trail) -> None:
    await long.db.execute("DELETE FROM audit_records WHERE tenant_id = $1", long.tenant_id)
    assert await long.found() == [("truncated", 1)]


async def test_an_end_that_is_gone_without_a_trace_is_missed_by_what_was_exported(long: Trail) -> None:
    kept = LENGTH - sealing.BATCH
    await long.db.execute("DELETE FROM audit_records WHERE id > $1", long.ids[kept])
    await long.db.execute(
        "DELETE FROM audit_seals WHERE tenant_id = $1 AND number > $2", long.tenant_id, kept
    )
    await long.db.execute(
        "DELETE FROM audit_checkpoints WHERE tenant_id = $1 AND number > $2", long.tenant_id, kept
    )
    assert await long.found() == []  # Nothing inside of the database can tell.
    assert await long.found(exported=long.points[-1]) == [("truncated", kept + 1)]


# --- Sealed anew ----------------------------------------------------------------------------------


async def test_a_checkpoint_with_another_signature_is_found(long: Trail) -> None:
    point = long.points[3]
    await long.db.execute(
        "UPDATE audit_checkpoints SET signature = $3 WHERE tenant_id = $1 AND number = $2",
        long.tenant_id,
        point.number,
        bytes(64),
    )
    assert await long.found() == [("forged", point.number)]


async def test_a_checkpoint_that_is_gone_is_found(long: Trail) -> None:
    point = long.points[3]
    await long.db.execute("DELETE FROM audit_checkpoints WHERE number = $1", point.number)
    kinds = {kind for kind, _ in await long.found()}
    assert "forged" in kinds


async def test_a_changed_seal_is_told_from_a_changed_record(long: Trail) -> None:
    await long.db.execute(
        "UPDATE audit_seals SET hash = $3 WHERE tenant_id = $1 AND number = $2",
        long.tenant_id,
        PLACE,
        bytes(32),
    )
    assert await long.found() == [("resealed", PLACE)]
