"""What the processes of one installation share: how to reach Temporal, and the world their steps act in."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import httpx
from prometheus_client import CollectorRegistry
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime

from activities.measures import Measures
from activities.outbound import Gate, guarded_client
from activities.world import World, lines_of
from api.tokens import Tokens
from settings import KeySettings, Settings, key_bytes
from storage.database import Database
from storage.notary import Notary
from storage.transit import AppRole, Identity, TokenFile, TransitKeys
from storage.vault import Vault
from storage.wrapping import KeyProvider, LocalKeys
from workflows import messages, payloads


async def connect_temporal(settings: Settings, *, lazy: bool, runtime: Runtime | None = None) -> Client:
    """A client; a lazy one connects with its first call, so that its owner starts when Temporal is away."""
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=converter_of(settings),
        lazy=lazy,
        runtime=runtime,
    )


def converter_of(settings: Settings) -> DataConverter:
    """How values become what Temporal keeps, here."""
    return payloads.data_converter(
        key_bytes(settings.payload_keys), plain_allowed=settings.plain_payloads_allowed
    )


def tokens_of(settings: Settings) -> Tokens:
    return Tokens(key_bytes(settings.signing_keys), settings.base_url, settings.token_life)


@asynccontextmanager
async def open_vault(settings: KeySettings) -> AsyncIterator[Vault]:
    """What seals and opens secrets. Nobody is asked for a key before the first of them is needed."""
    providers: dict[str, KeyProvider] = {}
    if settings.vault_keys:
        providers["local"] = LocalKeys(key_bytes(settings.vault_keys))
    async with AsyncExitStack() as held:
        if settings.transit_address is not None:
            http = await held.enter_async_context(_vaults_api(settings, str(settings.transit_address)))
            providers["transit"] = TransitKeys(
                http, _identity(settings), settings.transit_keys, settings.transit_mount
            )
        first = providers.pop(settings.wraps)
        yield Vault([first, *providers.values()], settings.data_key_life)


def _vaults_api(settings: KeySettings, address: str) -> httpx.AsyncClient:
    headers = {"X-Vault-Request": "true"}
    if settings.transit_namespace is not None:
        headers["X-Vault-Namespace"] = settings.transit_namespace
    return httpx.AsyncClient(
        base_url=f"{address.rstrip('/')}/v1/",
        headers=headers,
        trust_env=False,
        verify=ssl.create_default_context(cafile=settings.transit_ca_file),
        timeout=httpx.Timeout(None, connect=2),
    )


def _identity(settings: KeySettings) -> Identity:
    if settings.transit_token_file is not None:
        return TokenFile(settings.transit_token_file)
    secret_id = settings.transit_secret_id.get_secret_value() if settings.transit_secret_id else ""
    return AppRole(settings.transit_role_id or "", secret_id, settings.transit_approle_mount)


@asynccontextmanager
async def open_world(
    settings: Settings, temporal: Client, measures: Measures | None = None
) -> AsyncIterator[World]:
    """Everything outside that a step or a route touches, open for as long as it is entered."""
    measures = measures or Measures(CollectorRegistry())
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool)
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    # How long an answer may take is each caller's to say; that nobody listens shows sooner.
    patience = httpx.Timeout(None, connect=5, pool=5)
    try:
        async with (
            httpx.AsyncClient(trust_env=False, limits=limits, timeout=patience) as http,
            guarded_client(development=settings.development) as guarded_http,
            open_vault(settings) as vault,
        ):
            yield World(
                database=database,
                vault=vault,
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
                measures=measures,
                lines=lines_of(measures),
            )
    finally:
        await database.close()
