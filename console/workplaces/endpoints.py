"""Where a tenant listens: its webhook endpoints, what was sent there, and what may be asked of them."""

import re
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import deliveries, endpoints
from api.deliveries import DeliveryStatus
from api.events import EventType
from console.guard import ConsoleRoute
from console.workplaces.desk import PAGE, Blank, Desk, TheDesk, Word, typed
from domain.event_types import EVENT_TYPES
from domain.tenant import MAY_ADMINISTER, MAY_TRADE
from storage.outbox import DeliveryFilter

PATH: Final = "/console/endpoints"
router = APIRouter(prefix="/console", include_in_schema=False, route_class=ConsoleRoute)

# What a browser sends of a moment: without an offset, as the page says that it is UTC.
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")

Ticked = Annotated[list[str] | None, Form()]


@router.get("/endpoints")
async def show_endpoints(desk: TheDesk) -> HTMLResponse:
    """All of a tenant's, and a form for one more."""
    listed = await endpoints.list_endpoints(desk.person(), desk.here)
    return await desk.page("endpoints.html", endpoints=listed.data, types=[*EVENT_TYPES])


@router.post("/endpoints")
async def create_endpoint(
    desk: TheDesk,
    url: Annotated[str, Form()] = "",
    description: Annotated[Word, Form()] = None,
    events: Ticked = None,
) -> HTMLResponse:
    """The answer shows its secret, this once."""
    person = desk.person(MAY_ADMINISTER)
    wanted = typed(endpoints.NewEndpoint, **_wishes(url, description, events))
    made = await endpoints.create_endpoint(wanted, person, desk.here, desk.about)
    return await _secret_shown(desk, made, made.secret)


@router.get("/endpoints/{endpoint_id}")
async def show_endpoint(
    endpoint_id: str,
    desk: TheDesk,
    status: Annotated[DeliveryStatus | None, Blank] = None,
    event_type: Annotated[EventType | None, Blank, Query(alias="eventType")] = None,
    cursor: Annotated[str | None, Query(pattern="^dlv_[0-9a-z]{26}$")] = None,
) -> HTMLResponse:
    """One, with what was sent there, newest first."""
    person = desk.person()
    state = None if status is None else status.upper()
    wanted = DeliveryFilter(
        endpoint_id=endpoint_id, state=state, event_type=event_type, before=cursor, limit=PAGE
    )
    facts = {
        "endpoint": await endpoints.get_endpoint(endpoint_id, person, desk.here),
        "page": await deliveries.list_deliveries(endpoint_id, person, desk.here, wanted),
        "statuses": [*DeliveryStatus],
        "types": [*EVENT_TYPES],
    }
    return await desk.page("endpoint.html", (PATH, "nav_endpoints"), **facts)


@router.post("/endpoints/{endpoint_id}/change")
async def change_endpoint(
    endpoint_id: str,
    desk: TheDesk,
    url: Annotated[str, Form()] = "",
    description: Annotated[Word, Form()] = None,
    events: Ticked = None,
) -> Response:
    return await _change(desk, endpoint_id, "saved", **_wishes(url, description, events))


def _wishes(url: str, description: str | None, events: list[str] | None) -> dict[str, Any]:
    # With no box ticked it is told of everything.
    return {"url": url.strip(), "description": description, "events": events or None}


@router.post("/endpoints/{endpoint_id}/enable")
async def enable_endpoint(endpoint_id: str, desk: TheDesk) -> Response:
    return await _change(desk, endpoint_id, "enabled", status="enabled")


@router.post("/endpoints/{endpoint_id}/disable")
async def disable_endpoint(endpoint_id: str, desk: TheDesk) -> Response:
    return await _change(desk, endpoint_id, "disabled", status="disabled")


async def _change(
    desk: Desk, endpoint_id: str, done: Literal["saved", "enabled", "disabled"], **news: Any
) -> Response:
    person = desk.person(MAY_ADMINISTER)
    change = typed(endpoints.EndpointChange, **news)
    await endpoints.change_endpoint(endpoint_id, change, person, desk.here, desk.about, desk.later)
    return desk.back(f"{PATH}/{endpoint_id}", done)


@router.post("/endpoints/{endpoint_id}/delete")
async def delete_endpoint(endpoint_id: str, desk: TheDesk) -> Response:
    person = desk.person(MAY_ADMINISTER)
    await endpoints.delete_endpoint(endpoint_id, person, desk.here, desk.about, desk.later)
    return desk.back(PATH, "deleted")


@router.post("/endpoints/{endpoint_id}/rotate-secret")
async def rotate_endpoint_secret(
    endpoint_id: str, desk: TheDesk, overlap: Annotated[int, Form()] = 86_400
) -> HTMLResponse:
    """The answer shows the new secret, this once."""
    person = desk.person(MAY_ADMINISTER)
    wanted = typed(endpoints.SecretRotation, overlapSeconds=overlap)
    made = await endpoints.rotate_endpoint_secret(endpoint_id, person, desk.here, desk.about, wanted)
    return await _secret_shown(
        desk, await endpoints.get_endpoint(endpoint_id, person, desk.here), made.secret
    )


async def _secret_shown(desk: Desk, endpoint: endpoints.EndpointAnswer, secret: str) -> HTMLResponse:
    facts = {"what": "ep_secret", "subject": endpoint.url, "onward": f"{PATH}/{endpoint.id}"}
    return await desk.page("secret.html", secret=secret, **facts)


@router.post("/endpoints/{endpoint_id}/test")
async def send_test(endpoint_id: str, desk: TheDesk) -> Response:
    person = desk.person(MAY_TRADE)
    await endpoints.send_test(endpoint_id, person, desk.here, desk.about, desk.later)
    return desk.back(f"{PATH}/{endpoint_id}", "tested")


@router.post("/endpoints/{endpoint_id}/recover")
async def recover(endpoint_id: str, desk: TheDesk, since: Annotated[str, Form()] = "") -> Response:
    person = desk.person(MAY_TRADE)
    wanted = typed(endpoints.Recovery, since=f"{since}Z" if _MOMENT.fullmatch(since) else since)
    done = await endpoints.recover(endpoint_id, wanted, person, desk.here, desk.about, desk.later)
    return desk.back(f"{PATH}/{endpoint_id}", "recovered" if done.complete else "recovered_in_part")


@router.get("/deliveries/{delivery_id}")
async def show_delivery(delivery_id: str, desk: TheDesk) -> HTMLResponse:
    """One, with each attempt: when, what was sent, and what came back."""
    found = await deliveries.get_delivery(delivery_id, desk.person(), desk.here)
    above = (PATH, "nav_endpoints"), (f"{PATH}/{found.endpoint_id}", "ep_deliveries")
    return await desk.page("delivery.html", *above, delivery=found)


@router.post("/deliveries/{delivery_id}/redeliver")
async def redeliver(delivery_id: str, desk: TheDesk) -> Response:
    person = desk.person(MAY_TRADE)
    await deliveries.redeliver(delivery_id, person, desk.here, desk.about, desk.later)
    return desk.back(f"/console/deliveries/{delivery_id}", "redelivered")
