"""Money on its way back: asked for by the tenant, never more than came, told of at every step."""

import asyncio
import secrets
from typing import Any

import httpx
import pytest

from tests.house import CARD, House, Json, Receiver, Tenant, eventually, refused, sandbox_keys

SLOW = "4000000000007726"
BOUNCING = "4000000000005126"


async def paid(tenant: Tenant, card: str = CARD, **order: Any) -> Json:
    return await tenant.paid(card, entitlements=[{"feature": "pro"}], **order)


async def ask(tenant: Tenant, payment: Json, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key or secrets.token_hex(8)}
    return await tenant.call("POST", f"/v1/payments/{payment['id']}/refunds", json=body, headers=headers)


async def refund(tenant: Tenant, payment: Json, **body: Any) -> Json:
    answer = await ask(tenant, payment, **body)
    assert answer.status_code == 202, answer.text
    found: Json = answer.json()
    return found


async def becomes(tenant: Tenant, refund: Json, status: str) -> Json:
    async def look() -> Json | None:
        found = (await tenant.call("GET", f"/v1/refunds/{refund['id']}")).json()
        return found if found["status"] == status else None

    found: Json = await eventually(look)
    return found


async def test_all_of_it_goes_back_and_the_right_with_it(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    payment = await paid(tenant)
    asked = await refund(tenant, payment, reason="not needed")
    facts = {"paymentId": payment["id"], "amount": 1990000, "currency": "HUF", "reason": "not needed"}
    assert asked | facts == asked
    await becomes(tenant, asked, "SUCCEEDED")
    found = await tenant.get(payment)
    assert (found["status"], found["refundStatus"], found["amountRefunded"]) == ("SUCCEEDED", "FULL", 1990000)
    assert not (await tenant.entitled("pro"))["entitled"]
    (there,) = (await house.ledger(payment))["refunds"]
    assert (there["refundReference"], there["amount"]) == (asked["id"], 1990000)
    told = await receiver.event("refund.succeeded")
    assert (told.body["data"]["refundId"], told.body["data"]["paymentId"]) == (asked["id"], payment["id"])
    revoked = await receiver.event("entitlement.revoked")
    assert revoked.body["data"]["feature"] == "pro"


async def test_a_part_of_it_goes_back_and_the_right_stays(tenant: Tenant) -> None:
    payment = await paid(tenant)
    first = await refund(tenant, payment, amount=500000)
    await becomes(tenant, first, "SUCCEEDED")
    found = await tenant.get(payment)
    assert (found["refundStatus"], found["amountRefunded"]) == ("PARTIAL", 500000)
    assert (await tenant.entitled("pro"))["entitled"]
    rest = await refund(tenant, payment)
    assert rest["amount"] == 1490000
    await becomes(tenant, rest, "SUCCEEDED")
    assert (await tenant.get(payment))["refundStatus"] == "FULL"
    assert not (await tenant.entitled("pro"))["entitled"]
    listed = (await tenant.call("GET", "/v1/refunds", params={"paymentId": payment["id"]})).json()["data"]
    assert [one["id"] for one in listed] == [rest["id"], first["id"]]


async def test_a_part_takes_the_right_where_the_tenant_wants_it_so(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    wish = {"partialRefund": "revoke"}
    answer = await tenant.call("PATCH", "/v1/tenants/me/settings", json=wish)
    assert (answer.status_code, answer.json()["partialRefund"]) == (200, "revoke")
    payment = await paid(tenant)
    assert (await tenant.entitled("pro"))["entitled"]
    await becomes(tenant, await refund(tenant, payment, amount=1), "SUCCEEDED")
    assert not (await tenant.entitled("pro"))["entitled"]
    await receiver.event("entitlement.revoked")


async def test_a_refund_asked_for_twice_under_one_key_is_one(tenant: Tenant, house: House) -> None:
    payment = await paid(tenant)
    answers = await asyncio.gather(*(ask(tenant, payment, "key", amount=100000) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers].count("true") == 4
    refused(await ask(tenant, payment, "key", amount=100001), 409, "idempotency_conflict")
    await becomes(tenant, answers[0].json(), "SUCCEEDED")
    assert len((await house.ledger(payment))["refunds"]) == 1


async def test_one_key_for_two_payments_at_once_is_one_refund_and_a_conflict(tenant: Tenant) -> None:
    first, second = [await paid(tenant) for _ in range(2)]
    for number in range(5):
        key = f"key-{number}"
        answers = await asyncio.gather(*(ask(tenant, each, key, amount=1000) for each in (first, second)))
        taken, (conflict,) = (
            [answer for answer in answers if answer.status_code == code] for code in (202, 409)
        )
        assert len(taken) == 1
        refused(conflict, 409, "idempotency_conflict")
    reserved = await tenant.rows("SELECT sum(refund_reserved)::bigint AS sum FROM payments")
    assert reserved == [{"sum": 5000}]


async def test_refunds_never_pass_what_was_captured(tenant: Tenant, house: House) -> None:
    payment = await paid(tenant)
    answers = await asyncio.gather(*(ask(tenant, payment, amount=1200000) for _ in range(10)))
    taken = [answer for answer in answers if answer.status_code == 202]
    assert len(taken) == 1
    for answer in answers:
        if answer not in taken:
            refused(answer, 422, "refund_exceeds_captured")
    await becomes(tenant, taken[0].json(), "SUCCEEDED")
    assert [there["amount"] for there in (await house.ledger(payment))["refunds"]] == [1200000]


async def test_a_slow_refund_counts_while_it_is_pending(tenant: Tenant) -> None:
    payment = await paid(tenant, card=SLOW)
    slow = await refund(tenant, payment, amount=1000000)
    refused(await ask(tenant, payment, amount=1000000), 422, "refund_exceeds_captured")
    assert (await tenant.get(payment))["refundStatus"] == "PENDING"
    await becomes(tenant, slow, "SUCCEEDED")
    assert (await tenant.get(payment))["refundStatus"] == "PARTIAL"


async def test_a_refund_that_the_payers_bank_sends_back_has_failed_after_all(
    house: House, receiver: Receiver
) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    payment = await paid(tenant, card=BOUNCING)
    asked = await refund(tenant, payment)
    await becomes(tenant, asked, "SUCCEEDED")
    failed = await becomes(tenant, asked, "FAILED")
    assert failed["failureCode"] == "account_closed"
    found = await tenant.get(payment)
    assert (found["refundStatus"], found["amountRefunded"]) == ("NONE", 0)
    assert (await tenant.entitled("pro"))["entitled"]
    await receiver.event("refund.failed")
    books = await tenant.rows(
        "SELECT account, sum(amount_minor)::bigint AS sum FROM ledger_entries GROUP BY account ORDER BY 1"
    )
    assert {line["account"]: line["sum"] for line in books} == {
        "provider_receivable": 1990000,
        "refunds": 0,
        "tenant_revenue": -1990000,
    }


async def by_hand(tenant: Tenant, payment: Json, amount: int) -> None:
    """Somebody refunds it in the company's own dashboard."""
    (capture,) = (await tenant.house.ledger(payment))["captures"]
    _, key = sandbox_keys(tenant.house, await tenant.account())
    async with httpx.AsyncClient(base_url=tenant.house.ready["sandboxUrl"], trust_env=False) as http:
        body = {"payment": capture["id"], "amount": amount}
        answer = await http.post("/v1/refunds", json=body, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 201, answer.text


async def test_a_refund_made_over_there_is_booked_as_not_ours(tenant: Tenant) -> None:
    payment = await paid(tenant)
    await by_hand(tenant, payment, 500000)

    async def known() -> Json | None:
        found = (await tenant.call("GET", "/v1/refunds", params={"paymentId": payment["id"]})).json()["data"]
        return found[0] if found else None

    theirs = await becomes(tenant, await eventually(known), "SUCCEEDED")
    assert (theirs["amount"], theirs["reason"]) == (500000, None)
    assert (await tenant.get(payment))["refundStatus"] == "PARTIAL"
    (row,) = await tenant.rows("SELECT origin, requested_by FROM refunds")
    assert (row["origin"], row["requested_by"]) == ("provider", "provider:sandbox")
    refused(await ask(tenant, payment, amount=1500000), 422, "refund_exceeds_captured")


async def test_what_was_not_paid_cannot_be_refunded(tenant: Tenant) -> None:
    payment = await tenant.open()
    refused(await ask(tenant, payment), 409, "illegal_transition")


@pytest.mark.parametrize("amount", [0, -1, "100", 1.5, True])
async def test_an_amount_is_a_positive_integer(tenant: Tenant, amount: object) -> None:
    payment = await tenant.open()
    refused(await ask(tenant, payment, amount=amount), 422, "validation_failed")


async def test_nobody_refunds_anothers_payment_or_reads_anothers_refund(house: House, tenant: Tenant) -> None:
    stranger = await house.tenant()
    payment = await paid(tenant)
    asked = await refund(tenant, payment, amount=1000)
    refused(await ask(stranger, payment), 404, "not_found")
    refused(await stranger.call("GET", f"/v1/refunds/{asked['id']}"), 404, "not_found")
    listed = await stranger.call("GET", "/v1/refunds", params={"paymentId": payment["id"]})
    assert listed.json()["data"] == []


async def test_an_order_that_was_refunded_in_full_is_free_again(tenant: Tenant) -> None:
    payment = await paid(tenant, orderId="order-1")
    refused(await tenant.create(orderId="order-1"), 409, "order_already_paid")
    await becomes(tenant, await refund(tenant, payment), "SUCCEEDED")
    assert (await tenant.create(orderId="order-1")).status_code == 201
