"""Webhook endpoints over HTTP: where a tenant listens, to what, with which secret, and what it missed."""

import secrets as entropy
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, BackgroundTasks
from pydantic import AfterValidator, AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.outbound import screen
from api.deliveries import DeliveryAnswer, wake
from api.deps import About, AnyCaller, House, Owner, TheHouse, Trader, actor
from api.events import EventType
from api.strict import Answer, Instant, Model, StrictRoute, in_utc
from domain.endpoint import TEST, DisabledReason, Endpoint, EndpointStatus
from domain.errors import IllegalTransition, ValidationFailed
from domain.event_data import EndpointTestData
from domain.event_types import EVENT_TYPES
from domain.events import Announcement
from domain.signatures import new_secret
from domain.tenant import Caller
from domain.text import FreeText, Url
from domain.values import new_id
from storage import audit, endpoints, events, outbox, tenants

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"], route_class=StrictRoute)

_MOST_RECOVERED: Final = 20_000
"""By one request: some seconds of work."""
_LONGEST_AGO: Final = timedelta(days=90)


def _each_once(types: tuple[str, ...]) -> tuple[str, ...]:
    if len({*types}) != len(types):
        raise ValueError("each type of event is named once")
    return types


EventTypes = Annotated[
    tuple[EventType, ...], Field(min_length=1, max_length=len(EVENT_TYPES)), AfterValidator(_each_once)
]
Description = Annotated[str, FreeText(500)]


class NewEndpoint(Model):
    url: Url
    events: EventTypes | None = None
    """The types it is told; all of them, unless some are named."""
    description: Description | None = None


class EndpointChange(Model):
    """Only what is sent changes."""

    # No default is declared where null means nothing: a client that sends defaults would change the endpoint.
    url: Url = Field(default_factory=str)
    events: EventTypes | None = None
    """`null`: all of them."""
    description: Description | None = None
    status: Literal["enabled", "disabled"] = Field(default_factory=lambda: "enabled")


class SecretRotation(Model):
    overlap_seconds: Annotated[int, Field(ge=0, le=604_800)] = 86_400
    """How long the present secret still signs as well."""


class NewTest(Model):
    # A made-up event of another type would be signed like a true one, and somebody might ship goods for it.
    type: Literal["endpoint.test"] = TEST


class Recovery(Model):
    since: Annotated[AwareDatetime, AfterValidator(in_utc)]
    """At most 90 days ago."""


class EndpointAnswer(Answer):
    id: str
    url: str
    events: list[str] | None
    """The types it is told; null: all of them."""
    description: str | None
    status: Literal["enabled", "disabled"]
    disabled_reason: DisabledReason | None
    failing_since: Instant | None
    """Since when it has met nothing but failures."""
    created_at: Instant
    updated_at: Instant
    previous_secret_expires_at: Instant | None
    """Until when two secrets sign; null when there is one."""

    @classmethod
    def of(cls, endpoint: Endpoint, here: House, **secret: str) -> Self:
        until = endpoint.previous_until
        signs = until is not None and until > here.world.clock()
        return cls(
            status="enabled" if endpoint.enabled else "disabled",
            events=None if endpoint.events is None else [*endpoint.events],
            previous_secret_expires_at=until if signs else None,
            **endpoint.model_dump(
                include={
                    *("id", "url", "description", "disabled_reason", "failing_since"),
                    *("created_at", "updated_at"),
                }
            ),
            **secret,
        )


class EndpointWithSecret(EndpointAnswer):
    secret: str
    """What verifies what is sent there. Shown once."""


class EndpointList(Answer):
    data: list[EndpointAnswer]


class NewSecret(Answer):
    secret: str
    """Shown once."""


class Recovered(Answer):
    recovered: int
    """So many deliveries are on their way."""
    complete: bool
    """Else there is more: ask again."""


