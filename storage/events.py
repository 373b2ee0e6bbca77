"""What tenants are told: the gap-free event log, and the deliveries queued with each entry."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.endpoint import Endpoint, hears
from domain.errors import NotFound
from domain.events import Announcement, envelope
from domain.values import Value, derived_id, new_id
from storage.tables import deliveries, event_sequences, events, tenants, webhook_endpoints


async def announce(
    tx: AsyncConnection, tenant_id: str, announcements: Sequence[Announcement], now: datetime
) -> list[str]:
    """Append to the tenant's log, queue a delivery per endpoint that hears of it, and name whom to wake.

    Those are the endpoints that have something to take now, be it from before. A disabled endpoint's
    deliveries wait for it.

    The sequence is counted in the tenant's own row, which stays locked until the commit: it has no gaps,
    and whoever reads it in order has missed nothing. Call it last, so that the lock is short.
    """
    appended = await _append(tx, tenant_id, announcements, now)
    awake, told = [], []
    for endpoint in await tx.execute(_listeners(tenant_id, now)):
        mine = [event_id for event_id, type_ in appended.items() if hears(endpoint.events, type_)]
        told += [(endpoint.id, event_id) for event_id in mine]
        if endpoint.status == "enabled" and (mine or endpoint.is_due):
            awake.append(endpoint.id)
    if told:
        await tx.execute(insert(deliveries), _queued(tenant_id, told, now))
    return awake


def _listeners(tenant_id: str, now: datetime) -> Select[Any]:
    # A payment's first event is left to be carried with its second, which not everybody hears of.
    is_due = (
        select(deliveries.c.id)
        .where(
            deliveries.c.endpoint_id == webhook_endpoints.c.id,
            deliveries.c.state == "PENDING",
            deliveries.c.due_at <= now,
        )
        .exists()
    )
    return select(
        *(webhook_endpoints.c[name] for name in ("id", "status", "events")), is_due.label("is_due")
    ).where(
        webhook_endpoints.c.tenant_id == tenant_id,
        webhook_endpoints.c.status != "deleted",
    )


async def announce_to(
    tx: AsyncConnection, endpoint: Endpoint, announcement: Announcement, now: datetime
) -> str:
    """Append to the tenant's log what is for one endpoint alone, whatever it hears; names the delivery."""
    (event_id,) = await _append(tx, endpoint.tenant_id, [announcement], now)
    (row,) = _queued(endpoint.tenant_id, [(endpoint.id, event_id)], now)
    await tx.execute(insert(deliveries).values(row))
    return str(row["id"])


async def hold(tx: AsyncConnection, tenant_id: str) -> int:
    """Let nothing be announced until the commit, and name the last event that was. The lock is short, too."""
    here = upsert(event_sequences).values(tenant_id=tenant_id, last=0)
    counted = here.on_conflict_do_update(
        index_elements=["tenant_id"], set_={"last": event_sequences.c.last}
    ).returning(event_sequences.c.last)
    last: int = (await tx.execute(counted)).scalar_one()
    return last


async def _append(
    tx: AsyncConnection, tenant_id: str, announcements: Sequence[Announcement], now: datetime
) -> dict[str, str]:
    """The type of each new event, by its id."""
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
    await tx.execute(insert(events), rows)
    return {row["id"]: row["type"] for row in rows}


def _queued(tenant_id: str, told: Sequence[tuple[str, str]], now: datetime) -> list[dict[str, Any]]:
    """Rows of deliveries: to each of these endpoints each its event, at once."""
    return [
        {
            "id": derived_id("dlv", now, endpoint_id, event_id),
            "tenant_id": tenant_id,
            "endpoint_id": endpoint_id,
            "event_id": event_id,
            "state": "PENDING",
            "due_at": now,
            "created_at": now,
        }
        for endpoint_id, event_id in told
    ]


class EventFilter(Value):
    """Which entries of the log a list shows, oldest first."""

    type: str | None = None
    after: int = 0
    """Only what came later than this place in the sequence."""
    limit: int = 20


async def find(tx: AsyncConnection, wanted: EventFilter) -> list[dict[str, Any]]:
    """Entries in the webhook's own envelope. What is missing behind the last one is not announced yet."""
    query = _readable().where(events.c.sequence > wanted.after)
    if wanted.type is not None:
        query = query.where(events.c.type == wanted.type)
    rows = await tx.execute(query.order_by(events.c.sequence).limit(wanted.limit))
    return [_enveloped(row) for row in rows.mappings()]


async def get(tx: AsyncConnection, event_id: str) -> dict[str, Any]:
    """One entry in its envelope. Raises ``NotFound``."""
    row = (await tx.execute(_readable().where(events.c.id == event_id))).mappings().one_or_none()
    if row is None:
        raise NotFound
    return _enveloped(row)


def _readable() -> Select[Any]:
    return select(events, tenants.c.sandbox).join(tenants, tenants.c.id == events.c.tenant_id)


def _enveloped(event: RowMapping) -> dict[str, Any]:
    return envelope({**event}, sandbox=event["sandbox"])
