"""Who appears in several files of stories."""

from collections.abc import AsyncIterator

import pytest

from tests.house import House, Tenant, sandbox_keys
from tests.stories.company import Company
from tests.stories.visitor import Visitor


@pytest.fixture(scope="module")
async def visitor(house: House) -> Visitor:
    tenant = await house.tenant()
    (owner,) = (await tenant.call("GET", "/v1/tenants/me/credentials")).json()["data"]
    return Visitor(tenant, owner["id"])


@pytest.fixture
async def nothing_is_written(visitor: Visitor) -> AsyncIterator[None]:
    before = await visitor.has()
    yield
    assert await visitor.has() == before


@pytest.fixture
async def company(tenant: Tenant, house: House) -> Company:
    """The real company says nothing to this tenant by itself; only we speak for it."""
    account = await tenant.account()
    await tenant.fault("webhook.send", "webhook", "lost", count=1000)
    await tenant.fault("checkout.read", "before", "status:503", count=1000)
    secret, _ = sandbox_keys(house, account)
    return Company(house, account, secret)
