"""One sandbox for all tests that leave it standing, and a shop of its own for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import stripe

from tests.sandbox.sandbox_house import NO_TLS, Company, Mailbox, Shop
from tests.sandbox.stripe_shop import StripeShop


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    """Receive everybody's webhooks."""
    with Mailbox().open() as opened:
        yield opened


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Company]:
    """Share one process; tests keep to their own account."""
    with Company(tmp_path_factory.mktemp("sandbox"), mailbox).running() as started:
        yield started


@pytest.fixture
def own_company(tmp_path: Path, mailbox: Mailbox) -> Iterator[Company]:
    """Have a process that may be killed; its webhooks' address does not say whom it plays."""
    with Company(tmp_path, mailbox, webhook_path="{account}").running() as started:
        yield started


@pytest.fixture(scope="session")
def spare_company(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Company]:
    """Share a second process among tests that change what holds for everybody."""
    with Company(tmp_path_factory.mktemp("spare"), mailbox).running() as started:
        yield started


async def _shop(company: Company) -> AsyncIterator[Shop]:
    account = f"acc_{uuid4().hex}"
    keys = await company.control("POST", "accounts", json={"account": account})
    headers = {"Authorization": f"Bearer {keys['apiKey']}"}
    async with httpx.AsyncClient(base_url=company.url, headers=headers, timeout=10, verify=NO_TLS) as client:
        yield Shop(company, client, account, keys["webhookSecret"])


@pytest_asyncio.fixture
async def shop(company: Company) -> AsyncIterator[Shop]:
    """Open a shop at the shared company."""
    async for opened in _shop(company):
        yield opened


@pytest_asyncio.fixture
async def other_shop(company: Company) -> AsyncIterator[Shop]:
    """Open a second shop at the shared company."""
    async for opened in _shop(company):
        yield opened


@pytest_asyncio.fixture
async def spare_shop(spare_company: Company) -> AsyncIterator[Shop]:
    """Open a shop where clock and settings may be changed; afterwards all is forgotten."""
    async for opened in _shop(spare_company):
        yield opened
    await spare_company.control("POST", "reset")


@pytest_asyncio.fixture
async def own_shop(own_company: Company) -> AsyncIterator[Shop]:
    """Open a shop at a company of its own."""
    async for opened in _shop(own_company):
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def transport() -> AsyncIterator[stripe.HTTPClient]:
    """Load the certificates that nobody needs here only once."""
    client: Any = stripe.HTTPXClient(timeout=10)
    yield client
    await client.close_async()


@pytest_asyncio.fixture
async def merchant(shop: Shop, transport: stripe.HTTPClient) -> AsyncIterator[StripeShop]:
    """Open a shop at Stripe's face."""
    key = shop.client.headers["authorization"].removeprefix("Bearer ")
    addresses: Any = {"api": f"{shop.company.url}/stripe"}
    yield StripeShop(
        shop,
        stripe.StripeClient(key, base_addresses=addresses, http_client=transport, max_network_retries=0),
    )
