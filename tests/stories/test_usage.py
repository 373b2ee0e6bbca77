"""Who may use how much: asked on every critical action, counted once, never beyond the limit."""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import event, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from activities.world import World
from domain.catalog import Feature
from storage import entitlements
from tests.house import House, Json, Tenant, refused
from tests.stories.statements import overhearing
from tests.stories.tenancy import colleague
from tests.subscribers import Subscriber, plan_of
from tests.world import world_of

REPORTS = Feature(feature="reports", limit=100)


@pytest.fixture(scope="module")
async def world(house: House) -> AsyncIterator[World]:
    async with world_of(house) as world:
        yield world


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    return await house.tenant()


@pytest.fixture
def user() -> str:
    """Somebody of whom nothing is known yet."""
    return f"user-{secrets.token_hex(6)}"


async def subscribed(world: World, shop: Tenant, user: str, *features: Feature, seats: int = 1) -> Subscriber:
    plan = plan_of(shop.id, *(features or (REPORTS,)), per_seat=seats > 1)
    return await Subscriber.paying(world, shop, plan, user=user, seats=seats)


async def use(
    shop: Tenant, user: str, quantity: int = 1, key: str | None = None, feature: str = "reports"
) -> httpx.Response:
    return await shop.use(feature, user, quantity, key)


async def standing(shop: Tenant, user: str, feature: str = "reports") -> tuple[object, ...]:
    found = await shop.entitled(feature, user)
    return tuple(found[name] for name in ("entitled", "limit", "used", "remaining", "reason"))


# --- What there is --------------------------------------------------------------------------------


async def test_a_subscriber_has_what_the_plan_gives(world: World, shop: Tenant, user: str) -> None:
    who = await subscribed(world, shop, user, REPORTS, Feature(feature="sso"))
    period = (await who.now()).period
    assert period is not None
    answer = await shop.call("GET", "/v1/entitlements", params={"userId": user})
    rights: dict[str, Json] = {right["feature"]: right for right in answer.json()["data"]}
    assert {name: right["limit"] for name, right in rights.items()} == {"reports": 100, "sso": None}
    for right in rights.values():
        assert right["source"] == {"type": "subscription", "id": who.id}
        assert (right["userId"], right["used"], right["active"]) == (user, 0, True)
    assert await standing(shop, user) == (True, 100, 0, 100, "active")
    assert await standing(shop, user, "sso") == (True, None, 0, None, "active")
    assert await standing(shop, user, "else") == (False, None, 0, None, "not_granted")
    ends = (await shop.entitled("reports", user))["validTo"]
    assert ends == f"{period.end:%Y-%m-%dT%H:%M:%S}.{period.end.microsecond // 1000:03}Z"


async def test_a_seat_brings_its_own_share(world: World, shop: Tenant, user: str) -> None:
    await subscribed(world, shop, user, REPORTS, seats=3)
    assert await standing(shop, user) == (True, 300, 0, 300, "active")
    answer = await shop.call("GET", "/v1/entitlements", params={"userId": user})
    assert [right["quantity"] for right in answer.json()["data"]] == [3]


async def test_who_is_not_named_is_the_tenant_itself(world: World, shop: Tenant) -> None:
    await subscribed(world, shop, shop.id, Feature(feature="own", limit=2))
    headers = {"Idempotency-Key": "our-own"}
    used = await shop.call("POST", "/v1/entitlements/usage", json={"feature": "own"}, headers=headers)
    assert (used.status_code, used.json()["userId"], used.json()["remaining"]) == (201, shop.id, 1)
    found = await shop.call("GET", "/v1/entitlements/check", params={"feature": "own"})
    assert (found.json()["entitled"], found.json()["used"]) == (True, 1)
    listed = await shop.call("GET", "/v1/entitlements")
    assert [right["used"] for right in listed.json()["data"]] == [1]


# --- What is taken --------------------------------------------------------------------------------


async def test_what_is_used_is_told_and_counted(world: World, shop: Tenant, user: str) -> None:
    await subscribed(world, shop, user)
    answer = await use(shop, user, 30)
    assert answer.status_code == 201, answer.text
    assert answer.json() == {
        "userId": user,
        "feature": "reports",
        "quantity": 30,
        "limit": 100,
        "used": 30,
        "remaining": 70,
    }
    assert await standing(shop, user) == (True, 100, 30, 70, "active")
    assert (await use(shop, user, 70)).json()["remaining"] == 0
    assert await standing(shop, user) == (False, 100, 100, 0, "limit_reached")


