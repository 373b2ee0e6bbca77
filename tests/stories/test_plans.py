"""What a tenant sells: plans that change, and prices that only make room for others."""

import asyncio
import json
from itertools import count
from typing import Any

import pytest

from domain.errors import NotFound
from storage import catalog
from storage.database import Database
from tests.house import House, Json, Tenant, refused
from tests.stories.tenancy import colleague
from tests.stories.test_audit import trail
from tests.stories.visitor import CANARY

PLANS = "/v1/plans"
MONTHLY: Json = {"amount": 499_000, "currency": "HUF", "interval": "month"}
YEARLY: Json = MONTHLY | {"amount": 4_990_000, "interval": "year"}
PRO: Json = {"name": "Pro", "features": [{"feature": "seats", "limit": 5}, {"feature": "sso"}]}
USUAL: Json = {"intervalCount": 1, "trialDays": 0, "perSeat": False, "providerPrices": {}}

numbers = count()


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    return await house.tenant()


async def created(shop: Tenant, **plan: Any) -> Json:
    answer = await shop.call("POST", PLANS, json=PRO | plan)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def changed(shop: Tenant, plan: Json, **change: Any) -> Json:
    answer = await shop.call("PATCH", f"{PLANS}/{plan['id']}", json=change)
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    assert made == await shown(shop, plan)
    return made


