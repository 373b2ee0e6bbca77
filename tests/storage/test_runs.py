"""A run of reconciliation is begun once, however often and on whatever plan the database is asked."""

from datetime import UTC, datetime, timedelta

from domain.reconciliation import Window
from storage import accounts, reconciliation
from storage.database import Database
from tests.house import House, Tenant

# PostgreSQL plans a prepared statement anew for five times; from then on one plan may do for all values.
OFTEN = 12


async def test_who_begins_a_run_for_the_tenth_time_meets_the_one_that_runs(
    house: House, tenant: Tenant
) -> None:
    now = datetime.now(UTC)
    database = Database(house.ready["databaseUrl"], pool_size=1)
    try:
        met = []
        for _ in range(OFTEN):
            async with database.tenant(tenant.id) as tx:
                (account,) = await accounts.live(tx)
                window = Window(since=now - timedelta(days=3), until=now)
                met.append(await reconciliation.begin(tx, account, window, now))
    finally:
        await database.close()
    assert [new for _, new in met] == [True] + [False] * (OFTEN - 1)
    assert len({run.id for run, _ in met}) == 1
