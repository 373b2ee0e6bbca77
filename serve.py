"""Root: the HTTP face as one ASGI application, and the server that carries it."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI

from api import app
from api.deps import House
from api.patience import Patience
from console import app as pages
from installation import connect_temporal, open_world, tokens_of
from settings import Settings, configure_logging


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Everything the routes use. Nothing here waits for another server; ``/readyz`` tells what is missing."""
    temporal = await connect_temporal(settings, lazy=True)
    platform_key = settings.sandbox_platform_key
    async with open_world(settings, temporal) as world:
        yield House(
            world=world,
            temporal=temporal,
            tokens=tokens_of(settings),
            admin_key=settings.admin_key.get_secret_value(),
            public_url=settings.base_url,
            development=settings.development,
            api_base_allowed=settings.provider_api_base_allowed,
            sandbox_platform_key=platform_key.get_secret_value() if platform_key else None,
        )


def application(settings: Settings) -> FastAPI:
    application = app.build(
        partial(open_house, settings), public_url=settings.base_url, development=settings.development
    )
    pages.install(application)
    return application


def config(settings: Settings) -> uvicorn.Config:
    """How the application is carried."""
    return uvicorn.Config(
        application(settings),
        host=settings.host,
        port=settings.port,
        http=Patience,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=32 * 1024,
    )


def main() -> None:
    settings = Settings()
    configure_logging(settings)
    server = uvicorn.Server(config(settings))
    server.run()
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
