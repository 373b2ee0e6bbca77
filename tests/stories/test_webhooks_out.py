"""What tenants are told of their payments, and that it reaches them: contract § 6."""

import asyncio
from collections import Counter, defaultdict
from datetime import datetime

import pytest
from standardwebhooks import Webhook

from tests.house import Delivery, House, Json, Receiver, Tenant, eventually

ENVELOPE = {"eventId", "eventType", "type", "timestamp", "tenantId", "sandbox", "sequence", "data"}


@pytest.fixture
async def tenant(house: House, receiver: Receiver) -> Tenant:
    """One that listens."""
    return await house.tenant(receiver.url)


def verified(tenant: Tenant, delivery: Delivery) -> Json:
    """The body, as a tenant reads it who trusts the standard's own library and nothing else."""
    body = Webhook(tenant.registered["webhookSecret"]).verify(delivery.raw, delivery.headers)
    assert isinstance(body, dict)
    return body


async def log(tenant: Tenant) -> list[Json]:
    """Our own record of what there was to tell, in its order."""
    return await tenant.rows("SELECT id, type, payment_id, sequence FROM events ORDER BY sequence")


async def settled(tenant: Tenant) -> list[Json]:
    """Our own record of the deliveries, once none is waiting."""

    async def look() -> list[Json] | None:
        rows = await tenant.rows("SELECT event_id, state, attempts, last_status FROM deliveries")
        return None if any(row["state"] == "PENDING" for row in rows) else rows

    found: list[Json] = await eventually(look)
    return found


