"""Sealing as workers do it: several at once, beside transactions that are slow, with nowhere to export to."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.world import World
from domain.chain import Checkpoint
from local.keys import load_or_make
from storage import audit, custody
from tests.house import House, Tenant, sealed
from tests.world import world_of
from workflows.sealing import Sealer


@pytest.fixture
async def world(house: House) -> AsyncIterator[World]:
    async with world_of(house) as world:
        yield world


def deed(tenant: Tenant, name: str) -> audit.Deed:
    return audit.Deed(
        tenant_id=tenant.id, actor="test", action=name, resource=tenant.id, at=datetime.now(UTC)
    )


async def examined(world: World, tenant: Tenant) -> custody.Report:
    async with world.database.tenant(tenant.id, frozen=True) as tx:
        return await custody.examine(tx, custody.Request(tenant_id=tenant.id), world.notary.keyring.trusts)


async def numbers(tenant: Tenant) -> dict[str, int | None]:
    rows = await tenant.rows(
        "SELECT r.action, s.number FROM audit_records r LEFT JOIN audit_seals s ON s.record_id = r.id"
    )
    return {row["action"]: row["number"] for row in rows}


async def test_several_sealers_make_one_chain(world: World, tenant: Tenant) -> None:
    sealers = [Sealer(world, None) for _ in range(4)]

    async def write() -> None:
        for number in range(40):
            async with world.database.tenant(tenant.id) as tx:
                await audit.record(tx, deed(tenant, f"deed {number}"))

    async def seal(sealer: Sealer) -> None:
        for _ in range(10):
            await sealer.seal_trails()

    await asyncio.gather(write(), *map(seal, sealers))
    await sealed(tenant)
    report = await examined(world, tenant)
    assert report.verified, report.findings
    assert sorted(number or 0 for number in (await numbers(tenant)).values()) == list(range(1, 43))


@pytest.mark.slow
async def test_a_record_that_is_committed_behind_its_time_gets_the_next_place(
    world: World, tenant: Tenant
) -> None:
    async with world.database.tenant(tenant.id) as slow:
        await audit.record(slow, deed(tenant, "slow"))
        async with world.database.tenant(tenant.id) as quick:
            await audit.record(quick, deed(tenant, "quick"))
        await sealed(tenant)
        assert (await numbers(tenant))["quick"] == 3
    await sealed(tenant)
    assert (await numbers(tenant))["slow"] == 4
    assert (await examined(world, tenant)).verified


async def test_each_checkpoint_is_kept_outside_of_the_database(world: World, tenant: Tenant) -> None:
    await sealed(tenant)
    kept = Path(tenant.house.ready["auditCheckpointsFile"])
    lines = [Checkpoint.read(json.loads(line)) for line in kept.read_text().splitlines()]
    ours = [point for point in lines if point.tenant_id == tenant.id]
    report = await examined(world, tenant)
    assert ours[-1].head.hex() == report.head
    assert all(world.notary.keyring.trusts(point.key_id, point.signed, point.signature) for point in ours)


async def test_a_full_disk_elsewhere_does_not_keep_records_from_being_sealed(
    world: World, tenant: Tenant, tmp_path: Path
) -> None:
    nowhere = Sealer(world, tmp_path / "no such folder" / "file")
    async with world.database.tenant(tenant.id) as tx:
        await audit.record(tx, deed(tenant, "deed"))
    await nowhere.seal_trails()
    await sealed(tenant)
    assert (await examined(world, tenant)).verified


def test_a_data_directory_of_before_gets_an_audit_key_that_stays(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = load_or_make(path)
    known = json.loads(path.read_text())
    del known["audit_key"]
    path.write_text(json.dumps(known))
    first = load_or_make(path)
    assert first.admin_key == made.admin_key
    assert load_or_make(path) == first
