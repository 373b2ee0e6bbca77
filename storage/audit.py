"""The audit trail: who did what, with which result. Written where it happens, never changed."""

from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.values import Value
from storage.tables import audit_records


class Deed(Value):
    """One line of the trail. ``actor`` and ``resource`` are names and ids, never content."""

    tenant_id: str
    actor: str
    action: str
    resource: str
    result: str = "ok"
    at: datetime
    correlation_id: str | None = None
    provider: str | None = None
    failure: str | None = None
    organization: str | None = None


async def record(tx: AsyncConnection, deed: Deed) -> None:
    """Write the line in the transaction of the deed itself, so that there is never one without the other."""
    await tx.execute(insert(audit_records).values(deed.model_dump()))
