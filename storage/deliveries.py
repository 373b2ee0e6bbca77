"""Events on their way to endpoints: what is due, and when. How attempts go is ``storage.attempts``."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.values import Value
from storage.tables import deliveries, events, webhook_endpoints


class Delivery(Value):
    """One event on its way to one endpoint."""

    id: str
    attempts: int
    begun_at_attempt: int
    event: dict[str, Any]


async def listeners(tx: AsyncConnection, tenant_id: str) -> list[str]:
    """The endpoints that wait for something of this tenant."""
    waiting = (
        select(deliveries.c.endpoint_id)
        .distinct()
        .where(deliveries.c.tenant_id == tenant_id, deliveries.c.state == "PENDING")
    )
    return list((await tx.execute(waiting)).scalars())


async def overdue(tx: AsyncConnection, before: datetime, limit: int) -> list[tuple[str, str]]:
    """(tenant, endpoint) pairs with deliveries that should have left before; needs a system transaction."""
    # Asked of the endpoints: what piles up for disabled ones is never looked at.
    late = exists().where(
        deliveries.c.endpoint_id == webhook_endpoints.c.id,
        deliveries.c.state == "PENDING",
        deliveries.c.due_at < before,
    )
    waiting = select(webhook_endpoints.c.tenant_id, webhook_endpoints.c.id).where(
        webhook_endpoints.c.status == "enabled", late
    )
    return [(row.tenant_id, row.id) for row in await tx.execute(waiting.limit(limit))]


async def due(tx: AsyncConnection, endpoint_id: str, now: datetime, limit: int) -> list[Delivery]:
    """What should leave for this endpoint now, oldest first."""
    rows = await tx.execute(
        select(
            deliveries.c.id.label("delivery_id"), deliveries.c.attempts, deliveries.c.begun_at_attempt, events
        )
        .join(events, events.c.id == deliveries.c.event_id)
        .where(
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.state == "PENDING",
            deliveries.c.due_at <= now,
        )
        .order_by(deliveries.c.due_at, events.c.sequence)
        .limit(limit)
    )
    return [_delivery(row) for row in rows]


def _delivery(row: Row[Any]) -> Delivery:
    facts = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return Delivery(
        id=facts.pop("delivery_id"),
        attempts=facts.pop("attempts"),
        begun_at_attempt=facts.pop("begun_at_attempt"),
        event=facts,
    )


async def next_due(tx: AsyncConnection, endpoint_id: str) -> datetime | None:
    """When the next delivery to this endpoint should leave; None when none waits, or none may leave."""
    earliest = (
        select(func.min(deliveries.c.due_at))
        .join(webhook_endpoints, webhook_endpoints.c.id == deliveries.c.endpoint_id)
        .where(
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.state == "PENDING",
            webhook_endpoints.c.status == "enabled",
        )
    )
    due_at: datetime | None = (await tx.execute(earliest)).scalar()
    return due_at
