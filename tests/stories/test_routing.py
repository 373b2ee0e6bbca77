"""Where a payment goes: what a tenant may say of it, and what a company cannot take.

The API runs in the test's own process, where there are two companies more than the worker knows: one that
takes forints only, and one that must send the payer back somewhere. No payment of these tests is theirs.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

import serve
from activities.opening import open_checkout
from activities.world import World
from api.payments import NewPayment
from domain.tenant import ProviderAccount
from domain.values import new_id
from providers.base import PROVIDERS
from providers.sandbox import Sandbox
from providers.units import Units
from storage import accounts
from tests.house import House, Json, Tenant, refused
from tests.stories.tenancy import ME, SETTINGS, keys
from tests.stories.tenancy import PROVIDERS as ACCOUNTS
from tests.world import place, settings_of, world_of

EUROS: Json = {"currency": "EUR", "amount": 4900}
DOLLARS: Json = {"currency": "USD", "amount": 4900}


@pytest.fixture
def companies() -> Iterator[list[str]]:
    class Forints(Sandbox):
        name = "forints"
        units = Units(frozenset({"HUF"}), least={"HUF": 17_500})

    class Dollars(Sandbox):
        name = "dollars"
        units = Units(frozenset({"USD"}))

    names = [Forints.name, Dollars.name]
    yield names
    for name in names:
        del PROVIDERS[name]


@pytest.fixture
async def shop(house: House, companies: list[str]) -> AsyncIterator[Tenant]:
    """A tenant with an account at each of the three, the sandbox's the oldest."""
    settings = settings_of(house)
    async with serve.open_house(settings) as here:
        app = serve.application(settings)
        app.state.house = here
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=15) as http:
            tenant = await house.tenant()
            shop = replace(tenant, house=replace(house, http=http))
            shop.token = await shop.login()
            for name in companies:
                await add_account(here.world, tenant, name)
            yield shop


async def add_account(world: World, tenant: Tenant, provider: str) -> None:
    now = datetime.now(UTC)
    account = ProviderAccount(
        id=new_id("acc", now), tenant_id=tenant.id, provider=provider, api_base=None, created_at=now
    )
    async with world.database.tenant(tenant.id) as tx:
        await accounts.put(tx, world.vault, account, (await keys(tenant))["credentials"])


async def settle_on(shop: Tenant, **settings: Any) -> Json:
    answer = await shop.call("PATCH", SETTINGS, json=settings)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def pointers(problem: Json) -> list[str]:
    return [error["pointer"] for error in problem["errors"]]


async def test_rules_are_kept_as_they_were_said(shop: Tenant) -> None:
    said: list[Json] = [
        {"currencies": ["HUF"], "minAmount": 1000, "maxAmount": 500000, "providers": ["forints"]},
        {"currencies": ["HUF", "EUR"], "providers": ["sandbox", "dollars"]},
        {"providers": ["sandbox"]},
    ]
    await settle_on(shop, routingRules=said)
    kept = await settle_on(shop, latePayment="accept")
    unsaid: Json = {"currencies": [], "minAmount": None, "maxAmount": None}
    assert kept["routingRules"] == [unsaid | rule for rule in said]
    assert (await shop.call("GET", ME)).json()["settings"] == kept
    assert (await settle_on(shop, routingRules=[]))["routingRules"] == []


BAD_RULES: list[tuple[Json, str]] = [
    ({"currencies": ["HUF"]}, "/providers"),
    ({"providers": []}, "/providers"),
    ({"providers": ["paypal"]}, "/providers"),
    ({"providers": ["sandbox", "sandbox"]}, "/providers"),
    ({"providers": ["sandbox"] * 9}, "/providers"),
    ({"providers": ["sandbox"], "currencies": ["huf"]}, "/currencies/0"),
    ({"providers": ["sandbox"], "currencies": ["HUF", "HUF"]}, "/currencies"),
    ({"providers": ["sandbox"], "minAmount": 1000}, "/minAmount"),
    ({"providers": ["sandbox"], "currencies": ["HUF", "EUR"], "maxAmount": 1000}, "/maxAmount"),
    ({"providers": ["sandbox"], "currencies": ["HUF"], "minAmount": 2, "maxAmount": 1}, "/maxAmount"),
    ({"providers": ["sandbox"], "currencies": ["HUF"], "minAmount": "1"}, "/minAmount"),
    ({"providers": ["sandbox"], "currencies": ["HUF"], "maxAmount": 0}, "/maxAmount"),
    ({"providers": ["sandbox"], "country": "HU"}, ""),
]


