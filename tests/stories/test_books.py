"""The books: double entry, what they hold and why, equal to the payment company's own whatever happened."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Iterable
from itertools import permutations
from typing import TYPE_CHECKING, TypeVar

import asyncpg
import httpx
import pytest

from tests.house import House, Json, Tenant, eventually, refused, sandbox_keys
from tests.stories.test_commands import paysaga
from tests.stories.test_refunds import ask, becomes, refund

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

ALL = 1990000
PART = 490000
FEE = 1500
T = TypeVar("T")


async def some_at_a_time(jobs: Iterable[Awaitable[T]], hands: int = 6) -> list[T]:
    free = asyncio.Semaphore(hands)

    async def do(job: Awaitable[T]) -> T:
        async with free:
            return await job

    return await asyncio.gather(*(do(job) for job in jobs))


async def balances(tenant: Tenant, **query: str) -> dict[str, int]:
    answer = await tenant.call("GET", "/v1/ledger/balances", params=query)
    assert answer.status_code == 200, answer.text
    return {line["account"]: line["balance"] for line in answer.json()["data"] if line["balance"]}


async def entries(tenant: Tenant, **query: str) -> list[Json]:
    answer = await tenant.call("GET", "/v1/ledger/entries", params=query)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


async def owed_there(house: House, payment: Json) -> int:
    """What the company owes for a payment, by its own books."""
    truth = await house.ledger(payment)
    owed = sum(capture["amount"] for capture in truth["captures"])
    owed -= sum(each["amount"] for each in truth["refunds"] if each["status"] == "succeeded")
    owed -= sum(each["fee"] for each in truth["disputes"])
    held = {"open", "under_review", "lost"}
    return int(owed - sum(each["amount"] for each in truth["disputes"] if each["status"] in held))


async def test_the_books_tell_what_is_owed_and_line_by_line_why(house: House, tenant: Tenant) -> None:
    payment = await tenant.paid()
    await becomes(tenant, await refund(tenant, payment, amount=PART), "SUCCEEDED")
    expected = {"provider_receivable": ALL - PART, "tenant_revenue": -ALL, "refunds": PART}
    assert await balances(tenant) == expected
    assert await balances(tenant, currency="EUR") == {}
    assert await balances(tenant, at="2020-01-01T00:00:00Z") == {}
    lines = await entries(tenant, paymentId=payment["id"])
    assert [(line["account"], line["amount"]) for line in lines] == [
        ("provider_receivable", ALL),
        ("tenant_revenue", -ALL),
        ("refunds", PART),
        ("provider_receivable", -PART),
    ]
    assert len({line["transactionId"] for line in lines}) == 2
    assert [line["amount"] for line in await entries(tenant, account="refunds")] == [PART]
    assert await owed_there(house, payment) == ALL - PART


async def test_the_lines_are_listed_page_by_page(tenant: Tenant) -> None:
    for _ in range(2):
        await tenant.paid()
    first = (await tenant.call("GET", "/v1/ledger/entries", params={"limit": 3})).json()
    rest = (await tenant.call("GET", "/v1/ledger/entries", params={"cursor": first["nextCursor"]})).json()
    assert (len(first["data"]), len(rest["data"]), rest["nextCursor"]) == (3, 1, None)
    refused(
        await tenant.call("GET", "/v1/ledger/entries", params={"cursor": "1; --"}), 422, "validation_failed"
    )


async def test_nobody_reads_anothers_books(house: House, tenant: Tenant) -> None:
    stranger = await house.tenant()
    payment = await tenant.paid()
    assert await balances(stranger) == {}
    assert await entries(stranger, paymentId=payment["id"]) == []


@pytest.mark.slow
async def test_books_that_differ_from_the_companys_are_found(house: House, tenant: Tenant) -> None:
    payment = await tenant.paid()
    await book(house, payment, 1)
    _, printed = await paysaga("verify", "--json", house=house)
    (books,) = [check for check in json.loads(printed)["checks"] if "our books equal" in check["promise"]]
    (found,) = [finding for finding in books["findings"] if finding["subject"] == payment["id"]]
    assert found["problem"] == ("the provider owes {'HUF': 1990000}, our books say {'HUF': 1990001}")
    # What was planted cannot be taken out; it can be booked back.
    await book(house, payment, -1)
    assert payment["id"] not in (await paysaga("verify", "--json", house=house))[1]


async def book(house: House, payment: Json, amount: int) -> None:
    """A transaction that balances, about money that never moved."""
    async with house.database() as db, db.transaction():
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", payment["tenantId"])
        for account, sum_ in (("provider_receivable", amount), ("tenant_revenue", -amount)):
            await db.execute(
                "INSERT INTO ledger_entries"
                " (tenant_id, transaction_id, payment_id, account, currency, amount_minor, at)"
                " VALUES ($1, $2, $3, $4, 'HUF', $5, now())",
                *(payment["tenantId"], f"txn_{payment['id']}{amount}", payment["id"], account, sum_),
            )


# --- All 24 orders --------------------------------------------------------------------------------


async def happened(tenant: Tenant, amount: int, outcome: str, key: str) -> tuple[Json, list[str]]:
    """A payment, a refund made over there, a dispute and its end, none of which we were told of."""
    house = tenant.house
    payment = await tenant.paid(entitlements=[{"feature": key}])
    await tenant.fault("webhook.send", "webhook", "lost", reference=payment["id"], count=100)
    (capture,) = (await house.ledger(payment))["captures"]
    _, api_key = sandbox_keys(house, await tenant.account())
    async with httpx.AsyncClient(base_url=house.ready["sandboxUrl"], trust_env=False) as http:
        body = {"payment": capture["id"], "amount": amount}
        answer = await http.post("/v1/refunds", json=body, headers={"Authorization": f"Bearer {api_key}"})
        assert answer.status_code == 201, answer.text
    dispute = await house.control("POST", "disputes", {"reference": payment["id"]})
    await house.control("POST", f"disputes/{dispute['id']}", {"outcome": outcome})
    told = (await house.control("GET", "webhooks", reference=payment["id"]))["data"]
    events = {event["type"]: event["eventId"] for event in told}
    refunded, opened = events["refund.succeeded"], events["dispute.opened"]
    return payment, [refunded, opened, events[f"dispute.{outcome}"], opened]


async def hears(house: House, db: "Pool", event: str) -> None:
    """The company tells us, and we have taken it in."""
    await house.control("POST", "webhooks/resend", {"eventId": event})

    async def taken() -> bool | None:
        async with db.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL ROLE paysaga_system")
            state = await connection.fetchval("SELECT state FROM inbox WHERE event_id = $1", event)
        return state == "PROCESSED" or None

    await eventually(taken)


@pytest.mark.timeout(300)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("amount", "outcome"), [(amount, end) for amount in (PART, ALL) for end in ("won", "lost")]
)
async def test_every_order_of_refund_dispute_end_and_repeat_comes_to_the_same(
    house: House, tenant: Tenant, amount: int, outcome: str
) -> None:
    async def one(number: int, order: tuple[int, ...]) -> None:
        feature = f"pro-{number}"
        payment, events = await happened(tenant, amount, outcome, feature)
        for which in order:
            await hears(house, db, events[which])
        found = await tenant.get(payment)
        kept = outcome == "won" and amount < ALL
        assert (found["status"], found["amountRefunded"]) == ("SUCCEEDED", amount), order
        assert found["refundStatus"] == ("FULL" if amount == ALL else "PARTIAL"), order
        assert found["disputeStatus"] == outcome.upper(), order
        assert (await tenant.entitled(feature))["entitled"] is kept, order
        lines = await entries(tenant, paymentId=payment["id"])
        books: dict[str, int] = {}
        for line in lines:
            books[line["account"]] = books.get(line["account"], 0) + line["amount"]
        lost = {"losses": ALL, "fees": FEE} if outcome == "lost" else {}
        owed = await owed_there(house, payment)
        expected = {"provider_receivable": owed, "tenant_revenue": -ALL, "refunds": amount} | lost
        assert {account: sum_ for account, sum_ in books.items() if sum_} == {
            account: sum_ for account, sum_ in expected.items() if sum_
        }, order

    async with asyncpg.create_pool(house.database_url(), min_size=2, max_size=4) as db:
        await some_at_a_time(one(number, order) for number, order in enumerate(permutations(range(4))))


# --- Many at once ---------------------------------------------------------------------------------


@pytest.mark.timeout(400)
@pytest.mark.parametrize("payments", [5, pytest.param(200, marks=pytest.mark.slow)])
async def test_ten_refunds_of_sixty_on_a_hundred_end_as_one_every_time(
    house: House, tenant: Tenant, payments: int
) -> None:
    async def one() -> None:
        payment = await tenant.open(amount=10000)
        await tenant.pay(payment)
        await tenant.eventually(payment, "SUCCEEDED", within=60)
        answers = await asyncio.gather(
            *(ask(tenant, payment, secrets.token_hex(8), amount=6000) for _ in range(10))
        )
        assert sorted(answer.status_code for answer in answers) == [202, *[422] * 9]
        (taken,) = [answer.json() for answer in answers if answer.status_code == 202]
        await becomes(tenant, taken, "SUCCEEDED")
        (there,) = (await house.ledger(payment))["refunds"]
        assert (there["refundReference"], there["amount"]) == (taken["id"], 6000)
        assert (await tenant.get(payment))["amountRefunded"] == 6000

    await some_at_a_time(one() for _ in range(payments))
    assert await balances(tenant) == {
        "provider_receivable": payments * 4000,
        "tenant_revenue": -payments * 10000,
        "refunds": payments * 6000,
    }
