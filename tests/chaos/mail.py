"""The shops' webhook endpoints: they write down every delivery, and sometimes refuse it or say nothing."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

# The platform gives up after 15 s.
_LONGER_THAN_ANYBODY_WAITS: Final = 17.0


@dataclass(frozen=True)
class Letter:
    """One delivery as it arrived, and what we said to it; None: nothing."""

    shop: int
    event_id: str
    body_sha256: str
    type: str
    sequence: int
    tenant_id: str
    payment_id: str | None
    answer: int | None


def moods(seed: int, shop: int) -> Iterator[int | None]:
    """What a shop answers, delivery after delivery: 200 mostly, else 500 or nothing."""
    dice = random.Random(f"{seed} moods of shop {shop}")
    while True:
        roll = dice.random()
        yield 500 if roll < 0.04 else None if roll < 0.043 else 200


@dataclass
class Mailroom:
    """All shops' endpoints in one server: shop n listens at ``/n``."""

    moods: list[Iterator[int | None]]
    letters: list[Letter] = field(default_factory=list)
    url: str = ""
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def _receive(self, request: Request) -> Response:
        try:
            shop, body = request.path_params["shop"], await request.body()
        except ClientDisconnect:
            # The worker was killed while it wrote; nothing arrived.
            return Response(status_code=400)
        answer = next(self.moods[shop])
        told = json.loads(body)
        self.letters.append(
            Letter(
                shop=shop,
                event_id=request.headers["webhook-id"],
                body_sha256=sha256(body).hexdigest(),
                type=told["type"],
                sequence=told["sequence"],
                tenant_id=told["tenantId"],
                payment_id=told["data"].get("paymentId"),
                answer=answer,
            )
        )
        if answer is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _LONGER_THAN_ANYBODY_WAITS)
        return Response(status_code=answer or 504)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Mailroom"]:
        app = Starlette(routes=[Route("/{shop:int}", self._receive, methods=["POST"])])
        server = _Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", access_log=False))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self._closing.set()
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        """Leave Ctrl-C to the run, which has more to stop than us."""
        return nullcontext()
