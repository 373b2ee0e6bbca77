"""Money that arrives after its payment has ended: given back, taken or held, exactly once."""

import asyncio
from typing import Any

import pytest

from tests.house import House, Json, Receiver, Tenant, eventually, refused
from tests.reliability.operator import decided

RIGHTS: Json = {"entitlements": [{"feature": "pro"}]}


async def policy(tenant: Tenant, name: str) -> None:
    answer = await tenant.call("PATCH", "/v1/tenants/me/settings", json={"latePayment": name})
    assert (answer.status_code, answer.json()["latePayment"]) == (200, name), answer.text


async def closed_but_payable(tenant: Tenant, how: str = "cancel", **order: Any) -> Json:
    """A payment that ended without money, at a company that only said it had closed the checkout."""
    await tenant.fault("checkout.close", "before", "lost")
    if how == "cancel":
        payment = await tenant.open(**RIGHTS, expiresInSeconds=3600, **order)
        answer = await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
        assert answer.json()["status"] == "CANCELLED"
    else:
        payment = await tenant.open(**RIGHTS, expiresInSeconds=180, **order)
        await tenant.eventually(payment, "EXPIRED")
    await tenant.ended(payment)
    return payment


async def refunded(tenant: Tenant, payment: Json, status: str = "FULL") -> Json:
    async def look() -> Json | None:
        found = await tenant.get(payment)
        return found if found["refundStatus"] == status else None

    found: Json = await eventually(look)
    return found


async def given_back_once(tenant: Tenant, payment: Json) -> None:
    truth = await tenant.house.ledger(payment)
    (capture,) = truth["captures"]
    (refund,) = truth["refunds"]
    assert (refund["amount"], refund["currency"]) == (capture["amount"], capture["currency"])
    (ours,) = await tenant.rows("SELECT * FROM refunds WHERE payment_id = $1", payment["id"])
    assert (ours["state"], ours["id"]) == ("SUCCEEDED", refund["refundReference"])
    books = await tenant.rows(
        "SELECT account, sum(amount_minor)::bigint AS sum FROM ledger_entries WHERE payment_id = $1"
        " GROUP BY account ORDER BY account",
        payment["id"],
    )
    assert [tuple(line.values()) for line in books] == [("provider_receivable", 0), ("suspense", 0)]


@pytest.mark.parametrize(("how", "status"), [("cancel", "CANCELLED"), ("expiry", "EXPIRED")])
async def test_late_money_goes_back_by_itself_and_grants_nothing(
    house: House, receiver: Receiver, how: str, status: str
) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    payment = await closed_but_payable(tenant, how)
    await tenant.pay(payment)
    found = await refunded(tenant, payment)
    assert (found["status"], found["amountRefunded"], found["late"]) == (status, payment["amount"], True)
    await given_back_once(tenant, payment)
    assert not (await tenant.entitled("pro"))["entitled"]
    await receiver.event("refund.succeeded")
    told = [delivery.body["type"] for delivery in receiver.received]
    assert told.count("payment.late_succeeded") == told.count("refund.requested") == 1
    assert "payment.succeeded" not in told


async def test_accepted_late_money_is_a_success_like_any_other_but_says_that_it_was_late(
    house: House, receiver: Receiver
) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    await policy(tenant, "accept")
    payment = await closed_but_payable(tenant)
    await tenant.pay(payment)
    found = await eventually(lambda: has(tenant, payment, "SUCCEEDED"))
    assert (found["late"], found["refundStatus"]) == (True, "NONE")
    assert (await tenant.entitled("pro"))["entitled"]
    succeeded = await receiver.event("payment.succeeded")
    late = await receiver.event("payment.late_succeeded")
    assert late.body["sequence"] < succeeded.body["sequence"]
    assert (await house.ledger(payment))["refunds"] == []


async def has(tenant: Tenant, payment: Json, status: str) -> Json | None:
    found = await tenant.get(payment)
    return found if found["status"] == status else None


@pytest.mark.parametrize(("choice", "status"), [("accept", "SUCCEEDED"), ("refund", "FAILED")])
@pytest.mark.slow
async def test_held_late_money_waits_for_two_people(tenant: Tenant, choice: str, status: str) -> None:
    await policy(tenant, "hold")
    payment = await closed_but_payable(tenant, orderId="order-1")
    await tenant.pay(payment)
    held = await eventually(lambda: has(tenant, payment, "REVIEW"))
    assert (held["late"], held["failureCode"]) == (True, "late_money")
    assert not (await tenant.entitled("pro"))["entitled"]
    refused(await tenant.create(orderId="order-1"), 409, "order_has_open_payment")
    await decided(tenant, choice, payment["id"])
    await eventually(lambda: has(tenant, payment, status))
    if choice == "refund":
        await refunded(tenant, payment)
        await given_back_once(tenant, payment)
    assert (await tenant.entitled("pro"))["entitled"] == (choice == "accept")


async def test_an_order_that_was_paid_anew_is_not_paid_twice(tenant: Tenant) -> None:
    await policy(tenant, "accept")
    late = await closed_but_payable(tenant, orderId="order-1")
    second = await tenant.open(orderId="order-1")
    await tenant.pay(second)
    await tenant.eventually(second, "SUCCEEDED")
    await tenant.pay(late)
    await refunded(tenant, late)
    await given_back_once(tenant, late)
    assert (await tenant.get(late))["status"] == "CANCELLED"


async def test_late_money_that_is_told_of_twenty_times_goes_back_once(tenant: Tenant) -> None:
    payment = await closed_but_payable(tenant)
    await tenant.fault("webhook.send", "webhook", "duplicate", count=20)
    await tenant.pay(payment)
    events = (await tenant.house.control("GET", "webhooks", reference=payment["id"]))["data"]
    paid = next(event["eventId"] for event in events if event["type"] == "checkout.completed")
    await asyncio.gather(
        *(tenant.house.control("POST", "webhooks/resend", {"eventId": paid}) for _ in range(20))
    )
    await refunded(tenant, payment)
    await given_back_once(tenant, payment)


async def test_late_money_of_another_amount_goes_back_as_it_came(tenant: Tenant) -> None:
    await tenant.fault("checkout.pay", "after", "wrongAmount")
    payment = await closed_but_payable(tenant)
    await tenant.pay(payment)
    found = await refunded(tenant, payment)
    (capture,) = (await tenant.house.ledger(payment))["captures"]
    assert found["amountRefunded"] == capture["amount"] != payment["amount"]
    await given_back_once(tenant, payment)


async def test_a_tenant_chooses_among_three_policies_and_no_others(tenant: Tenant) -> None:
    me = (await tenant.call("GET", "/v1/tenants/me")).json()
    assert me["settings"]["latePayment"] == "refund"
    for wrong in ("keep", None, 1):
        answer = await tenant.call("PATCH", "/v1/tenants/me/settings", json={"latePayment": wrong})
        refused(answer, 422, "validation_failed")
