"""A release goes on working on the schema of the next one, which has only added to what it knows."""

import pytest

from storage.tables import metadata
from tests.house import House, Receiver
from tests.reliability.operator import paysaga
from tests.reliability.test_rebuild import own as own  # noqa: PLC0414 - a fixture
from tests.stories.test_refunds import becomes, refund
from tests.subscriber import Subscriber, plan

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]


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
