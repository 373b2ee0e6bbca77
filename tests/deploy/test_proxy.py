"""The proxy before the APIs: what it keeps inside, whom it believes, and who answers when one is away."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from local.ports import LOOPBACK, any_port
from tests.docs.pages import ROOT
from tests.house import Json, eventually

BESIDE_US = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
PROGRAM = shutil.which("caddy", path=BESIDE_US)
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="it takes Caddy, the proxy itself")
# Nobody could ask from there, so whoever asks is believed in nothing.
NOBODY = "192.0.2.1/32"


@dataclass
class Proxied:
    """Two APIs that tell what reached them, behind the proxy."""

    http: httpx.AsyncClient
    apis: dict[str, AsyncExitStack]

    async def told(self, **headers: str) -> Json:
        answer = await self.http.get("/v1/payments", headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@asynccontextmanager
async def api(name: str, port: int) -> AsyncIterator[None]:
    async def tell(request: Request) -> JSONResponse:
        return JSONResponse({"api": name, "body": (await request.body()).decode(), **request.headers})

    app = Starlette(routes=[Route("/{path:path}", tell, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=port, log_config=None, lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def proxied(folder: Path, edge: str | None = None) -> AsyncIterator[Proxied]:
    ports = {"one": any_port(), "two": any_port()}
    port, health = any_port(), any_port()
    text = (ROOT / "deploy/proxy/Caddyfile").read_text()
    file = folder / "Caddyfile"
    file.write_text(
        text.replace("http://:8000,", f"http://:{port},").replace("127.0.0.1:2020", f"127.0.0.1:{health}")
    )
    said = {
        "PAYSAGA_APIS": " ".join(f"{LOOPBACK}:{each}" for each in ports.values()),
        "PAYSAGA_SITE": f"http://localhost:{port}",
        "HOME": str(folder),
    }
    if edge is not None:
        said["PAYSAGA_EDGE_PROXIES"] = edge
    async with AsyncExitStack() as held:
        apis = {name: await held.enter_async_context(AsyncExitStack()) for name in ports}
        for name, stack in apis.items():
            await stack.enter_async_context(api(name, ports[name]))
        process = await asyncio.create_subprocess_exec(
            *(str(PROGRAM), "run", "--config", str(file), "--adapter", "caddyfile"),
            env=said,
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        held.push_async_callback(process.wait)
        held.callback(process.terminate)
        http = await held.enter_async_context(
            httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False, timeout=20)
        )

        async def up() -> bool | None:
            try:
                return (await http.get(f"http://{LOOPBACK}:{health}/")).is_success or None
            except httpx.TransportError:
                return None

        await eventually(up, 20)
        yield Proxied(http, apis)


async def test_metrics_stay_inside_however_their_address_is_written(tmp_path: Path) -> None:
    async with proxied(tmp_path) as there:
        for path in (
            "/metrics",
            "/metrics/",
            "//metrics",
            "/%6detrics",
            "/x/../metrics",
            "/METRICS",
            "/metrics?a=b",
        ):
            answer = await there.http.get(
                httpx.URL(f"{there.http.base_url}").copy_with(raw_path=path.encode())
            )
            assert answer.status_code == 404, path
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["code"] == "not_found"
        assert (await there.told())["api"]


async def test_where_a_request_came_from_is_what_the_edge_said_and_nobody_else(tmp_path: Path) -> None:
    async with proxied(tmp_path) as there:
        assert (await there.told())["x-forwarded-for"] == LOOPBACK
        assert (await there.told(**{"X-Forwarded-For": "1.2.3.4, 198.51.100.7"}))[
            "x-forwarded-for"
        ] == "198.51.100.7"
    async with proxied(tmp_path, edge=NOBODY) as there:
        assert (await there.told(**{"X-Forwarded-For": "198.51.100.7"}))["x-forwarded-for"] == LOOPBACK


async def test_while_one_api_is_away_the_other_answers_and_without_both_it_says_try_again(
    tmp_path: Path,
) -> None:
    async with proxied(tmp_path) as there:
        await there.apis["one"].aclose()
        for number in range(20):
            answer = await there.http.post("/v1/payments", content=f"order {number}")
            assert (answer.json()["api"], answer.json()["body"]) == ("two", f"order {number}")
        await there.apis["two"].aclose()
        answer = await there.http.post("/v1/payments", content="one more")
        assert answer.status_code == 503
        assert answer.json()["code"] == "temporarily_unavailable"
        assert answer.json()["retryable"] is True
        assert answer.headers["Retry-After"] == "2"
