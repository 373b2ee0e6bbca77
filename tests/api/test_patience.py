"""Whoever sends or takes a byte a second has a while for it, and keeps nobody else waiting.

Over real sockets, with less patience than in earnest.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from api import problems
from api.edge import Edge
from api.patience import Patience
from domain.errors import Forbidden

WAIT = 20
"""For what is going to happen; how soon is not the question here."""
LARGE = 2**25


class Hasty(Patience):
    head_seconds: ClassVar = 0.4
    body_seconds: ClassVar = 0.4
    answer_seconds: ClassVar = 0.2
    most_owing: ClassVar = 8
    owing: ClassVar[dict[Patience, None]] = {}


app = FastAPI()
app.add_middleware(Edge, body_seconds=0.2)
problems.install(app, "https://pay.example")


@app.post("/read")
async def read(request: Request) -> int:
    return len(await request.body())


@app.post("/unread")
async def unread() -> None:
    raise Forbidden


@app.get("/large")
async def large() -> Response:
    return Response(b"x" * LARGE)


@pytest.fixture(scope="module")
async def port() -> AsyncIterator[int]:
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, http=Hasty, ws="none", log_config=None, lifespan="off")
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@pytest.fixture(autouse=True)
async def nothing_is_owed() -> AsyncIterator[None]:
    yield
    async with asyncio.timeout(WAIT):
        while Hasty.owing:
            await asyncio.sleep(0.01)


class Caller:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, port: int) -> AsyncIterator["Caller"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def trickles(self, text: bytes) -> bytes:
        """Send a byte now and then, for ever; what was answered when the connection ended."""
        self.writer.write(text)

        async def drip() -> None:
            while True:
                self.writer.write(b"a")
                await self.writer.drain()
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        try:
            return await self.heard()
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)

    async def heard(self) -> bytes:
        """Everything until the connection ended."""
        answer = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WAIT):
                while piece := await self.reader.read(2**16):
                    answer += piece
        return answer

    async def asks(self, request: bytes) -> bytes:
        """One exchange, after which the connection stays."""
        self.writer.write(request)
        async with asyncio.timeout(WAIT):
            return await self.reader.readuntil(b"\r\n\r\n") + await self.reader.read(2**16)


READ = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
WHOLE = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"


@pytest.mark.parametrize("begun", [b"", b"P", b"POST /read HTTP/1.1\r\nHost: x\r\nX: "])
async def test_a_head_that_does_not_end_is_not_waited_for(port: int, begun: bytes) -> None:
    async with Caller.at(port) as silent, Caller.at(port) as slow:
        silent.writer.write(begun)
        answers = await asyncio.gather(silent.heard(), slow.trickles(begun + b"X"))
    assert [*answers] == [b"", b""]


async def test_a_body_that_does_not_end_is_answered_408(port: int) -> None:
    async with Caller.at(port) as caller:
        answer = await caller.trickles(READ)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer
    assert b"connection: close" in answer.lower()


async def test_a_chunked_body_has_the_same_deadline(port: int) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with Caller.at(port) as caller:
        # A chunk that is announced and never comes as a whole.
        assert (await caller.trickles(head + b"1\r\na\r\nffff\r\n")).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_nobody_reads_is_not_waited_for_either(port: int) -> None:
    async with Caller.at(port) as caller:
        assert (await caller.trickles(READ.replace(b"/read", b"/unread"))).startswith(b"HTTP/1.1 403 ")


async def test_an_answer_that_nobody_takes_is_dropped(port: int) -> None:
    async with Caller.at(port) as caller:
        caller.writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(3 * Hasty.answer_seconds)
        assert 0 < len(await caller.heard()) < LARGE


async def test_an_idle_connection_owes_nothing_until_its_next_request_begins(port: int) -> None:
    async with Caller.at(port) as caller:
        for _ in range(2):
            assert b"200 OK" in await caller.asks(WHOLE)
            assert not Hasty.owing
            await asyncio.sleep(1.5 * Hasty.head_seconds)
        assert await caller.trickles(b"P") == b""


async def test_requests_that_come_in_one_piece_are_all_answered(port: int) -> None:
    async with Caller.at(port) as caller:
        last = WHOLE.replace(b"Host: x", b"Host: x\r\nConnection: close")
        caller.writer.write(WHOLE + WHOLE + last)
        assert (await caller.heard()).count(b"200 OK") == 3


async def test_of_too_many_slow_callers_those_go_that_are_slowest(port: int) -> None:
    async with contextlib.AsyncExitStack() as held:
        slow = [await held.enter_async_context(Caller.at(port)) for _ in range(3 * Hasty.most_owing)]
        for caller in slow:
            caller.writer.write(b"P")
        # Long before anybody's time is up, an ordinary caller is served.
        assert b"200 OK" in await (await held.enter_async_context(Caller.at(port))).asks(WHOLE)
        assert len(Hasty.owing) <= Hasty.most_owing
        assert [await caller.heard() for caller in slow] == [b""] * len(slow)
