"""A release's migrations run while the one before it is at work, and nobody notices."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import pytest
import sqlalchemy as sa
from alembic import command, op
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage import schema
from tests.house import House, eventually
from tests.storage.migration_rules import RULES, broken, faults, statements

if TYPE_CHECKING:
    from types import ModuleType

# Older ones have run wherever this is installed.
SINCE = "0021"
SCRIPTS = ScriptDirectory.from_config(schema._config("postgresql://nobody@nowhere/none"))
NEWER = [script for script in SCRIPTS.walk_revisions() if script.revision >= SINCE]
STATE = sa.Column("state", sa.String(16))


@pytest.mark.parametrize("script", NEWER, ids=lambda script: script.revision)
def test_a_migration_keeps_the_rules_or_says_why_not(script: Any) -> None:
    assert faults(script.module) == []


BAD: list[tuple[str, Callable[[], object]]] = [
    ("drop", lambda: op.drop_column("payments", "late")),
    ("drop", lambda: op.drop_table("usage")),
    ("rename", lambda: op.alter_column("payments", "late", new_column_name="was_late")),
    ("rename", lambda: op.rename_table("usage", "uses")),
    ("not null", lambda: op.add_column("payments", sa.Column("mood", sa.Text(), nullable=False))),
    ("not null", lambda: op.alter_column("payments", "order_id", nullable=False)),
    ("rewrite", lambda: op.alter_column("payments", "order_id", type_=sa.BigInteger())),
    ("rewrite", lambda: op.execute("ALTER TABLE payments ADD COLUMN x float DEFAULT random()")),
    ("check", lambda: op.create_check_constraint("ck", "payments", "amount_minor > 1")),
    ("check", lambda: op.create_foreign_key("fk", "usage", "payments", ["payment_id"], ["id"])),
    ("unique", lambda: op.create_unique_constraint("uq", "payments", ["order_id"])),
    ("index", lambda: op.create_index("ix", "payments", ["order_id"])),
    ("index", lambda: op.create_index("ix", "payments", ["order_id"], postgresql_concurrently=True)),
    ("index", lambda: op.drop_index("ix", "payments")),
    ("backfill", lambda: op.execute("UPDATE payments SET late = false")),
    ("backfill", lambda: op.execute("DELETE FROM usage")),
    ("lock", lambda: op.execute("LOCK TABLE payments")),
    ("patience", lambda: op.execute("SET LOCAL lock_timeout = 0")),
]


@pytest.mark.parametrize(("rule", "deed"), BAD)
def test_what_would_stop_the_platform_or_its_older_release_is_refused(
    rule: str, deed: Callable[[], object]
) -> None:
    def upgrade() -> None:
        deed()

    assert {each for each, _ in broken(statements(upgrade))} == {rule}


def test_every_rule_is_shown_to_bite() -> None:
    assert {rule for rule, _ in BAD} == {*RULES}


def _harmless() -> None:
    op.create_table("moods", STATE, sa.Column("tenant_id", sa.Text(), sa.ForeignKey("tenants.id")))
    op.create_index("ix_moods", "moods", ["state"])
    op.execute("UPDATE moods SET state = 'new'")
    op.add_column("payments", sa.Column("mood", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("glad", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("ALTER TABLE payments ADD CONSTRAINT ck_mood CHECK (mood <> '') NOT VALID")
    with op.get_context().autocommit_block():
        op.create_index("ix_mood", "payments", ["mood"], postgresql_concurrently=True)
    op.execute("ALTER TABLE payments VALIDATE CONSTRAINT ck_of_the_release_before")


def test_what_only_adds_is_let_through() -> None:
    assert list(broken(statements(_harmless))) == []


def test_what_was_not_proven_yet_is_proven_by_a_later_migration() -> None:
    def both() -> None:
        op.execute("ALTER TABLE payments ADD CONSTRAINT ck_mood CHECK (mood <> '') NOT VALID")
        op.execute("ALTER TABLE payments VALIDATE CONSTRAINT ck_mood")

    assert [rule for rule, _ in broken(statements(both))] == ["check"]


@pytest.mark.parametrize(
    ("reasons", "found"),
    [({}, 1), ({"drop": "because"}, 1), ({"rename": "nobody reads it"}, 1), ({"drop": "nobody reads it"}, 0)],
)
def test_a_rule_is_broken_only_for_a_reason(reasons: dict[str, str], found: int) -> None:
    migration = SimpleNamespace(
        revision="0099", BREAKS=reasons, upgrade=lambda: op.drop_column("payments", "late")
    )
    assert len(faults(cast("ModuleType", migration))) == found


# --- Beside those who are at work -----------------------------------------------------------------


@pytest.mark.slow
async def test_a_migration_that_cannot_have_a_table_lets_others_have_it(house: House) -> None:
    url = house.database_url("paysaga_owner", "held")
    async with house.database(role="postgres") as superuser:
        await superuser.execute("CREATE DATABASE held OWNER paysaga_owner")
        try:
            await asyncio.to_thread(command.upgrade, schema._config(url), "0018")
            holder, other = [await asyncpg.connect(house.database_url("postgres", "held")) for _ in range(2)]
            long = holder.transaction()
            await long.start()
            await holder.fetch("SELECT FROM inbox")
            migrating = asyncio.create_task(asyncio.to_thread(schema.upgrade, url))
            working = asyncio.create_task(_work(other))
            tries: set[Any] = set()
            while len(tries) < 3:
                assert not migrating.done()
                assert not working.done()
                tries |= await _waiting_since(superuser)
                await asyncio.sleep(0.05)
            await long.rollback()
            await migrating
            working.cancel()
            await asyncio.wait([working])
            assert working.cancelled()
            assert (
                await other.fetchval("SELECT version_num FROM alembic_version") == SCRIPTS.get_current_head()
            )
            await holder.close()
            await other.close()
        finally:
            await superuser.execute("DROP DATABASE held WITH (FORCE)")


INDEX = """
from alembic import op
revision, down_revision = "9999", "{head}"
def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("ix_mood", "inbox", ["note"], postgresql_concurrently=True, if_not_exists=True)
"""


@pytest.mark.slow
async def test_an_index_is_built_while_others_write(house: House, tmp_path: Path) -> None:
    (tmp_path / "9999_mood.py").write_text(INDEX.format(head=SCRIPTS.get_current_head()))
    url = house.database_url("paysaga_owner", "indexed")
    config = schema._config(url)
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{SCRIPTS.dir}/versions\n{tmp_path}")
    async with house.database(role="postgres") as superuser:
        await superuser.execute("CREATE DATABASE indexed OWNER paysaga_owner")
        try:
            await asyncio.to_thread(schema.upgrade, url)
            writer = await asyncpg.connect(house.database_url("postgres", "indexed"))
            await writer.execute("BEGIN; LOCK TABLE inbox IN ROW EXCLUSIVE MODE")
            building = asyncio.create_task(asyncio.to_thread(command.upgrade, config, "9999"))
            await eventually(lambda: _blocked(superuser))
            await writer.execute("COMMIT")
            await building
            assert await writer.fetchval(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_mood'::regclass"
            )
            assert await writer.fetchval("SELECT version_num FROM alembic_version") == "9999"
            await writer.close()
        finally:
            await superuser.execute("DROP DATABASE indexed WITH (FORCE)")


async def _blocked(superuser: "asyncpg.Connection[asyncpg.Record]") -> bool | None:
    return bool(await _waiting_since(superuser)) or None


async def _work(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """As patient as the platform's own connections. One that waits in line behind a migration ends here."""
    await connection.execute("SET lock_timeout = '5s'")
    while True:
        await connection.execute("UPDATE inbox SET attempts = attempts")
        await asyncio.sleep(0.01)


async def _waiting_since(superuser: "asyncpg.Connection[asyncpg.Record]") -> set[Any]:
    """The migrations' transactions that wait for a lock now, by their beginning."""
    rows = await superuser.fetch(
        "SELECT xact_start FROM pg_stat_activity"
        " WHERE application_name = 'paysaga-migrations' AND wait_event_type = 'Lock'"
    )
    return {row["xact_start"] for row in rows}


async def test_a_release_is_ready_on_the_schema_of_the_next_one_and_not_on_an_older_one(house: House) -> None:
    engine = create_async_engine(
        make_url(house.database_url("paysaga_owner")).set(drivername="postgresql+asyncpg")
    )
    ready = {}
    async with engine.connect() as tx:
        for version in (SCRIPTS.get_current_head(), "9999", "0018"):
            await tx.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
            ready[version] = await schema.is_current(tx)
        await tx.rollback()
    await engine.dispose()
    assert [*ready.values()] == [True, True, False]
