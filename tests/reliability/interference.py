"""What is done to a running house so that something goes wrong in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.house import House, Json, Tenant


async def write(tenant: Tenant, statement: str, *values: object) -> None:
    """Change rows of this tenant, as the application could."""
    async with tenant.house.database() as db, db.transaction():
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", tenant.id)
        await db.execute(statement, *values)


@asynccontextmanager
async def locked(house: House, table: str) -> AsyncIterator[None]:
    """Nobody else reads or writes this table: not even to say that it cannot be written."""
    async with house.database(role="paysaga_owner") as db, db.transaction():
        await db.execute(f"LOCK TABLE {table}")
        yield


@asynccontextmanager
async def poisoned(house: House, payment: Json) -> AsyncIterator[None]:
    """The database takes no success of this payment, whatever is tried."""
    rule = f"CHECK (id <> '{payment['id']}' OR status <> 'SUCCEEDED') NOT VALID"
    async with house.database(role="paysaga_owner") as db:
        await db.execute(f"ALTER TABLE payments ADD CONSTRAINT poison {rule}")
        try:
            yield
        finally:
            await db.execute("ALTER TABLE payments DROP CONSTRAINT poison")


class SlowMotion(httpx.AsyncBaseTransport):
    """The real network, but that answers stay on their way until they are let through."""

    def __init__(self) -> None:
        self.network = httpx.AsyncHTTPTransport()
        self.answered, self.let_through = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.network.handle_async_request(request)
        self.answered.set()
        await self.let_through.wait()
        return answer

    async def aclose(self) -> None:
        await self.network.aclose()
