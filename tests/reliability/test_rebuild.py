"""Temporal loses its whole store in the middle of the day: the rows alone bring every payment to its end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from dev import Platform
from tests.house import ENDED, UNHURRIED, House, Json, Receiver, Tenant, eventually
from tests.reliability.operator import paysaga
from tests.subscriber import Subscriber, plan

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]

LONG, SHORT = 86_400, 900
EACH = 8


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[House]:
    """A house that may lose everything."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 80 + 20 * number
    folder = tmp_path / "a house of its own"
    platform = Platform(folder, base, time_scale=60, settings=UNHURRIED, say=print)
    async with (
        platform,
        httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=15) as http,
    ):
        yield House(platform.ready, http, folder)


async def temporal_forgets(house: House) -> None:
    """Its store is gone; what is started in its place knows nothing."""
    pid = house.pid("temporal")
    for file in (house.data_dir / "temporal").iterdir():
        file.unlink()
    os.kill(pid, signal.SIGKILL)

    async def anew() -> bool | None:
        return None if house.pid("temporal") == pid else True

    await eventually(anew)
    await house.recovered(60)


async def order(tenant: Tenant, seconds: int = LONG) -> Json:
    return await tenant.open(expiresInSeconds=seconds, entitlements=[{"feature": "pro"}])


async def cancelled_but_payable(tenant: Tenant) -> Json:
    payment = await order(tenant)
    answer = await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    assert answer.json()["status"] == "CANCELLED"
    return payment


async def ends(tenant: Tenant, payment: Json) -> Json:
    async def look() -> Json | None:
        found = await tenant.get(payment)
        return found if found["status"] in ENDED and found["refundStatus"] != "PENDING" else None

    found: Json = await eventually(look, 90)
    return found


async def test_every_payment_reaches_its_end_from_its_row_and_nothing_is_doubled(own: House) -> None:
    async with Receiver.listening() as receiver:
        tenant = await own.tenant(webhook_url=receiver.url)
        anna = Subscriber(tenant, "anna")
        subscribed = await anna.subscribes((await plan(tenant))["prices"][0])
        await tenant.fault("checkout.close", "before", "lost", count=EACH)
        late = await asyncio.gather(*(cancelled_but_payable(tenant) for _ in range(EACH)))
        await tenant.fault("refund.create", "after", "reset", count=EACH // 2)
        paid = [await order(tenant) for _ in range(EACH)]
        told_of_nothing = [await order(tenant) for _ in range(EACH)]
        expiring = [await order(tenant, SHORT) for _ in range(EACH)]
        unopened = [(await tenant.create(expiresInSeconds=LONG)).json() for _ in range(EACH)]
        await asyncio.gather(*(tenant.pay(payment) for payment in [*paid, *late]))
        await temporal_forgets(own)
        await tenant.fault("webhook.send", "webhook", "lost", count=EACH)
        await asyncio.gather(*(tenant.pay(payment) for payment in told_of_nothing))
        code, printed = await paysaga("rebuild", house=own)
        assert code == 0, printed
        assert (await paysaga("rebuild", house=own))[0] == 0
        assert {(await ends(tenant, each))["status"] for each in [*paid, *told_of_nothing]} == {"SUCCEEDED"}
        assert {(await ends(tenant, each))["status"] for each in expiring} == {"EXPIRED"}
        back = [await ends(tenant, each) for each in late]
        assert {(each["status"], each["refundStatus"]) for each in back} == {("CANCELLED", "FULL")}
        for each in unopened:
            assert (await tenant.get(each))["status"] == "PROVIDER_PENDING"
        for payment in [*paid, *told_of_nothing, *late]:
            truth = await own.ledger(payment)
            assert (len(truth["sessions"]), len(truth["captures"])) == (1, 1)
            assert len(truth["refunds"]) == (payment in late)
        await anna.time_passes(31)
        assert (await anna.renewed(subscribed, 60))["status"] == "active"
        (told,) = await tenant.rows("SELECT max(sequence) AS last FROM events")
        everything = set(range(1, told["last"] + 1))
        await receiver.until(lambda got: {one.body["sequence"] for one in got} == everything, within=60)
    code, printed = await paysaga("verify", house=own)
    assert code == 0, printed
