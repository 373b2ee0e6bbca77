"""What dies, freezes or goes away while a payment is on its way: it still ends once, and rightly."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.house import House, Json, Tenant, eventually, refused

pytestmark = pytest.mark.timeout(120)

# Long enough to outlive whatever happens here: 24 minutes, at our time scale.
LONG = 86_400


@pytest.fixture(autouse=True)
async def _leave_it_as_it_was(house: House) -> AsyncIterator[None]:
    yield
    await house.recovered()


@contextmanager
def frozen(house: House, part: str) -> Iterator[None]:
    """The process is there, its ports are open, and nothing happens: worse than dead."""
    pid = house.pid(part)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def ends_once(tenant: Tenant, payment: Json, within: float = 60) -> None:
    """Paid once over there, and once in our books, whatever was done twice on the way."""
    paid = await tenant.eventually(payment, "SUCCEEDED", within)
    await tenant.ended(payment)
    types = [event["type"] for event in paid["events"]]
    assert types == ["payment.created", "payment.pending", "payment.succeeded"]
    truth = await tenant.house.ledger(payment)
    assert (len(truth["sessions"]), len(truth["captures"])) == (1, 1)
    for table, rows in (("ledger_entries", 2), ("entitlements", 1), ("events", 4)):
        found = await tenant.rows(f"SELECT FROM {table} WHERE payment_id = $1", payment["id"])
        assert len(found) == rows, table


async def order(tenant: Tenant) -> Json:
    return await tenant.open(expiresInSeconds=LONG, entitlements=[{"feature": "pro"}])


# --- The worker -----------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_worker_that_dies_while_the_payer_is_away_is_not_missed(house: House, tenant: Tenant) -> None:
    payment = await order(tenant)
    await house.kill("worker")
    await tenant.pay(payment)
    await ends_once(tenant, payment)


@pytest.mark.slow
async def test_a_worker_that_dies_with_the_money_in_hand_does_not_drop_it(
    house: House, tenant: Tenant
) -> None:
    payments = await asyncio.gather(*(order(tenant) for _ in range(5)))
    await asyncio.gather(*(tenant.pay(payment) for payment in payments))
    await house.kill("worker")
    for payment in payments:
        await ends_once(tenant, payment)


@pytest.mark.slow
async def test_a_worker_that_dies_before_it_heard_the_answer_asks_again_and_opens_one_checkout(
    house: House, tenant: Tenant
) -> None:
    await tenant.fault("checkout.create", "after", "hang")
    late = await tenant.create("key", expiresInSeconds=LONG, entitlements=[{"feature": "pro"}])
    assert late.status_code == 202
    await house.kill("worker")
    payment = await tenant.eventually(late.json(), "PROVIDER_PENDING", within=60)
    await tenant.pay(payment)
    await ends_once(tenant, payment)


# --- The API --------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_money_arrives_although_nobody_was_there_to_be_told(house: House, tenant: Tenant) -> None:
    payment = await order(tenant)
    await house.kill("api")
    await tenant.pay(payment)
    await house.recovered()
    await ends_once(tenant, payment)


@pytest.mark.slow
async def test_a_create_whose_api_died_is_repeated_and_meets_its_own_payment(
    house: House, tenant: Tenant
) -> None:
    await tenant.fault("checkout.create", "before", "hang", seconds=3)
    first = asyncio.create_task(
        tenant.create("key", expiresInSeconds=LONG, entitlements=[{"feature": "pro"}])
    )

    async def on_record() -> bool | None:
        return bool(await tenant.rows("SELECT FROM payments")) or None

    await eventually(on_record)
    await house.kill("api")
    with pytest.raises(httpx.TransportError):
        await first
    await house.recovered()
    payment = await tenant.open("key", expiresInSeconds=LONG, entitlements=[{"feature": "pro"}])
    assert len(await tenant.rows("SELECT FROM payments")) == 1
    await tenant.pay(payment)
    await ends_once(tenant, payment)


# --- The payment company --------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_frozen_payment_company_makes_a_checkout_late_but_not_two(
    house: House, tenant: Tenant
) -> None:
    with frozen(house, "sandbox"):
        late = await tenant.create(expiresInSeconds=LONG, entitlements=[{"feature": "pro"}])
        assert (late.status_code, late.json()["checkoutUrl"]) == (202, None)
    payment = await tenant.eventually(late.json(), "PROVIDER_PENDING")
    await tenant.pay(payment)
    await ends_once(tenant, payment)


async def test_a_payment_company_that_dies_comes_back_with_its_checkouts(
    house: House, tenant: Tenant
) -> None:
    payment = await order(tenant)
    await house.kill("sandbox")

    async def paid() -> bool | None:
        try:
            return (await tenant.pay(payment)).is_success or None
        except httpx.TransportError:
            return None

    await eventually(paid)
    await ends_once(tenant, payment)


@pytest.mark.slow
async def test_a_cancel_whose_answer_was_lost_is_still_a_cancel(tenant: Tenant) -> None:
    payment = await order(tenant)
    await tenant.fault("checkout.close", "after", "reset", count=3)
    answer = await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    assert (answer.status_code, answer.json().get("status")) == (200, "CANCELLED")


# --- Temporal -------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_without_temporal_an_order_is_taken_and_begins_when_it_is_back(
    house: House, tenant: Tenant
) -> None:
    with frozen(house, "temporal"):
        began = time.monotonic()
        late = await tenant.create(expiresInSeconds=LONG, entitlements=[{"feature": "pro"}])
        assert time.monotonic() - began < 7
        assert (late.status_code, late.json()["status"], late.json()["checkoutUrl"]) == (202, "CREATED", None)
        assert late.headers["location"] == f"/v1/payments/{late.json()['id']}"
    payment = await tenant.eventually(late.json(), "PROVIDER_PENDING", within=10)
    await tenant.pay(payment)
    await ends_once(tenant, payment)


@pytest.mark.slow
async def test_without_temporal_a_webhook_is_taken_and_heard_when_it_is_back(
    house: House, tenant: Tenant
) -> None:
    payment = await order(tenant)
    # Only the webhook can tell.
    await tenant.fault("checkout.read", "before", "status:503", count=1_000)

    async def postponed() -> bool | None:
        """The API has taken it and has given up passing it on."""
        letters = await tenant.rows("SELECT id FROM inbox")
        known = (house.data_dir / "logs" / "api.log").read_text()
        return (bool(letters) and f'"inbox_id": "{letters[0]["id"]}"' in known) or None

    with frozen(house, "temporal"):
        await tenant.pay(payment)
        await eventually(postponed)
        events = (await house.control("GET", "webhooks", reference=payment["id"]))["data"]
        assert [attempt["status"] for event in events for attempt in event["attempts"]] == [200]
        assert (await tenant.get(payment))["status"] == "PROVIDER_PENDING"
    await ends_once(tenant, payment)


async def test_temporal_forgets_nothing_when_it_is_killed(house: House, tenant: Tenant) -> None:
    payment = await order(tenant)
    await house.kill("temporal")
    await tenant.pay(payment)
    await ends_once(tenant, payment)


# --- The database ---------------------------------------------------------------------------------


async def test_without_its_database_the_api_says_so_and_works_again_when_it_is_back(
    house: House, tenant: Tenant
) -> None:
    payment = await order(tenant)
    os.kill(house.pid("postgres"), signal.SIGKILL)

    async def noticed() -> httpx.Response | None:
        answer = await tenant.call("GET", f"/v1/payments/{payment['id']}")
        return None if answer.is_success else answer

    problem = refused(await eventually(noticed), 503, "temporarily_unavailable")
    assert problem["retryable"]
    await tenant.pay(payment)
    await house.recovered(within=15)
    assert (await tenant.create()).status_code == 201
    await ends_once(tenant, payment)
