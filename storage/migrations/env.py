"""How Alembic reaches the database: with the address ``storage.schema`` hands over, as its owner."""

import asyncio
from typing import Final

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.tables import metadata

# Two installers at once wait for each other instead of colliding; the number only has to be ours.
_LOCK: Final = text("SELECT pg_advisory_lock(7295061)")
_RULES: Final = (
    # Who waits for a table holds up everybody who comes after, and those wait five seconds at most. We give
    # up sooner, and `schema.upgrade` tries again.
    text("SET lock_timeout = '1s'"),
    # What takes longer has no place in a migration, or says so (docs/operations/migrations.md).
    text("SET statement_timeout = '60s'"),
)


def _migrate(connection: Connection) -> None:
    connection.execute(_LOCK)
    for rule in _RULES:
        connection.execute(rule)
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        # What one has locked, the next need not hold.
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _run() -> None:
    engine = create_async_engine(
        context.config.attributes["url"],
        connect_args={"server_settings": {"application_name": "paysaga-migrations"}},
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


asyncio.run(_run())
