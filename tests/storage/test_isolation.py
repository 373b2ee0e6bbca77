"""PostgreSQL itself keeps tenants apart, whatever our code forgets: read from its catalogue and tried out."""

# ruff: noqa: S608 - the names of tables and columns come from our own metadata

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import Database
from storage.tables import metadata
from tests.house import House, Receiver, Tenant, eventually, sealed
from tests.security.person import Person
from tests.stories.test_reconciliation import nobodys_capture, reconciled
from tests.stories.test_refunds import becomes, paid, refund
from tests.subscriber import Subscriber, plan

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

RUNTIME, OWNER, SYSTEM = "paysaga_runtime", "paysaga_owner", "paysaga_system"
# Rows that are nobody's: a digest, and when something was counted under it.
NOBODYS = "rate_windows"
# Which column says whose a row is.
TABLES = {
    table: "id" if table == "tenants" else "tenant_id"
    for table in sorted(metadata.tables)
    if table != NOBODYS
}

DOCUMENTS = {"invoices", "credit_notes"}
# What they say holds for a while: what is over may go (of attempts, only what is old; see test_retention).
FLEETING = {"console_sessions", "delivery_attempts", "provider_health"}

every_table = pytest.mark.parametrize("table", TABLES)


@dataclass(frozen=True)
class Neighbours:
    """Two tenants that have something in every table."""

    house: House
    us: Tenant
    them: Tenant

    @asynccontextmanager
    async def as_us(self) -> AsyncIterator["Connection"]:
        async with self.house.database() as db, db.transaction():
            await be(db, self.us.id)
            yield db

    async def row_of_theirs(self, table: str) -> str:
        found = await self.them.rows(f"SELECT row_to_json(t)::text AS row FROM {table} t LIMIT 1")
        return str(found[0]["row"])


@pytest.fixture(scope="module")
async def neighbours(house: House) -> AsyncIterator[Neighbours]:
    async with Receiver.listening() as receiver:
        us, them = [await house.tenant(receiver.url) for _ in range(2)]
        await asyncio.gather(*(lives(house, tenant) for tenant in (us, them)))
        for tenant in (us, them):
            assert (await reconciled(tenant))["found"]
        yield Neighbours(house, us, them)