async def test_a_tenant_is_told_each_step_of_a_payment(tenant: Tenant, receiver: Receiver) -> None:
    payment = await tenant.open(metadata={"k": "v"}, entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    told = sorted(
        [verified(tenant, delivery) for delivery in await receiver.count(4)],
        key=lambda body: body["sequence"],
    )
    assert [(body["sequence"], body["eventType"], body["data"].get("status")) for body in told] == [
        (1, "payment.created", "CREATED"),
        (2, "payment.pending", "PROVIDER_PENDING"),
        (3, "payment.succeeded", "SUCCEEDED"),
        (4, "entitlement.granted", None),
    ]
    assert {body["data"]["paymentId"] for body in told} == {payment["id"]}
    promised = {"userId": "user-123", "amount": 1990000, "currency": "HUF", "metadata": {"k": "v"}}
    assert told[2]["data"] == told[2]["data"] | promised


@pytest.mark.slow
async def test_a_tenant_hears_of_an_order_whose_provider_is_away(tenant: Tenant, receiver: Receiver) -> None:
    await tenant.fault("checkout.create", "before", "status:503", count=1_000)
    assert (await tenant.create(expiresInSeconds=3600)).status_code == 202
    assert verified(tenant, await receiver.event("payment.created", within=5))["sequence"] == 1


async def test_an_event_comes_in_the_envelope_of_the_contract(tenant: Tenant, receiver: Receiver) -> None:
    await tenant.open()
    for delivery in await receiver.count(2):
        body = verified(tenant, delivery)
        assert body.keys() == ENVELOPE
        assert (body["tenantId"], body["sandbox"]) == (tenant.id, True)
        assert body["eventId"] == delivery.headers["webhook-id"]
        assert body["type"] == body["eventType"]
        assert delivery.headers["content-type"] == "application/json"
        assert body["timestamp"].endswith("Z")
        assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None


@pytest.mark.slow
async def test_the_sequence_has_no_gaps_however_many_payments_there_are_at_once(
    tenant: Tenant, receiver: Receiver
) -> None:
    async def shop() -> None:
        ordered = (await tenant.create(expiresInSeconds=86_400)).json()
        await tenant.pay(await tenant.eventually(ordered, "PROVIDER_PENDING"))

    await asyncio.gather(*(shop() for _ in range(20)))
    told = [verified(tenant, delivery) for delivery in await receiver.count(60)]
    by_sequence = {body["sequence"]: body for body in told}
    assert sorted(by_sequence) == list(range(1, 61))
    lives = defaultdict(list)
    for sequence in sorted(by_sequence):
        lives[by_sequence[sequence]["data"]["paymentId"]].append(by_sequence[sequence]["type"])
    assert list(lives.values()) == [["payment.created", "payment.pending", "payment.succeeded"]] * 20
    ids = [by_sequence[sequence]["eventId"] for sequence in sorted(by_sequence)]
    assert [event["id"] for event in await log(tenant)] == ids


@pytest.mark.slow
async def test_an_endpoint_that_stumbles_hears_the_very_same_again(
    tenant: Tenant, receiver: Receiver
) -> None:
    # Both events of an opened payment fail twice.
    receiver.answers = [500] * 4
    await tenant.open(expiresInSeconds=3600)
    attempts = defaultdict(list)
    for delivery in await receiver.count(6):
        assert verified(tenant, delivery)["eventId"] == delivery.headers["webhook-id"]
        attempts[delivery.headers["webhook-id"]].append(delivery.raw)
    assert [(len(bodies), len(set(bodies))) for bodies in attempts.values()] == [(3, 1), (3, 1)]
    expected = {"state": "DELIVERED", "attempts": 3, "last_status": 200}
    ended = {row["event_id"]: row for row in await settled(tenant)}
    assert ended == {event["id"]: {"event_id": event["id"]} | expected for event in await log(tenant)}


async def test_a_redirect_is_a_failure_and_is_not_followed(tenant: Tenant, receiver: Receiver) -> None:
    receiver.answers = [307, 307]
    receiver.headers = {"location": receiver.url}
    await tenant.open()
    assert {(row["state"], row["attempts"]) for row in await settled(tenant)} == {("DELIVERED", 2)}
    assert Counter(delivery.headers["webhook-id"] for delivery in receiver.received) == {
        event["id"]: 2 for event in await log(tenant)
    }


async def test_an_endpoint_that_is_gone_is_told_no_more_until_it_is_enabled_again(
    tenant: Tenant, receiver: Receiver
) -> None:
    (gone,) = (await tenant.call("GET", "/v1/webhook-endpoints")).json()["data"]
    address = f"/v1/webhook-endpoints/{gone['id']}"
    async with Receiver.listening() as elsewhere:
        await tenant.call("POST", "/v1/webhook-endpoints", json={"url": elsewhere.url})
        receiver.answers = [410] * 2
        await tenant.open(expiresInSeconds=3600)
        told = (await elsewhere.event("endpoint.disabled")).body["data"]
    assert (told["endpointId"], told["reason"], told["lastStatus"]) == (gone["id"], "gone", 410)
    found = (await tenant.call("GET", address)).json()
    assert (found["status"], found["disabledReason"]) == ("disabled", "gone")
    refused = len(receiver.received)
    receiver.answers = []
    assert (await tenant.call("PATCH", address, json={"status": "enabled"})).status_code == 200
    # All that there was to tell, the news of its own end among it.
    everything = {"payment.created", "payment.pending", "endpoint.disabled"}
    await receiver.until(lambda all_: everything <= types(all_[refused:]))


def types(deliveries: list[Delivery]) -> set[str]:
    return {str(delivery.body["type"]) for delivery in deliveries}


async def test_a_tenant_whose_endpoint_hangs_delays_nobody_else(
    house: House, tenant: Tenant, receiver: Receiver
) -> None:
    async with Receiver.listening() as silent:
        silent.answering.clear()
        stuck = await house.tenant(silent.url)
        await asyncio.gather(*(stuck.open() for _ in range(8)))
        await silent.count(4)
        await tenant.open()
        await receiver.count(2, within=5)
        assert {row["state"] for row in await stuck.rows("SELECT state FROM deliveries")} == {"PENDING"}


@pytest.mark.timeout(120)
@pytest.mark.slow
async def test_a_delivery_survives_the_death_of_its_courier(
    house: House, tenant: Tenant, receiver: Receiver
) -> None:
    receiver.answering.clear()
    await tenant.open(expiresInSeconds=86_400)
    before = {delivery.headers["webhook-id"]: delivery.raw for delivery in await receiver.count(2)}
    await house.kill("worker")
    receiver.answering.set()
    # Temporal misses the courier when its heartbeat does not come.
    after = (await receiver.count(4, within=60))[2:]
    assert {delivery.headers["webhook-id"]: delivery.raw for delivery in after} == before
    assert {row["state"] for row in await settled(tenant)} == {"DELIVERED"}
