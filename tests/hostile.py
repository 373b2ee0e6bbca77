"""Receivers that mean no good, on raw sockets: each takes a webhook and does its worst with it."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Deed = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
BOMB = gzip.compress(bytes(2**27))


async def heard(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001
    """Takes the request and says nothing."""
    await reader.read(-1)


async def trickles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte a second."""
    await heard(reader)
    for byte in HEAD * 100:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def trickles_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A good head at once, and then a byte a second."""
    await heard(reader)
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(1)


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A gigabyte in answer."""
    await heard(reader)
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % 2**30)
    for _ in range(2**30 // 2**16):
        writer.write(b"x" * 2**16)
        await writer.drain()


async def floods_in_crumbs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Chunks of a byte each, without end."""
    await heard(reader)
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"1\r\nx\r\n" * 2**12)
        await writer.drain()


async def never_ends_its_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)
    writer.write(HEAD)
    while not writer.is_closing():
        writer.write(b"X-More: and more\r\n" * 2**10)
        await writer.drain()


async def continues_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Interim answers without end: an HTTP library passes each one over, and reads on."""
    await heard(reader)
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 2**10)
        await writer.drain()


async def sends_a_bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A small answer that would unpack to 128 MiB."""
    await heard(reader)
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
    writer.write(head + BOMB)
    await writer.drain()
    await reader.read(-1)


async def talks_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)
    writer.write(b"\x00\xff" * 500)
    await writer.drain()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)
    writer.write(HEAD + b"Content-Length: 100\r\n\r\nhalf")
    await writer.drain()


DEEDS: tuple[Deed, ...] = (
    *(hangs, trickles, trickles_the_body, floods, floods_in_crumbs, never_ends_its_headers),
    *(continues_for_ever, sends_a_bomb, talks_nonsense, hangs_up),
)


@dataclass
class Hostile:
    """One such receiver; ``tls`` in the address makes a client wait for a handshake that does not come."""

    deed: Deed
    port: int = 0
    visits: int = 0
    at_once: int = 0
    """How many connections it has open, as far as it knows."""
    callers: list["asyncio.Task[None]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def _open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers.append(asyncio.create_task(self._visit(reader, writer)))

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        self.at_once += 1
        try:
            # A caller hangs up when it has had enough.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self.deed(reader, writer)
        finally:
            self.at_once -= 1
            writer.transport.abort()


@asynccontextmanager
async def receiving(deed: Deed) -> AsyncIterator[Hostile]:
    hostile = Hostile(deed)
    server = await asyncio.start_server(hostile._open, "127.0.0.1", 0)
    hostile.port = server.sockets[0].getsockname()[1]
    try:
        yield hostile
    finally:
        server.close()
        for caller in hostile.callers:
            caller.cancel()
        await asyncio.gather(*hostile.callers, return_exceptions=True)