async def test_what_is_not_left_is_refused_and_takes_nothing(world: World, shop: Tenant, user: str) -> None:
    await subscribed(world, shop, user)
    assert (await use(shop, user, 95)).status_code == 201
    assert refused(await use(shop, user, 6, "hungry"), 409, "limit_exceeded")["remaining"] == 5
    assert await standing(shop, user) == (True, 100, 95, 5, "active")
    # The key is free, for whatever is asked next.
    answer = await use(shop, user, 5, "hungry")
    assert (answer.status_code, answer.json()["remaining"]) == (201, 0)
    assert "Idempotent-Replayed" not in answer.headers


async def test_who_has_no_right_uses_nothing(shop: Tenant, user: str) -> None:
    assert refused(await use(shop, user), 409, "limit_exceeded")["remaining"] == 0
    assert await shop.rows("SELECT FROM usage WHERE user_id = $1", user) == []


async def test_what_is_unlimited_is_counted_too(world: World, shop: Tenant, user: str) -> None:
    await subscribed(world, shop, user, Feature(feature="reports"))
    for so_far in (1_000_000, 2_000_000):
        answer = (await use(shop, user, 1_000_000)).json()
        assert (answer["limit"], answer["used"], answer["remaining"]) == (None, so_far, None)


async def test_rights_of_two_subscriptions_add_up(world: World, shop: Tenant, user: str) -> None:
    first, second = [await subscribed(world, shop, user) for _ in range(2)]
    assert await standing(shop, user) == (True, 200, 0, 200, "active")
    assert (await use(shop, user, 130)).json()["remaining"] == 70
    rows = await shop.rows("SELECT subscription_id, used FROM entitlements WHERE user_id = $1", user)
    # The first one began earlier, and ends earlier.
    assert {row["subscription_id"]: row["used"] for row in rows} == {first.id: 100, second.id: 30}


async def test_one_key_takes_once_and_is_answered_the_same(world: World, shop: Tenant, user: str) -> None:
    await subscribed(world, shop, user)
    first = await use(shop, user, 60, user)
    await use(shop, user, 40)
    # Also now that nothing is left.
    again = await use(shop, user, 60, user)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert await standing(shop, user) == (False, 100, 100, 0, "limit_reached")


async def test_one_key_for_two_requests_is_a_conflict(world: World, shop: Tenant, user: str) -> None:
    await subscribed(world, shop, user, REPORTS, Feature(feature="more"))
    await use(shop, user, 1, user)
    others = (
        use(shop, user, 2, user),
        use(shop, user, 1, user, "more"),
        # Somebody who has no right at all.
        use(shop, "user-other", 1, user),
    )
    for other in others:
        refused(await other, 409, "idempotency_conflict")
    assert await standing(shop, user) == (True, 100, 1, 99, "active")
    assert await standing(shop, user, "more") == (True, None, 0, None, "active")


async def test_a_key_is_the_tenants_own(world: World, shop: Tenant, house: House, user: str) -> None:
    other = await house.tenant()
    for tenant in (shop, other):
        await subscribed(world, tenant, user)
        answer = await use(tenant, user, 1, user)
        assert (answer.status_code, answer.json()["used"]) == (201, 1)


async def test_whoever_only_reads_uses_nothing(world: World, shop: Tenant, user: str) -> None:
    await subscribed(world, shop, user)
    reader = await colleague(shop, "readonly")
    assert await standing(reader, user) == (True, 100, 0, 100, "active")
    refused(await use(reader, user), 403, "forbidden")
    missing = await shop.call("POST", "/v1/entitlements/usage", json={"feature": "reports"})
    refused(missing, 400, "idempotency_key_missing")


# --- Many at once ---------------------------------------------------------------------------------


async def rush(shop: Tenant, user: str, keys: list[str]) -> Counter[int]:
    """The statuses of uses under these keys, all at the same moment. Who shall come again does so."""

    async def one(key: str) -> int:
        while (answer := await use(here, user, 1, key)).status_code == 503:
            await asyncio.sleep(float(answer.headers["Retry-After"]))
        return answer.status_code

    limits = httpx.Limits(max_connections=200)
    url = shop.house.ready["apiUrl"]
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=None, limits=limits) as http:  # noqa: S113 - the test has a limit
        here = replace(shop, house=replace(shop.house, http=http))
        return Counter(await asyncio.gather(*map(one, keys)))


