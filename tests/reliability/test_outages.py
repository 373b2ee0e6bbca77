"""What is away for a while costs time, and nothing that was accepted."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any, Self

import asyncpg
import httpx
import pytest

from tests.house import House, Json, Receiver, Tenant, eventually, refused, sandbox_keys
from tests.reliability.away import frozen, gone
from tests.stories.company import Company, told
from tests.stories.test_crashes import LONG, ends_once, order

pytestmark = pytest.mark.timeout(120)
PRO: Json = {"expiresInSeconds": LONG, "entitlements": [{"feature": "pro"}]}


@pytest.fixture(autouse=True)
async def _leave_it_as_it_was(house: House) -> AsyncIterator[None]:
    yield
    await house.recovered()


# --- Temporal -------------------------------------------------------------------------------------

Away = Callable[[House], AbstractAsyncContextManager[None]]
AWAY: dict[str, Away] = {
    "silent, then killed": lambda house: frozen(house, "temporal", and_killed=True),
    "refusing": lambda house: gone(house, "temporal"),
}


@pytest.mark.slow
@pytest.mark.parametrize("away", AWAY)
async def test_without_temporal_orders_and_webhooks_are_taken_and_all_of_them_settle_on_its_return(
    house: House, receiver: Receiver, away: str
) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    paid = await asyncio.gather(*(order(tenant) for _ in range(6)))
    expiring = await asyncio.gather(*(tenant.open(expiresInSeconds=300) for _ in range(3)))
    unwanted = await tenant.open(**PRO)
    async with AWAY[away](house):
        wish = await tenant.call("POST", f"/v1/payments/{unwanted['id']}/cancel")
        assert (wish.status_code, wish.json()["status"]) == (202, "PROVIDER_PENDING")
        late = await asyncio.gather(*(tenant.create(**PRO) for _ in range(3)))
        assert {(answer.status_code, answer.json()["status"]) for answer in late} == {(202, "CREATED")}
        await asyncio.gather(*(tenant.pay(payment) for payment in paid))
        answers = await asyncio.gather(*(eventually(partial(answered, house, payment)) for payment in paid))
        assert answers == [[200]] * len(paid)
        assert {(await tenant.get(payment))["status"] for payment in paid} == {"PROVIDER_PENDING"}
    opened = await asyncio.gather(
        *(tenant.eventually(answer.json(), "PROVIDER_PENDING", within=20) for answer in late)
    )
    await asyncio.gather(*(tenant.pay(payment) for payment in opened))
    await asyncio.gather(*(ends_once(tenant, payment) for payment in (*paid, *opened)))
    await asyncio.gather(*(tenant.eventually(payment, "EXPIRED") for payment in expiring))
    await tenant.eventually(unwanted, "CANCELLED")
    ends = {"succeeded": len(paid) + len(opened), "expired": len(expiring), "cancelled": 1}
    await told_everything(tenant, receiver, **ends)


async def answered(house: House, payment: Json) -> list[int] | None:
    """What we answered to the company's events about this payment, once there was one."""
    events = (await house.control("GET", "webhooks", reference=payment["id"]))["data"]
    return [attempt["status"] for event in events for attempt in event["attempts"]] or None


async def told_everything(tenant: Tenant, receiver: Receiver, **ends: int) -> None:
    """Each end was told of, once a payment, and no number in the row of events is missing."""
    expected = {f"payment.{end}": number for end, number in ends.items()}
    (log,) = await tenant.rows("SELECT count(*), max(sequence) AS last FROM events")
    assert log["count"] == log["last"]
    await receiver.until(lambda received: len({one.body["sequence"] for one in received}) == log["count"])
    by_id = {one.body["eventId"]: one.body["type"] for one in receiver.received}
    counted = Counter(by_id.values())
    assert {type_: counted[type_] for type_ in expected} == expected


# --- The database ---------------------------------------------------------------------------------


class Traffic:
    """Tenants and a company that go on talking to us whatever is away, and note what we answer."""

    def __init__(self, tenant: Tenant, company: Company, subject: Json) -> None:
        self.created: list[tuple[str, int, str | None]] = []
        self.heard: list[tuple[str, int]] = []
        self._tenant, self._company, self._subject = tenant, company, subject
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._speakers = [asyncio.create_task(speaks()) for speaks in [self._orders] * 2 + [self._tells] * 2]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.gather(*self._speakers)

    async def until(self, *, created: int, heard: int) -> None:
        """Go on until, from now on, both have had such an answer."""
        orders, events = len(self.created), len(self.heard)

        async def both() -> bool | None:
            to_tenants = {status for _, status, _ in self.created[orders:]}
            to_the_company = {status for _, status in self.heard[events:]}
            return (created in to_tenants and heard in to_the_company) or None

        await eventually(both)

    async def _orders(self) -> None:
        while not self._over.is_set():
            key = secrets.token_hex(8)
            answer = await self._tenant.create(key, **PRO)
            self.created.append((key, answer.status_code, answer.json().get("id")))

    async def _tells(self) -> None:
        body = told(self._subject, "open/unpaid")
        while not self._over.is_set():
            event = f"evt_{secrets.token_hex(8)}"
            answer = await self._company.post(body, **self._company.signed(body, event=event))
            self.heard.append((event, answer.status_code))


