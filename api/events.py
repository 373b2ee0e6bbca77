"""The event log over HTTP: all that there was to tell, in its order and without a gap."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field

from api.deps import AnyCaller, TheHouse
from api.strict import Answer, StrictRoute
from domain.event_types import EVENT_TYPES
from storage import events

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=StrictRoute)


def _is_known(type_: str) -> str:
    if type_ not in EVENT_TYPES:
        raise ValueError("there is no such type of event")
    return type_


EventType = Annotated[str, AfterValidator(_is_known), Field(json_schema_extra={"enum": sorted(EVENT_TYPES)})]


class EventAnswer(Answer):
    """As its webhook has it, to the letter."""

    event_id: str
    event_type: str
    type: str
    timestamp: str
    tenant_id: str
    sandbox: bool
    sequence: int
    data: dict[str, Any]


class EventPage(Answer):
    data: list[EventAnswer]
    limit: int


@router.get("")
async def list_events(
    who: AnyCaller,
    here: TheHouse,
    type_: Annotated[EventType | None, Query(alias="type", max_length=64)] = None,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> EventPage:
    """The log, oldest first, from behind the `sequence` in `after`; 0 is from the start.

    What is not there yet comes later behind what is there, never in between: whoever goes on after the last
    `sequence` they have read misses nothing.
    """
    wanted = events.EventFilter(type=type_, after=after, limit=limit)
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await events.find(tx, wanted)
    return EventPage(data=[EventAnswer.model_validate(event, by_alias=True) for event in found], limit=limit)


@router.get("/{event_id}")
async def get_event(event_id: str, who: AnyCaller, here: TheHouse) -> EventAnswer:
    async with here.world.database.tenant(who.tenant_id) as tx:
        return EventAnswer.model_validate(await events.get(tx, event_id), by_alias=True)