def keys_of(user: str, number: int) -> list[str]:
    return [f"{user}-{each}" for each in range(number)]


async def test_sixty_at_once_take_no_more_than_thirty(world: World, shop: Tenant, user: str) -> None:
    await subscribed(world, shop, user, Feature(feature="reports", limit=30))
    assert await rush(shop, user, keys_of(user, 60)) == {201: 30, 409: 30}
    assert await standing(shop, user) == (False, 30, 30, 0, "limit_reached")
    taken = await shop.rows("SELECT used FROM usage WHERE user_id = $1 ORDER BY used", user)
    assert [row["used"] for row in taken] == [*range(1, 31)]


async def test_one_key_twenty_times_at_once_takes_once(world: World, shop: Tenant, user: str) -> None:
    await subscribed(world, shop, user)
    assert await rush(shop, user, [user] * 20) == {201: 20}
    assert await standing(shop, user) == (True, 100, 1, 99, "active")


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_thousand_at_once_take_exactly_five_hundred(world: World, shop: Tenant, user: str) -> None:
    await subscribed(world, shop, user, Feature(feature="reports", limit=500))
    assert await rush(shop, user, keys_of(user, 1_000)) == {201: 500, 409: 500}
    assert await standing(shop, user) == (False, 500, 500, 0, "limit_reached")


# --- What it costs --------------------------------------------------------------------------------


async def test_a_check_is_one_query_and_a_use_two(house: House, world: World, user: str) -> None:
    # Nobody else's rights, checks or payments are in this log under this tenant's name.
    shop = await house.tenant()
    await subscribed(world, shop, user)
    await shop.entitled("reports", user)
    async with overhearing(house) as log:
        await shop.entitled("reports", user)
        await use(shop, user)
        refused(await use(shop, user, 1_000), 409, "limit_exceeded")
        # That somebody was refused is put on record afterwards, and sealed later still, as everywhere.
        found = [each for each in log.transactions(shop.id) if "audit" not in str(each)]
    check, used, refusal = found
    # Each says first whose rows it may see.
    assert (len(check.statements), check.writes) == (1 + 1, False), check
    assert (len(used.statements), used.writes) == (1 + 2, True), used
    assert (len(refusal.statements), refusal.committed) == (1 + 3, False), refusal


async def test_a_check_finds_its_rows_by_the_index_among_many(
    house: House, world: World, shop: Tenant, user: str
) -> None:
    who = await subscribed(world, shop, user)
    asked: list[tuple[str, Any]] = []
    engine = create_async_engine(
        make_url(house.database_url("postgres")).set(drivername="postgresql+asyncpg")
    )

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def hear(
        _connection: object, _cursor: object, statement: str, parameters: object, *_more: object
    ) -> None:
        asked.append((statement, parameters))

    async with engine.connect() as tx:
        await tx.execute(
            text(
                "INSERT INTO entitlements (id, tenant_id, user_id, feature, quantity, payment_id, valid_from)"
                " SELECT 'ent_many_' || n, :tenant, 'user-' || n % 5000, 'f' || n % 7, 1, :payment, now()"
                " FROM generate_series(1, 20000) n"
            ),
            {"tenant": shop.id, "payment": who.first_payment},
        )
        await tx.execute(text("ANALYZE entitlements"))
        await tx.execute(text("SET LOCAL ROLE paysaga_runtime"))
        await tx.execute(text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": shop.id})
        asked.clear()
        assert await entitlements.of_user(tx, user, datetime.now(UTC), "reports")
        ((statement, parameters),) = asked
        plan = (await tx.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)).scalar_one()
        await tx.rollback()
    await engine.dispose()
    ways = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") == "entitlements"]
    assert ways
    assert {node["Node Type"] for node in ways} <= {"Index Scan", "Bitmap Heap Scan"}, plan
    assert "ix_entitlements_tenant_id_user_id_feature" in json.dumps(plan)


def nodes(plan: Json) -> list[Json]:
    return [plan, *(below for child in plan.get("Plans", []) for below in nodes(child))]
