"""Who appears in several files of stories."""

from collections.abc import AsyncIterator

import pytest

from tests.house import House, Tenant
from tests.stories.company import Company, speaking_for
from tests.stories.visitor import Visitor


@pytest.fixture(scope="module")
async def visitor(house: House) -> Visitor:
    return await Visitor.arriving(await house.tenant())


@pytest.fixture
async def nothing_is_written(visitor: Visitor) -> AsyncIterator[None]:
    before = await visitor.has()
    yield
    assert await visitor.has() == before


@pytest.fixture
async def company(tenant: Tenant) -> Company:
    return await speaking_for(tenant)
