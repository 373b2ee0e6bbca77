"""What tenants are told: the gap-free event log, and the deliveries queued with each entry."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.events import Announcement
from domain.values import derived_id, new_id
from storage.tables import deliveries, event_sequences, events, webhook_endpoints


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
