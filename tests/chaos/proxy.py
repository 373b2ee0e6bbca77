"""A TCP proxy that loses answers: the request goes through, its work is done, and nobody is told.

Own code, since it takes a hundred lines and the proxies made for this are no Python packages.
"""

import asyncio
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_PIECE: Final = 1 << 16
_LENGTH: Final = re.compile(rb"^content-length:[ \t]*(\d+)[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_CHUNKED: Final = re.compile(rb"^transfer-encoding:", re.IGNORECASE | re.MULTILINE)
# With this linger, closing a socket sends RST.
_AT_ONCE: Final = struct.pack("ii", 1, 0)


class Way(StrEnum):
    """What becomes of an answer."""

    PASS = "pass"
    DELAY = "delay"
    CLOSE = "close"
    """Lost, and the connection closed in order."""
    RESET = "reset"
    """Lost, and the connection reset."""


@dataclass(frozen=True)
class Fate:
    way: Way
    seconds: float = 0


PASS: Final = Fate(Way.PASS)


@dataclass
class Line:
    """One caller's connection, and ours to the server behind us."""

    from_caller: asyncio.StreamReader
    to_caller: asyncio.StreamWriter
    from_server: asyncio.StreamReader
    to_server: asyncio.StreamWriter
    fate: Fate = PASS
    """Of the answer that comes next."""
    request: str = ""


@dataclass
class Proxy:
    """Carries HTTP/1.1 to ``server_port`` on this machine; each request takes the next of ``fates``.

    Requests with bodies say their length; those in chunks are refused. Answers need not be understood:
    they end where the next request begins.
    """

    fates: Iterator[Fate]
    server_port: int = 0
    """May be set later than the proxy listens, but before anybody calls."""
    port: int = 0
    connections: int = 0
    seen: Counter[Way] = field(default_factory=Counter)
    cut: list[str] = field(default_factory=list)
    """The requests whose answers were lost."""
    _lines: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._called, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for line in self._lines:
                line.cancel()
            await asyncio.gather(*self._lines, return_exceptions=True)
            await server.wait_closed()

    def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._connect(reader, writer))
        self._lines.add(task)
        task.add_done_callback(self._lines.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            _reset(writer)
            return
        except asyncio.CancelledError:
            writer.close()
            raise
        line = Line(reader, writer, *server)
        try:
            await self._carry(line)
        finally:
            writer.close()
            line.to_server.close()

    async def _carry(self, line: Line) -> None:
        """Both directions, until either ends: an end of the one is an end of the other."""
        ways = [asyncio.create_task(way) for way in (self._requests(line), self._answers(line))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self, line: Line) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await line.from_caller.readuntil(b"\r\n\r\n")
                if _CHUNKED.search(head):
                    _reset(line.to_caller)
                    return
                line.fate, line.request = next(self.fates), head.partition(b" HTTP/")[0].decode("latin-1")
                line.to_server.write(head)
                length = _LENGTH.search(head)
                await self._pass_body(line, int(length[1]) if length else 0)

    async def _pass_body(self, line: Line, length: int) -> None:
        while length > 0:
            piece = await line.from_caller.read(min(length, _PIECE))
            if not piece:
                raise asyncio.IncompleteReadError(b"", length)
            length -= len(piece)
            line.to_server.write(piece)
        await line.to_server.drain()

    async def _answers(self, line: Line) -> None:
        with suppress(OSError):
            while piece := await line.from_server.read(_PIECE):
                fate, line.fate = line.fate, PASS
                if line.request:
                    self.seen[fate.way] += 1
                if fate.way in {Way.CLOSE, Way.RESET}:
                    self.cut.append(line.request)
                    if fate.way is Way.RESET:
                        _reset(line.to_caller)
                    return
                line.request = ""
                await asyncio.sleep(fate.seconds)
                line.to_caller.write(piece)
                await line.to_caller.drain()
            return
        # The server died: its caller sees what a caller of a dead server sees.
        _reset(line.to_caller)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
