"""A long trail of a tenant of its own, sealed as a worker would, and somebody who may do anything to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from domain.chain import Checkpoint
from domain.values import new_id
from storage import custody, sealing
from storage.notary import Notary
from tests.house import House

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

NOTARY = Notary([bytes(range(32))])
STEP = timedelta(seconds=1)


@dataclass(frozen=True)
class Trail:
    """All of it in one superuser's transaction without triggers, which is undone in the end."""

    tx: AsyncConnection
    db: "Connection"
    tenant_id: str
    ids: list[int]
    """The records' ids by their places: the first is at index 1."""
    points: list[Checkpoint]
    began: datetime

    async def report(self, exported: Checkpoint | None = None) -> custody.Report:
        wanted = custody.Request(tenant_id=self.tenant_id, exported=exported)
        return await custody.examine(self.tx, wanted, NOTARY.keyring.trusts)

    async def found(self, exported: Checkpoint | None = None) -> list[tuple[str, int]]:
        """Kind and place of all that is wrong."""
        return [(str(each.kind), each.number) for each in (await self.report(exported)).findings]

    async def insert(self, at: datetime, record_id: int | None = None) -> int:
        """Another record, as whoever can write to the database might leave it."""
        return int(
            await self.db.fetchval(
                "INSERT INTO audit_records (id, tenant_id, actor, action, resource, result, at)"
                " OVERRIDING SYSTEM VALUE VALUES (coalesce($1, nextval('audit_records_id_seq')),"
                " $2, 'owner:owner:crd_1', 'payment.created', 'pay_x', 'ok', $3) RETURNING id",
                record_id,
                self.tenant_id,
                at,
            )
        )

    async def seal(self, now: datetime) -> Checkpoint | None:
        return await sealing.seal(self.tx, NOTARY, self.tenant_id, now)


@asynccontextmanager
async def trail(house: House, length: int) -> AsyncIterator[Trail]:
    """A record a second, and ids with room between them; all sealed, the last ones a minute ago."""
    engine = create_async_engine(
        make_url(house.database_url("postgres")).set(drivername="postgresql+asyncpg")
    )
    async with engine.connect() as tx:
        await tx.begin()
        await tx.exec_driver_sql("SET LOCAL session_replication_role = replica")
        db = (await tx.get_raw_connection()).driver_connection
        assert db is not None
        tenant_id = new_id("ten", datetime.now(UTC))
        await db.execute(
            "INSERT INTO tenants (id, name, app_name, contact_email, sandbox, settings, data_key, created_at)"
            " VALUES ($1, 'Long', $1, 'a@b.hu', true, '{}', '', now())",
            tenant_id,
        )
        began = datetime.now(UTC) - STEP * length - timedelta(minutes=1)
        first = await db.fetchval("SELECT nextval('audit_records_id_seq')")
        await db.execute("SELECT setval('audit_records_id_seq', $1)", first + 10 * length)
        rows = await db.fetch(
            "INSERT INTO audit_records (id, tenant_id, actor, action, resource, result, at)"
            " OVERRIDING SYSTEM VALUE SELECT $4 + 10 * n, $1, 'owner:owner:crd_1', 'payment.created',"
            " 'pay_' || n, 'ok', $2::timestamptz + n * interval '1 second'"
            " FROM generate_series(1, $3::int) n RETURNING id",
            tenant_id,
            began,
            length,
            first,
        )
        told = Trail(tx, db, tenant_id, [0, *sorted(row["id"] for row in rows)], [], began)
        while (point := await told.seal(datetime.now(UTC))) is not None:
            told.points.append(point)
        yield told
        await tx.rollback()
    await engine.dispose()
