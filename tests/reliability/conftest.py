"""Who appears in several files about what breaks."""

from collections.abc import AsyncIterator

import pytest

from activities.world import World
from tests.house import House, Tenant
from tests.stories.company import Company, speaking_for
from tests.world import world_of


@pytest.fixture
async def world(house: House) -> AsyncIterator[World]:
    async with world_of(house) as world:
        yield world


@pytest.fixture
async def company(tenant: Tenant) -> Company:
    return await speaking_for(tenant)


@pytest.fixture
async def forgetful(house: House) -> AsyncIterator[None]:
    """The payment company ignores idempotency keys, as some do."""
    await house.control("POST", "settings", {"idempotency": "off"})
    yield
    await house.control("POST", "settings", {"idempotency": "on"})
