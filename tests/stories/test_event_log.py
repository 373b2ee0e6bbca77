"""The event log as its tenant reads it: all that there was to tell, in order, and nothing twice."""

import asyncio
import json

import pytest

from tests.house import House, Json, Receiver, Tenant, refused
from tests.stories.test_webhook_endpoints import asked, endpoint

EVENTS = "/v1/events"


async def log(tenant: Tenant, **wanted: str | int) -> list[Json]:
    found: list[Json] = (await asked(tenant, "GET", EVENTS, 200, params={"limit": 100} | wanted))["data"]
    return found


async def test_the_log_holds_what_is_sent_in_the_very_same_envelope(
    tenant: Tenant, receiver: Receiver
) -> None:
    await endpoint(tenant, receiver.url)
    await tenant.paid(entitlements=[{"feature": "pro"}], metadata={"b": "1", "a": "é"})
    sent = sorted(
        (json.loads(one.raw) for one in await receiver.count(4)), key=lambda event: event["sequence"]
    )
    found = await log(tenant)
    assert [json.dumps(event) for event in found] == [json.dumps(event) for event in sent]
    assert [event["sequence"] for event in found] == [1, 2, 3, 4]
    for event in found:
        assert await asked(tenant, "GET", f"{EVENTS}/{event['eventId']}", 200) == event


async def test_the_log_is_read_on_from_any_place_and_by_type(tenant: Tenant, house: House) -> None:
    await tenant.open()
    await tenant.open()
    page = await asked(tenant, "GET", EVENTS, 200, params={"after": 1, "limit": 2})
    assert ([event["sequence"] for event in page["data"]], page["limit"]) == ([2, 3], 2)
    pending = await log(tenant, type="payment.pending")
    assert [event["sequence"] for event in pending] == [2, 4]
    assert [event["sequence"] for event in await log(tenant, type="payment.pending", after=2)] == [4]
    assert await log(tenant, after=4) == []
    assert await log(tenant, after=2**53) == []
    for wrong in (
        {"after": -1},
        {"after": "x"},
        {"type": "payment"},
        {"type": ""},
        {"limit": 0},
        {"limit": 101},
    ):
        refused(await tenant.call("GET", EVENTS, params=wrong), 422, "validation_failed")
    stranger = await house.tenant()
    assert await log(stranger) == []
    for event_id in (pending[0]["eventId"], "evt_unknown"):
        refused(await stranger.call("GET", f"{EVENTS}/{event_id}"), 404, "not_found")


@pytest.mark.slow
async def test_whoever_reads_on_while_20_payments_are_made_at_once_misses_nothing(tenant: Tenant) -> None:
    async def shop() -> None:
        ordered = (await tenant.create(expiresInSeconds=86_400)).json()
        await tenant.pay(await tenant.eventually(ordered, "PROVIDER_PENDING"))
        await tenant.eventually(ordered, "SUCCEEDED")

    seen: list[int] = []

    async def read() -> None:
        while len(seen) < 60:
            seen.extend(event["sequence"] for event in await log(tenant, after=seen[-1] if seen else 0))

    async with asyncio.timeout(120):
        await asyncio.gather(read(), *(shop() for _ in range(20)))
    assert seen == [*range(1, 61)]
    assert [event["sequence"] for event in await log(tenant)] == seen