@router.post("", status_code=201)
async def create_endpoint(body: NewEndpoint, who: Owner, here: TheHouse, about: About) -> EndpointWithSecret:
    """A further address that is told of events from now on. A tenant has at most 16 of them."""
    await screen(body.url, development=here.development)
    now = here.world.clock()
    secret = new_secret(entropy.token_bytes(32))
    async with here.world.database.tenant(who.tenant_id) as tx:
        endpoint = Endpoint(
            id=new_id("whe", now),
            tenant_id=who.tenant_id,
            sandbox=(await tenants.get(tx, who.tenant_id)).sandbox,
            created_at=now,
            updated_at=now,
            **body.model_dump(),
        )
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "endpoint.created", endpoint.id))
        await endpoints.add(tx, here.world.vault, endpoint, secret)
    return EndpointWithSecret.of(endpoint, here, secret=secret)


@router.get("")
async def list_endpoints(who: AnyCaller, here: TheHouse) -> EndpointList:
    """All of them, oldest first."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await endpoints.find(tx)
    return EndpointList(data=[EndpointAnswer.of(endpoint, here) for endpoint in found])


@router.get("/{endpoint_id}")
async def get_endpoint(endpoint_id: str, who: AnyCaller, here: TheHouse) -> EndpointAnswer:
    async with here.world.database.tenant(who.tenant_id) as tx:
        return EndpointAnswer.of(await endpoints.get(tx, endpoint_id), here)


@router.patch("/{endpoint_id}")
async def change_endpoint(
    endpoint_id: str, body: EndpointChange, who: Owner, here: TheHouse, about: About, later: BackgroundTasks
) -> EndpointAnswer:
    """Change what is sent; `null` for the events means all of them, for the description none.

    While it is disabled nothing is sent, and all there is to tell is kept. Enabled, it is sent that at once.
    Other events count from now on; what it missed before, `recover` brings.
    """
    sent = body.model_dump(exclude_unset=True)
    if "url" in sent:
        await screen(body.url, development=here.development)
    if sent.get("status") == "enabled":
        await _hurried(here, who, endpoint_id)
    async with here.world.database.tenant(who.tenant_id) as tx:
        before = await endpoints.get(tx, endpoint_id, lock="change")
        after = _changed(before, sent, here.world.clock())
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "endpoint.updated", endpoint_id))
        if after != before:
            await endpoints.change(tx, before, after)
    if after.enabled and not before.enabled:
        later.add_task(wake, here, who.tenant_id, [endpoint_id])
    return EndpointAnswer.of(after, here)


async def _hurried(here: House, who: Caller, endpoint_id: str) -> None:
    """Before it is enabled: should something go wrong half-way, the same is asked for again."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        if (await endpoints.get(tx, endpoint_id)).enabled:
            return
    now = here.world.clock()
    await _in_pieces(here, who, lambda tx: outbox.hurry(tx, endpoint_id, now))


def _changed(before: Endpoint, sent: Mapping[str, Any], now: datetime) -> Endpoint:
    news = {name: value for name, value in sent.items() if name != "status"}
    if news.get("url", before.url) != before.url:
        # What failed was another.
        news["failing_since"] = None
    match sent.get("status"):
        case "enabled" if not before.enabled:
            news |= {"status": EndpointStatus.ENABLED, "disabled_reason": None, "failing_since": None}
        case "disabled" if before.enabled:
            news |= {"status": EndpointStatus.DISABLED, "disabled_reason": DisabledReason.TENANT}
    after = before.model_copy(update=news)
    return before if after == before else after.model_copy(update={"updated_at": now})


