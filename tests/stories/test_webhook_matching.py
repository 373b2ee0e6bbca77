"""What an event does: to the payment of its own account, once, in any order, for the money ordered."""

import asyncio
import base64
import os
import signal

import pytest

from tests.house import House, Json, Receiver, Tenant, eventually, refused
from tests.stories.company import HOUR, Company, filed, inbox


async def quarantined(tenant: Tenant) -> Json:
    """The only event in the inbox, once it was put aside."""

    async def look() -> Json | None:
        (row,) = await inbox(tenant)
        return row if row["state"] == "QUARANTINED" else None

    found: Json = await eventually(look)
    return found


def types(payment: Json) -> list[str]:
    return [event["type"] for event in payment["events"]]


# --- Whose payment it is --------------------------------------------------------------------------


async def test_an_event_about_a_payment_nobody_knows_waits(tenant: Tenant, company: Company) -> None:
    known = await tenant.open(**HOUR)
    await company.says(known | {"id": "pay_" + "0" * 26})
    (row,) = await inbox(tenant)
    assert (row["state"], row["payment_id"]) == ("UNMATCHED", None)
    assert (await tenant.get(known))["status"] == "PROVIDER_PENDING"


@pytest.mark.slow
async def test_an_account_cannot_speak_about_another_tenants_payment(
    tenant: Tenant, company: Company, house: House
) -> None:
    stranger = await house.tenant()
    theirs = await stranger.open(**HOUR, entitlements=[{"feature": "pro"}])
    await company.says(theirs)
    assert (await quarantined(tenant))["note"] == "other_account"
    assert await inbox(stranger) == []
    assert types(await stranger.get(theirs)) == ["payment.created", "payment.pending"]
    assert not (await stranger.entitled("pro"))["entitled"]


async def test_an_account_cannot_speak_about_a_payment_of_another_account(
    tenant: Tenant, company: Company, house: House
) -> None:
    payment = await tenant.open(**HOUR, entitlements=[{"feature": "pro"}])
    secret = "whsec_" + base64.b64encode(b"m" * 32).decode()
    await tenant.call("DELETE", "/v1/tenants/me/providers/sandbox")
    keys = {"credentials": {"apiKey": "sk_sandbox_mine", "webhookSecret": secret}}
    mine = (await tenant.call("PUT", "/v1/tenants/me/providers/sandbox", json=keys)).json()["accountId"]
    await Company(house, mine, secret).says(payment)
    assert (await quarantined(tenant))["note"] == "other_account"
    assert types(await tenant.get(payment)) == ["payment.created", "payment.pending"]
    assert not (await tenant.entitled("pro"))["entitled"]
    await tenant.pay(payment)
    await company.says(payment)
    await tenant.eventually(payment, "SUCCEEDED")


# --- Once, in any order ---------------------------------------------------------------------------


