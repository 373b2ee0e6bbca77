"""The audit trail: who did what, with which result. Written where it happens, never changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain import chain
from domain.values import Value
from storage.tables import audit_records, audit_seals, tenants


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


async def record(tx: AsyncConnection, deed: Deed) -> None:
    """Write the line in the transaction of the deed itself, so that there is never one without the other."""
    organization = select(tenants.c.organization).where(tenants.c.id == deed.tenant_id).scalar_subquery()
    await tx.execute(insert(audit_records).values(deed.model_dump() | {"organization": organization}))


def document(facts: RowMapping) -> dict[str, Any]:
    """A record as it is shown and as it is sealed: all of it, to the letter."""
    return {
        "id": chain.record_name(facts["id"]),
        "tenantId": facts["tenant_id"],
        "organization": facts["organization"],
        "actor": facts["actor"],
        "correlationId": facts["correlation_id"],
        "action": facts["action"],
        "resource": facts["resource"],
        "provider": facts["provider"],
        "result": facts["result"],
        "failure": facts["failure"],
        "at": chain.instant(facts["at"]),
    }


class Search(Value):
    """Which records a list shows; what is None does not matter."""

    actor: str | None = None
    action: str | None = None
    resource: str | None = None
    correlation_id: str | None = None
    result: str | None = None
    failure: str | None = None
    provider: str | None = None
    written_from: datetime | None = None
    written_to: datetime | None = None
    before: int | None = None
    """Only records with a lower id: the last one of the page before."""
    limit: int = 20


async def find(tx: AsyncConnection, wanted: Search) -> list[tuple[dict[str, Any], int | None]]:
    """Records, newest first, each with its number in the chain; None while it is not sealed."""
    same = wanted.model_dump(
        include={"actor", "action", "resource", "correlation_id", "result", "failure", "provider"},
        exclude_none=True,
    )
    query = (
        select(audit_records, audit_seals.c.number)
        .outerjoin(audit_seals, audit_seals.c.record_id == audit_records.c.id)
        .where(*(audit_records.c[name] == value for name, value in same.items()))
    )
    if wanted.written_from is not None:
        query = query.where(audit_records.c.at >= wanted.written_from)
    if wanted.written_to is not None:
        query = query.where(audit_records.c.at <= wanted.written_to)
    if wanted.before is not None:
        query = query.where(audit_records.c.id < wanted.before)
    rows = await tx.execute(query.order_by(audit_records.c.id.desc()).limit(wanted.limit))
    return [(document(row), row["number"]) for row in rows.mappings()]
