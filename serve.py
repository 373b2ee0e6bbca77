"""Root: the HTTP face as one ASGI application, and the server that carries it."""

import hmac
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI
from limits.aio.storage import RedisStorage
from prometheus_client import CollectorRegistry
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from starlette.types import ASGIApp

from activities.measures import Measures, new_registry
from activities.world import World
from api import app
from api.deps import House
from api.limits import Limits, Windows
from api.measures import Requests
from api.patience import Patience
from console import app as pages
from installation import connect_temporal, open_world, tokens_of
from logs import configure_logging
from settings import Settings, key_bytes, read
from storage.windows import Windows as DatabaseWindows


@asynccontextmanager
async def open_house(settings: Settings, requests: Requests | None = None) -> AsyncIterator[House]:
    """Everything the routes use. Nothing here waits for another server; ``/readyz`` tells what is missing."""
    requests = requests or Requests(new_registry())
    # Routes take no steps, but some of them call companies.
    measures = Measures(CollectorRegistry())
    requests.registry.register(measures.calls)
    temporal = await connect_temporal(settings, lazy=True)
    platform_key = settings.sandbox_platform_key
    async with open_world(settings, temporal, measures) as world, shared_windows(settings, world) as windows:
        yield House(
            world=world,
            temporal=temporal,
            tokens=tokens_of(settings),
            admin_keys=tuple(key.get_secret_value() for key in settings.admin_keys),
            public_url=settings.base_url,
            development=settings.development,
            api_base_allowed=settings.provider_api_base_allowed,
            sandbox_platform_key=platform_key.get_secret_value() if platform_key else None,
            limits=Limits(settings.rates, windows, world.clock, salt=_salt(settings)),
            requests=requests,
            temporal_ui=settings.temporal_ui,
        )


@asynccontextmanager
async def shared_windows(settings: Settings, world: World) -> AsyncIterator[Windows]:
    """Where our processes count together."""
    if settings.redis_url is None:
        yield DatabaseWindows(world.database, world.clock)
        return
    # One try, and no long one: whoever asks is waiting.
    pool = ConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=50,
        socket_connect_timeout=1,
        socket_timeout=1,
        retry=Retry(NoBackoff(), retries=0),
    )
    storage = RedisStorage(
        "async+redis://",
        implementation="redispy",
        key_prefix="paysaga:limits",
        connection_pool=pool,  # type: ignore[arg-type]  # documented, and typed as if it were none
    )
    try:
        yield storage
    finally:
        await pool.aclose()


def _salt(settings: Settings) -> bytes:
    """The same for all processes of an installation, and known to nobody else."""
    return hmac.digest(key_bytes(settings.signing_keys)[0], b"paysaga rate limits", "sha256")


def application(settings: Settings) -> FastAPI:
    requests = Requests(new_registry())
    application = app.build(
        partial(open_house, settings, requests),
        public_url=settings.base_url,
        development=settings.development,
        requests=requests,
    )
    pages.install(application)
    return application


def config(settings: Settings, carried: ASGIApp | None = None) -> uvicorn.Config:
    """How the application is carried, or another one."""
    return uvicorn.Config(
        application(settings) if carried is None else carried,
        host=settings.host,
        port=settings.port,
        http=Patience,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # Uvicorn itself would believe whatever comes from this machine.
        forwarded_allow_ips=list(settings.trusted_proxies),
        date_header=True,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=32 * 1024,
    )


def main() -> None:
    settings = read(Settings)
    configure_logging(settings)
    server = uvicorn.Server(config(settings))
    server.run()
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
