"""How a part of the house goes away for as long as a story takes, and comes back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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

    async def taken() -> asyncio.Server | None:
        try:
            return await asyncio.start_server(lambda _, caller: caller.transport.abort(), "127.0.0.1", port)
        except OSError:
            return None

    squatter: asyncio.Server = await eventually(taken, within=5)
    try:
        yield
    finally:
        squatter.close()
        await squatter.wait_closed()
