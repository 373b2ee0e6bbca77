"""What is old and needed by nobody goes, and nothing else; of evidence the hash stays."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from domain.values import first_id, minted_at, new_id
from storage.database import Database
from tests.house import House, Json, Receiver, Tenant
from workflows.retention import Keep, Keeper

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

DAY = timedelta(days=1)
KEEP = Keep(provider_bodies=400 * DAY, delivery_attempts=90 * DAY)
BODY = b'{"type": "payment.paid"}'
HASH = sha256(BODY).hexdigest()
_LETTER = """
    INSERT INTO inbox (id, tenant_id, account_id, provider, event_id, payment_id, state, body, observation,
        due_at, received_at, processed_at)
    SELECT $1::text, $2::text, id, 'sandbox', $1::text, $7::text, $3::text, $4, '{}',
        $5::timestamptz + interval '100 years', $5::timestamptz, $6::timestamptz
    FROM provider_accounts WHERE tenant_id = $2::text
"""
_TRIED = """
    INSERT INTO delivery_attempts (delivery_id, number, tenant_id, at, duration_ms, url, request_headers)
    VALUES ($1, $2, $3, $4, 5, 'https://shop.example', '{}')
"""


def ago(days: float) -> datetime:
    return datetime.now(UTC) - days * DAY


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    return await house.tenant()


@pytest.fixture
async def keeper(house: House) -> AsyncIterator[Keeper]:
    database = Database(house.ready["databaseUrl"], pool_size=1)
    yield Keeper(database, partial(datetime.now, UTC), KEEP)
    await database.close()


@asynccontextmanager
async def above_the_rules(house: House) -> AsyncIterator["Connection"]:
    """A superuser whom neither policies nor triggers stop."""
    async with house.database(role="postgres") as db:
        await db.execute("SET session_replication_role = replica")
        yield db


@asynccontextmanager
async def letters(
    shop: Tenant, *facts: tuple[str, float, float], of: str | None = None
) -> AsyncIterator[list[str]]:
    """Provider events of long ago: their state, and how many days ago each came and took effect."""
    async with above_the_rules(shop.house) as db:
        ids = [new_id("inb", ago(came)) for _, came, _ in facts]
        for name, (state, came, done) in zip(ids, facts, strict=True):
            await db.execute(_LETTER, name, shop.id, state, BODY, ago(came), ago(done), of)
        yield ids
        await db.execute("DELETE FROM inbox WHERE id = ANY($1)", ids)


async def kept(shop: Tenant, ids: list[str]) -> list[tuple[bool, str | None]]:
    rows = await shop.rows("SELECT id, body, body_sha256 FROM inbox WHERE id = ANY($1)", ids)
    found = {row["id"]: (row["body"] is not None, row["body_sha256"]) for row in rows}
    return [found[each] for each in ids]


def test_ids_are_looked_up_by_their_moment() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    assert minted_at(first_id("inb", moment)) == moment
    before, after = new_id("inb", moment - timedelta(milliseconds=1)), new_id("inb", moment)
    assert before < first_id("inb", moment) <= after


# --- What providers said --------------------------------------------------------------------------


async def test_of_an_old_event_the_hash_stays(shop: Tenant, keeper: Keeper) -> None:
    async with letters(shop, ("PROCESSED", 500, 500), ("PROCESSED", 401, 401)) as ids:
        assert (await keeper.forget_old())["provider_bodies"] == 2
        assert await kept(shop, ids) == [(False, HASH)] * 2
        # Nobody does it twice.
        assert (await keeper.forget_old())["provider_bodies"] == 0


async def test_what_is_younger_or_not_yet_in_effect_keeps_its_body(shop: Tenant, keeper: Keeper) -> None:
    waiting = [(state, 900.0, 900.0) for state in ("RECEIVED", "UNMATCHED", "QUARANTINED", "DEAD")]
    async with letters(shop, ("PROCESSED", 399, 399), ("PROCESSED", 900, 399), *waiting) as ids:
        await keeper.forget_old()
        assert await kept(shop, ids) == [(True, None)] * 6


async def test_a_proof_is_the_same_before_and_after(shop: Tenant, keeper: Keeper) -> None:
    payment = await shop.paid()

    async def evidence() -> list[Json]:
        answer = await shop.call("GET", f"/v1/payments/{payment['id']}/proof")
        found: list[Json] = answer.json()["facts"]["evidence"]
        return found

    async with letters(shop, ("PROCESSED", 500, 500), of=payment["id"]) as (letter,):
        before = await evidence()
        assert [each["bodySha256"] for each in before if each["id"] == letter] == [HASH]
        assert (await keeper.forget_old())["provider_bodies"] == 1
        assert await evidence() == before


@pytest.mark.parametrize(
    "change",
    [
        "body = NULL",
        "body = 'something else'",
        "body_sha256 = 'abc'",
        "body = NULL, body_sha256 = encode(sha256('something else'), 'hex')",
    ],
)
async def test_evidence_is_not_changed_whoever_asks(shop: Tenant, change: str) -> None:
    async with (
        letters(shop, ("PROCESSED", 500, 500)) as (letter,),
        shop.house.database(role="postgres") as db,
    ):
        with pytest.raises(asyncpg.RestrictViolationError, match="what a provider said stands"):
            await db.execute(f"UPDATE inbox SET {change} WHERE id = $1", letter)  # noqa: S608


@pytest.mark.parametrize(("state", "days"), [("PROCESSED", 89.0), ("DEAD", 500.0)])
async def test_a_body_that_is_young_or_needed_is_taken_by_nobody(
    shop: Tenant, state: str, days: float
) -> None:
    async with letters(shop, (state, days, days)) as (letter,), shop.house.database(role="postgres") as db:
        with pytest.raises(asyncpg.RestrictViolationError):
            await db.execute(
                "UPDATE inbox SET body = NULL, body_sha256 = encode(sha256(body), 'hex') WHERE id = $1",
                letter,
            )


async def test_no_event_comes_without_its_body(shop: Tenant) -> None:
    async with shop.house.database(role="postgres") as db:
        with pytest.raises(asyncpg.RestrictViolationError):
            await db.execute(_LETTER, "inb_empty", shop.id, "RECEIVED", None, ago(0), ago(0), None)


# --- What attempts to deliver met -----------------------------------------------------------------


@asynccontextmanager
async def tried(shop: Tenant, state: str, *days: float) -> AsyncIterator[str]:
    """A delivery of long ago with attempts so many days ago."""
    delivery = new_id("dlv", ago(max(days)))
    async with above_the_rules(shop.house) as db:
        await db.execute(
            "INSERT INTO deliveries (id, tenant_id, endpoint_id, event_id, state, due_at, created_at)"
            " VALUES ($1::text, $2, 'whe_nowhere', $1::text, $3::text,"
            " CASE WHEN $3::text = 'PENDING' THEN $4::timestamptz END, $4::timestamptz)",
            *(delivery, shop.id, state, ago(max(days))),
        )
        for number, at in enumerate(days, 1):
            await db.execute(_TRIED, delivery, number, shop.id, ago(at))
        yield delivery
        await db.execute("DELETE FROM delivery_attempts WHERE delivery_id = $1", delivery)
        await db.execute("DELETE FROM deliveries WHERE id = $1", delivery)


async def remembered(shop: Tenant, delivery: str) -> list[int]:
    rows = await shop.rows("SELECT number FROM delivery_attempts WHERE delivery_id = $1 ORDER BY 1", delivery)
    return [row["number"] for row in rows]


async def test_old_attempts_go_and_young_ones_stay(shop: Tenant, keeper: Keeper) -> None:
    async with tried(shop, "DELIVERED", 200, 91, 89, 1) as delivery:
        assert (await keeper.forget_old())["delivery_attempts"] == 2
        assert await remembered(shop, delivery) == [3, 4]
        assert await shop.rows("SELECT FROM deliveries WHERE id = $1", delivery)


async def test_what_may_still_go_out_keeps_all_its_attempts(shop: Tenant, keeper: Keeper) -> None:
    async with tried(shop, "PENDING", 200, 100) as delivery:
        assert (await keeper.forget_old())["delivery_attempts"] == 0
        assert await remembered(shop, delivery) == [1, 2]


async def test_no_young_attempt_is_forgotten_whoever_asks(shop: Tenant) -> None:
    async with tried(shop, "DELIVERED", 29) as delivery, shop.house.database() as db, db.transaction():
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", shop.id)
        with pytest.raises(asyncpg.RestrictViolationError, match="too young"):
            await db.execute("DELETE FROM delivery_attempts WHERE delivery_id = $1", delivery)


# --- Beside payments ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_hundred_thousand_old_rows_go_while_payments_go_on(house: House, keeper: Keeper) -> None:
    old, rows = await house.tenant(), 50_000
    async with Receiver.listening() as receiver, above_the_rules(house) as db:
        shop = await house.tenant(webhook_url=receiver.url)
        await _plant(db, old, rows)
        took: list[float] = []
        over = asyncio.Event()

        async def pay() -> None:
            while not over.is_set():
                began = time.monotonic()
                await shop.paid()
                took.append(time.monotonic() - began)

        await pay_once(shop)
        alone = [await pay_once(shop) for _ in range(5)]
        paying = asyncio.create_task(pay())
        began = time.monotonic()
        done = await keeper.forget_old()
        seconds = time.monotonic() - began
        over.set()
        await paying
        paces = [", ".join(f"{each:.2f}" for each in sorted(some)) for some in (alone, took)]
        print(f"{done} in {seconds:.1f} s; payments alone: {paces[0]}; beside it: {paces[1]}")  # noqa: T201
        assert done == {"provider_bodies": rows, "delivery_attempts": rows}
        assert await _left(old) == 0
        await db.execute("DELETE FROM inbox WHERE tenant_id = $1", old.id)
        await db.execute("DELETE FROM deliveries WHERE tenant_id = $1", old.id)


async def pay_once(shop: Tenant) -> float:
    began = time.monotonic()
    await shop.paid()
    return time.monotonic() - began


async def _plant(db: "Connection", old: Tenant, rows: int) -> None:
    account = await old.account()
    names = [new_id("inb", ago(500)) for _ in range(rows)]
    sent = [new_id("dlv", ago(500)) for _ in range(rows)]
    facts: list[Any] = [old.id, account, BODY * 40, ago(500), names]
    await db.execute(
        "INSERT INTO inbox (id, tenant_id, account_id, provider, event_id, state, body, observation, due_at,"
        " received_at, processed_at) SELECT n, $1, $2, 'sandbox', n, 'PROCESSED', $3, '{}', $4, $4, $4"
        " FROM unnest($5::text[]) AS n",
        *facts,
    )
    await db.execute(
        "INSERT INTO deliveries (id, tenant_id, endpoint_id, event_id, state, created_at)"
        " SELECT n, $1, 'whe_nowhere', n, 'DELIVERED', $2 FROM unnest($3::text[]) AS n",
        *(old.id, ago(500), sent),
    )
    await db.execute(
        "INSERT INTO delivery_attempts (delivery_id, number, tenant_id, at, duration_ms, url,"
        " request_headers) SELECT n, 1, $1, $2, 5, 'https://shop.example', '{}' FROM unnest($3::text[]) AS n",
        *(old.id, ago(500), sent),
    )


async def _left(old: Tenant) -> int:
    rows = await old.rows(
        "SELECT (SELECT count(*) FROM inbox WHERE body IS NOT NULL) +"
        " (SELECT count(*) FROM delivery_attempts) AS left"
    )
    return int(rows[0]["left"])
