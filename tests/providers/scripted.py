"""A payment company that answers what a test tells it to: real HTTP, on a free port of this machine.

It can do what companies do on their worst days: close the connection after it has read the request, say
nothing, say it for ever, promise more than it sends. What it was asked is kept, request by request.
"""

import asyncio
import contextlib
import gzip
import json
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

import httpx

Json = Any


class Asked(NamedTuple):
    """One request, as it came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, in their order."""
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    def header(self, name: str) -> str | None:
        """Its only value; None when it was not sent."""
        found = [value for sent, value in self.headers if sent == name.lower()]
        assert len(found) <= 1, f"{name} was sent {len(found)} times"
        return found[0] if found else None

    @property
    def json(self) -> Json:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Rule(NamedTuple):
    """What is said to requests like these; ``path`` is a regular expression for all of it, query aside."""

    method: str
    path: str
    said: Json
    status: int = 200

    def fits(self, asked: Asked) -> bool:
        return self.method == asked.method and re.fullmatch(self.path, asked.path) is not None


Script = Sequence[Rule]


# --- Answers ----------------------------------------------------------------------------------------


def says(status: int, said: Json, headers: Mapping[str, str] | None = None) -> Answer:
    return sends(
        status, json.dumps(said).encode(), {"Content-Type": "application/json"} | dict(headers or {})
    )


def sends(
    status: int, body: bytes, headers: Mapping[str, str] | None = None, *, announced: int | None = None
) -> Answer:
    """These bytes; ``announced`` is how many it claims to send."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        length = len(body) if announced is None else announced
        head = {"Content-Length": str(length)} | dict(headers or {})
        lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        if length > len(body):
            writer.close()

    return answer


def blurts(raw: bytes) -> Answer:
    """These bytes and nothing else, whether they are HTTP or not."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    return answer


def packed(said: Json) -> Answer:
    """Compressed, although nobody asked for that."""
    return sends(200, gzip.compress(json.dumps(said).encode()), {"Content-Encoding": "gzip"})


async def resets(writer: asyncio.StreamWriter) -> None:
    """The connection ends with a reset: whoever asked cannot know what was done."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hangs_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def is_silent(writer: asyncio.StreamWriter) -> None:
    """Until whoever asked has gone."""
    await writer.wait_closed()


async def trickles(writer: asyncio.StreamWriter) -> None:
    """A byte now and then, so that no time-out between two bytes ever ends it."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
    while not writer.is_closing():
        writer.write(b" ")
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        await asyncio.sleep(0.02)


# --- The company ------------------------------------------------------------------------------------


@dataclass
class Company:
    """Answers by ``script``; the request of the number in ``spoilt`` is answered otherwise."""

    base: str
    script: Script = ()
    asked: list[Asked] = field(default_factory=list)
    history: list[Asked] = field(default_factory=list)
    """The same, and all that came before ``plays``."""
    unscripted: list[Asked] = field(default_factory=list)
    """What was asked that no script has an answer to."""
    spoilt: tuple[int, Answer] | None = None

    def plays(self, script: Script, spoilt: tuple[int, Answer] | None = None) -> Self:
        """From now on, with nothing asked yet."""
        self.script, self.spoilt = script, spoilt
        self.asked.clear()
        return self

    def hears(self, asked: Asked) -> Rule:
        """Keep what was asked, and find what is to be said to it."""
        self.asked.append(asked)
        self.history.append(asked)
        for rule in self.script:
            if rule.fits(asked):
                return rule
        self.unscripted.append(asked)
        return Rule(asked.method, asked.path, {"unscripted": asked.path}, 501)

    def _answer(self, asked: Asked) -> Answer:
        rule = self.hears(asked)
        if self.spoilt is not None and self.spoilt[0] == len(self.asked) - 1:
            return self.spoilt[1]
        return says(rule.status, rule.said)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while not writer.is_closing():
                await self._answer(await _read(reader))(writer)
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = tuple(
        (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)
    )
    length = int(dict(headers).get("content-length", "0"))
    return Asked(method, target, headers, await reader.readexactly(length))


class Spoken(httpx.AsyncBaseTransport):
    """The same without a network, for thousands of questions: every request is answered by the script."""

    def __init__(self, company: Company) -> None:
        self._company = company

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        target = request.url.raw_path.decode()
        rule = self._company.hears(Asked(request.method, target, headers, await request.aread()))
        return httpx.Response(rule.status, stream=httpx.ByteStream(json.dumps(rule.said).encode()))


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Company]:
    """A company at a port of its own."""
    company = Company("")
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        task.add_done_callback(connections.discard)
        await company.serve(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 22)
    company.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield company
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


def nobody() -> str:
    """An address at which nobody listens: a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return f"http://127.0.0.1:{gone.getsockname()[1]}"
