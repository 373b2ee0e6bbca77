"""What tenants are told: the gap-free event log and the deliveries that come of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.events import Announcement
from domain.values import Value, derived_id, new_id
from storage.tables import deliveries, event_sequences, events, tenants, webhook_endpoints
from storage.vault import Vault, place


class Endpoint(Value):
    """Where a tenant listens. ``secret`` is in the clear only in memory."""

    id: str
    tenant_id: str
    url: str
    enabled: bool
    sandbox: bool


class Delivery(Value):
    """One event on its way to one endpoint."""

    id: str
    attempts: int
    event: dict[str, Any]


async def announce(
    tx: AsyncConnection, tenant_id: str, announcements: Sequence[Announcement], now: datetime
) -> list[str]:
    """Append to the tenant's log, queue a delivery per endpoint, and name the endpoints that take some now.

    A disabled endpoint's deliveries wait for it.

    The sequence is counted in the tenant's own row, which stays locked until the commit: it has no gaps,
    and whoever reads it in order has missed nothing. Call it last, so that the lock is short.
    """
    counted = (
        upsert(event_sequences)
        .values(tenant_id=tenant_id, last=len(announcements))
        .on_conflict_do_update(
            index_elements=["tenant_id"], set_={"last": event_sequences.c.last + len(announcements)}
        )
        .returning(event_sequences.c.last)
    )
    first = (await tx.execute(counted)).scalar_one() - len(announcements) + 1
    rows = [
        {
            "id": new_id("evt", now),
            "tenant_id": tenant_id,
            "sequence": first + place_in_line,
            "type": announcement.type,
            "payment_id": announcement.payment_id,
            "data": announcement.data,
            "at": now,
        }
        for place_in_line, announcement in enumerate(announcements)
    ]
    await tx.execute(insert(events).values(rows))
    return await _queue(tx, tenant_id, [row["id"] for row in rows], now)


async def _queue(tx: AsyncConnection, tenant_id: str, event_ids: list[str], now: datetime) -> list[str]:
    known = await tx.execute(
        select(webhook_endpoints.c.id, webhook_endpoints.c.status).where(
            webhook_endpoints.c.tenant_id == tenant_id
        )
    )
    endpoints = {row.id: row.status for row in known}
    if endpoints:
        await tx.execute(
            insert(deliveries).values(
                [
                    {
                        "id": derived_id("dlv", now, endpoint_id, event_id),
                        "tenant_id": tenant_id,
                        "endpoint_id": endpoint_id,
                        "event_id": event_id,
                        "state": "PENDING",
                        "due_at": now,
                        "created_at": now,
                    }
                    for endpoint_id in endpoints
                    for event_id in event_ids
                ]
            )
        )
    return [endpoint_id for endpoint_id, status in endpoints.items() if status == "enabled"]


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


async def add_endpoint(
    tx: AsyncConnection, vault: Vault, endpoint: Endpoint, secret: str, now: datetime
) -> None:
    sealed = vault.seal(
        await _data_key(tx, endpoint.tenant_id),
        place("webhook_endpoints", "secret", endpoint.id, endpoint.tenant_id),
        secret,
    )
    await tx.execute(
        insert(webhook_endpoints).values(
            id=endpoint.id, tenant_id=endpoint.tenant_id, url=endpoint.url, secret=sealed, created_at=now
        )
    )


async def endpoint(tx: AsyncConnection, vault: Vault, endpoint_id: str) -> tuple[Endpoint, str] | None:
    """An endpoint and its signing secret; use the secret and drop it."""
    row = (
        await tx.execute(
            select(webhook_endpoints, tenants.c.sandbox, tenants.c.data_key)
            .join(tenants, tenants.c.id == webhook_endpoints.c.tenant_id)
            .where(webhook_endpoints.c.id == endpoint_id)
        )
    ).one_or_none()
    if row is None:
        return None
    found = Endpoint(
        id=row.id,
        tenant_id=row.tenant_id,
        url=row.url,
        enabled=row.status == "enabled",
        sandbox=row.sandbox,
    )
    where = place("webhook_endpoints", "secret", row.id, row.tenant_id)
    return found, vault.open(row.data_key, where, row.secret)


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


async def _data_key(tx: AsyncConnection, tenant_id: str) -> bytes:
    key: bytes = (await tx.execute(select(tenants.c.data_key).where(tenants.c.id == tenant_id))).scalar_one()
    return key
