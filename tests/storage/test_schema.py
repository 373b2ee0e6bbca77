"""The database is what the code says it is, and installing twice does no harm."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from storage import schema
from storage.tables import metadata
from tests.house import House

# Everything a table is made of, in PostgreSQL's own words, with the schema's name left out.
ANATOMY = """
    SELECT c.relname || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || a.attidentity::text
        || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '') AS part
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND c.relnamespace = CAST(:schema AS text)::regnamespace
    UNION ALL
    SELECT conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE contype <> 't' AND connamespace = CAST(:schema AS text)::regnamespace
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname = CAST(:schema AS text)
"""


async def anatomy(tx: AsyncConnection, name: str) -> set[str]:
    parts = (await tx.execute(text(ANATOMY), {"schema": name})).scalars()
    return {part.replace(f"{name}.", "") for part in parts if "alembic_version" not in part}


@asynccontextmanager
async def as_owner(house: House, **options: Any) -> AsyncIterator[AsyncConnection]:
    """The schema owner's transaction. Nothing of it stays."""
    engine = create_async_engine(
        make_url(house.database_url("paysaga_owner")).set(drivername="postgresql+asyncpg"), **options
    )
    async with engine.connect() as tx:
        yield tx
        await tx.rollback()
    await engine.dispose()


async def test_alembic_finds_nothing_to_migrate(house: House) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with as_owner(house) as tx:
        assert await tx.run_sync(differences) == []


async def test_the_migrations_and_the_tables_say_the_same_to_the_letter(house: House) -> None:
    # Alembic compares neither checks nor the conditions of indexes.
    async with as_owner(house, execution_options={"schema_translate_map": {None: "drift"}}) as tx:
        await tx.execute(text("CREATE SCHEMA drift"))
        await tx.run_sync(metadata.create_all)
        meant, found = await anatomy(tx, "drift"), await anatomy(tx, "public")
    assert len(meant) > 150
    assert meant == found


async def test_to_upgrade_again_changes_nothing(house: House) -> None:
    async with as_owner(house) as tx:
        before = await anatomy(tx, "public")
    for _ in range(2):
        await asyncio.to_thread(schema.upgrade, house.database_url("paysaga_owner"))
    async with as_owner(house) as tx:
        assert await anatomy(tx, "public") == before
        assert await schema.is_current(tx)


@pytest.mark.slow
async def test_two_installers_at_once_wait_for_each_other(house: House) -> None:
    async def install() -> tuple[str, int | None]:
        script = "import sys; from storage import schema; schema.upgrade(sys.argv[1])"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, house.database_url("paysaga_owner", "twice")),
            stderr=asyncio.subprocess.PIPE,
        )
        return (await process.communicate())[1].decode(), process.returncode

    async with house.database(role="postgres") as superuser:
        await superuser.execute("CREATE DATABASE twice OWNER paysaga_owner")
        assert set(await asyncio.gather(install(), install())) == {("", 0)}
        await superuser.execute("DROP DATABASE twice")


@pytest.mark.slow
async def test_endpoints_of_before_go_on_hearing_what_they_heard(house: House) -> None:
    url = house.database_url("paysaga_owner", "before")
    async with house.database(role="postgres") as superuser:
        await superuser.execute("CREATE DATABASE before OWNER paysaga_owner")
        try:
            await asyncio.to_thread(command.upgrade, schema._config(url), "0015")
            rows = await asyncpg.connect(house.database_url("postgres", "before"))
            # Of one tenant: three events, and an endpoint that was made after the second.
            await rows.execute("""
                SET session_replication_role = replica;
                INSERT INTO events (id, tenant_id, sequence, type, data, at) SELECT 'evt_' || n, 'ten_1', n,
                    'payment.created', '{}', '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 hour'
                    FROM generate_series(1, 3) AS n;
                INSERT INTO webhook_endpoints (id, tenant_id, url, secret, created_at) VALUES
                    ('whe_1', 'ten_1', 'https://shop.example/hook', '', '2026-01-01T02:30:00Z')
            """)
            await asyncio.to_thread(schema.upgrade, url)
            found = await rows.fetchrow(
                "SELECT listens_after, updated_at = created_at FROM webhook_endpoints"
            )
            assert found is not None
            assert tuple(found) == (2, True)
            assert await rows.fetchval(
                "SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE relkind = 'r'"
                " AND relname IN ('webhook_endpoints', 'events')"
            )
            await rows.close()
        finally:
            await superuser.execute("DROP DATABASE before WITH (FORCE)")
