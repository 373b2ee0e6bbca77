"""Creating a payment: one key, one checkout, whatever goes wrong on the way."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.house import House, Json, Tenant, refused, sandbox_keys

FIELDS = {
    *("id", "tenantId", "userId", "orderId", "amount", "currency", "status", "provider"),
    *("providerReference", "checkoutUrl", "checkoutToken", "refundStatus", "amountRefunded"),
    *("disputeStatus", "failureCode", "failureMessage", "late", "sandbox", "metadata"),
    *("createdAt", "updatedAt", "expiresAt"),
}


async def suspend(house: House, tenant: Tenant, deed: str = "suspend") -> None:
    answer = await house.http.post(f"/v1/tenants/{tenant.id}/{deed}", headers=house.admin)
    assert answer.status_code == 200, answer.text


# --- The answer -----------------------------------------------------------------------------------


async def test_a_created_payment_is_answered_with_all_its_facts_and_no_others(
    tenant: Tenant, house: House
) -> None:
    payment = await tenant.open(orderId="order-456", metadata={"k": "v"})
    assert payment.keys() == FIELDS
    assert payment["id"].startswith("pay_")
    ordered = {"tenantId": tenant.id, "userId": "user-123", "orderId": "order-456", "metadata": {"k": "v"}}
    money = {"amount": 1990000, "currency": "HUF", "amountRefunded": 0}
    stands = {"status": "PROVIDER_PENDING", "refundStatus": "NONE", "disputeStatus": "NONE", "late": False}
    where = {"provider": "sandbox", "sandbox": True, "failureCode": None, "failureMessage": None}
    assert payment == payment | ordered | money | stands | where
    assert payment["checkoutUrl"] == f"{house.ready['sandboxUrl']}/pay/{payment['providerReference']}"


async def test_the_payment_reads_the_same_afterwards_with_its_events_and_without_its_token(
    tenant: Tenant,
) -> None:
    created = await tenant.open()
    token = created.pop("checkoutToken")
    read = await tenant.get(created)
    assert [event.keys() for event in read.pop("events")] == [{"id", "type", "at", "cause"}] * 2
    assert read == created
    assert token not in (await tenant.call("GET", "/v1/payments")).text


async def test_a_checkout_can_be_paid_only_while_it_is_shown(tenant: Tenant) -> None:
    payment = await tenant.open()
    await tenant.pay(payment)
    paid = await tenant.eventually(payment, "SUCCEEDED")
    assert paid["checkoutUrl"] is None
    assert (await tenant.pay(payment)).status_code == 409


async def test_a_checkout_token_shows_its_own_payment_and_no_other(tenant: Tenant, house: House) -> None:
    mine, other = await tenant.open(), await tenant.open()
    look = {"token": mine["checkoutToken"]}
    shown = await house.http.get(f"/v1/payments/{mine['id']}", params=look)
    assert (shown.status_code, shown.json()) == (200, await tenant.get(mine))
    refused(await house.http.get(f"/v1/payments/{other['id']}", params=look), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/payments"),
        ("POST", "/v1/payments"),
        ("POST", "/v1/payments/{id}/cancel"),
        ("GET", "/v1/tenants/me"),
        ("GET", "/v1/tenants/me/providers"),
        ("GET", "/v1/entitlements?userId=user-123"),
    ],
)
async def test_a_checkout_token_opens_no_other_door(
    tenant: Tenant, house: House, method: str, path: str
) -> None:
    payment = await tenant.open()
    token, path = payment["checkoutToken"], path.replace("{id}", payment["id"])
    refused(await house.http.request(method, httpx.URL(path, params={"token": token})), 401, "unauthorized")
    bearer = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    refused(await house.http.request(method, path, headers=bearer), 401, "unauthorized")
    assert (await tenant.get(payment))["status"] == "PROVIDER_PENDING"


# --- The key --------------------------------------------------------------------------------------


async def replay(tenant: Tenant, first: httpx.Response, key: str, **order: object) -> None:
    """The same request again gets the same bytes again, and is told so."""
    again = await tenant.create(key, **order)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_replay_gets_the_first_answer_while_the_payment_is_open_and_after_it_was_paid(
    tenant: Tenant,
) -> None:
    first = await tenant.create("key")
    assert first.status_code == 201
    assert "idempotent-replayed" not in first.headers
    await replay(tenant, first, "key")
    await tenant.pay(first.json())
    await tenant.eventually(first.json(), "SUCCEEDED")
    await replay(tenant, first, "key")


@pytest.mark.slow
async def test_a_replay_gets_the_first_answer_after_the_payment_expired(tenant: Tenant) -> None:
    first = await tenant.create("key", expiresInSeconds=180)
    await tenant.eventually(first.json(), "EXPIRED")
    await replay(tenant, first, "key", expiresInSeconds=180)


async def test_a_replay_gets_the_first_answer_after_the_payment_was_cancelled(tenant: Tenant) -> None:
    first = await tenant.create("key")
    await tenant.call("POST", f"/v1/payments/{first.json()['id']}/cancel")
    await tenant.eventually(first.json(), "CANCELLED")
    await replay(tenant, first, "key")


async def test_another_body_under_the_same_key_is_a_conflict_even_after_the_end(tenant: Tenant) -> None:
    first = await tenant.create("key")
    refused(await tenant.create("key", amount=1990001), 409, "idempotency_conflict")
    await tenant.pay(first.json())
    await tenant.eventually(first.json(), "SUCCEEDED")
    refused(await tenant.create("key", metadata={"k": "v"}), 409, "idempotency_conflict")
    await replay(tenant, first, "key")


async def test_how_the_json_is_written_does_not_matter(tenant: Tenant) -> None:
    headers = {"Idempotency-Key": "key", "Content-Type": "application/json"}
    bodies = [
        '{"userId":"user-123","amount":500,"currency":"EUR","metadata":{"a":"1","b":"2"}}',
        '{ "metadata" : {"b":"2",\n"a":"1"},\t"currency":"EUR", "amount":500, "userId":"user-123" }',
        '{"userId":"\\u0075ser-123","amount":500,"currency":"EUR","metadata":{"\\u0062":"2","a":"1"}}',
    ]
    answers = [await tenant.call("POST", "/v1/payments", content=body, headers=headers) for body in bodies]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.content for answer in answers}) == 1


async def test_ten_requests_at_once_with_one_key_make_one_payment(tenant: Tenant, house: House) -> None:
    answers = await asyncio.gather(*(tenant.create("key") for _ in range(10)))
    assert [answer.status_code for answer in answers] == [201] * 10
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len((await house.ledger(answers[0].json()))["sessions"]) == 1
    assert len(await tenant.rows("SELECT FROM payments")) == 1


async def test_keys_belong_to_their_tenant(tenant: Tenant, house: House) -> None:
    stranger = await house.tenant()
    mine, theirs = await tenant.open("key"), await stranger.open("key", amount=200)
    assert mine["id"] != theirs["id"]
    assert (mine["amount"], theirs["amount"]) == (1990000, 200)


async def test_a_refused_body_does_not_use_its_key_up(tenant: Tenant) -> None:
    refused(await tenant.create("key", amount=1), 422, "amount_out_of_range")
    refused(await tenant.create("key", currency="XXX"), 422, "currency_unsupported")
    refused(await tenant.create("key", colour="red"), 422, "validation_failed")
    refused(await tenant.create("key", provider="elsewhere"), 422, "validation_failed")
    await tenant.open("key")


# --- The provider ---------------------------------------------------------------------------------


def slowly(*faults: str) -> list[Any]:
    """The same again, for when there is time."""
    return [pytest.param(fault, marks=pytest.mark.slow) for fault in faults]


async def creates(house: House, payment: Json) -> list[Json]:
    """What the payment company was asked to create, once or again."""
    asked = await house.control("GET", "requests", reference=payment["id"])
    return [call for call in asked["data"] if call["operation"] == "checkout.create"]


@pytest.mark.parametrize("fault", ["reset", *slowly("status:500", "status:503", "truncate", "html")])
async def test_an_answer_lost_on_its_way_opens_no_second_checkout(
    tenant: Tenant, house: House, fault: str
) -> None:
    await tenant.fault("checkout.create", "after", fault)
    payment = await tenant.open()
    # Before it was asked again, it was asked what it had.
    assert len(await creates(house, payment)) == 1
    assert len((await house.ledger(payment))["sessions"]) == 1


@pytest.mark.parametrize("fault", ["reset", *slowly("status:500", "status:503", "status:429")])
async def test_a_provider_that_stumbles_is_asked_again(tenant: Tenant, house: House, fault: str) -> None:
    await tenant.fault("checkout.create", "before", fault)
    payment = await tenant.open()
    assert len(await creates(house, payment)) == 2
    assert len((await house.ledger(payment))["sessions"]) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.slow
async def test_who_waits_too_long_for_the_provider_is_told_to_come_back(
    tenant: Tenant, house: House, when: str
) -> None:
    await tenant.fault("checkout.create", when, "hang", seconds=5.5)
    slow = await tenant.create("key", expiresInSeconds=3600)
    payment = slow.json()
    assert (slow.status_code, payment["status"], payment["checkoutUrl"]) == (202, "CREATED", None)
    assert slow.elapsed < timedelta(seconds=6)
    found = await tenant.call("GET", slow.headers["location"])
    assert found.json()["id"] == payment["id"]
    await tenant.eventually(payment, "PROVIDER_PENDING")
    first = await tenant.create("key", expiresInSeconds=3600)
    assert first.json()["checkoutUrl"] is not None
    await replay(tenant, first, "key", expiresInSeconds=3600)
    assert len((await house.ledger(payment))["sessions"]) == 1


@pytest.mark.parametrize("fault", ["refuse", "status:422", "status:403"])
async def test_a_definite_no_of_the_provider_fails_the_payment_and_frees_its_order(
    tenant: Tenant, house: House, fault: str
) -> None:
    await tenant.fault("checkout.create", "before", fault)
    await fails_for_good(tenant, house)
    await tenant.open(orderId="order-1")


async def test_refused_credentials_fail_payments_unsent_until_they_are_set_anew(
    tenant: Tenant, house: House
) -> None:
    await tenant.fault("checkout.create", "before", "status:401")
    await fails_for_good(tenant, house)
    unsent = refused(await tenant.create(orderId="order-1"), 502, "provider_misconfigured")
    asked = await house.control("GET", "requests", reference=unsent["paymentId"])
    assert asked["data"] == []
    secret, key = sandbox_keys(house, await tenant.account())
    sent = {"credentials": {"apiKey": key, "webhookSecret": secret}}
    assert (await tenant.call("PUT", "/v1/tenants/me/providers/sandbox", json=sent)).status_code == 200
    await tenant.open(orderId="order-1")


async def fails_for_good(tenant: Tenant, house: House) -> None:
    no = refused(await tenant.create("key", orderId="order-1"), 502, "provider_misconfigured")
    failed = await tenant.get(no["paymentId"])
    assert (failed["status"], failed["failureCode"]) == ("FAILED", "provider_misconfigured")
    assert (await house.ledger(failed))["sessions"] == []
    again = refused(await tenant.create("key", orderId="order-1"), 502, "provider_misconfigured")
    assert again["paymentId"] == no["paymentId"]


async def test_a_suspended_tenant_finishes_what_it_began_and_begins_nothing(
    tenant: Tenant, house: House
) -> None:
    first = await tenant.create("key")
    await suspend(house, tenant)
    refused(await tenant.create(), 403, "tenant_suspended")
    await replay(tenant, first, "key")
    refused(await tenant.create("key", amount=1990001), 409, "idempotency_conflict")
    await tenant.pay(first.json())
    await tenant.eventually(first.json(), "SUCCEEDED")
    await suspend(house, tenant, "resume")
    await tenant.open()
