"""How Alembic reaches the database: with the address ``storage.schema`` hands over, as its owner."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.tables import metadata

# Two installers at once wait for each other instead of colliding; the number only has to be ours.
_LOCK = text("SELECT pg_advisory_xact_lock(7295061)")


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        connection.execute(_LOCK)
        context.run_migrations()


async def _run() -> None:
    engine = create_async_engine(context.config.attributes["url"])
    async with engine.begin() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_run())
