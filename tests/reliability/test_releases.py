"""A release goes on working on the schema of the next one, which has only added to what it knows."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from dev import Platform
from storage.tables import metadata
from tests.house import UNHURRIED, House, Receiver, eventually
from tests.reliability.operator import paysaga
from tests.stories.test_refunds import becomes, refund
from tests.subscriber import Subscriber, plan
from workflows.archive import Histories

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose schema may change, and whose workers keep histories."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 80 + 20 * number
    kept = {"PAYSAGA_HISTORIES_DIR": str(tmp_path / "histories")}
    platform = Platform(tmp_path / "own", base, time_scale=60, settings=UNHURRIED | kept, say=print)
    async with (
        platform,
        httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=15) as http,
    ):
        yield House(platform.ready, http, tmp_path / "own")


async def expanded(house: House) -> None:
    """What the next release's migrations may do, done to every table, while this one is running."""
    async with house.database(role="paysaga_owner") as owner:
        for table in metadata.tables:
            await owner.execute(f"ALTER TABLE {table} ADD COLUMN of_the_next_release text")
            await owner.execute(f"ALTER TABLE {table} ADD COLUMN counted_by_it bigint NOT NULL DEFAULT 7")
        await owner.execute("UPDATE alembic_version SET version_num = '9999'")


async def test_an_older_release_notices_nothing_of_a_newer_schema(own: House) -> None:
    async with Receiver.listening() as receiver:
        tenant = await own.tenant(webhook_url=receiver.url)
        under_way = await tenant.open(entitlements=[{"feature": "pro"}])
        before = await tenant.paid()
        await expanded(own)
        await own.recovered()
        await tenant.pay(under_way)
        await tenant.eventually(under_way, "SUCCEEDED")
        assert (await tenant.use("pro")).status_code == 201
        await becomes(tenant, await refund(tenant, before), "SUCCEEDED")
        later = await own.tenant(webhook_url=receiver.url)
        await later.paid()
        anna = Subscriber(later, "anna")
        begun = await anna.subscribes((await plan(later))["prices"][0])
        await anna.time_passes(31)
        await anna.renewed(begun)
        # Processes that start only now read the newer schema with their first query.
        for part in ("worker", "api"):
            await own.kill(part)
        await own.recovered(60)
        await later.paid()
        await receiver.event("refund.succeeded")
    code, printed = await paysaga("verify", house=own)
    assert code == 0, printed


async def test_workers_keep_histories_where_they_are_told_to(own: House) -> None:
    histories = Histories(own.data_dir.with_name("histories"))

    async def begun() -> bool | None:
        return histories.complete_until is not None or None

    await eventually(begun)
