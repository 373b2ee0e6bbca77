"""A tenant's backend that is written with the client, in either manner."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from paysaga_client import AsyncPaysaga, Paysaga, Retry
from tests.client.stage import SECRET, Backend, Stage, Watch
from tests.house import Tenant

PATIENT = Retry()
# Never used, and made once: to read the list of authorities takes longer than most of these tests.
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
async def shop(tenant: Tenant) -> AsyncIterator[AsyncPaysaga]:
    facts = tenant.registered
    async with (
        httpx.AsyncClient(trust_env=False, timeout=15) as http,
        AsyncPaysaga(
            tenant.house.ready["apiUrl"], facts["appName"], facts["appSecret"], http_client=http
        ) as client,
    ):
        yield client


@pytest.fixture
def kiosk(tenant: Tenant) -> Iterator[Paysaga]:
    """The same, for a program that does one thing after the other."""
    facts = tenant.registered
    with (
        httpx.Client(trust_env=False, timeout=15) as http,
        Paysaga(
            tenant.house.ready["apiUrl"], facts["appName"], facts["appSecret"], http_client=http
        ) as client,
    ):
        yield client


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.playing() as playing:
        yield playing


@asynccontextmanager
async def backend_on(
    stage: Stage, manner: str, *, secret: str = SECRET, retry: Retry = PATIENT
) -> AsyncIterator[Backend]:
    watch = Watch()
    if manner == "synchronous":
        with (
            httpx.Client(trust_env=False, verify=TLS) as plain,
            Paysaga(
                stage.url,
                "story",
                secret,
                http_client=plain,
                retry=retry,
                clock=watch.time,
                sleep=watch.sleep,
            ) as client,
        ):
            yield Backend(client, watch)
        return
    async with (
        httpx.AsyncClient(trust_env=False, verify=TLS) as http,
        AsyncPaysaga(
            stage.url,
            "story",
            secret,
            http_client=http,
            retry=retry,
            clock=watch.time,
            sleep=watch.sleep_async,
        ) as asynchronous,
    ):
        yield Backend(asynchronous, watch)


@pytest.fixture(params=["asynchronous", "synchronous"])
def manner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def backend(stage: Stage, manner: str) -> AsyncIterator[Backend]:
    async with backend_on(stage, manner) as backend:
        yield backend
