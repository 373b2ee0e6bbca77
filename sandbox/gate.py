"""The way in: every call is logged here, done in one transaction, and spoiled where a fault says so."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox import courier, faults, jobs, timekeeping
from sandbox.clock import to_microseconds
from sandbox.dialects import OWN, Dialect
from sandbox.errors import Refused
from sandbox.faults import HITS, Rule
from sandbox.idempotency import enabled
from sandbox.world import World, log

RESET = "sandbox.reset"
"""The ASGI extension by which the server lets us break the connection."""
_HANG_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as far as the log and the faults are concerned."""

    request: Request
    operation: str
    account: str | None
    reference: str | None
    key: str | None = None
    pretend: Callable[[], Response] | None = None
    """Answers as if it had been done: for ``lost``."""
    dialect: Dialect = OWN


class Reset(Response):
    """No answer at all: the TCP connection is broken with RST."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Break the connection and wait until the server has noticed."""
        scope["extensions"][RESET]()
        await _gone(receive)


async def perform(world: World, call: Call, effect: Callable[[], Response]) -> Response:
    """Do one call. The effect runs inside a transaction that a ``Refused`` undoes."""
    jobs.run_due(world)
    with world.store.transaction():
        number = _received(world, call)
        if call.account is not None:
            timekeeping.meet(world, call.account, call.dialect)
        hits = faults.hit(world, call.operation, call.account, call.reference)
    token = HITS.set(hits)
    try:
        response = await _do(world, call, hits, effect)
    except Refused as refused:
        response = call.dialect.refusal(refused)
    finally:
        HITS.reset(token)
    status = None if isinstance(response, Reset) else response.status_code
    with world.store.transaction():
        world.store.sql.execute("UPDATE requests SET status = ? WHERE seq = ?", (status, number))
    log("call", operation=call.operation, account=call.account, reference=call.reference, status=status)
    return response


async def _do(world: World, call: Call, hits: tuple[Rule, ...], effect: Callable[[], Response]) -> Response:
    mark = (call.account or "", call.key or "")
    exclusive = call.key is not None and enabled(world)
    if exclusive and mark in world.executing:
        raise Refused(409, "idempotency_in_progress", "the first call with this key is still at work")
    if exclusive:
        world.executing.add(mark)
    try:
        for rule in hits:
            if rule.when == "before" and (instead := await _before(call, rule)) is not None:
                return instead
        with world.store.transaction():
            response = effect()
    finally:
        if exclusive:
            world.executing.discard(mark)
    for rule in hits:
        response = await _after(world, call, rule, response)
    return response


async def _before(call: Call, rule: Rule) -> Response | None:
    if rule.fault == "reset":
        return Reset()
    if rule.fault == "hang":
        return await _hang(call.request, rule)
    if rule.fault == "refuse":
        return call.dialect.refusal(Refused(400, "refused", "a fault was set: this call is refused"))
    if rule.fault == "lost":
        return call.pretend() if call.pretend else None
    return _status(call, rule)


async def _after(world: World, call: Call, rule: Rule, response: Response) -> Response:
    if rule.fault == "beforeAnswer" and call.reference is not None:
        await courier.attempted(world, call.reference)
    if rule.when not in {"after", "answer"}:
        return response
    if rule.fault == "reset":
        return Reset()
    if rule.fault == "hang":
        return await _hang(call.request, rule)
    if rule.fault == "truncate":
        body = bytes(response.body)
        return Response(body[: len(body) // 2], response.status_code, media_type=response.media_type)
    if rule.fault == "html":
        return HTMLResponse("<!doctype html><title>Back soon</title><p>We are having a rest.", 200)
    return _status(call, rule) or _distorted(call, response, rule.fault)


def _status(call: Call, rule: Rule) -> Response | None:
    if rule.status is None:
        return None
    return call.dialect.refusal(Refused(rule.status, "fault", "a fault was set: this is its status"))


def _distorted(call: Call, response: Response, fault: str) -> Response:
    if not isinstance(response, JSONResponse) or not response.status_code < 300:
        return response
    if faults.is_real(call.operation, fault):
        return response
    dialect = call.dialect
    shown = json.loads(bytes(response.body))
    if isinstance(shown.get(dialect.LIST), list):
        shown[dialect.LIST] = [dialect.distort(item, fault) for item in shown[dialect.LIST]]
    return JSONResponse(dialect.distort(shown, fault), response.status_code)


async def _hang(request: Request, rule: Rule) -> Response:
    """Say nothing until the caller gives up or the time is over, then break the connection."""
    with suppress(TimeoutError):
        async with asyncio.timeout(rule.seconds or _HANG_SECONDS):
            await request.body()
            await _gone(request.receive)
    return Reset()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _received(world: World, call: Call) -> int | None:
    return world.store.sql.execute(
        "INSERT INTO requests (operation, account, reference, idempotency_key, at_us) VALUES (?, ?, ?, ?, ?)",
        (call.operation, call.account, call.reference, call.key, to_microseconds(world.clock.real())),
    ).lastrowid
