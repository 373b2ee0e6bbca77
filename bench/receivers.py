"""How fast ordinary receivers are told, alone and beside hostile ones: ``python -m bench.receivers``.

Both figures come from one run, as this says more about our code than about the machine.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any, Self

import httpx
import psutil
from rich.console import Console

from activities.world import World
from dev import Platform
from domain.events import Announcement
from storage import events
from tests.hostile import DEEDS, receiving
from tests.house import UNHURRIED, House, Tenant, eventually
from tests.world import world_of

ORDINARY = 20
SAMPLES = 120
PER_SECOND = 6
BACKLOG = 12
ENDPOINTS = "/v1/webhook-endpoints"


@dataclass
class Quick:
    """An ordinary receiver that notes when which event arrived."""

    url: str = ""
    arrived: dict[str, float] = field(default_factory=dict)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            headers = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:-2])
            await reader.readexactly(int(headers["content-length"]))
            self.arrived.setdefault(headers["webhook-id"], time.monotonic())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._visit(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    @classmethod
    @asynccontextmanager
    async def listening(cls) -> AsyncIterator[Self]:
        quick = cls()
        server = await asyncio.start_server(quick._served, "127.0.0.1", 0)
        quick.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        try:
            yield quick
        finally:
            server.close()


async def endpoint(tenant: Tenant, url: str) -> str:
    answer = await tenant.call("POST", ENDPOINTS, json={"url": url})
    return str(answer.raise_for_status().json()["id"])


async def told(tenant: Tenant, endpoint_id: str, quick: Quick) -> float:
    """How long it takes from the request until an endpoint is told."""
    began = time.monotonic()
    answer = await tenant.call("POST", f"{ENDPOINTS}/{endpoint_id}/test")
    event = answer.raise_for_status().json()["eventId"].lower()

    async def look() -> float | None:
        return quick.arrived.get(event)

    return float(await eventually(look, within=100)) - began


async def p99(tenants: list[tuple[Tenant, str]], quick: Quick) -> float:
    """Of a steady load on all of these endpoints."""
    asked = []
    for number in range(SAMPLES):
        asked.append(asyncio.create_task(told(*tenants[number % len(tenants)], quick)))
        await asyncio.sleep(1 / PER_SECOND)
    return quantiles(await asyncio.gather(*asked), n=100)[-1]


async def burdened(world: World, tenant: Tenant, urls: list[str]) -> None:
    """Endpoints there, each with a backlog that is due now."""
    made = [await endpoint(tenant, url) for url in urls]
    now = datetime.now(UTC)
    told = [Announcement(type="payment.created", payment_id=None, data={"n": n}) for n in range(BACKLOG)]
    async with world.database.tenant(tenant.id) as tx:
        await events.announce(tx, tenant.id, told, now)
    await world.wake(tenant.id, made)


@dataclass(frozen=True)
class Found:
    """Seconds, and what became of the worker and of the attempts at the hostile ones."""

    alone_p99: float
    beside_p99: float
    worker_grew_mib: float
    worker_lived: bool
    visits: list[int]
    """At each of the hostile ones."""
    attempts: list[dict[str, Any]]

    def __str__(self) -> str:
        return (
            f"p99 alone {self.alone_p99:.2f} s, beside hostile receivers {self.beside_p99:.2f} s:"
            f" {self.beside_p99 / self.alone_p99:.1f} times; the worker grew {self.worker_grew_mib:.0f} MiB"
        )


async def measure(house: House, world: World) -> Found:
    """Tell 20 ordinary endpoints of two tenants, first alone, then beside every kind of hostile receiver."""
    ours, theirs = [await house.tenant() for _ in range(2)], await house.tenant()
    worker = psutil.Process(house.pid("worker"))
    async with Quick.listening() as quick, AsyncExitStack() as open_ones:
        ordinary = [
            (tenant, await endpoint(tenant, quick.url)) for tenant in ours for _ in range(ORDINARY // 2)
        ]
        alone = await p99(ordinary, quick)
        before = worker.memory_info().rss
        hostile = [await open_ones.enter_async_context(receiving(deed)) for deed in DEEDS]
        # One more takes a connection, and does not answer the handshake.
        mute = await open_ones.enter_async_context(receiving(DEEDS[0]))
        await burdened(world, theirs, [*(each.url for each in hostile), mute.url.replace("http:", "https:")])
        beside = await p99(ordinary, quick)
        return Found(
            alone_p99=alone,
            beside_p99=beside,
            worker_grew_mib=(worker.memory_info().rss - before) / 2**20,
            worker_lived=house.pid("worker") == worker.pid,
            visits=[each.visits for each in [*hostile, mute]],
            attempts=await theirs.rows("SELECT status, duration_ms FROM delivery_attempts"),
        )


async def main() -> None:
    console = Console(highlight=False, soft_wrap=True)
    port_base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000"))
    with tempfile.TemporaryDirectory(prefix="paysaga bench ") as folder:
        async with (
            Platform(
                Path(folder), port_base, time_scale=60, settings=UNHURRIED, say=console.print
            ) as platform,
            httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=15) as http,
        ):
            house = House(platform.ready, http, Path(folder))
            console.print(f"\nTelling {ORDINARY} receivers, twice {SAMPLES / PER_SECOND:.0f} s at least")
            async with world_of(house) as world:
                console.print(f"[bold]{await measure(house, world)}[/]")


if __name__ == "__main__":
    asyncio.run(main())
