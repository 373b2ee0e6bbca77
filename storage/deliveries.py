"""Events on their way to endpoints: what is due, and how each attempt went."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.values import Value
from storage.tables import deliveries, events, webhook_endpoints


class Delivery(Value):
    """One event on its way to one endpoint."""

    id: str
    attempts: int
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
    late = (
        select(deliveries.c.tenant_id, deliveries.c.endpoint_id)
        .distinct()
        .join(webhook_endpoints, webhook_endpoints.c.id == deliveries.c.endpoint_id)
        .where(
            deliveries.c.state == "PENDING",
            deliveries.c.due_at < before,
            webhook_endpoints.c.status == "enabled",
        )
        .limit(limit)
    )
    return [(row.tenant_id, row.endpoint_id) for row in await tx.execute(late)]


async def due(tx: AsyncConnection, endpoint_id: str, now: datetime, limit: int) -> list[Delivery]:
    """What should leave for this endpoint now, oldest first."""
    rows = await tx.execute(
        select(deliveries.c.id.label("delivery_id"), deliveries.c.attempts, events)
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
    return Delivery(id=facts.pop("delivery_id"), attempts=facts.pop("attempts"), event=facts)


async def next_due(tx: AsyncConnection, endpoint_id: str) -> datetime | None:
    """When the next delivery to this endpoint should leave; None when none waits."""
    earliest = select(func.min(deliveries.c.due_at)).where(
        deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == "PENDING"
    )
    due_at: datetime | None = (await tx.execute(earliest)).scalar()
    return due_at


class Attempt(Value):
    """How one try to deliver went. Without ``next_at`` it was the last, or it succeeded."""

    delivery_id: str
    number: int
    delivered: bool
    status: int | None
    error: str | None
    at: datetime
    next_at: datetime | None


async def record_attempt(tx: AsyncConnection, attempt: Attempt) -> None:
    """Write an attempt down; a repeat of an older one changes nothing."""
    if attempt.delivered:
        outcome = {"state": "DELIVERED", "due_at": None, "delivered_at": attempt.at}
    elif attempt.next_at is None:
        outcome = {"state": "EXHAUSTED", "due_at": None}
    else:
        outcome = {"due_at": attempt.next_at}
    await tx.execute(
        update(deliveries)
        .where(
            and_(
                deliveries.c.id == attempt.delivery_id,
                deliveries.c.state == "PENDING",
                deliveries.c.attempts < attempt.number,
            )
        )
        .values(
            attempts=literal(attempt.number),
            last_status=attempt.status,
            last_error=attempt.error,
            **outcome,
        )
    )