async def test_twenty_deliveries_at_once_take_effect_once(tenant: Tenant, company: Company) -> None:
    payment = await tenant.open(**HOUR, entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    await asyncio.gather(*(company.says(payment) for _ in range(20)))
    paid = await tenant.eventually(payment, "SUCCEEDED")
    await filed(tenant)
    await tenant.ended(payment)
    assert types(paid) == ["payment.created", "payment.pending", "payment.succeeded"]
    assert len(await inbox(tenant)) == 1
    assert len(await tenant.rows("SELECT FROM ledger_entries")) == 2
    assert len(await tenant.rows("SELECT FROM entitlements")) == 1
    assert len(await tenant.rows("SELECT FROM events WHERE type = 'payment.succeeded'")) == 1


@pytest.mark.slow
async def test_twenty_events_that_say_the_same_pay_once(tenant: Tenant, company: Company) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    await asyncio.gather(*(company.says(payment, event=f"evt_{number}") for number in range(20)))
    await filed(tenant, 20)
    await tenant.ended(payment)
    assert types(await tenant.get(payment)).count("payment.succeeded") == 1
    assert len(await tenant.rows("SELECT FROM ledger_entries")) == 2


async def test_a_duplicate_after_the_end_is_swallowed(tenant: Tenant, company: Company) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    await company.says(payment)
    await filed(tenant)
    await tenant.ended(payment)
    before = await tenant.get(payment)
    await company.says(payment)
    assert await tenant.get(payment) == before
    assert len(await inbox(tenant)) == 1


@pytest.mark.parametrize("word", ["expired/unpaid", "complete/failed", "cancelled/unpaid", "open/unpaid"])
async def test_nothing_undoes_a_success(tenant: Tenant, company: Company, word: str) -> None:
    payment = await tenant.open(**HOUR, entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    await company.says(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await company.says(payment, word, event="evt_late")
    await filed(tenant, 2)
    assert (await tenant.get(payment))["status"] == "SUCCEEDED"
    assert (await tenant.entitled("pro"))["entitled"]


# --- Money that does not match --------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["wrongAmount", "wrongCurrency"])
async def test_other_money_than_ordered_is_reviewed_and_grants_nothing(
    house: House, receiver: Receiver, fault: str
) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    await tenant.fault("checkout.pay", "after", fault)
    payment = await tenant.open(orderId="order-1", entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    held = await tenant.eventually(payment, "REVIEW")
    assert held["failureCode"] == "amount_mismatch"
    said = await receiver.event("payment.review")
    assert (said.body["data"]["paymentId"], said.body["data"]["status"]) == (payment["id"], "REVIEW")
    assert not (await tenant.entitled("pro"))["entitled"]
    refused(await tenant.create(orderId="order-1"), 409, "order_has_open_payment")


@pytest.mark.parametrize(
    "lie", [{"amount_captured": 1}, {"currency_captured": "EUR"}, {"amount_captured": 0}]
)
async def test_an_event_that_names_other_money_pays_nothing(
    tenant: Tenant, company: Company, lie: Json
) -> None:
    payment = await tenant.open(**HOUR, entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    await company.says(payment, **lie)
    await tenant.eventually(payment, "REVIEW")
    await filed(tenant)
    assert not (await tenant.entitled("pro"))["entitled"]
    assert await tenant.rows("SELECT FROM entitlements") == []


# --- Before the answer, and while Temporal is away ------------------------------------------------


async def test_an_event_may_come_before_the_answer_it_is_about(tenant: Tenant, house: House) -> None:
    await tenant.fault("checkout.create", "webhook", "beforeAnswer")
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await filed(tenant, 2)
    assert "payment.attempt_failed" in types(await tenant.get(payment))
    assert len((await house.ledger(payment))["captures"]) == 1


async def test_the_money_may_come_before_the_answer_too(tenant: Tenant, house: House) -> None:
    await tenant.fault("checkout.create", "after", "hang", seconds=2)
    creating = asyncio.create_task(tenant.create(**HOUR))

    async def offered() -> Json | None:
        placed = (await tenant.call("GET", "/v1/payments")).json()["data"]
        sessions = (await house.ledger(placed[0]))["sessions"] if placed else []
        return {"checkoutUrl": f"{house.ready['sandboxUrl']}/pay/{sessions[0]['id']}"} if sessions else None

    await tenant.pay(await eventually(offered))
    assert [row["state"] for row in await inbox(tenant)] != ["PROCESSED"]
    payment = (await creating).json()
    await tenant.eventually(payment, "SUCCEEDED")
    await filed(tenant)
    assert len((await house.ledger(payment))["captures"]) == 1


@pytest.mark.timeout(90)
async def test_what_is_told_while_temporal_is_away_is_kept_and_takes_effect_later(
    tenant: Tenant, company: Company, house: House
) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    os.kill(house.pid("temporal"), signal.SIGSTOP)
    try:
        await company.says(payment)
        (row,) = await inbox(tenant)
        assert (row["state"], row["payment_id"]) == ("RECEIVED", payment["id"])
        assert (await tenant.get(payment))["status"] == "PROVIDER_PENDING"
    finally:
        os.kill(house.pid("temporal"), signal.SIGCONT)
    await tenant.eventually(payment, "SUCCEEDED", within=60)
    await filed(tenant)
