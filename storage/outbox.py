"""What tenants see of their deliveries, and what they may ask of them: again, at once, what was missed.

Whatever may concern many deliveries is done in pieces, a transaction each, so that nobody waits long.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    String,
    any_,
    case,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.endpoint import Endpoint, hears
from domain.errors import IllegalTransition, NotFound, ValidationFailed
from domain.events import body
from domain.values import Value, derived_id
from storage import endpoints
from storage.tables import deliveries, delivery_attempts, event_sequences, events, tenants, webhook_endpoints

PIECE: Final = 5_000
"""How many deliveries a transaction moves."""
_WINDOW: Final = 2_000
"""How many events a transaction looks at."""
_IDS: Final = ARRAY(String)
DISABLED: Final = "A disabled endpoint is sent nothing; enable it first."


class Try(Value):
    """What one attempt sent and met. Without ``answer_headers`` there was no answer."""

    number: int
    at: datetime
    duration_ms: int
    url: str
    request_headers: dict[str, str]
    status: int | None
    error: str | None
    answer_headers: dict[str, str] | None
    answer: bytes | None


class Posted(Value):
    """A delivery as its tenant sees it."""

    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    sequence: int
    state: str
    attempts: tuple[Try, ...]
    due_at: datetime | None
    """When it goes out next; None as well while its endpoint is disabled."""
    created_at: datetime
    delivered_at: datetime | None


class DeliveryFilter(Value):
    """Which deliveries of an endpoint a list shows, newest first."""

    endpoint_id: str
    state: str | None = None
    event_type: str | None = None
    before: str | None = None
    """Only those that follow this one in the list."""
    limit: int = 20


# What was queued for an endpoint that is gone is as good as dropped, also before it is marked so.
_STATE = case(
    ((deliveries.c.state == "PENDING") & (webhook_endpoints.c.status == "deleted"), "DROPPED"),
    else_=deliveries.c.state,
).label("state")
_DUE_AT = case((webhook_endpoints.c.status == "enabled", deliveries.c.due_at)).label("due_at")
_LINE = tuple_(deliveries.c.created_at, deliveries.c.id)


async def find(tx: AsyncConnection, wanted: DeliveryFilter) -> list[Posted]:
    """Raises ``ValidationFailed`` when ``before`` names no delivery of this endpoint."""
    query = _readable().where(deliveries.c.endpoint_id == wanted.endpoint_id)
    if wanted.state is not None:
        query = query.where(_STATE.element == wanted.state)
    if wanted.event_type is not None:
        query = query.where(events.c.type == wanted.event_type)
    if wanted.before is not None:
        query = query.where(tuple_(*await _place(tx, wanted)) > _LINE)
    in_line = query.order_by(deliveries.c.created_at.desc(), deliveries.c.id.desc())
    return await _posted(tx, (await tx.execute(in_line.limit(wanted.limit))).all())


async def _place(tx: AsyncConnection, wanted: DeliveryFilter) -> tuple[datetime, str]:
    last = select(deliveries.c.created_at, deliveries.c.id).where(
        deliveries.c.id == wanted.before, deliveries.c.endpoint_id == wanted.endpoint_id
    )
    row = (await tx.execute(last)).one_or_none()
    if row is None:
        raise ValidationFailed(errors=(("/query/cursor", "this is not a cursor of ours"),))
    return row.created_at, row.id


async def get(tx: AsyncConnection, delivery_id: str) -> Posted:
    """Raises ``NotFound``."""
    row = (await tx.execute(_readable().where(deliveries.c.id == delivery_id))).one_or_none()
    if row is None:
        raise NotFound
    (found,) = await _posted(tx, [row])
    return found


async def content(tx: AsyncConnection, posted: Posted) -> str:
    """The very text that each of its attempts sends."""
    query = (
        select(events, tenants.c.sandbox)
        .join(tenants, tenants.c.id == events.c.tenant_id)
        .where(events.c.id == posted.event_id)
    )
    event = (await tx.execute(query)).mappings().one()
    return body({**event}, sandbox=event["sandbox"]).decode()


def _readable() -> Select[Any]:
    return (
        select(
            *(deliveries.c[name] for name in ("id", "endpoint_id", "event_id", "created_at", "delivered_at")),
            events.c.type.label("event_type"),
            events.c.sequence,
            _STATE,
            _DUE_AT,
        )
        .join(events, events.c.id == deliveries.c.event_id)
        .join(webhook_endpoints, webhook_endpoints.c.id == deliveries.c.endpoint_id)
    )


async def _posted(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> list[Posted]:
    named = [row.id for row in rows]
    tries = defaultdict(list)
    if named:
        query = select(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(named))
        for row in (await tx.execute(query.order_by(delivery_attempts.c.number))).mappings():
            tries[row["delivery_id"]].append(Try(**{name: row[name] for name in Try.model_fields}))
    return [Posted(attempts=tuple(tries[row.id]), **row._mapping) for row in rows]  # noqa: SLF001


# --- What may be asked ----------------------------------------------------------------------------


async def send_again(tx: AsyncConnection, delivery_id: str, now: datetime) -> str:
    """Have it go out at once, whatever became of it, and once more as often as if it were new.

    Names its endpoint. Raises ``NotFound``, and ``IllegalTransition`` when nothing is sent there.
    """
    theirs = select(deliveries.c.endpoint_id).where(deliveries.c.id == delivery_id)
    endpoint_id: str | None = (await tx.execute(theirs)).scalar_one_or_none()
    if endpoint_id is None:
        raise NotFound
    try:
        endpoint = await endpoints.get(tx, endpoint_id, lock="share")
    except NotFound:
        raise IllegalTransition("Its endpoint is deleted.") from None
    if not endpoint.enabled:
        raise IllegalTransition(DISABLED)
    await tx.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(_anew(now)))
    return endpoint_id


async def hurry(tx: AsyncConnection, endpoint_id: str, now: datetime) -> int:
    """Have a piece of what waits for an endpoint go out at once, and as often as if it were new.

    Like ``drop`` and ``revive`` it tells how many it moved: less than a piece, and there are no more.
    """
    waits = (deliveries.c.due_at > now) | (deliveries.c.attempts > deliveries.c.begun_at_attempt)
    return await _move(tx, endpoint_id, (deliveries.c.state == "PENDING") & waits, _anew(now))


async def drop(tx: AsyncConnection, endpoint_id: str) -> int:
    """Give up a piece of what waits for an endpoint."""
    waits = deliveries.c.state == "PENDING"
    return await _move(tx, endpoint_id, waits, {"state": "DROPPED", "due_at": None})


async def revive(tx: AsyncConnection, endpoint_id: str, since: datetime, now: datetime) -> int:
    """Begin anew with a piece of the deliveries, made since then, that were given up."""
    given_up = (deliveries.c.state == "EXHAUSTED") & (deliveries.c.created_at >= since)
    return await _move(tx, endpoint_id, given_up, _anew(now))


def _anew(now: datetime) -> dict[str, Any]:
    return {"state": "PENDING", "due_at": now, "begun_at_attempt": deliveries.c.attempts}


async def _move(
    tx: AsyncConnection, endpoint_id: str, which: ColumnElement[bool], values: dict[str, Any]
) -> int:
    # Whoever holds one of them moves it, too.
    found = (
        select(deliveries.c.id)
        .where(deliveries.c.endpoint_id == endpoint_id, which)
        .limit(PIECE)
        .with_for_update(skip_locked=True, key_share=True)
        .cte("found")
    )
    moved = await tx.execute(update(deliveries).where(deliveries.c.id == found.c.id).values(values))
    return moved.rowcount


async def queue_missed(
    tx: AsyncConnection, endpoint: Endpoint, since: datetime, until: int | None, now: datetime
) -> tuple[int, int | None]:
    """Queue what an endpoint, locked for it, would be told today and was not; how many events that were.

    Looks at a piece of the log, the one that ends at ``until``, or at its end, and names where to go on with
    the one before it; None when all there is older than ``since``.
    """
    if until is None:
        counted = select(func.max(event_sequences.c.last)).where(
            event_sequences.c.tenant_id == endpoint.tenant_id
        )
        until = (await tx.execute(counted)).scalar() or 0
    begins = until - _WINDOW
    seen = await tx.execute(
        select(events.c.id, events.c.type)
        .where(events.c.sequence > begins, events.c.sequence <= until, events.c.at >= since)
        .order_by(events.c.sequence)
    )
    recent = seen.all()
    heard = [row.id for row in recent if hears(endpoint.events, row.type)]
    # By a list, not by a join: one that is planned for a small log takes minutes on a large one.
    mine = deliveries.c.endpoint_id == endpoint.id, deliveries.c.event_id == any_(literal(heard, _IDS))
    known = {*(await tx.execute(select(deliveries.c.event_id).where(*mine))).scalars()}
    missed = [event_id for event_id in heard if event_id not in known]
    added = await _queue(tx, endpoint, missed, now) if missed else 0
    return added, begins if recent and begins > 0 else None


async def _queue(tx: AsyncConnection, endpoint: Endpoint, event_ids: list[str], now: datetime) -> int:
    # Two lists instead of thousands of values, which take longer to be written down than to be carried out.
    names = [derived_id("dlv", now, endpoint.id, event_id) for event_id in event_ids]
    moment = literal(now, deliveries.c.created_at.type)
    values = {
        "id": func.unnest(literal(names, _IDS)),
        "event_id": func.unnest(literal(event_ids, _IDS)),
        "tenant_id": literal(endpoint.tenant_id),
        "endpoint_id": literal(endpoint.id),
        "state": literal("PENDING"),
        "due_at": moment,
        "created_at": moment,
    }
    rows = upsert(deliveries).from_select([*values], select(*values.values()))
    # Somebody else may recover the same at this moment.
    return (await tx.execute(rows.on_conflict_do_nothing())).rowcount
