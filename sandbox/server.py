"""Two uvicorn servers in one process, with connections that can be broken on purpose and a quick way out."""

import asyncio
import logging
import os
import signal
import socket
import struct
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox import control, jobs
from sandbox.api import public_app
from sandbox.courier import Courier
from sandbox.gate import RESET
from sandbox.world import Config, World, log, open_world

_LEAVE_SECONDS = 2.5
_GRACE_SECONDS = 1
_LONGEST_NAP = timedelta(seconds=60)


class BreakableProtocol(H11Protocol):
    """HTTP whose application may ask for a TCP reset through an ASGI extension."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give this connection's requests the means to break it."""
        super().connection_made(transport)
        application: ASGIApp = self.app

        async def breakable(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[RESET] = lambda: _reset(transport)
            await application(scope, receive, send)

        self.app = breakable


def _reset(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    # Lingering for no time at all makes close() send RST in place of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to us: there are two servers and one way out."""
        yield


class _JsonLines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Say where an exception came from, not what it says: its text could repeat somebody's input."""
        kind, _, trace = record.exc_info or (None, None, None)
        where = traceback.format_tb(trace) if trace else []
        error = kind.__name__ if kind else None
        log(
            "server",
            level=record.levelname,
            message=record.getMessage().split("\n")[0],
            error=error,
            trace=where,
        )


def _server(app: ASGIApp, host: str, port: int) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=BreakableProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )


async def _keep_time(world: World) -> None:
    """Do what was put off, when its time comes."""
    while True:
        world.alarm.clear()
        jobs.run_due(world)
        due = jobs.next_due(world)
        nap = _LONGEST_NAP if due is None else min(_LONGEST_NAP, due - world.clock.now())
        with suppress(TimeoutError):
            await asyncio.wait_for(world.alarm.wait(), max(nap.total_seconds(), 0.001))


async def _serve(world: World) -> None:
    config = world.config
    servers = [
        _server(public_app(world), config.host, config.port),
        _server(control.control_app(world), "127.0.0.1", config.control_port),
    ]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    background = [asyncio.create_task(_keep_time(world)), asyncio.create_task(Courier(world).run())]
    serving = [asyncio.create_task(server.serve()) for server in servers]
    stopping = asyncio.create_task(stop.wait())
    log("started", url=config.public_url, control=f"http://127.0.0.1:{config.control_port}")
    # A background loop that dies is a bug: better to go down loudly than to deliver nothing in silence.
    await asyncio.wait([stopping, *background, *serving], return_when=asyncio.FIRST_COMPLETED)
    # Whatever hangs now has been committed, or was never promised.
    loop.call_later(_LEAVE_SECONDS, os._exit, 0)
    for server in servers:
        server.should_exit = True
    for task in background:
        task.cancel()
    results = await asyncio.gather(*background, *serving, return_exceptions=True)
    log("stopped")
    for result in results:
        if isinstance(result, Exception):
            raise result


def run(config: Config) -> None:
    """Serve both ports until SIGTERM or SIGINT, then leave within three seconds."""
    logger = logging.getLogger("uvicorn")
    logger.addHandler(_JsonLines(logging.WARNING))
    logger.propagate = False
    world = open_world(config)
    try:
        asyncio.run(_serve(world))
    finally:
        world.store.close()
