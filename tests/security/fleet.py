"""Two APIs of one installation behind a balancer, restarted one after the other, and their callers."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import psutil

from dev import PROJECT
from local.ports import LOOPBACK, any_port
from tests.house import House, Tenant, eventually


@dataclass
class Server:
    """One API process, as long as it is entered."""

    settings: dict[str, str]
    log: Path
    http: httpx.AsyncClient
    process: asyncio.subprocess.Process
    takes_requests: bool = True
    busy: int = 0
    served: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def start(cls, settings: dict[str, str], log: Path) -> "Server":
        """Running, and ready to take requests."""
        port = any_port()
        with log.open("a") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "serve"),
                cwd=PROJECT,
                env=settings | {"PAYSAGA_PORT": str(port)},
                stdout=output,
                stderr=output,
            )
        http = httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False, timeout=60)
        server = cls(settings, log, http, process)
        try:
            await eventually(server.ready, within=300)
        except BaseException:
            await server.stop()
            raise
        return server

    async def ready(self) -> bool | None:
        assert self.process.returncode is None, self.log.read_text()
        try:
            return (await self.http.get("/readyz")).is_success or None
        except httpx.TransportError:
            return None

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.busy, self.served = self.busy + 1, self.served + 1
        self.idle.clear()
        try:
            there = self.http.build_request(
                request.method,
                request.url.raw_path.decode(),
                headers=[(name, value) for name, value in request.headers.raw if name.lower() != b"host"],
                content=await request.aread(),
            )
            answer = await self.http.send(there)
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        finally:
            self.busy -= 1
            if not self.busy:
                self.idle.set()

    async def stop(self) -> None:
        """Take no more, finish what was begun, and end."""
        self.takes_requests = False
        if self.busy:
            await self.idle.wait()
        await self.http.aclose()
        if self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


class Fleet(httpx.AsyncBaseTransport):
    """The balancer: each request goes to the next server that takes some. Nothing is sent twice."""

    def __init__(self, settings: dict[str, str], log: Path) -> None:
        self._settings, self._log = settings, log
        self.servers: list[Server] = []
        self._turns = cycle((0, 1))

    @classmethod
    @asynccontextmanager
    async def of(cls, house: House, folder: Path) -> AsyncIterator["Fleet"]:
        """Two more APIs of this house, with its own settings."""
        environment = psutil.Process(house.pid("api")).environ()
        fleet = cls(environment, folder / "servers.log")
        async with AsyncExitStack() as held:
            held.push_async_callback(fleet.stop)
            for _ in range(2):
                fleet.servers.append(await Server.start(fleet._settings, fleet._log))
            yield fleet

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in self.servers:
            server = self.servers[next(self._turns)]
            if server.takes_requests:
                return await server.answer(request)
        raise AssertionError("both servers are down")

    def setting(self, name: str) -> str:
        return self._settings[name]

    async def restart(self, place: int, **settings: str) -> None:
        """One server is taken out, restarted with these settings, and put back when it is ready."""
        await self.servers[place].stop()
        self._settings |= settings
        self.servers[place] = await Server.start(dict(self._settings), self._log)

    async def roll(self, **settings: str) -> None:
        """New settings everywhere, one server after the other."""
        for place in (0, 1):
            await self.restart(place, **settings)

    async def keys(self) -> list[list[str]]:
        """The names of the keys that each server publishes."""
        answers = [await server.http.get("/.well-known/jwks.json") for server in self.servers]
        return [[key["kid"] for key in answer.json()["keys"]] for answer in answers]

    async def stop(self) -> None:
        for server in self.servers:
            await server.stop()

    def house(self, house: House) -> House:
        """The house, spoken to through the balancer."""
        return replace(house, http=httpx.AsyncClient(transport=self, base_url="http://fleet"))


@dataclass
class Program:
    """Somebody's program: it logs in, reads for a while, and logs in again."""

    tenant: Tenant
    logins: int = 0
    failed: list[str] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            registered = self.tenant.registered
            body = {name: registered[name] for name in ("appName", "appSecret")}
            answer = await self._seen(self.tenant.house.http.post("/v1/tenants/login", json=body))
            self.tenant.token = answer.json().get("accessToken", "")
            self.logins += 1
            # Slow enough for any limit on logins.
            for _ in range(40):
                await self._seen(self.tenant.call("GET", "/v1/payments"))
                await asyncio.sleep(0.2)

    async def _seen(self, asked: Any) -> httpx.Response:
        answer: httpx.Response = await asked
        if answer.status_code != 200:
            self.failed.append(f"{answer.request.method} {answer.request.url.path}: {answer.text}")
        return answer


@dataclass
class Trade:
    """Programs at work."""

    programs: Sequence[Program]

    @classmethod
    @asynccontextmanager
    async def of(cls, tenants: Sequence[Tenant]) -> AsyncIterator["Trade"]:
        """As long as this lasts they work; at its end nothing that they asked for has failed."""
        trade = cls([Program(tenant) for tenant in tenants])
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(program.run()) for program in trade.programs]
            try:
                yield trade
            finally:
                for task in tasks:
                    task.cancel()
        failed = [failure for program in trade.programs for failure in program.failed]
        assert not failed, failed

    async def everybody_logs_in_anew(self) -> None:
        """Wait until no program has a token of before."""
        # The next login may be under way already.
        enough = [program.logins + 2 for program in self.programs]

        async def look() -> bool | None:
            return all(p.logins >= n for p, n in zip(self.programs, enough, strict=True)) or None

        await eventually(look, within=300)
