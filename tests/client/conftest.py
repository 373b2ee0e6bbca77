"""A tenant's backend that is written with the client, in either manner."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from paysaga_client import AsyncPaysaga, Paysaga
from tests.house import Tenant


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