async def test_a_rule_that_cannot_be_meant_is_refused_where_it_is_wrong(tenant: Tenant) -> None:
    for rule, pointer in BAD_RULES:
        sent = {"routingRules": [{"providers": ["sandbox"]}, rule]}
        no = refused(await tenant.call("PATCH", SETTINGS, json=sent), 422, "validation_failed")
        assert pointers(no) == [f"/routingRules/1{pointer}"], rule


async def test_there_are_at_most_twenty_rules_and_none_is_no_list(tenant: Tenant) -> None:
    for rules in ([{"providers": ["sandbox"]}] * 21, None):
        answer = await tenant.call("PATCH", SETTINGS, json={"routingRules": rules})
        assert pointers(refused(answer, 422, "validation_failed")) == ["/routingRules"]


async def test_what_the_first_choice_cannot_take_goes_to_the_next(shop: Tenant) -> None:
    await settle_on(shop, defaultProvider="forints", providerOrder=["dollars", "sandbox"])
    payment = await shop.open(**EUROS)
    assert payment["provider"] == "sandbox"
    await settle_on(shop, routingRules=[{"currencies": ["HUF"], "providers": ["sandbox"]}])
    assert (await shop.open())["provider"] == "sandbox"


async def test_those_who_cannot_take_a_payment_are_no_alternatives_either(shop: Tenant) -> None:
    await settle_on(shop, providerOrder=["sandbox", "forints", "dollars"])
    for order, alternatives in (
        (EUROS, []),
        ({}, ["forints"]),
        ({"amount": 17_499}, []),
        (DOLLARS, ["dollars"]),
    ):
        payment = await shop.open(**order)
        (row,) = await shop.rows("SELECT provider, alternatives FROM payments WHERE id = $1", payment["id"])
        assert (row["provider"], json.loads(row["alternatives"])) == ("sandbox", alternatives)


async def test_what_nobody_can_take_is_refused_as_the_first_would_and_leaves_its_key_unused(
    shop: Tenant,
) -> None:
    await settle_on(shop, providerOrder=["forints", "dollars"])
    for order, code, pointer in (
        (EUROS, "currency_unsupported", "/currency"),
        ({"amount": 17_499}, "amount_out_of_range", "/amount"),
        (EUROS | {"provider": "forints"}, "currency_unsupported", "/currency"),
        ({"provider": "dollars"}, "currency_unsupported", "/currency"),
        ({"provider": "elsewhere"}, "validation_failed", "/provider"),
    ):
        no = refused(await shop.create("key", **order), 422, code)
        assert pointers(no) == [pointer]
    assert (await shop.call("GET", "/v1/payments")).json()["total"] == 0
    await settle_on(shop, providerOrder=["sandbox"])
    assert (await shop.open("key"))["provider"] == "sandbox"


async def test_a_repeat_meets_its_payment_whatever_was_settled_since(shop: Tenant) -> None:
    first = await shop.open("key", **EUROS)
    for change in (
        settle_on(shop, routingRules=[{"providers": ["forints"]}]),
        settle_on(shop, routingRules=[{"providers": ["dollars"]}]),
        shop.call("DELETE", f"{ACCOUNTS}/sandbox"),
    ):
        await change
        assert (await shop.open("key", **EUROS)) == first
        refused(await shop.create("key", amount=4901, currency="EUR"), 409, "idempotency_conflict")


async def test_a_payment_whose_time_was_up_is_no_fault_of_the_account(house: House, tenant: Tenant) -> None:
    body = {"userId": "user-123", "amount": 1990000, "currency": "HUF"}
    async with world_of(house) as world:
        digest = NewPayment.model_validate(body).digest()
        late = await place(world, tenant, timedelta(0), key="key", digest=digest)
        await open_checkout(world, late.ref)
    no = refused(await tenant.create("key"), 503, "provider_unavailable")
    assert (no["paymentId"], no["retryable"]) == (late.id, False)
    failed = await tenant.get(late.id)
    assert (failed["status"], failed["failureCode"]) == ("FAILED", "provider_unavailable")
