"""The provider's books against ours: what webhooks lost is found and mended, the rest is told of."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from temporalio.client import ScheduleOverlapPolicy
from temporalio.service import RPCError

from activities.reconciliation import Books
from tests.house import House, Json, Receiver, Tenant, eventually, refused, sandbox_keys
from tests.stories.statements import overhearing
from tests.stories.test_refunds import by_hand
from workflows import schedules

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


async def read(tenant: Tenant, run: Json) -> Json:
    found: Json = (await tenant.call("GET", f"/v1/reconciliation/runs/{run['id']}")).json()
    return found


async def done(tenant: Tenant, run: Json, within: float = 30) -> Json:
    async def look() -> Json | None:
        found = await read(tenant, run)
        assert found["status"] != "FAILED", found["failure"]
        return found if found["status"] == "DONE" else None

    found: Json = await eventually(look, within)
    return found


def differences(run: Json) -> list[Json]:
    return [each | {"class": group["class"]} for group in run["differences"] for each in group["data"]]


async def without_webhooks(tenant: Tenant) -> None:
    await tenant.fault("webhook.send", "webhook", "lost", count=1000)


async def nobodys_capture(tenant: Tenant, reference: str) -> str:
    """Money on the tenant's account over there that no payment of its asked for."""
    _, key = sandbox_keys(tenant.house, await tenant.account())
    order = {"reference": reference, "amount": 5000, "currency": "HUF"}
    async with httpx.AsyncClient(base_url=tenant.house.ready["sandboxUrl"], trust_env=False) as http:
        headers = {"Authorization": f"Bearer {key}"}
        made = (await http.post("/v1/checkout_sessions", json=order, headers=headers)).json()
        await http.post(f"/pay/{made['id']}", data={"cardNumber": "4242424242424242", "action": "pay"})
    captures = (await tenant.house.ledger({"id": reference}))["captures"]
    (capture,) = [each["id"] for each in captures if each["session"] == made["id"]]
    return str(capture)


@pytest.mark.slow
async def test_books_that_agree_differ_in_nothing(tenant: Tenant) -> None:
    await tenant.paid()
    run = await reconciled(tenant)
    assert (run["differences"], run["found"]) == ([], {})
    assert run["compared"]["payments"] == 1
    listed = (await tenant.call("GET", "/v1/reconciliation/runs")).json()["data"]
    assert [each["id"] for each in listed] == [run["id"]]


