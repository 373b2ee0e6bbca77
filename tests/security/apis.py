"""More APIs of a house: they share its database, and have settings of their own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psutil

from dev import PROJECT
from local.ports import LOOPBACK, any_port
from serve import application
from settings import Settings
from tests.house import House, eventually
from tests.world import settings_of


def settings_with(house: House, **changes: Any) -> Settings:
    """The house's own, with these changes."""
    known = settings_of(house).model_dump() | {"public_url": house.ready["apiUrl"]}
    return Settings.model_validate(known | changes)


@asynccontextmanager
async def another_api(house: House, **changes: Any) -> AsyncIterator["Api"]:
    """One in our own process: a new one counts from what is on record, as any other."""
    app = application(settings_with(house, **changes))
    async with app.router.lifespan_context(app):
        yield Api(app, house)


class Api:
    def __init__(self, app: Any, house: House) -> None:
        self.app, self._house = app, house

    def seen_from(self, address: str) -> House:
        """The house, as whoever comes from this address meets it here."""
        transport = httpx.ASGITransport(self.app, client=(address, 40_000))
        http = httpx.AsyncClient(transport=transport, base_url=self._house.ready["apiUrl"])
        return House(self._house.ready, http, self._house.data_dir)


@asynccontextmanager
async def another_process(house: House, **changes: str) -> AsyncIterator[str]:
    """A server as the house's own is, on another port; its address."""
    port = any_port()
    theirs = psutil.Process(house.pid("api")).environ()
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "serve"),
        cwd=PROJECT,
        env=os.environ | theirs | {"PAYSAGA_PORT": str(port)} | changes,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://{LOOPBACK}:{port}"
    try:
        async with httpx.AsyncClient(trust_env=False) as http:

            async def serves() -> bool | None:
                try:
                    return (await http.get(f"{url}/readyz")).is_success or None
                except httpx.TransportError:
                    return None

            await eventually(serves, within=150)
        yield url
    finally:
        server.terminate()
        await server.wait()
