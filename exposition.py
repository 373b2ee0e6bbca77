"""Root: what a worker shows of itself over HTTP, its figures and those of Temporal's SDK, and that it lives.

Payments go first: a page that cannot be served, for its port is taken say, keeps no worker from its work.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import httpx
import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from settings import Settings

log = structlog.get_logger(__name__)

_LOOPBACK: Final = "127.0.0.1"
_TRIES: Final = 5
_PATIENCE: Final = 2.0


@asynccontextmanager
async def showing(settings: Settings, registry: CollectorRegistry) -> AsyncIterator[Runtime | None]:
    """Serve the page, if settings name a port, and say which runtime's figures are on it; None: none's.

    It needs nobody: it is there while Temporal and the database are away.
    """
    listening = (
        None if settings.metrics_port is None else _listen(settings.metrics_host, settings.metrics_port)
    )
    if listening is None:
        yield None
        return
    runtime, figures = _measured_runtime(settings.sdk_metrics_port)
    async with httpx.AsyncClient(trust_env=False, timeout=_PATIENCE) as http:
        server = _Server(
            uvicorn.Config(
                _page(registry, http, figures), log_config=None, access_log=False, lifespan="off", ws="none"
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield runtime
        finally:
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Those are the worker's, who ends this one as well."""
        yield


def _listen(host: str, port: int) -> socket.socket | None:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        log.error("metrics_not_served", host=host, port=port, reason=type(error).__name__)  # noqa: TRY400
        return None


def _measured_runtime(port: int | None) -> tuple[Runtime | None, str | None]:
    """A runtime that serves its own figures on this machine alone, and where."""
    for _ in range(_TRIES):
        address = f"{_LOOPBACK}:{port or _free_port()}"
        figures = PrometheusConfig(bind_address=address, durations_as_seconds=True)
        try:
            return Runtime(telemetry=TelemetryConfig(metrics=figures)), f"http://{address}/metrics"
        except ValueError:
            # Somebody took the port meanwhile.
            continue
    log.error("sdk_metrics_not_served")
    return None, None


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind((_LOOPBACK, 0))
        return int(asking.getsockname()[1])


def _page(registry: CollectorRegistry, http: httpx.AsyncClient, figures: str | None) -> Starlette:
    async def metrics(_: Request) -> Response:
        sdk = b"" if figures is None else await _read(http, figures)
        return Response(generate_latest(registry) + sdk, media_type=CONTENT_TYPE_LATEST)

    async def livez(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/metrics", metrics), Route("/livez", livez)])


async def _read(http: httpx.AsyncClient, url: str) -> bytes:
    try:
        return (await http.get(url)).raise_for_status().content
    except httpx.HTTPError as error:
        log.warning("sdk_metrics_unreadable", reason=type(error).__name__)
        return b""
