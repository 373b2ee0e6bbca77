"""The control port: for tests, demonstrations and people. Loopback only, no credentials, camelCase."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox import dialects, disputes, faults, jobs, ledger, payments, timekeeping
from sandbox.accounts import ACCOUNT
from sandbox.dialects import OWN, Event
from sandbox.errors import missing
from sandbox.events import post
from sandbox.wire import Body, Reference, livez, read, refusing, shown_instant, world_of
from sandbox.world import World, log

_FAR = 100 * 365 * 86_400


class NewDispute(Body):
    """The body of ``POST /_control/disputes``."""

    reference: Reference
    reason: Annotated[str, Field(min_length=1, max_length=100)] = "fraudulent"
    inquiry: bool = False
    evidence_seconds: Annotated[float | None, Field(ge=0, le=_FAR, alias="evidenceSeconds")] = None


class Decision(Body):
    """The body of ``POST /_control/disputes/{id}``."""

    outcome: disputes.Outcome
    because: disputes.Reason | None = None


class Advance(Body):
    """The body of ``POST /_control/clock``."""

    advance_seconds: Annotated[float, Field(ge=0, le=_FAR, alias="advanceSeconds")]
    account: str | None = None
    """Whose clock alone is pushed."""


class Resend(Body):
    """The body of ``POST /_control/webhooks/resend``."""

    event_id: Annotated[str, Field(alias="eventId")]


class NewSettings(Body):
    """The body of ``POST /_control/settings``."""

    idempotency: Literal["on", "off"]


class NewAccount(Body):
    """The body of ``POST /_control/accounts``."""

    account: Annotated[str, Field(pattern=f"^{ACCOUNT.pattern}$")]


async def add_fault(request: Request) -> Response:
    """Make some calls go wrong from now on."""
    rule = await read(request, faults.Rule)
    return JSONResponse({"id": faults.add(world_of(request), rule)}, 201)


async def list_faults(request: Request) -> Response:
    """Show the faults and how often each struck."""
    return JSONResponse({"data": faults.listed(world_of(request))})


async def clear_faults(request: Request) -> Response:
    """Behave again."""
    faults.clear(world_of(request))
    return JSONResponse({"data": []})


async def list_webhooks(request: Request) -> Response:
    """Show every event and the attempts to deliver it."""
    return JSONResponse({"data": ledger.webhooks(world_of(request), _reference(request))})


async def resend_webhook(request: Request) -> Response:
    """Deliver an event once more, with the same id and the body as it was."""
    world, order = world_of(request), await read(request, Resend)
    event = world.store.get(Event, order.event_id)
    if event is None:
        raise missing("event")
    with world.store.transaction():
        post(world, event, dialects.of(event).letter(event, event.data))
    return JSONResponse({"eventId": event.id}, 202)


async def show_ledger(request: Request) -> Response:
    """Show what was really captured, given back and disputed."""
    world = world_of(request)
    jobs.run_due(world)
    return JSONResponse(ledger.truth(world, _reference(request)))


async def show_requests(request: Request) -> Response:
    """Show what was really received."""
    return JSONResponse({"data": ledger.requests(world_of(request), _reference(request))})


async def open_dispute(request: Request) -> Response:
    """Dispute the last capture made under a reference."""
    world, order = world_of(request), await read(request, NewDispute)
    with world.store.transaction():
        payment = payments.newest(world, order.reference)
        if payment is None:
            raise missing("payment")
        dispute = disputes.open_dispute(
            world, payment, order.reason, inquiry=order.inquiry, seconds=order.evidence_seconds
        )
    return JSONResponse({"id": dispute.id}, 201)


async def decide_dispute(request: Request) -> Response:
    """Lead a dispute on, or end it."""
    world, order = world_of(request), await read(request, Decision)
    with world.store.transaction():
        dispute = disputes.decide(world, request.path_params["id"], order.outcome, order.because)
    return JSONResponse({"id": dispute.id, "status": dispute.status})


async def show_clock(request: Request) -> Response:
    """Tell the sandbox's time."""
    return JSONResponse({"now": shown_instant(world_of(request).clock.now())})


async def advance_clock(request: Request) -> Response:
    """Push the sandbox's time forward, do everything that fell due on the way, and tell every account."""
    world, order = world_of(request), await read(request, Advance)
    by = timedelta(seconds=order.advance_seconds)
    if order.account is not None:
        with world.store.transaction():
            timekeeping.advance_alone(world, order.account, by)
            timekeeping.tell(world, order.account)
        return await show_clock(request)
    with world.store.transaction():
        timekeeping.advance(world, by)
    jobs.run_due(world)
    with world.store.transaction():
        timekeeping.tell(world)
    world.alarm.set()
    return await show_clock(request)


async def change_settings(request: Request) -> Response:
    """Switch idempotency keys off, to play a company that ignores them, or on again."""
    world, order = world_of(request), await read(request, NewSettings)
    with world.store.transaction():
        world.store.set_setting("idempotency", order.idempotency)
    return JSONResponse({"idempotency": order.idempotency})


async def show_account(request: Request) -> Response:
    """Give a person the keys of an account."""
    world, order = world_of(request), await read(request, NewAccount)
    keys = {
        "account": order.account,
        "apiKey": world.accounts.api_key(order.account),
        "webhookSecret": world.accounts.webhook_secret(order.account),
    }
    return JSONResponse(keys)


async def reset(request: Request) -> Response:
    """Forget everything, the clock's advance and the faults included."""
    world = world_of(request)
    with world.store.transaction():
        world.store.wipe()
    world.clock.advanced = timedelta()
    world.alarm.set()
    log("reset")
    return JSONResponse({"reset": True})


def _reference(request: Request) -> str | None:
    return request.query_params.get("reference")


ROUTES: list[BaseRoute] = [
    Route("/livez", livez),
    Route("/_control/faults", add_fault, methods=["POST"]),
    Route("/_control/faults", clear_faults, methods=["DELETE"]),
    Route("/_control/faults", list_faults),
    Route("/_control/webhooks", list_webhooks),
    Route("/_control/webhooks/resend", resend_webhook, methods=["POST"]),
    Route("/_control/ledger", show_ledger),
    Route("/_control/requests", show_requests),
    Route("/_control/disputes", open_dispute, methods=["POST"]),
    Route("/_control/disputes/{id}", decide_dispute, methods=["POST"]),
    Route("/_control/clock", advance_clock, methods=["POST"]),
    Route("/_control/clock", show_clock),
    Route("/_control/settings", change_settings, methods=["POST"]),
    Route("/_control/accounts", show_account, methods=["POST"]),
    Route("/_control/reset", reset, methods=["POST"]),
]


def control_app(world: World) -> Starlette:
    """Put the control port together."""
    app = Starlette(routes=ROUTES, exception_handlers=refusing(OWN))
    app.state.world = world
    return app
