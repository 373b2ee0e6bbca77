"""Refusals go on record as deeds do: here, for all routes. Those only say whose affair a request is."""

import asyncio
import re
from datetime import timedelta
from typing import Final

import structlog
from fastapi import Request, Response
from starlette.background import BackgroundTask

from activities.world import World
from domain.values import Value
from storage import audit

log = structlog.get_logger(__name__)

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# Who asks too often is counted elsewhere; a line for each would make the flood worse.
_NOT_RECORDED: Final = 429
_PATIENCE: Final = timedelta(seconds=2)
# What a path names is recorded only if it can be a name of ours: anything else is input.
_NAME: Final = re.compile(r"[a-z]{3}_[0-9a-z]{20,32}")


class Affair(Value):
    """Whose affair a request is, as far as that is known."""

    tenant_id: str
    actor: str
    credential_id: str | None = None
    proven: bool = True
    """Somebody unproven is answered first, so that how long it takes tells them nothing."""
    action: str | None = None
    """Where the route's own name does not say it."""
    resource: str | None = None
    provider: str | None = None


def concerns(request: Request, affair: Affair) -> None:
    """From here on a refusal of this request goes on this tenant's record."""
    request.state.affair = affair


async def on_record(request: Request, response: Response) -> None:
    """Write a refusal of a command down. Whatever becomes of that, the caller gets the answer."""
    affair: Affair | None = getattr(request.state, "affair", None)
    refused = 400 <= response.status_code < 500 and response.status_code != _NOT_RECORDED
    if affair is None or not refused or request.method in _READING:
        return
    world: World = request.app.state.house.world
    deed = audit.Deed(
        tenant_id=affair.tenant_id,
        actor=affair.actor,
        action=affair.action or _action(request),
        resource=affair.resource or _resource(request) or affair.tenant_id,
        provider=affair.provider,
        result="refused",
        failure=request.state.problem_code,
        correlation_id=getattr(request.state, "request_id", None),
        at=world.clock(),
    )
    if affair.proven:
        await _write(world, deed)
    else:
        response.background = BackgroundTask(_write, world, deed)


async def _write(world: World, deed: audit.Deed) -> None:
    try:
        async with asyncio.timeout(_PATIENCE.total_seconds()), world.database.tenant(deed.tenant_id) as tx:
            await audit.record(tx, deed)
    except Exception as error:  # noqa: BLE001 - the refusal stands, and must not become a failure of ours
        log.error("refusal_not_recorded", action=deed.action, reason=type(error).__name__)  # noqa: TRY400


def _action(request: Request) -> str:
    """What a route is asked to do, from its own name: ``create_payment`` is ``payment.create``."""
    name: str = getattr(request.scope.get("endpoint"), "__name__", "unknown")
    verb, _, noun = name.partition("_")
    return f"{noun}.{verb}" if noun else verb


def _resource(request: Request) -> str | None:
    named = [value for value in request.path_params.values() if _NAME.fullmatch(str(value))]
    return str(named[-1]) if named else None