async def shown(shop: Tenant, plan: Json) -> Json:
    answer = await shop.call("GET", f"{PLANS}/{plan['id']}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def ids(prices: list[Json]) -> list[str]:
    return [str(price["id"]) for price in prices]


# --- A plan ---------------------------------------------------------------------------------------


async def test_a_plan_is_shown_as_it_was_made(shop: Tenant) -> None:
    yearly = YEARLY | {"trialDays": 14, "perSeat": True, "providerPrices": {"dodo": "pdt_1"}}
    plan = await created(shop, description="For teams", tier="gold", prices=[yearly, MONTHLY])
    assert plan["id"].startswith("pln_")
    assert plan["createdAt"] == plan["updatedAt"]
    facts = PRO | {"description": "For teams", "tier": "gold", "active": True, "supersededPrices": []}
    assert plan | facts == plan
    # In the order in which they were given, each with a name of its own.
    assert [price["id"][:4] for price in plan["prices"]] == ["prc_", "prc_"]
    assert plan["prices"] == [
        USUAL | each | {"id": price["id"]}
        for each, price in zip([yearly, MONTHLY], plan["prices"], strict=True)
    ]
    assert await shown(shop, plan) == plan


async def test_a_plan_needs_no_more_than_a_name(shop: Tenant) -> None:
    answer = await shop.call("POST", PLANS, json={"name": "Draft"})
    nothing: Json = {"description": None, "tier": None, "features": [], "prices": [], "supersededPrices": []}
    assert answer.json() | {"name": "Draft", "active": True} | nothing == answer.json()


async def test_what_is_not_sent_stays_and_null_takes_words_away(shop: Tenant) -> None:
    plan = await created(shop, description="For teams", tier="gold", prices=[MONTHLY])
    later = await changed(shop, plan, name="Pro 2", tier=None)
    assert later == plan | {"name": "Pro 2", "tier": None, "updatedAt": later["updatedAt"]}
    assert later["updatedAt"] > plan["updatedAt"]
    later = await changed(shop, plan, features=[{"feature": "sso", "limit": 0}], active=False)
    assert (later["features"], later["active"]) == ([{"feature": "sso", "limit": 0}], False)


async def test_a_change_that_changes_nothing_leaves_the_plan_as_it_was(shop: Tenant) -> None:
    plan = await created(shop, prices=[MONTHLY, YEARLY])
    assert await changed(shop, plan) == plan
    assert await changed(shop, plan, **PRO, active=True, prices=[YEARLY, MONTHLY]) == plan


async def test_plans_are_listed_newest_first_and_by_whether_they_are_active(house: House) -> None:
    shop = await house.tenant()
    made = [(await created(shop, name=name, active=name != "b", prices=[MONTHLY])) for name in "abc"]

    async def listed(**asked: Any) -> list[Json]:
        answer = await shop.call("GET", PLANS, params=asked)
        found: list[Json] = answer.json()["data"]
        return found

    a, b, c = made
    assert await listed() == [c, b, a]
    assert await listed(active="true") == [c, a]
    assert await listed(active="false") == [b]
    assert await listed(limit=1, offset=1) == [b]
    for wrong in ({"limit": 101}, {"limit": 0}, {"offset": -1}, {"active": "yes"}):
        refused(await shop.call("GET", PLANS, params=wrong), 422, "validation_failed")


# --- Prices ---------------------------------------------------------------------------------------


async def test_a_new_price_is_for_new_subscribers_and_the_old_one_can_be_looked_up(shop: Tenant) -> None:
    plan = await created(shop, prices=[MONTHLY, YEARLY])
    monthly, yearly = ids(plan["prices"])
    later = await changed(shop, plan, prices=[MONTHLY | {"amount": 599_000}])
    assert [price["amount"] for price in later["prices"]] == [4_990_000, 599_000]
    assert ids(later["prices"])[0] == yearly
    (superseded,) = later["supersededPrices"]
    assert superseded == plan["prices"][0] | {"supersededAt": later["updatedAt"]}
    assert superseded["id"] == monthly


async def test_who_goes_back_to_an_old_price_offers_a_new_one(shop: Tenant) -> None:
    plan = await created(shop, prices=[MONTHLY])
    await changed(shop, plan, prices=[MONTHLY | {"trialDays": 7}])
    later = await changed(shop, plan, prices=[MONTHLY])
    assert len({*ids(later["prices"]), *ids(later["supersededPrices"])}) == 3
    assert later["prices"][0] == plan["prices"][0] | {"id": later["prices"][0]["id"]}


async def test_two_who_change_a_price_at_once_come_one_after_the_other(shop: Tenant) -> None:
    plan = await created(shop, prices=[MONTHLY])
    amounts = [499_000 + number for number in range(1, 9)]
    await asyncio.gather(
        *(
            shop.call("PATCH", f"{PLANS}/{plan['id']}", json={"prices": [MONTHLY | {"amount": amount}]})
            for amount in amounts
        )
    )
    later = await shown(shop, plan)
    assert len(later["prices"]) == 1
    every = [price["amount"] for price in later["prices"] + later["supersededPrices"]]
    assert sorted(every) == [499_000, *amounts]


async def test_an_offer_tells_who_may_have_it(house: House, shop: Tenant) -> None:
    plan = await created(shop, prices=[MONTHLY])
    first = plan["prices"][0]["id"]
    dearer = (await changed(shop, plan, prices=[MONTHLY | {"amount": 599_000}]))["prices"][0]["id"]
    database = Database(house.ready["databaseUrl"], pool_size=1)

    async def offered(price_id: str, tenant: Tenant = shop) -> bool:
        async with database.tenant(tenant.id) as tx:
            offer = await catalog.offer(tx, price_id)
        assert (offer.plan.id, offer.price.id) == (plan["id"], price_id)
        return offer.offered

    assert [await offered(first), await offered(dearer)] == [False, True]
    await changed(shop, plan, active=False)
    assert [await offered(first), await offered(dearer)] == [False, False]
    with pytest.raises(NotFound):
        await offered("prc_of_nobody")
    with pytest.raises(NotFound):
        await offered(dearer, await house.tenant())
    await database.close()


# --- Who may, and what is on record ---------------------------------------------------------------


async def test_who_may_only_read_reads_plans_and_makes_none(shop: Tenant) -> None:
    plan = await created(shop)
    reader = await colleague(shop, "readonly")
    assert await shown(reader, plan) == plan
    refused(await reader.call("POST", PLANS, json=PRO), 403, "forbidden")
    refused(await reader.call("PATCH", f"{PLANS}/{plan['id']}", json=PRO), 403, "forbidden")
    refused(await shop.house.http.get(PLANS), 401, "unauthorized")


async def test_anothers_plan_looks_like_none(house: House, shop: Tenant) -> None:
    stranger, plan = await house.tenant(), await created(shop)
    for method, body in (("GET", None), ("PATCH", {"name": "Mine"})):
        answer = await stranger.call(method, f"{PLANS}/{plan['id']}", json=body)
        refused(answer, 404, "not_found")
    assert (await stranger.call("GET", PLANS)).json() == {"data": []}
    assert await shown(shop, plan) == plan


async def test_every_change_is_on_record(shop: Tenant) -> None:
    plan = await created(shop)
    await changed(shop, plan, name="Pro 2")
    await shop.call("PATCH", f"{PLANS}/{plan['id']}", json={"name": None})
    lines = await trail(shop, resource=plan["id"])
    assert [(line["action"], line["result"]) for line in lines] == [
        ("plan.change", "refused"),
        ("plan.changed", "ok"),
        ("plan.created", "ok"),
    ]


# --- What is no plan ------------------------------------------------------------------------------


def at(pointer: str, **plan: Any) -> Any:
    return pytest.param(plan, pointer, id=f"{pointer} {json.dumps(plan)[:40]} {next(numbers)}")


def priced(member: str, **facts: Any) -> Any:
    """A plan whose second price is wrong in this member."""
    return at(f"/prices/1{member}", prices=[YEARLY, MONTHLY | facts])


WRONG = [
    *(at("/name", name=name) for name in ("", "n" * 129, "bell\a", None, "4242 4242 4242 4242")),
    *(at("/description", description=text) for text in ("", "d" * 501)),
    *(at("/tier", tier=tier) for tier in ("", "t" * 65)),
    *(at("/active", active=active) for active in ("true", 1, None)),
    at("/features", features=[{"feature": f"{number}"} for number in range(101)]),
    at("/features", features=[{"feature": "a"}, {"feature": "b"}, {"feature": "a", "limit": 1}]),
    at("/features", features=None),
    at("/features/0/feature", features=[{"feature": "f" * 129}]),
    *(at("/features/0/limit", features=[{"feature": "a", "limit": it}]) for it in (-1, 10**12 + 1, 1.0, "1")),
    at("/features/0", features=[{"feature": "a", CANARY: 1}]),
    at("/prices", prices=None),
    at("/prices", prices=[MONTHLY | {"intervalCount": number + 1} for number in range(21)]),
    priced("", interval="year"),
    *(priced("/interval", interval=interval) for interval in ("week", "MONTH", None, 1)),
    *(priced("/intervalCount", intervalCount=number) for number in (0, 37, "1")),
    priced("/intervalCount", interval="year", intervalCount=4),
    *(priced("/trialDays", trialDays=days) for days in (-1, 731)),
    priced("/perSeat", perSeat="yes"),
    priced("/amount", amount="499000"),
    priced("/currency", currency="huf"),
    priced("/providerPrices", providerPrices={"nobody": "pdt_1"}),
    *(priced("/providerPrices", providerPrices={"dodo": it}) for it in ("", "x" * 256, "a b", "é", 1)),
    priced("", id="prc_mine"),
]


@pytest.mark.parametrize(("plan", "pointer"), WRONG)
async def test_a_plan_that_breaks_a_bound_is_refused_and_told_where(
    shop: Tenant, plan: Json, pointer: str
) -> None:
    for method, path in (("POST", PLANS), ("PATCH", f"{PLANS}/pln_of_nobody")):
        answer = await shop.call(method, path, json=PRO | plan)
        # Whether prices fit a plan is asked of the plan, if there is one.
        if answer.status_code != 404:
            no = refused(answer, 422, "validation_failed")
            assert all(fault["pointer"].startswith(pointer) for fault in no["errors"]), no
            assert CANARY not in answer.text


@pytest.mark.parametrize(
    ("facts", "code", "member"),
    [
        ({"amount": 99}, "amount_out_of_range", "amount"),
        ({"amount": -1}, "amount_out_of_range", "amount"),
        ({"amount": 2**70}, "amount_out_of_range", "amount"),
        ({"currency": "XXX"}, "currency_unsupported", "currency"),
        ({"currency": "XXX", "amount": 0}, "currency_unsupported", "currency"),
    ],
)
async def test_an_amount_no_payment_may_have_is_no_price(
    shop: Tenant, facts: Json, code: str, member: str
) -> None:
    plan = await created(shop)
    for answer in (
        await shop.call("POST", PLANS, json=PRO | {"prices": [YEARLY, MONTHLY | facts]}),
        await shop.call("PATCH", f"{PLANS}/{plan['id']}", json={"prices": [YEARLY, MONTHLY | facts]}),
    ):
        no = refused(answer, 422, code)
        assert [fault["pointer"] for fault in no["errors"]] == [f"/prices/1/{member}"]
    assert await shown(shop, plan) == plan


async def test_a_plan_at_every_bound_is_taken(shop: Tenant) -> None:
    free = {"amount": 0, "currency": "HUF", "trialDays": 730, "perSeat": True}
    plan = await created(
        shop,
        name="ű" * 128,
        description="line\nfeed\t" + "d" * 490,
        tier="😀" * 64,
        features=[{"feature": f"{number:0128}", "limit": 10**12} for number in range(100)],
        prices=[
            *(free | {"interval": "month", "intervalCount": number} for number in range(36, 19, -1)),
            *(free | {"interval": "year", "intervalCount": number} for number in (1, 2)),
            free | {"interval": "year", "intervalCount": 3, "providerPrices": {"dodo": "~" * 255}},
        ],
    )
    assert (len(plan["features"]), len(plan["prices"])) == (100, 20)
    assert await shown(shop, plan) == plan
