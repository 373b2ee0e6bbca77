"""Deliveries over HTTP: which event went where, what each attempt sent and met, and sending it again."""

from enum import StrEnum
from typing import Annotated, Self

import structlog
from fastapi import APIRouter, BackgroundTasks, Depends, Query
from pydantic import Field

from api.deps import About, AnyCaller, House, TheHouse, Trader, actor
from api.events import EventType
from api.strict import Answer, Instant, StrictRoute
from storage import audit, endpoints, outbox

router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=StrictRoute)
log = structlog.get_logger(__name__)


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    """It goes out at `nextAttemptAt`; without one, when its endpoint is enabled again."""
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    """All attempts were in vain."""
    DROPPED = "dropped"
    """Its endpoint was deleted before it arrived."""


class SentRequest(Answer):
    url: str
    headers: dict[str, str]
    body: str | None = Field(exclude_if=lambda body: body is None)
    """The very text, where one delivery is asked for; lists leave it out."""


class ReceivedResponse(Answer):
    headers: dict[str, str]
    body: str
    """Its beginning. What is no text in it is replaced."""


class AttemptAnswer(Answer):
    number: int
    at: Instant
    duration_ms: int
    status: int | None
    error: str | None
    request: SentRequest
    response: ReceivedResponse | None

    @classmethod
    def of(cls, attempt: outbox.Try, body: str | None) -> Self:
        answered = attempt.answer_headers is not None or attempt.answer is not None
        answer = ReceivedResponse(
            headers=attempt.answer_headers or {}, body=(attempt.answer or b"").decode(errors="replace")
        )
        return cls(
            request=SentRequest(url=attempt.url, headers=attempt.request_headers, body=body),
            response=answer if answered else None,
            **attempt.model_dump(include={"number", "at", "duration_ms", "status", "error"}),
        )


class DeliveryAnswer(Answer):
    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    sequence: int
    status: DeliveryStatus
    attempts: list[AttemptAnswer]
    """Oldest first."""
    next_attempt_at: Instant | None
    created_at: Instant
    delivered_at: Instant | None

    @classmethod
    def of(cls, posted: outbox.Posted, body: str | None = None) -> Self:
        return cls(
            status=DeliveryStatus(posted.state.lower()),
            attempts=[AttemptAnswer.of(attempt, body) for attempt in posted.attempts],
            next_attempt_at=posted.due_at,
            **posted.model_dump(exclude={"state", "attempts", "due_at"}),
        )


class DeliveryPage(Answer):
    data: list[DeliveryAnswer]
    limit: int
    next_cursor: str | None


def _wanted(
    endpoint_id: str,
    status: DeliveryStatus | None = None,
    event_type: Annotated[EventType | None, Query(alias="eventType", max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(pattern="^dlv_[0-9a-z]{26}$")] = None,
) -> outbox.DeliveryFilter:
    return outbox.DeliveryFilter(
        endpoint_id=endpoint_id,
        state=None if status is None else status.upper(),
        event_type=event_type,
        before=cursor,
        limit=limit,
    )


@router.get("/webhook-endpoints/{endpoint_id}/deliveries")
async def list_deliveries(
    endpoint_id: str,
    who: AnyCaller,
    here: TheHouse,
    wanted: Annotated[outbox.DeliveryFilter, Depends(_wanted)],
) -> DeliveryPage:
    """What went to this endpoint, or is on its way, newest first."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        await endpoints.get(tx, endpoint_id)
        found = await outbox.find(tx, wanted)
    return DeliveryPage(
        data=[DeliveryAnswer.of(posted) for posted in found],
        limit=wanted.limit,
        next_cursor=found[-1].id if len(found) == wanted.limit else None,
    )


@router.get("/deliveries/{delivery_id}")
async def get_delivery(delivery_id: str, who: AnyCaller, here: TheHouse) -> DeliveryAnswer:
    """One delivery with each attempt: what was sent, to the byte, and the beginning of the answer."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        posted = await outbox.get(tx, delivery_id)
        return DeliveryAnswer.of(posted, await outbox.content(tx, posted))


@router.post("/deliveries/{delivery_id}/redeliver", status_code=202)
async def redeliver(
    delivery_id: str, who: Trader, here: TheHouse, about: About, later: BackgroundTasks
) -> DeliveryAnswer:
    """Send it again at once, with the same `webhook-id`, whatever became of it; its attempts begin anew."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        endpoint_id = await outbox.send_again(tx, delivery_id, here.world.clock())
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "delivery.redelivered", delivery_id))
        posted = await outbox.get(tx, delivery_id)
    later.add_task(wake, here, who.tenant_id, [endpoint_id])
    return DeliveryAnswer.of(posted)


async def wake(here: House, tenant_id: str, endpoint_ids: list[str]) -> None:
    """Tell the couriers of these endpoints, once it is on record, that there is something to carry."""
    try:
        await here.world.wake(tenant_id, endpoint_ids)
    except Exception as error:  # noqa: BLE001 - it is on record, and the sweep wakes whoever was not told
        log.warning("couriers_not_woken", tenant_id=tenant_id, reason=type(error).__name__)
