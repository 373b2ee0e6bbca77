"""Root: the HTTP face as one ASGI application, and the server that carries it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import httpx
import uvicorn
from fastapi import FastAPI

from activities.world import World
from api import app
from api.deps import House
from api.tokens import Tokens
from settings import Settings, configure_logging, connect_temporal, key_bytes
from storage.database import Database
from storage.vault import Vault
from workflows import messages


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Everything the routes use. Nothing here waits for another server; ``/readyz`` tells what is missing."""
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool)
    temporal = await connect_temporal(settings, lazy=True)
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            yield House(
                world=World(
                    database=database,
                    vault=Vault(key_bytes(settings.vault_keys)),
                    http=http,
                    api_bases=settings.api_bases,
                    clock=partial(datetime.now, UTC),
                    time_scale=settings.time_scale,
                    wake=partial(messages.wake, temporal),
                ),
                temporal=temporal,
                tokens=Tokens(key_bytes(settings.signing_keys), settings.base_url, settings.token_life),
                admin_key=settings.admin_key.get_secret_value(),
                public_url=settings.base_url,
                development=settings.development,
                api_base_allowed=settings.provider_api_base_allowed,
                sandbox_platform_key=key.get_secret_value()
                if (key := settings.sandbox_platform_key)
                else None,
            )
    finally:
        await database.close()


def application(settings: Settings) -> FastAPI:
    return app.build(
        partial(open_house, settings), public_url=settings.base_url, development=settings.development
    )


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]  # pydantic-settings fills them from the environment
    configure_logging(settings)
    uvicorn.run(
        application(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=32 * 1024,
    )


if __name__ == "__main__":
    main()
