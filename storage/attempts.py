"""Attempts to deliver: how each went, and what that does to delivery and endpoint.

Locks are taken in one order: the endpoint, its delivery, the tenant's sequence of events.
"""

from datetime import datetime
from typing import NamedTuple

from pydantic import Field
from sqlalchemy import Select, case, cast, insert, literal, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.delivery import Tried, Verdict
from domain.endpoint import DisabledReason
from domain.values import Value
from storage.tables import deliveries, delivery_attempts, webhook_endpoints


class Standing(NamedTuple):
    """How an endpoint stands in its row."""

    enabled: bool
    updated_at: datetime
    failing_since: datetime | None


async def standing(tx: AsyncConnection, endpoint_id: str) -> Standing:
    """How the endpoint stands, and will until the commit."""
    # Not FOR UPDATE: announcing an event refers to the row, and holds the sequence we may want next.
    locked = _standing(endpoint_id).with_for_update(key_share=True)
    return Standing._make((await tx.execute(locked)).one())


def _standing(endpoint_id: str) -> Select[tuple[bool, datetime, datetime | None]]:
    return select(
        (webhook_endpoints.c.status == "enabled").label("enabled"),
        webhook_endpoints.c.updated_at,
        webhook_endpoints.c.failing_since,
    ).where(webhook_endpoints.c.id == endpoint_id)


async def note(
    tx: AsyncConnection, endpoint_id: str, failing_since: datetime | None, slow_until: datetime | None
) -> None:
    """Remember how the endpoint does. ``slow_until`` None leaves that as it is."""
    await tx.execute(
        update(webhook_endpoints)
        .where(webhook_endpoints.c.id == endpoint_id)
        .values(
            failing_since=failing_since,
            **({} if slow_until is None else {"slow_until": slow_until}),
        )
    )


async def disable(tx: AsyncConnection, endpoint_id: str, trouble: DisabledReason, now: datetime) -> None:
    """Send nothing more there until somebody enables it. What waits for it goes on waiting."""
    await tx.execute(
        update(webhook_endpoints)
        .where(webhook_endpoints.c.id == endpoint_id)
        .values(status="disabled", disabled_reason=trouble.value, updated_at=now)
    )


class Attempt(Value):
    """What was sent and what came back. ``answer`` is somebody else's text: bytes, never logged."""

    tenant_id: str
    endpoint_id: str
    url: str
    sent_at: datetime
    duration_ms: int
    request_headers: dict[str, str]
    tried: Tried
    error: str | None
    answer_headers: dict[str, str] | None
    answer: bytes | None = Field(repr=False)


async def record(tx: AsyncConnection, attempt: Attempt, verdict: Verdict) -> Standing:
    """Write an attempt down, move its delivery, and say how the endpoint stands: one statement.

    A late record of an older attempt, or of a delivery that nobody wants any more, changes nothing.
    """
    tried = attempt.tried
    moved = (
        update(deliveries)
        .where(
            deliveries.c.id == tried.delivery_id,
            deliveries.c.state == "PENDING",
            deliveries.c.attempts < tried.number,
        )
        .values(
            attempts=literal(tried.number),
            last_status=tried.status,
            last_error=attempt.error,
            **_outcome(attempt, verdict),
        )
        .returning(deliveries.c.id)
        .cte("moved")
    )
    row = {
        "number": tried.number,
        "tenant_id": attempt.tenant_id,
        "at": attempt.sent_at,
        "duration_ms": attempt.duration_ms,
        "url": attempt.url,
        "request_headers": attempt.request_headers,
        "status": tried.status,
        "error": attempt.error,
        "answer_headers": attempt.answer_headers,
        "answer": attempt.answer,
    }
    # A None of JSON would be JSON's null.
    values = [
        literal(value, kind) if value is not None else cast(null(), kind)
        for value, kind in ((value, delivery_attempts.c[name].type) for name, value in row.items())
    ]
    written = (
        insert(delivery_attempts)
        .from_select(["delivery_id", *row], select(moved.c.id, *values))
        .cte("written")
    )
    found = await tx.execute(_standing(attempt.endpoint_id).add_cte(written))
    return Standing._make(found.one())


def _outcome(attempt: Attempt, verdict: Verdict) -> dict[str, object]:
    tried = attempt.tried
    if tried.delivered:
        # Whoever asked for it once more after this had left has it coming.
        asked_since = deliveries.c.due_at > attempt.sent_at
        return {
            "state": case((asked_since, "PENDING"), else_="DELIVERED"),
            "due_at": case((asked_since, deliveries.c.due_at), else_=None),
            "delivered_at": tried.at,
        }
    # Whoever asked for it once more while this was under way began a schedule of which this is no part.
    ours = deliveries.c.begun_at_attempt == tried.begun_at_attempt
    ended = "EXHAUSTED" if verdict.next_at is None else "PENDING"
    return {
        "state": case((ours, ended), else_=deliveries.c.state),
        "due_at": case((ours, literal(verdict.next_at, deliveries.c.due_at.type)), else_=deliveries.c.due_at),
    }
