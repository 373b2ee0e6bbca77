"""What the processes of one installation share: how to reach Temporal, and the world their steps act in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import httpx
from temporalio.client import Client
from temporalio.converter import DataConverter

from activities.outbound import Gate, guarded_client
from activities.world import World
from api.tokens import Tokens
from settings import Settings, key_bytes
from storage.database import Database
from storage.notary import Notary
from storage.vault import Vault
from workflows import messages, payloads


async def connect_temporal(settings: Settings, *, lazy: bool) -> Client:
    """A client; a lazy one connects with its first call, so that its owner starts when Temporal is away."""
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=converter_of(settings),
        lazy=lazy,
    )


def converter_of(settings: Settings) -> DataConverter:
    """How values become what Temporal keeps, here."""
    return payloads.data_converter(
        key_bytes(settings.payload_keys), plain_allowed=settings.plain_payloads_allowed
    )


def tokens_of(settings: Settings) -> Tokens:
    return Tokens(key_bytes(settings.signing_keys), settings.base_url, settings.token_life)


@asynccontextmanager
async def open_world(settings: Settings, temporal: Client) -> AsyncIterator[World]:
    """Everything outside that a step or a route touches, open for as long as it is entered."""
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool)
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    # How long an answer may take is each caller's to say; that nobody listens shows sooner.
    patience = httpx.Timeout(None, connect=5, pool=5)
    try:
        async with (
            httpx.AsyncClient(trust_env=False, limits=limits, timeout=patience) as http,
            guarded_client(development=settings.development) as guarded_http,
        ):
            yield World(
                database=database,
                vault=Vault(key_bytes(settings.vault_keys)),
                notary=Notary(key_bytes(settings.audit_keys)),
                http=http,
                guarded_http=guarded_http,
                gate=Gate(development=settings.development),
                api_bases=settings.api_bases,
                clock=partial(datetime.now, UTC),
                time_scale=settings.time_scale,
                wake=partial(messages.wake, temporal),
                start_refund=partial(messages.start_refund, temporal),
                start_payment=partial(messages.start_payment, temporal),
                wake_subscription=partial(messages.wake_subscription, temporal),
                payers_page=tokens_of(settings).payers_page,
            )
    finally:
        await database.close()