async def lives(house: House, tenant: Tenant) -> None:
    """Something in every table."""
    payment = await tenant.open(entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await tenant.ended(payment)
    await billed(tenant)
    assert (await tenant.use("pro")).status_code == 201
    await heard_of(tenant)
    await money_back(tenant)
    await tenant.disputed(payment)
    await in_trouble(tenant)
    await looked_through(tenant)
    await sealed(tenant)
    await nobodys_capture(tenant, "pay_of_nobody")
    await told(tenant)
    async with Person.arriving(house) as somebody:
        await somebody.sign_in(tenant)


async def money_back(tenant: Tenant) -> None:
    """A refund that waits for approval, and another: money that came although its payment was cancelled."""
    await tenant.call("PATCH", "/v1/tenants/me/settings", json={"refundApprovalThreshold": {"HUF": 0}})
    assert (await refund(tenant, await paid(tenant)))["status"] == "PENDING_APPROVAL"
    await tenant.fault("checkout.close", "before", "lost")
    payment = await tenant.open()
    await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    await tenant.pay(payment)

    async def refunded() -> bool | None:
        return (await tenant.get(payment))["refundStatus"] == "FULL" or None

    await eventually(refunded)


async def billed(tenant: Tenant) -> None:
    """A subscription that was paid for, and a part of it given back."""
    anna = Subscriber(tenant, "anna")
    await anna.subscribes((await plan(tenant))["prices"][0])
    (invoice,) = await anna.invoices()
    await becomes(tenant, await refund(tenant, {"id": invoice["paymentId"]}, amount=1000), "SUCCEEDED")


async def told(tenant: Tenant) -> None:
    """An attempt to deliver is on record."""

    async def look() -> bool | None:
        return bool(await tenant.rows("SELECT FROM delivery_attempts LIMIT 1")) or None

    await eventually(look)


async def heard_of(tenant: Tenant) -> None:
    """A word on a subscription that a company runs."""
    await tenant.rows(
        "INSERT INTO subscription_words (id, tenant_id, account_id, event_id, reference, kind, observation,"
        " told_at, read, heard_at) SELECT 'wrd_' || id, tenant_id, id, 'evt_1', 'theirs', 'subscription',"
        " '{}', now(), false, now() FROM provider_accounts"
    )


async def in_trouble(tenant: Tenant) -> None:
    """Its account cannot be used, says a process that will be heard until tomorrow."""
    await tenant.rows(
        "INSERT INTO provider_health (account_id, process, tenant_id, credentials, state, failures,"
        " last_failure, since, seen_at) SELECT id, 'wrk_test', tenant_id, '', 'closed', 5, '', now(),"
        " now() + interval '1 day' FROM provider_accounts"
    )


async def looked_through(tenant: Tenant) -> None:
    """Somebody has begun to examine its trail; the worker may have been first."""
    await tenant.rows(
        "INSERT INTO audit_examinations (tenant_id, reached, seen, breaches, breaches_at_end,"
        " breaches_before, began_at, examined_at) SELECT id, 0, 0, 0, 0, 0, now(), now() FROM tenants"
        " ON CONFLICT DO NOTHING"
    )


async def be(db: "Connection", tenant_id: str) -> None:
    await db.execute("SELECT set_config('app.tenant_id', $1, true)", tenant_id)


async def count(db: "Connection", table: str) -> int:
    return int(await db.fetchval(f"SELECT count(*) FROM {table}"))


@contextmanager
def issued() -> Iterator[None]:
    with pytest.raises(asyncpg.RestrictViolationError):
        yield


@contextmanager
def refused_by_policy() -> Iterator[None]:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        yield


@contextmanager
def not_permitted() -> Iterator[None]:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        yield


# --- What the catalogue says ----------------------------------------------------------------------


async def test_we_know_every_table_there_is(house: House) -> None:
    async with house.database(role=OWNER) as db:
        tables = await db.fetch("""
            SELECT relname, EXISTS (SELECT FROM pg_attribute
                WHERE attrelid = c.oid AND attname = 'tenant_id' AND NOT attisdropped) AS is_of_tenants
            FROM pg_class c
            WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relnamespace = 'public'::regnamespace
        """)
    ours = {row["relname"] for row in tables if not row["relname"].startswith("pg_stat_statements")}
    assert ours == {*metadata.tables, "alembic_version"}
    assert {row["relname"] for row in tables if row["is_of_tenants"]} == {*TABLES} - {"tenants"}


@every_table
async def test_row_security_is_on_and_binds_the_owner_too(house: House, table: str) -> None:
    async with house.database() as db:
        row = await db.fetchrow(
            "SELECT relrowsecurity, relforcerowsecurity, relowner::regrole::text AS owner"
            " FROM pg_class WHERE oid = $1::text::regclass",
            table,
        )
    assert row is not None
    assert tuple(row) == (True, True, OWNER)


@every_table
async def test_there_is_one_policy_for_tenants_and_one_for_the_system(house: House, table: str) -> None:
    async with house.database() as db:
        found = await db.fetch(
            "SELECT roles[1]::text AS role, cardinality(roles) AS roles, permissive, cmd, qual, with_check"
            " FROM pg_policies WHERE schemaname = 'public' AND tablename = $1",
            table,
        )
    policies = {row["role"]: row for row in found}
    assert sorted(row["role"] for row in found) == [RUNTIME, SYSTEM]
    assert {(row["roles"], row["permissive"]) for row in found} == {(1, "PERMISSIVE")}
    mine = f"(({TABLES[table]})::text = NULLIF(current_setting('app.tenant_id'::text, true), ''::text))"
    tenants = policies[RUNTIME]
    assert (tenants["cmd"], tenants["qual"], tenants["with_check"]) == ("ALL", mine, mine)
    system = policies[SYSTEM]
    assert (system["cmd"], system["qual"], system["with_check"]) == ("SELECT", "true", None)


@pytest.mark.parametrize("role", [RUNTIME, SYSTEM, OWNER])
async def test_no_role_of_ours_is_above_the_rules(house: House, role: str) -> None:
    async with house.database() as db:
        may = await db.fetchrow(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
            " FROM pg_roles WHERE rolname = $1",
            role,
        )
    assert may is not None
    assert not any(may)


async def test_the_runtime_role_owns_nothing_and_inherits_nothing(house: House) -> None:
    async with house.database() as db:
        assert await db.fetchval("SELECT current_user") == RUNTIME
        assert await db.fetchval("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole") == 0
        assert not await db.fetchval("SELECT pg_has_role(current_user, $1, 'MEMBER')", OWNER)
        # It may become the system, but must say so.
        assert await db.fetchval("SELECT pg_has_role(current_user, $1, 'SET')", SYSTEM)
        assert not await db.fetchval("SELECT pg_has_role(current_user, $1, 'USAGE')", SYSTEM)


# --- What can be seen -----------------------------------------------------------------------------


@every_table
async def test_whoever_names_no_tenant_sees_nothing(neighbours: Neighbours, table: str) -> None:
    async with neighbours.house.database() as db:
        assert await count(db, table) == 0
        await db.execute("SET app.tenant_id = ''")
        assert await count(db, table) == 0


@every_table
async def test_a_tenant_sees_its_own_rows_and_no_others(neighbours: Neighbours, table: str) -> None:
    async with neighbours.as_us() as db:
        owners = await db.fetch(f"SELECT DISTINCT {TABLES[table]} AS tenant FROM {table}")
        assert [row["tenant"] for row in owners] == [neighbours.us.id]
        theirs = f"SELECT count(*) FROM {table} WHERE {TABLES[table]} = $1"
        assert await db.fetchval(theirs, neighbours.them.id) == 0


@every_table
async def test_even_the_owner_of_the_tables_sees_nothing(neighbours: Neighbours, table: str) -> None:
    async with neighbours.house.database(role=OWNER) as db, db.transaction():
        assert await count(db, table) == 0
        await be(db, neighbours.us.id)
        assert await count(db, table) == 0


@every_table
async def test_the_system_role_sees_all_tenants(neighbours: Neighbours, table: str) -> None:
    async with neighbours.house.database() as db, db.transaction():
        await db.execute(f"SET LOCAL ROLE {SYSTEM}")
        owners = await db.fetch(f"SELECT DISTINCT {TABLES[table]} AS tenant FROM {table}")
    assert {row["tenant"] for row in owners} >= {neighbours.us.id, neighbours.them.id}


# --- What can be written --------------------------------------------------------------------------


@every_table
async def test_nobody_adds_a_row_in_anothers_name(neighbours: Neighbours, table: str) -> None:
    theirs = await neighbours.row_of_theirs(table)
    async with neighbours.as_us() as db:
        with refused_by_policy():
            await db.execute(
                f"INSERT INTO {table} OVERRIDING SYSTEM VALUE"
                f" SELECT * FROM jsonb_populate_record(NULL::{table}, $1::text::jsonb)",
                theirs,
            )


@every_table
async def test_nobody_gives_a_row_away(neighbours: Neighbours, table: str) -> None:
    async with neighbours.as_us() as db:
        may_change = await db.fetchval("SELECT has_table_privilege($1::text, 'UPDATE')", table)
        refused = refused_by_policy if may_change else not_permitted
        # What is issued never changes, whoever is asking.
        with issued() if table in DOCUMENTS else refused():
            await db.execute(f"UPDATE {table} SET {TABLES[table]} = $1", neighbours.them.id)


@every_table
async def test_anothers_row_cannot_be_changed(neighbours: Neighbours, table: str) -> None:
    column = TABLES[table]
    change = f"UPDATE {table} SET {column} = {column} WHERE {column} = $1"
    async with neighbours.as_us() as db:
        if await db.fetchval("SELECT has_table_privilege($1::text, 'UPDATE')", table):
            assert await db.execute(change, neighbours.them.id) == "UPDATE 0"
            assert await db.execute(change, neighbours.us.id) != "UPDATE 0"
        else:
            with not_permitted():
                await db.execute(change, neighbours.them.id)


@every_table
async def test_the_application_deletes_nothing_that_is_a_record(neighbours: Neighbours, table: str) -> None:
    for deed in (f"DELETE FROM {table}", f"TRUNCATE {table}"):
        if table not in FLEETING or deed.startswith("TRUNCATE"):
            async with neighbours.as_us() as db:
                with not_permitted():
                    await db.execute(deed)


@pytest.mark.parametrize("table", sorted(FLEETING))
async def test_what_is_another_tenants_cannot_be_deleted(neighbours: Neighbours, table: str) -> None:
    async with neighbours.as_us() as db:
        deed = f"DELETE FROM {table} WHERE {TABLES[table]} = $1"
        assert await db.execute(deed, neighbours.them.id) == "DELETE 0"
    assert await neighbours.them.rows(f"SELECT FROM {table}")


@every_table
async def test_even_the_owner_of_the_tables_changes_no_row(neighbours: Neighbours, table: str) -> None:
    async with neighbours.house.database(role=OWNER) as db, db.transaction():
        await be(db, neighbours.us.id)
        assert await db.execute(f"UPDATE {table} SET {TABLES[table]} = {TABLES[table]}") == "UPDATE 0"
        assert await db.execute(f"DELETE FROM {table}") == "DELETE 0"


@every_table
async def test_the_system_role_writes_nothing(neighbours: Neighbours, table: str) -> None:
    column = TABLES[table]
    for deed in (
        f"INSERT INTO {table} ({column}) VALUES ('ten_x')",
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
        f"LOCK TABLE {table} IN EXCLUSIVE MODE",
    ):
        async with neighbours.house.database() as db, db.transaction():
            await db.execute(f"SET LOCAL ROLE {SYSTEM}")
            await be(db, neighbours.us.id)
            with not_permitted():
                await db.execute(deed)


# --- What is nobody's -----------------------------------------------------------------------------


async def test_whoever_acts_for_a_tenant_neither_sees_nor_touches_what_is_counted(
    neighbours: Neighbours,
) -> None:
    row = f"INSERT INTO {NOBODYS} VALUES ('of them', '{{now()}}', now() + interval '1 day')"
    async with neighbours.house.database() as db:
        await db.execute(row)
        assert await count(db, NOBODYS) > 0
    async with neighbours.as_us() as db:
        assert await count(db, NOBODYS) == 0
        assert await db.execute(f"DELETE FROM {NOBODYS}") == "DELETE 0"
        assert await db.execute(f"UPDATE {NOBODYS} SET forget_at = now()") == "UPDATE 0"
        with refused_by_policy():
            await db.execute(row.replace("them", "us"))


async def test_neither_the_system_nor_the_owner_reads_what_is_counted(house: House) -> None:
    async with house.database() as db, db.transaction():
        await db.execute(f"SET LOCAL ROLE {SYSTEM}")
        with not_permitted():
            await count(db, NOBODYS)
    async with house.database(role=OWNER) as db:
        assert await count(db, NOBODYS) == 0


async def test_what_is_counted_names_nobody_and_is_never_on_disk_for_long(neighbours: Neighbours) -> None:
    async with neighbours.house.database(role="postgres") as db:
        kept = await db.fetchval(f"SELECT string_agg(row_to_json(t)::text, ' ') FROM {NOBODYS} t")
        persistence = await db.fetchval(
            "SELECT relpersistence::text FROM pg_class WHERE relname = $1", NOBODYS
        )
    us = neighbours.us.registered
    assert not any(name in kept for name in (us["id"], us["appName"], "127.0.0.1"))
    assert persistence == "u"


# --- Nothing stays behind on a connection ---------------------------------------------------------


@asynccontextmanager
async def one_connection(house: House) -> AsyncIterator[Database]:
    database = Database(house.ready["databaseUrl"], pool_size=1)
    try:
        yield database
    finally:
        await database.close()


async def here(tx: AsyncConnection) -> tuple[Any, ...]:
    """Which connection this is, as whom, for which tenant, and whose payments it sees."""
    row = await tx.execute(
        text("""
            SELECT pg_backend_pid(), current_user, NULLIF(current_setting('app.tenant_id', true), ''),
                (SELECT array_agg(DISTINCT tenant_id) FROM payments)
        """)
    )
    return tuple(row.one())


async def test_a_tenants_setting_ends_with_its_transaction(neighbours: Neighbours) -> None:
    us, them = neighbours.us.id, neighbours.them.id
    async with one_connection(neighbours.house) as database:
        async with database.tenant(us) as tx:
            pid = (await here(tx))[0]
            assert await here(tx) == (pid, RUNTIME, us, [us])
        async with database.system() as tx:
            *who, seen = await here(tx)
            assert who == [pid, SYSTEM, None]
            assert {us, them} <= set(seen)
        async with database.tenant(them) as tx:
            assert await here(tx) == (pid, RUNTIME, them, [them])


async def test_a_tenants_setting_ends_with_a_transaction_that_failed(neighbours: Neighbours) -> None:
    async with one_connection(neighbours.house) as database:
        async with database.tenant(neighbours.us.id) as tx:
            pid = (await here(tx))[0]
        with pytest.raises(DBAPIError, match="division by zero"):
            async with database.tenant(neighbours.us.id) as tx:
                await tx.execute(text("SELECT 1 / 0"))
        # No transaction of ours names nobody; ask the pool itself for its one connection.
        async with database._engine.connect() as tx:
            assert await here(tx) == (pid, RUNTIME, None, None)
