"""The example shop makes sure that it is told, also after it has forgotten its secret."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from endpoint import webhook_secret
from paysaga_client import AsyncPaysaga
from tests.house import Tenant

URL = "http://127.0.0.1:9/webhooks"


@pytest.fixture
async def paysaga(tenant: Tenant) -> AsyncIterator[AsyncPaysaga]:
    api, facts = tenant.house.ready["apiUrl"], tenant.registered
    async with (
        httpx.AsyncClient(trust_env=False, timeout=15) as http,
        AsyncPaysaga(api, facts["appName"], facts["appSecret"], http_client=http) as client,
    ):
        yield client


async def test_the_endpoint_is_made_once_and_its_secret_kept_from_others(
    paysaga: AsyncPaysaga, tmp_path: Path
) -> None:
    memory = tmp_path / "webhook.json"
    first = await webhook_secret(paysaga, URL, memory)
    assert await webhook_secret(paysaga, URL, memory) == first
    assert memory.stat().st_mode & 0o777 == 0o600
    (endpoint,) = await paysaga.webhook_endpoints.list()
    assert (endpoint.url, endpoint.events) == (
        URL,
        ("payment.succeeded", "refund.failed", "refund.succeeded"),
    )


async def test_a_lost_secret_is_replaced_and_the_endpoint_stays(
    paysaga: AsyncPaysaga, tmp_path: Path
) -> None:
    memory = tmp_path / "webhook.json"
    first = await webhook_secret(paysaga, URL, memory)
    memory.unlink()
    second = await webhook_secret(paysaga, URL, memory)
    assert second != first
    assert await webhook_secret(paysaga, URL, memory) == second
    assert len(await paysaga.webhook_endpoints.list()) == 1
