"""What Temporal forgets after its days is kept as files, and can be replayed from them."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

from tests.house import House, Json, Tenant, eventually
from workflows.archive import Archivist, Histories
from workflows.payloads import data_converter
from workflows.payment import PaymentWorkflow

WEEK = timedelta(days=7)
now = partial(datetime.now, UTC)


@pytest.fixture(scope="module")
async def paid(house: House) -> tuple[Tenant, Json]:
    tenant = await house.tenant()
    return tenant, await tenant.paid()


def archivist(temporal: Client, histories: Histories, clock: Callable[[], datetime] = now) -> Archivist:
    return Archivist(temporal, histories, clock, settled_after=timedelta(0))


async def recent(house: House, folder: Path) -> tuple[Client, Histories]:
    """Somewhere to keep what ends from now on, or ended in these minutes."""
    histories = Histories(folder)
    with histories.alone():
        histories.reached(now() - timedelta(seconds=1))
    return await house.temporal(), histories


async def kept(tenant: Tenant, payment: Json, temporal: Client, histories: Histories) -> WorkflowHistory:
    async def look() -> WorkflowHistory | None:
        # Lists hear of an end a moment after it.
        await archivist(temporal, histories).archive_histories()
        found = histories.find(tenant.workflow_id(payment))
        return histories.read(found[0]) if found else None

    found: WorkflowHistory = await eventually(look)
    return found


async def test_a_history_is_kept_as_temporal_had_it_and_replays(
    house: House, paid: tuple[Tenant, Json], tmp_path: Path
) -> None:
    tenant, payment = paid
    temporal, histories = await recent(house, tmp_path / "histories")
    found = await kept(tenant, payment, temporal, histories)
    assert found.to_json_dict() == (await tenant.history(payment)).to_json_dict()
    replayer = Replayer(workflows=[PaymentWorkflow], data_converter=data_converter(house.payload_keys))
    await replayer.replay_workflow(found)
    assert found.events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED


@pytest.mark.slow
async def test_what_is_there_is_not_asked_for_again_and_what_was_half_written_is_nothing(
    house: House, paid: tuple[Tenant, Json], tmp_path: Path
) -> None:
    tenant, payment = paid
    temporal, histories = await recent(house, tmp_path)
    await kept(tenant, payment, temporal, histories)
    (run,) = histories.find(tenant.workflow_id(payment))
    written = run.path.stat().st_mtime_ns
    # Its writer died in the middle: the name that counts was never given.
    half = run.path.rename(run.path.with_name(f".{run.path.name}.part"))
    assert histories.find(tenant.workflow_id(payment)) == []
    half.write_bytes(half.read_bytes()[:100])
    await kept(tenant, payment, temporal, histories)
    again = run.path.stat().st_mtime_ns
    assert again > written
    await archivist(temporal, histories).archive_histories()
    assert run.path.stat().st_mtime_ns == again
    assert not list(run.path.parent.glob(".*"))


@pytest.mark.slow
async def test_of_several_archivists_one_works_at_a_time(house: House, tmp_path: Path) -> None:
    temporal, histories = await recent(house, tmp_path)
    before = histories.complete_until
    with Histories(tmp_path).alone() as alone:
        assert alone
        assert await archivist(temporal, histories).archive_histories() == 0
    assert histories.complete_until == before
    await asyncio.gather(*(archivist(temporal, histories).archive_histories() for _ in range(2)))
    assert histories.complete_until is not None
    assert before is not None
    assert histories.complete_until > before


async def test_it_begins_with_what_temporal_still_has_and_goes_on_where_it_was(
    house: House, paid: tuple[Tenant, Json], tmp_path: Path
) -> None:
    tenant, payment = paid
    temporal, histories = await house.temporal(), Histories(tmp_path)
    # A year from now nothing of today is left to be taken,
    await archivist(temporal, histories, lambda: now() + timedelta(days=365)).archive_histories()
    assert histories.find(tenant.workflow_id(payment)) == []
    # and an archive that has come so far does not begin anew.
    assert await archivist(temporal, histories).archive_histories() == 0


async def test_every_workflow_has_its_place_however_it_is_called(tmp_path: Path) -> None:
    histories = Histories(tmp_path)
    for name in ("dispute:ten_1:sandbox:../../etc", "no id of ours", "payment:ten_1:" + "é" * 300, ".."):
        assert histories.find(name) == []
