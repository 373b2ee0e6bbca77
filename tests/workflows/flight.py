"""The house's database and sandbox under a Temporal whose time flies while somebody waits for it."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.testing import WorkflowEnvironment

import worker
from activities.world import World
from installation import open_world
from providers.line import Line, Lines
from tests.house import House
from tests.world import settings_of
from workflows.payloads import data_converter

KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
SEARCH_ATTRIBUTES = {
    "TenantId": KEYWORD,
    "PaymentStatus": KEYWORD,
    "Provider": KEYWORD,
    "ProviderReference": KEYWORD,
    "Currency": KEYWORD,
    "AmountMinor": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "DueAt": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}


@asynccontextmanager
async def flying(house: House) -> AsyncIterator[tuple[WorkflowEnvironment, World]]:
    """Workers of our own, which alone know this Temporal."""
    async with (
        await WorkflowEnvironment.start_time_skipping(
            data_converter=data_converter(),
            test_server_existing_path=str(Path(sys.executable).parent / "temporal-test-server"),
        ) as time,
        open_world(settings_of(house), time.client) as real,
    ):
        # A breaker counts in our time, in which months pass here in a moment.
        world = replace(real, lines=Lines(partial(Line, troubled_after=sys.maxsize)))
        # A search attribute that the server does not know would hang the workflow without a word.
        await time.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=time.client.namespace, search_attributes=SEARCH_ATTRIBUTES)
        )
        for_payments, for_couriers, _ = worker.build(time.client, world)
        async with for_payments, for_couriers:
            yield time, world
