"""OWASP API6:2023. What pays out does so once, however many ask for it at once."""

import asyncio
import secrets

import httpx
import pytest

from tests.house import Tenant, eventually, refused
from tests.stories.tenancy import colleague
from tests.subscriber import Subscriber, plan


async def at_once(tenant: Tenant, times: int, path: str, body: object) -> list[httpx.Response]:
    return await asyncio.gather(
        *(
            tenant.call("POST", path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
            for _ in range(times)
        )
    )


@pytest.mark.slow
async def test_twelve_full_refunds_at_once_pay_back_once(tenant: Tenant) -> None:
    payment = await tenant.paid()
    answers = await at_once(tenant, 12, f"/v1/payments/{payment['id']}/refunds", {})
    assert sorted(answer.status_code for answer in answers)[:2] == [202, 422]

    async def given_back() -> bool | None:
        return (await tenant.get(payment))["refundStatus"] == "FULL" or None

    await eventually(given_back)
    ledger = await tenant.house.ledger(payment)
    assert [refund["amount"] for refund in ledger["refunds"]] == [payment["amount"]]


async def test_an_order_is_not_sold_twice_under_another_key(tenant: Tenant) -> None:
    order = {"userId": "u", "amount": 1990000, "currency": "HUF", "orderId": "last-ticket"}
    answers = await at_once(tenant, 8, "/v1/payments", order)
    made = [answer.json()["id"] for answer in answers if answer.is_success]
    assert len(made) == 1
    for answer in answers:
        if not answer.is_success:
            assert answer.json()["code"] == "order_has_open_payment"


async def test_a_right_is_used_up_once_however_many_ask(tenant: Tenant) -> None:
    facts = {"features": [{"feature": "export", "limit": 5}]}
    price = (await plan(tenant, {"amount": 0}, **facts))["prices"][0]
    await Subscriber(tenant, "user-123").checkout(price)
    answers = await asyncio.gather(*(tenant.use("export") for _ in range(15)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 10
    # A repeat of one use is that use.
    key = secrets.token_hex(8)
    refused(await tenant.use("export", key=key), 409, "limit_exceeded")


async def test_two_approvers_at_once_decide_once(tenant: Tenant) -> None:
    await tenant.call("PATCH", "/v1/tenants/me/settings", json={"refundApprovalThreshold": {"HUF": 0}})
    approvers = [await colleague(tenant, "approver") for _ in range(2)]
    payment = await tenant.paid()
    await at_once(tenant, 1, f"/v1/payments/{payment['id']}/refunds", {})
    (approval,) = (await tenant.call("GET", "/v1/approvals")).json()["data"]
    path = f"/v1/approvals/{approval['id']}"
    yes, no = await asyncio.gather(
        approvers[0].call("POST", f"{path}/approve"), approvers[1].call("POST", f"{path}/reject")
    )
    assert sorted((yes.status_code, no.status_code)) == [200, 409]
