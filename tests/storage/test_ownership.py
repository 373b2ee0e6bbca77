"""A tenant's statements find the tenant's rows, also where no policy of the database binds them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from sqlalchemy import CursorResult, Executable, delete, exists, select, text, union_all, update
from sqlalchemy.dialects.postgresql import insert as upsert

from storage.database import Database
from storage.ownership import ours
from storage.tables import credentials, provider_health, tenants
from tests.house import House, Tenant
from tests.security.second_house import beyond

OTHER = credentials.alias("other")
NEWEST = select(credentials.c.tenant_id).order_by(credentials.c.created_at.desc()).limit(1000).subquery()
THOSE = select(credentials.c.tenant_id.label("owner")).cte("those")


@dataclass(frozen=True)
class Unbound:
    """Two tenants, and a database that row-level security does not watch over."""

    database: Database
    us: Tenant
    them: Tenant


@pytest.fixture(scope="module")
async def unbound(house: House) -> AsyncIterator[Unbound]:
    async with beyond(house) as url:
        database = Database(url, pool_size=2)
        try:
            yield Unbound(database, await house.tenant(), await house.tenant())
        finally:
            await database.close()


async def test_without_a_filter_everybody_would_be_seen(unbound: Unbound) -> None:
    """What these tests show is worth something only where nothing else keeps tenants apart."""
    async with unbound.database.tenant(unbound.us.id) as tx:
        seen = (await tx.execute(text("SELECT DISTINCT tenant_id FROM credentials"))).scalars().all()
    assert {unbound.us.id, unbound.them.id} <= set(seen)


@pytest.mark.parametrize(
    "query",
    [
        select(credentials.c.tenant_id),
        select(tenants.c.id),
        select(OTHER.c.tenant_id),
        select(NEWEST.c.tenant_id),
        select(THOSE.c.owner),
        union_all(select(tenants.c.id), select(credentials.c.tenant_id)),
        select(credentials.c.tenant_id).where(exists().where(tenants.c.id == credentials.c.tenant_id)),
        select(tenants.c.id).join(credentials, credentials.c.id != ""),
        select(credentials.c.tenant_id).select_from(tenants.join(credentials, tenants.c.id != "")),
        ours("SELECT tenant_id FROM credentials WHERE tenant_id = :tenant"),
    ],
)
async def test_a_query_that_forgets_its_tenant_finds_its_own(unbound: Unbound, query: Executable) -> None:
    for tenant in (unbound.us, unbound.them):
        async with unbound.database.tenant(tenant.id) as tx:
            assert set((await tx.execute(query)).scalars()) == {tenant.id}


async def test_an_outer_join_keeps_what_has_no_match(unbound: Unbound) -> None:
    joined = credentials.outerjoin(OTHER, OTHER.c.id == "nobody")
    async with unbound.database.tenant(unbound.us.id) as tx:
        found = (await tx.execute(select(credentials.c.tenant_id, OTHER.c.id).select_from(joined))).all()
        # Where only another's row would match, there is none at all: row-level security would leave a gap.
        strangers = credentials.outerjoin(OTHER, OTHER.c.id != credentials.c.id)
        matched = (await tx.execute(select(OTHER.c.tenant_id).select_from(strangers))).scalars().all()
    assert [tuple(row) for row in found] == [(unbound.us.id, None)]
    assert unbound.them.id not in matched


async def test_nothing_of_anothers_is_changed(unbound: Unbound) -> None:
    theirs = unbound.them.id
    async with unbound.database.tenant(unbound.us.id) as tx:
        rename = update(credentials).values(name="stolen")
        assert (await tx.execute(rename.where(credentials.c.tenant_id == theirs))).rowcount == 0
        assert (await tx.execute(rename)).rowcount == 1
        gone = await tx.execute(delete(provider_health).where(provider_health.c.tenant_id == theirs))
        assert gone.rowcount == 0
        await tx.rollback()


async def test_a_row_of_anothers_that_is_in_the_way_stays_as_it_is(unbound: Unbound) -> None:
    async with unbound.database.tenant(unbound.them.id) as tx:
        (row,) = (await tx.execute(select(credentials))).mappings().all()
    taken = upsert(credentials).values(dict(row) | {"tenant_id": unbound.us.id, "name": "stolen"})
    async with unbound.database.tenant(unbound.us.id) as tx:
        met = taken.on_conflict_do_update(index_elements=["id"], set_={"name": "stolen"})
        done: CursorResult[tuple[object, ...]] = await tx.execute(met)
        assert done.rowcount == 0
    async with unbound.database.tenant(unbound.them.id) as tx:
        assert (await tx.execute(select(credentials.c.name))).scalar_one() == row["name"]


async def test_two_transactions_at_once_are_two_tenants(unbound: Unbound) -> None:
    query = select(credentials.c.tenant_id)
    us, them = unbound.us.id, unbound.them.id
    async with unbound.database.tenant(us) as mine, unbound.database.tenant(them) as theirs:
        for _ in range(2):
            assert (await mine.execute(query)).scalars().all() == [us]
            assert (await theirs.execute(query)).scalars().all() == [them]


async def test_the_system_reads_all_and_is_no_tenant(unbound: Unbound) -> None:
    async with unbound.database.tenant(unbound.us.id) as tx:
        await tx.execute(select(tenants.c.id))
    async with unbound.database.system() as tx:
        assert {unbound.us.id, unbound.them.id} <= set((await tx.execute(select(tenants.c.id))).scalars())
        written = await tx.execute(ours("SELECT count(*) FROM tenants WHERE id = :tenant"))
        assert written.scalar_one() == 0
