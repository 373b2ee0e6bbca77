"""How a part of the house goes away for as long as a story takes, and comes back."""

import asyncio
import os
import signal
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from tests.house import House, eventually


@asynccontextmanager
async def frozen(house: House, part: str, *, and_killed: bool = False) -> AsyncIterator[None]:
    """It is there and its port is open, but nobody answers. ``and_killed``: in the end it starts anew."""
    pid = house.pid(part)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL if and_killed else signal.SIGCONT)


@asynccontextmanager
async def gone(house: House, part: str) -> AsyncIterator[None]:
    """It is killed, and while somebody sits on its port and hangs up, it cannot be started again."""
    address = {"temporal": house.ready["temporalAddress"], "postgres": house.ready["databaseUrl"]}[part]
    port = urlsplit(address if "://" in address else f"//{address}").port
    os.kill(house.pid(part), signal.SIGKILL)

    async def taken() -> socket.socket | None:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            return None

    squatter: socket.socket = await eventually(taken, within=5)
    squatter.setblocking(False)

    def hang_up() -> None:
        with suppress(OSError):
            caller, _ = squatter.accept()
            # At once, and without a word.
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            caller.close()

    loop = asyncio.get_running_loop()
    loop.add_reader(squatter, hang_up)
    try:
        yield
    finally:
        loop.remove_reader(squatter)
        squatter.close()
