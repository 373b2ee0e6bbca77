"""One connection, and bytes on it that no HTTP library would send."""

import asyncio
import re
from dataclasses import dataclass

import httpx

_PATIENCE = 20.0


@dataclass(frozen=True)
class Heard:
    """What came back until the connection was closed."""

    raw: bytes

    @property
    def status(self) -> int | None:
        """Of the first answer; None where there was none."""
        statuses = self._statuses()
        return statuses[0] if statuses else None

    @property
    def answers(self) -> int:
        return len(self._statuses())

    def _statuses(self) -> list[int]:
        """Without the word to go on, which is no answer."""
        found = map(int, re.findall(rb"(?:^|\n|(?<=[}]))HTTP/1\.1 (\d{3}) ", self.raw))
        return [status for status in found if status != 100]


async def say(url: str, request: bytes, *, then_hang_up: bool = False) -> Heard:
    """Send these bytes and no more, and hear what comes until the other side closes."""
    where = httpx.URL(url)
    reader, writer = await asyncio.open_connection(where.host, where.port)
    try:
        async with asyncio.timeout(_PATIENCE):
            try:
                writer.write(request)
                await writer.drain()
                if then_hang_up:
                    writer.write_eof()
                return Heard(await reader.read())
            except ConnectionError:
                return Heard(b"")
    finally:
        writer.close()


def request(
    target: bytes, *lines: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1", body: bytes = b""
) -> bytes:
    """A request as it stands on the wire, with these lines of header and nothing added but the host."""
    head = [method + b" " + target + b" " + version, b"Host: localhost", b"Connection: close", *lines]
    return b"\r\n".join([*head, b"", b""]) + body
