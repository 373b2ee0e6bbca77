"""The provider's books against ours: what webhooks lost is found and mended, the rest is told of."""

import asyncio
from typing import Any

from tests.house import Json, Tenant, eventually

# Five minutes of business, of which a webhook may still be under way, and the moment until we ask.
GRACE = 5.5


async def reconciled(tenant: Tenant, **wish: Any) -> Json:
    """A run over all that has happened so far, once it has ended."""
    await asyncio.sleep(GRACE)
    return await done(tenant, await started(tenant, **wish))


async def started(tenant: Tenant, **wish: Any) -> Json:
    answer = await tenant.call("POST", "/v1/reconciliation/runs", json=wish)
    assert answer.status_code == 202, answer.text
    run: Json = answer.json()
    return run


async def done(tenant: Tenant, run: Json, within: float = 30) -> Json:
    async def look() -> Json | None:
        found: Json = (await tenant.call("GET", f"/v1/reconciliation/runs/{run['id']}")).json()
        assert found["status"] != "FAILED", found["failure"]
        return found if found["status"] == "DONE" else None

    found: Json = await eventually(look, within)
    return found


def differences(run: Json) -> list[Json]:
    return [each | {"class": group["class"]} for group in run["differences"] for each in group["data"]]


async def test_books_that_agree_differ_in_nothing(tenant: Tenant) -> None:
    await tenant.paid()
    run = await reconciled(tenant)
    assert run["differences"] == []
    assert run["compared"]["payments"] == 1


async def test_money_that_no_webhook_told_of_is_found_and_heard_of(tenant: Tenant) -> None:
    await tenant.fault("webhook.send", "webhook", "lost", count=100)
    await tenant.fault("checkout.read", "before", "status:503", count=100)
    payment = await tenant.open(expiresInSeconds=86_400, entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    run = await reconciled(tenant)
    (found,) = differences(run)
    facts = {"class": "missing_here", "subject": "payment", "paymentId": payment["id"], "action": "REPAIRED"}
    assert found | facts == found
    await tenant.eventually(payment, "SUCCEEDED")
    assert (await tenant.entitled("pro"))["entitled"]
    (found,) = differences(await done(tenant, run))
    assert (found["repairedBy"]["state"], found["repairedBy"]["note"]) == ("PROCESSED", "paid")