@pytest.mark.slow
async def test_without_its_database_the_house_accepts_nothing_and_loses_nothing_it_accepted(
    house: House, tenant: Tenant
) -> None:
    account = await tenant.account()
    company = Company(house, account, sandbox_keys(house, account)[0])
    subject, paid = await order(tenant), await order(tenant)
    async with Traffic(tenant, company, subject) as traffic:
        await traffic.until(created=201, heard=200)
        async with gone(house, "postgres"):
            await tenant.pay(paid)
            await traffic.until(created=503, heard=503)
            await unavailable(house, tenant, company, subject)
            answers = await eventually(partial(answered, house, paid))
            assert {*answers} <= {None, 503}
        await eventually(partial(accepts_connections, house))
        await house.recovered(within=10)
        await traffic.until(created=201, heard=200)
    assert {status for _, status, _ in traffic.created} <= {201, 202, 503}
    assert {status for _, status in traffic.heard} == {200, 503}
    kept = {row["id"] for row in await tenant.rows("SELECT id FROM payments")}
    assert kept >= {id_ for _, status, id_ in traffic.created if status != 503}
    stored = {row["event_id"] for row in await tenant.rows("SELECT event_id FROM inbox")}
    assert stored >= {event for event, status in traffic.heard if status == 200}
    refused_key = next(key for key, status, _ in traffic.created if status == 503)
    await tenant.open(refused_key, **PRO)
    await ends_once(tenant, paid)


async def unavailable(house: House, tenant: Tenant, company: Company, payment: Json) -> None:
    """Whatever needs the database says that it is away, and that trying again may help."""
    body = told(payment, "open/unpaid")
    asked: list[Awaitable[Any]] = [
        tenant.create(**PRO),
        tenant.call("GET", f"/v1/payments/{payment['id']}"),
        tenant.call("POST", f"/v1/payments/{payment['id']}/cancel"),
        company.post(body, **company.signed(body, event="evt_away")),
    ]
    for answer in await asyncio.gather(*asked):
        assert refused(answer, 503, "temporarily_unavailable")["retryable"]
    ready = await house.http.get("/readyz")
    assert (ready.status_code, "database" in ready.json()["missing"]) == (503, True)
    assert (await house.http.get("/livez")).status_code == 200


async def accepts_connections(house: House) -> bool | None:
    try:
        async with house.database():
            return True
    except (OSError, asyncpg.PostgresError):
        return None


# --- A provider -----------------------------------------------------------------------------------


async def away(tenant: Tenant) -> None:
    """The company answers nothing of this tenant's account but that it cannot."""
    for operation in ("checkout.create", "checkout.find", "checkout.read", "checkout.close"):
        await tenant.fault(operation, "before", "status:503", count=100_000)


async def calls(house: House, account: str) -> int:
    """How often the company was called on behalf of this account."""
    requests = (await house.control("GET", "requests"))["data"]
    return [request["account"] for request in requests].count(account)


@pytest.mark.slow
async def test_a_provider_that_is_away_is_left_alone_until_it_is_back_and_only_by_its_own_account(
    house: House, tenant: Tenant
) -> None:
    neighbour, account = await house.tenant(), await tenant.account()
    await away(tenant)
    late = [asyncio.create_task(tenant.create(**PRO)) for _ in range(12)]
    await eventually(partial(called, house, account, 5))
    theirs = await asyncio.gather(*(neighbour.open(**PRO) for _ in range(5)))
    answers = await asyncio.gather(*late)
    assert {answer.status_code for answer in answers} == {202}
    # Who was under way came through before the line was closed. Since then one asked at a time, and seldom.
    assert await calls(house, account) <= len(late) + 4
    await asyncio.gather(*(neighbour.pay(payment) for payment in theirs))
    await asyncio.gather(*(ends_once(neighbour, payment) for payment in theirs))
    await house.control("DELETE", "faults")
    opened = await asyncio.gather(
        *(tenant.eventually(answer.json(), "PROVIDER_PENDING", within=50) for answer in answers)
    )
    for payment in opened:
        assert len((await house.ledger(payment))["sessions"]) == 1


async def called(house: House, account: str, times: int) -> bool | None:
    return await calls(house, account) >= times or None


@pytest.mark.slow
async def test_a_provider_that_is_slow_for_one_account_is_quick_for_the_others(
    house: House, tenant: Tenant
) -> None:
    neighbour, account = await house.tenant(), await tenant.account()
    await tenant.fault("checkout.create", "before", "hang", count=100_000)
    limits = httpx.Limits(max_connections=200)
    late: list[asyncio.Task[httpx.Response]] = []
    async with httpx.AsyncClient(
        base_url=house.ready["apiUrl"], trust_env=False, timeout=30, limits=limits
    ) as http:
        crowd = replace(tenant, house=replace(house, http=http))
        # More than the worker has hands for, and the company would keep each for ten seconds.
        for _ in range(6):
            late += [asyncio.create_task(crowd.create(expiresInSeconds=LONG)) for _ in range(20)]
            await eventually(partial(written, tenant, "payments", len(late)))
        await eventually(partial(written, tenant, "checkouts", 100))
        answers = [await neighbour.create() for _ in range(5)]
        slow = await asyncio.gather(*late)
    # A busy machine may be late with one; who had to wait for the crowd would be late with all.
    codes = sorted(answer.status_code for answer in answers)
    assert codes[:4] == [201] * 4, codes
    assert {answer.status_code for answer in slow} == {202}
    await house.control("DELETE", "faults")
    await eventually(partial(open_at_last, tenant, len(late)), within=60)
    sessions = (await house.control("GET", "ledger"))["sessions"]
    assert len([session for session in sessions if session["account"] == account]) == len(late)


async def open_at_last(tenant: Tenant, number: int) -> bool | None:
    pending = await tenant.rows("SELECT FROM payments WHERE status = 'PROVIDER_PENDING'")
    return len(pending) == number or None


async def written(tenant: Tenant, table: str, rows: int) -> bool | None:
    return len(await tenant.rows(f"SELECT FROM {table}")) >= rows or None
