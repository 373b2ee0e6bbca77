"""Connections and transactions. ``BEGIN`` and ``COMMIT`` happen here and nowhere else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from storage.ownership import Ownership

# A statement waits no longer than this for a lock or an answer; then the caller is told 503.
_SERVER_SETTINGS: Final = {
    "application_name": "paysaga",
    "statement_timeout": "15000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "30000",
    "timezone": "UTC",
}
_AS_TENANT: Final = text("SELECT set_config('app.tenant_id', :tenant, true)")
_AS_SYSTEM: Final = text("SET LOCAL ROLE paysaga_system")


class Database:
    """One pool of connections under the runtime role, which row-level security binds."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self._engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            # A failing statement must not carry its customer's data into logs and workflow histories.
            hide_parameters=True,
            connect_args={"timeout": 5, "server_settings": _SERVER_SETTINGS},
        )
        self._ownership = Ownership(self._engine)
        self._frozen = self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def tenant(self, tenant_id: str, *, frozen: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction that sees and writes one tenant's rows, and no others.

        The setting ends with the transaction, so nothing leaks through the pool; a query that forgets
        its tenant finds nothing rather than everything. Beside that, every statement is given a filter of its
        own (``storage.ownership``). ``frozen``: all is seen as it was at the first look.
        """
        async with (self._frozen if frozen else self._engine).begin() as tx:
            await tx.execute(_AS_TENANT, {"tenant": tenant_id})
            await self._ownership.begin(tx, tenant_id)
            yield tx

    @asynccontextmanager
    async def system(self, *, frozen: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction that reads across tenants, for the few jobs that must find out whose a thing is.

        It may write next to nothing: what belongs to a tenant is written under that tenant.
        """
        async with (self._frozen if frozen else self._engine).begin() as tx:
            await tx.execute(_AS_SYSTEM)
            yield tx

    @asynccontextmanager
    async def nobodys(self) -> AsyncIterator[AsyncConnection]:
        """For single statements about what belongs to nobody; each is a transaction of its own."""
        async with self._single.connect() as db:
            yield db

    async def close(self) -> None:
        await self._engine.dispose()
