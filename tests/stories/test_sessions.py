"""Where subscribers are sent: a checkout or the portal, once a key, and never twice into the same thing."""

import asyncio
from typing import Any

import pytest

from tests.house import House, Json, Tenant, refused
from tests.subscriber import Subscriber, plan


async def month(tenant: Tenant, **facts: Any) -> Json:
    price: Json = (await plan(tenant, facts))["prices"][0]
    return price


async def test_a_key_leads_to_one_session_whoever_repeats_it(tenant: Tenant) -> None:
    anna, price = Subscriber(tenant, "anna"), await month(tenant)
    first = await anna.checkout(price, key="once")
    again = await anna.session(mode="checkout", priceId=price["id"], key="once")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first, "true")
    other = await anna.session(mode="checkout", priceId=price["id"], quantity=2, key="once")
    refused(other, 409, "idempotency_conflict")
    assert len(await tenant.rows("SELECT id FROM subscriptions")) == 1


async def test_a_tenant_may_be_the_subscriber_itself(tenant: Tenant) -> None:
    price = await month(tenant)
    body = {
        "mode": "checkout",
        "priceId": price["id"],
        "successUrl": "https://a.b/",
        "cancelUrl": "https://a.b/",
    }
    answer = await tenant.call("POST", "/v1/billing/session", json=body, headers={"Idempotency-Key": "me"})
    assert answer.status_code == 201, answer.text
    await Subscriber(tenant, "").visit(answer.json()["sessionUrl"])
    itself = Subscriber(tenant, tenant.id)
    assert (await itself.becomes("active"))["userId"] == tenant.id
    assert (await tenant.call("GET", "/v1/billing/status")).json()["status"] == "active"


async def test_whoever_has_a_subscription_begins_no_second_one(tenant: Tenant) -> None:
    anna, price = Subscriber(tenant, "anna"), await month(tenant)
    await anna.subscribes(price)
    problem = refused(await anna.session(mode="checkout", priceId=price["id"]), 409, "illegal_transition")
    assert problem["subscriptionId"] == anna.id


@pytest.mark.slow
async def test_a_checkout_that_was_left_makes_room_for_another_and_takes_no_money_any_more(
    tenant: Tenant,
) -> None:
    anna, price = Subscriber(tenant, "anna"), await month(tenant)
    left = await anna.checkout(price)
    await anna.subscribes(price)
    (payment,) = await tenant.rows("SELECT id FROM payments WHERE status <> 'SUCCEEDED'")
    await tenant.eventually(payment, "CANCELLED")
    page = await anna.visit(left["sessionUrl"])
    assert page.status_code in {200, 409, 410}
    assert len(await tenant.rows("SELECT id FROM payments WHERE captured_minor > 0")) == 1


async def test_of_checkouts_that_are_begun_at_once_one_stays(tenant: Tenant) -> None:
    anna, price = Subscriber(tenant, "anna"), await month(tenant)
    begun = await asyncio.gather(*(anna.session(mode="checkout", priceId=price["id"]) for _ in range(4)))
    assert {answer.status_code for answer in begun} <= {201, 409}
    rows = await tenant.rows("SELECT status, count(*) AS n FROM subscriptions GROUP BY status")
    assert {row["status"]: row["n"] for row in rows} == {"incomplete": 1, "incomplete_expired": 3}


async def test_a_free_plan_needs_no_page(tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    session = await anna.checkout(await month(tenant, amount=0))
    assert session["sessionUrl"] == "https://shop.example/thanks"
    assert (await anna.status())["access"] == "full"
    assert await tenant.rows("SELECT id FROM payments") == []


async def test_the_portal_is_open_to_whoever_has_no_subscription_yet(tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    await anna.portal()
    assert (await anna.status())["status"] is None


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"mode": "checkout"}, 422, "validation_failed"),
        ({"mode": "checkout", "priceId": "prc_unknown"}, 404, "not_found"),
        ({"mode": "checkout", "priceId": "PRICE", "quantity": 0}, 422, "validation_failed"),
        ({"mode": "checkout", "priceId": "PRICE", "provider": "stripe"}, 422, "validation_failed"),
        ({"mode": "fitting"}, 422, "validation_failed"),
        ({"mode": "checkout", "priceId": "PRICE", "successUrl": "javascript:x"}, 422, "validation_failed"),
    ],
)
async def test_a_session_that_cannot_be_is_refused_and_changes_nothing(
    tenant: Tenant, wish: Json, status: int, code: str
) -> None:
    price = await month(tenant)
    asked = {name: price["id"] if value == "PRICE" else value for name, value in wish.items()}
    refused(await Subscriber(tenant, "anna").session(**asked), status, code)
    for table in ("subscriptions", "customers", "billing_sessions", "payments"):
        assert await tenant.rows(f"SELECT * FROM {table}") == [], table  # noqa: S608 - our own tables


async def test_another_tenants_price_is_nobodys(house: House, tenant: Tenant) -> None:
    theirs = await month(await house.tenant())
    refused(await Subscriber(tenant, "anna").session(mode="checkout", priceId=theirs["id"]), 404, "not_found")


async def test_a_price_that_was_superseded_is_for_those_who_have_it(tenant: Tenant) -> None:
    made = await plan(tenant)
    anna = Subscriber(tenant, "anna")
    before = await anna.subscribes(made["prices"][0])
    dearer = {"prices": [{"amount": 299_000, "currency": "HUF", "interval": "month"}]}
    answer = await tenant.call("PATCH", f"/v1/plans/{made['id']}", json=dearer)
    assert answer.status_code == 200, answer.text
    bela = Subscriber(tenant, "bela")
    refused(await bela.session(mode="checkout", priceId=made["prices"][0]["id"]), 422, "validation_failed")
    assert (await anna.status())["nextInvoice"]["total"] == before["nextInvoice"]["total"] == 199_000