@pytest.mark.slow
async def test_money_that_no_webhook_told_of_is_found_and_heard_of(tenant: Tenant) -> None:
    await without_webhooks(tenant)
    await tenant.fault("checkout.read", "before", "status:503", count=100)
    payment = await tenant.open(expiresInSeconds=86_400, entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    run = await reconciled(tenant)
    (found,) = differences(run)
    facts = {"class": "missing_here", "subject": "payment", "paymentId": payment["id"], "action": "REPAIRED"}
    assert found | facts == found
    await tenant.eventually(payment, "SUCCEEDED")
    assert (await tenant.entitled("pro"))["entitled"]
    (found,) = differences(await read(tenant, run))
    assert (found["repairedBy"]["state"], found["repairedBy"]["note"]) == ("PROCESSED", "paid")


@pytest.mark.slow
async def test_a_refund_from_the_dashboard_is_booked_though_nobody_told_us(tenant: Tenant) -> None:
    payment = await tenant.paid()
    await without_webhooks(tenant)
    await by_hand(tenant, payment, 500_000)
    (found,) = differences(await reconciled(tenant))
    assert (found["class"], found["subject"], found["action"]) == ("refund", "refund", "REPAIRED")

    async def booked() -> bool | None:
        return (await tenant.get(payment))["amountRefunded"] == 500_000 or None

    await eventually(booked)
    (refund,) = await tenant.rows("SELECT origin, state FROM refunds")
    assert (refund["origin"], refund["state"]) == ("provider", "SUCCEEDED")


@pytest.mark.slow
async def test_what_nothing_mends_is_told_of_once(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    capture = await nobodys_capture(tenant, "pay_of_nobody")
    first = await reconciled(tenant)
    told = (await receiver.event("reconciliation.mismatch")).body["data"]
    facts = {"class": "unknown_reference", "providerReference": capture, "paymentId": None}
    assert told | facts | {"runId": first["id"]} == told
    again = await done(tenant, await started(tenant))
    assert again["id"] != first["id"]
    assert again["found"] == first["found"] == {"unknown_reference": {"REPORTED": 1}}
    rows = await tenant.rows("SELECT type FROM events WHERE type = 'reconciliation.mismatch'")
    assert len(rows) == 1


async def test_of_what_has_just_happened_a_webhook_may_still_tell(tenant: Tenant) -> None:
    await without_webhooks(tenant)
    await nobodys_capture(tenant, "pay_of_nobody")
    run = await done(tenant, await started(tenant))
    assert (run["differences"], run["compared"]["payments"]) == ([], 0)


@pytest.mark.slow
async def test_nothing_but_letters_touches_payments_refunds_and_disputes(
    house: House, tenant: Tenant
) -> None:
    await without_webhooks(tenant)
    await tenant.fault("checkout.read", "before", "status:503", count=100)
    payment = await tenant.open(expiresInSeconds=86_400)
    await tenant.pay(payment)
    await nobodys_capture(tenant, "pay_of_nobody")
    await asyncio.sleep(GRACE)
    async with overhearing(house) as log:
        await done(tenant, await started(tenant))
        ours = [each for each in log.transactions(tenant.id) if "reconciliation_" in str(each.statements)]
    written = [
        statement.split()[:3]
        for each in ours
        for statement in each.statements
        if statement.split()[0] in {"UPDATE", "INSERT", "DELETE"}
    ]
    assert len(ours) >= 7
    assert ["INSERT", "INTO", "inbox"] in written
    touched = {words[1] if words[0] == "UPDATE" else words[2] for words in written}
    assert not touched & {"payments", "refunds", "disputes", "ledger_entries", "entitlements"}
    await tenant.eventually(payment, "SUCCEEDED")


@pytest.mark.slow
async def test_one_run_of_an_account_at_a_time_is_what_all_get(house: House, tenant: Tenant) -> None:
    await tenant.fault("payment.list", "before", "hang", seconds=2)
    runs = await asyncio.gather(*(started(tenant) for _ in range(4)))
    assert len({run["id"] for run in runs}) == 1
    await done(tenant, runs[0])
    client = await house.temporal()
    query = f"WorkflowType = 'Reconciliation' AND WorkflowId STARTS_WITH 'reconciliation:{tenant.id}:'"

    async def seen() -> int | None:
        return len([each async for each in client.list_workflows(query)]) or None

    assert await eventually(seen) == 1


async def test_an_account_is_reconciled_every_day_without_being_asked(house: House, tenant: Tenant) -> None:
    client = await house.temporal()
    handle = client.get_schedule_handle(f"reconcile:{tenant.id}:sandbox")

    async def scheduled() -> Any:
        try:
            return await handle.describe()
        except RPCError:
            return None

    found = await eventually(scheduled)
    (interval,) = found.schedule.spec.intervals
    assert interval.every == timedelta(days=1) / 60
    assert found.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert found.schedule.spec.jitter == interval.every / 8
    first = found.info.next_action_times[0] - found.info.created_at
    assert first > interval.every * 0.9
    # The turn comes: nobody asks for it over HTTP.
    await handle.trigger()

    async def came() -> bool | None:
        return bool((await tenant.call("GET", "/v1/reconciliation/runs")).json()["data"]) or None

    await eventually(came)


async def test_the_books_of_a_retired_account_are_closed(house: House, tenant: Tenant) -> None:
    client = await house.temporal()
    handle = client.get_schedule_handle(f"reconcile:{tenant.id}:sandbox")

    async def there(*, wanted: bool) -> bool | None:
        try:
            await handle.describe()
        except RPCError:
            return not wanted or None
        return wanted or None

    await eventually(lambda: there(wanted=True))
    assert (await tenant.call("DELETE", "/v1/tenants/me/providers/sandbox")).status_code == 204
    await eventually(lambda: there(wanted=False))
    refused(await tenant.call("POST", "/v1/reconciliation/runs", json={}), 404, "not_found")


async def test_a_run_whose_account_goes_away_ends(house: House, tenant: Tenant) -> None:
    await tenant.fault("payment.list", "before", "status:503", count=100)
    run = await started(tenant)
    client = await house.temporal()
    query = f"WorkflowType = 'Reconciliation' AND WorkflowId STARTS_WITH 'reconciliation:{tenant.id}:'"

    async def leading() -> Any:
        found = [each async for each in client.list_workflows(query)]
        return found[0] if found else None

    leader = await eventually(leading)
    assert (await tenant.call("DELETE", "/v1/tenants/me/providers/sandbox")).status_code == 204
    # The one who led it is lost, and the next one finds no account.
    await client.get_workflow_handle(leader.id).terminate()
    books = Books(tenant_id=tenant.id, provider="sandbox")
    await schedules.begin(client, books, timedelta(days=1), queue=True)

    async def ended() -> Json | None:
        found = await read(tenant, run)
        return found if found["status"] == "FAILED" else None

    assert (await eventually(ended))["failure"] == "the account was retired"
    await schedules.drop(client, books)


async def test_books_that_stay_shut_end_the_run_and_not_the_next_one(tenant: Tenant) -> None:
    await tenant.fault("payment.list", "before", "refuse")
    run = await started(tenant)

    async def failed() -> Json | None:
        found = await read(tenant, run)
        return found if found["status"] == "FAILED" else None

    assert "400" in (await eventually(failed))["failure"]
    assert (await done(tenant, await started(tenant)))["id"] != run["id"]


@pytest.mark.slow
async def test_a_list_that_cannot_be_had_at_once_is_asked_for_again(tenant: Tenant) -> None:
    await tenant.paid()
    await tenant.fault("payment.list", "before", "status:503")
    await tenant.fault("refund.list", "answer", "truncate")
    run = await reconciled(tenant)
    assert (run["differences"], run["compared"]["payments"]) == ([], 1)


async def test_a_run_is_nobody_elses_and_not_for_everyone_to_begin(house: House, tenant: Tenant) -> None:
    run = await started(tenant)
    stranger = await house.tenant()
    refused(await stranger.call("GET", f"/v1/reconciliation/runs/{run['id']}"), 404, "not_found")
    assert (await stranger.call("GET", "/v1/reconciliation/runs")).json()["data"] == []
    unknown = await tenant.call("POST", "/v1/reconciliation/runs", json={"provider": "nobody"})
    refused(unknown, 404, "not_found")
    body = {"name": "Reader", "role": "readonly"}
    secret = (await tenant.call("POST", "/v1/tenants/me/credentials", json=body)).json()["appSecret"]
    reader = Tenant(house, tenant.registered, await tenant.login(secret))
    refused(await reader.call("POST", "/v1/reconciliation/runs", json={}), 403, "forbidden")
    assert (await reader.call("GET", f"/v1/reconciliation/runs/{run['id']}")).status_code == 200


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "offset=-1", "limit=x"])
async def test_a_list_of_runs_has_bounds(tenant: Tenant, query: str) -> None:
    refused(await tenant.call("GET", f"/v1/reconciliation/runs?{query}"), 422, "validation_failed")
