"""A door of this machine that nobody may knock at: whoever is made to, has been made to by an attacker."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Trap:
    """Listens at one port of every address of this machine, IPv6 as well where there is any."""

    port: int
    visitors: list[str] = field(default_factory=list)
    """Who connected, by the address that they connected to. Must stay empty."""

    def visited(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visitors.append(str(writer.get_extra_info("sockname")))
        writer.close()

    async def works(self) -> None:
        """Show that it would notice: a trap that cannot be sprung proves nothing."""
        for address in ("127.0.0.1", "127.0.0.2", "0.0.0.0"):
            _, writer = await asyncio.open_connection(address, self.port)
            writer.close()
        while len(self.visitors) < 3:
            await asyncio.sleep(0.01)
        self.visitors.clear()


@asynccontextmanager
async def trap() -> AsyncIterator[Trap]:
    everywhere = socket.create_server(("0.0.0.0", 0))
    sockets, port = [everywhere], everywhere.getsockname()[1]
    with contextlib.suppress(OSError):  # there is no IPv6, or somebody has the port there
        sockets.append(socket.create_server(("::", port), family=socket.AF_INET6))
    set_up = Trap(port)
    async with contextlib.AsyncExitStack() as held:
        for each in sockets:
            held.push_async_callback(_shut, await asyncio.start_server(set_up.visited, sock=each))
        await set_up.works()
        yield set_up


async def _shut(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()
