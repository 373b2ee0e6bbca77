"""What endpoints are queued, and what they missed: exact, whoever else is at work."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from activities.world import World
from domain.endpoint import Endpoint, EndpointStatus
from domain.events import Announcement
from domain.values import new_id
from storage import endpoints, events, invariants, outbox
from tests.house import House, Json, Tenant, eventually
from tests.world import world_of

I5 = "I5 tenants are told everything, without gaps"
LONG_AGO = timedelta(days=30)


@pytest.fixture(scope="module")
async def world(house: House) -> AsyncIterator[World]:
    async with world_of(house) as world:
        yield world


async def listening(world: World, tenant: Tenant, *types: str) -> Endpoint:
    """A new endpoint that hears of these types, or of all. It is disabled: what is queued for it stays."""
    now = datetime.now(UTC)
    endpoint = Endpoint(
        id=new_id("whe", now),
        tenant_id=tenant.id,
        sandbox=True,
        url="http://localhost:9/hook",
        events=types or None,
        status=EndpointStatus.DISABLED,
        created_at=now,
        updated_at=now,
    )
    async with world.database.tenant(tenant.id) as tx:
        await endpoints.add(tx, world.vault, endpoint, f"whsec_{'A' * 43}=")
    return endpoint


async def announce(world: World, tenant: Tenant, *types: str) -> None:
    told = [Announcement(type=type_, payment_id=None, data={}) for type_ in types]
    async with world.database.tenant(tenant.id) as tx:
        await events.announce(tx, tenant.id, told, datetime.now(UTC))


async def recover(world: World, endpoint: Endpoint, since: datetime) -> tuple[int, int]:
    """How many events were queued that had been missed, and in how many pieces of the log."""
    until: int | None = None
    found = pieces = 0
    while True:
        async with world.database.tenant(endpoint.tenant_id) as tx:
            present = await endpoints.get(tx, endpoint.id, lock="share")
            added, until = await outbox.queue_missed(tx, present, since, until, datetime.now(UTC))
        found, pieces = found + added, pieces + 1
        if until is None:
            return found, pieces


async def queued(tenant: Tenant, endpoint: Endpoint) -> list[Json]:
    return await tenant.rows(
        "SELECT e.sequence, e.type FROM deliveries d JOIN events e ON e.id = d.event_id"
        " WHERE d.endpoint_id = $1 ORDER BY e.sequence",
        endpoint.id,
    )


async def breaches(world: World, tenant: Tenant) -> list[str]:
    """What is missing, or too much, for this tenant's endpoints."""
    ours = [row["id"] for row in await tenant.rows("SELECT id FROM events")]
    async with world.database.system() as tx:
        found = await invariants.ask(tx, I5, datetime.now(UTC))
    return [str(finding) for finding in found if finding.subject in {*ours, tenant.id}]


async def test_it_is_clear_what_an_endpoint_hears_that_is_made_or_changed_meanwhile(
    world: World, tenant: Tenant
) -> None:
    changing = await listening(world, tenant, "payment.created")

    async def change(types: tuple[str, ...] | None) -> None:
        async with world.database.tenant(tenant.id) as tx:
            before = await endpoints.get(tx, changing.id, lock="change")
            await endpoints.change(tx, before, before.model_copy(update={"events": types}))

    async def talk() -> None:
        for _ in range(8):
            await announce(world, tenant, "payment.created", "payment.pending")

    all_of_it = asyncio.create_task(listening(world, tenant))
    await asyncio.gather(
        *(talk() for _ in range(4)),
        *(change(types) for types in (None, ("payment.pending",), ("payment.created",), None)),
        listening(world, tenant, "payment.pending"),
    )
    assert await breaches(world, tenant) == []
    heard = [row["sequence"] for row in await queued(tenant, await all_of_it)]
    assert heard == [*range(65 - len(heard), 65)]


async def test_what_is_told_while_an_endpoint_recovers_is_queued_once(world: World, tenant: Tenant) -> None:
    await announce(world, tenant, *["payment.created"] * 50)
    endpoint = await listening(world, tenant)
    since = datetime.now(UTC) - LONG_AGO
    talk = asyncio.gather(*(announce(world, tenant, "payment.pending") for _ in range(20)))
    recovered = await asyncio.gather(*(recover(world, endpoint, since) for _ in range(3)))
    await talk
    assert sum(found for found, _ in recovered) == 50
    assert [row["sequence"] for row in await queued(tenant, endpoint)] == [*range(1, 71)]
    assert await breaches(world, tenant) == []


@pytest.mark.slow
async def test_a_long_log_is_recovered_piece_by_piece_as_far_back_as_asked(
    world: World, tenant: Tenant
) -> None:
    endpoint = await listening(world, tenant, "payment.created")
    await tenant.rows(
        "INSERT INTO events (id, tenant_id, sequence, type, data, at) SELECT 'evt_' || $1 || n, $1, n,"
        " CASE n % 2 WHEN 1 THEN 'payment.created' ELSE 'payment.pending' END, '{}',"
        " now() - (6000 - n) * interval '1 minute' FROM generate_series(1, 6000) AS n",
        tenant.id,
    )
    await tenant.rows(
        "INSERT INTO event_sequences (tenant_id, last) VALUES ($1, 6000)"
        " ON CONFLICT (tenant_id) DO UPDATE SET last = 6000",
        tenant.id,
    )
    now = datetime.now(UTC)
    assert await recover(world, endpoint, now - timedelta(minutes=100.5)) == (50, 2)
    found, pieces = await recover(world, endpoint, now - LONG_AGO)
    assert (found, pieces) == (2_950, 3)
    assert await recover(world, endpoint, now - LONG_AGO) == (0, 3)


async def test_of_two_that_rotate_at_once_both_secrets_sign_and_the_oldest_does_not(
    world: World, tenant: Tenant
) -> None:
    endpoint = await listening(world, tenant)
    path = f"/v1/webhook-endpoints/{endpoint.id}"
    answers = await asyncio.gather(*(tenant.call("POST", f"{path}/rotate-secret") for _ in range(2)))
    given = {answer.json()["secret"] for answer in answers}
    now = datetime.now(UTC)
    async with world.database.tenant(tenant.id) as tx:
        present = await endpoints.unlock(tx, world.vault, endpoint.id, now)
        later = await endpoints.unlock(tx, world.vault, endpoint.id, now + timedelta(days=1))
    assert present is not None
    assert later is not None
    assert {*present[1]} == given
    assert later[1] == present[1][:1]


@pytest.mark.slow
async def test_what_is_moved_in_pieces_is_all_moved(world: World, tenant: Tenant) -> None:
    endpoint = await listening(world, tenant)
    for _ in range(3):
        await announce(world, tenant, *["payment.created"] * 1_700)
    path = f"/v1/webhook-endpoints/{endpoint.id}"
    await tenant.rows("UPDATE deliveries SET state = 'EXHAUSTED', due_at = NULL, attempts = 10")
    wish = {"since": (datetime.now(UTC) - LONG_AGO).isoformat()}
    assert (await tenant.call("POST", f"{path}/recover", json=wish)).json() == {
        "recovered": 5_100,
        "complete": True,
    }
    assert (await tenant.call("DELETE", path)).status_code == 204

    async def dropped() -> bool | None:
        found = await tenant.rows("SELECT state, count(*) AS n FROM deliveries GROUP BY state")
        return found == [{"state": "DROPPED", "n": 5_100}] or None

    await eventually(dropped)