@router.delete("/{endpoint_id}", status_code=204)
async def delete_endpoint(
    endpoint_id: str, who: Owner, here: TheHouse, about: About, later: BackgroundTasks
) -> None:
    """Nothing is sent there any more; what waited for it is dropped, and stays in the event log."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        before = await endpoints.get(tx, endpoint_id, lock="change")
        news = {"status": EndpointStatus.DELETED, "updated_at": here.world.clock()}
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "endpoint.deleted", endpoint_id))
        await endpoints.change(tx, before, before.model_copy(update=news))
    # It is as good as done: what waits for an endpoint that is deleted is neither sent nor shown as waiting.
    later.add_task(_in_pieces, here, who, lambda tx: outbox.drop(tx, endpoint_id))


@router.post("/{endpoint_id}/rotate-secret")
async def rotate_endpoint_secret(
    endpoint_id: str, who: Owner, here: TheHouse, about: About, body: SecretRotation = SecretRotation()
) -> NewSecret:
    """A new secret; the present one signs as well for the overlap, and any older one not any more."""
    secret = new_secret(entropy.token_bytes(32))
    overlap = here.world.scaled(timedelta(seconds=body.overlap_seconds))
    async with here.world.database.tenant(who.tenant_id) as tx:
        endpoint = await endpoints.get(tx, endpoint_id, lock="change")
        now = here.world.clock()
        news = {"previous_until": now + overlap if overlap else None, "updated_at": now}
        await endpoints.rotate(tx, here.world.vault, endpoint.model_copy(update=news), secret)
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "endpoint.secret_rotated", endpoint_id))
    return NewSecret(secret=secret)


@router.post("/{endpoint_id}/test", status_code=202)
async def send_test(
    endpoint_id: str,
    who: Trader,
    here: TheHouse,
    about: About,
    later: BackgroundTasks,
    body: NewTest = NewTest(),
) -> DeliveryAnswer:
    """Send it an `endpoint.test`, whatever it listens to. The event log holds it like any other."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        endpoint = await endpoints.get(tx, endpoint_id, lock="share")
        if not endpoint.enabled:
            raise IllegalTransition(outbox.DISABLED)
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "endpoint.tested", endpoint_id))
        message = "Somebody asked for a test of this endpoint."
        data = EndpointTestData(endpoint_id=endpoint_id, message=message)
        told = Announcement(type=body.type, payment_id=None, data=data.told())
        made = await events.announce_to(tx, endpoint, told, here.world.clock())
        posted = await outbox.get(tx, made)
    later.add_task(wake, here, who.tenant_id, [endpoint_id])
    return DeliveryAnswer.of(posted)


@router.post("/{endpoint_id}/recover", status_code=202)
async def recover(
    endpoint_id: str, body: Recovery, who: Trader, here: TheHouse, about: About, later: BackgroundTasks
) -> Recovered:
    """Send what it should have got since then and did not: what was given up, and what was never queued.

    The latter is what happened before the endpoint was made, or listened to it. To ask again does no harm.
    """
    if body.since < here.world.clock() - _LONGEST_AGO:
        raise ValidationFailed(errors=(("/since", f"at most {_LONGEST_AGO.days} days ago is accepted"),))
    async with here.world.database.tenant(who.tenant_id) as tx:
        await endpoints.get(tx, endpoint_id)
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "endpoint.recovered", endpoint_id))
    recovered = await _recovered(here, who, endpoint_id, body.since)
    later.add_task(wake, here, who.tenant_id, [endpoint_id])
    return recovered


async def _recovered(here: House, who: Caller, endpoint_id: str, since: datetime) -> Recovered:
    now = here.world.clock()
    found = await _in_pieces(
        here, who, lambda tx: outbox.revive(tx, endpoint_id, since, now), most=_MOST_RECOVERED
    )
    until: int | None = None
    while found < _MOST_RECOVERED:
        async with here.world.database.tenant(who.tenant_id) as tx:
            endpoint = await endpoints.get(tx, endpoint_id, lock="share")
            added, until = await outbox.queue_missed(tx, endpoint, since, until, now)
        found += added
        if until is None:
            return Recovered(recovered=found, complete=True)
    return Recovered(recovered=found, complete=False)


async def _in_pieces(
    here: House, who: Caller, deed: Callable[[AsyncConnection], Awaitable[int]], most: float = inf
) -> int:
    """Repeat a deed, a transaction each, until it finds no full piece any more, or has done enough."""
    done = 0
    while done < most:
        async with here.world.database.tenant(who.tenant_id) as tx:
            moved = await deed(tx)
        done += moved
        if moved < outbox.PIECE:
            break
    return done
