"""A company tells us by webhooks, and when it is asked. Either is enough; without both, nobody knows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from domain.events import EVENT_OF_STATUS
from storage import attention
from storage.database import Database
from tests.house import DECLINED, House, Json, Receiver, Tenant
from tests.reliability.operator import cried_out
from tests.stories.test_evidence import write

BANK_SUCCEEDS, BANK_FAILS = "9000000000000001", "9000000000000019"


class End(NamedTuple):
    """How a payment ended: for its tenant, at the company, in the books and for its user."""

    status: str
    failure: str | None
    statuses: list[str]
    told: list[str]
    captured: list[tuple[int, str]]
    sessions: list[str]
    books: list[tuple[str, int]]
    entitled: bool


async def end_of(tenant: Tenant, payment: Json) -> End:
    await tenant.ended(payment)
    found, truth = await tenant.get(payment), await tenant.house.ledger(payment)
    told = await tenant.rows("SELECT type FROM events ORDER BY sequence")
    books = await tenant.rows("SELECT account, amount_minor FROM ledger_entries ORDER BY account")
    assert truth["refunds"] == []
    return End(
        status=found["status"],
        failure=found["failureCode"],
        # What is no status, a declined card for one, is told by webhooks only.
        statuses=[event["type"] for event in found["events"] if event["type"] in EVENT_OF_STATUS.values()],
        told=[event["type"] for event in told],
        captured=[(capture["amount"], capture["currency"]) for capture in truth["captures"]],
        sessions=[session["status"] for session in truth["sessions"]],
        books=[(line["account"], line["amount_minor"]) for line in books],
        entitled=(await tenant.entitled("pro"))["entitled"],
    )


# --- One channel is enough ------------------------------------------------------------------------


async def paid(tenant: Tenant, payment: Json) -> None:
    await tenant.pay(payment)


async def declined_then_paid(tenant: Tenant, payment: Json) -> None:
    await tenant.pay(payment, DECLINED)
    await tenant.pay(payment)


async def given_up(tenant: Tenant, payment: Json) -> None:
    await tenant.pay(payment, action="close")


async def cancelled(tenant: Tenant, payment: Json) -> None:
    await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")


async def expired(_tenant: Tenant, _payment: Json) -> None:
    """Nobody does anything."""


async def paid_by_bank(tenant: Tenant, payment: Json) -> None:
    await tenant.pay(payment, BANK_SUCCEEDS)


async def refused_by_bank(tenant: Tenant, payment: Json) -> None:
    await tenant.pay(payment, BANK_FAILS)


Act = Callable[[Tenant, Json], Awaitable[None]]
ENDS: Mapping[Act, str] = {
    paid: "SUCCEEDED",
    declined_then_paid: "SUCCEEDED",
    given_up: "CANCELLED",
    cancelled: "CANCELLED",
    expired: "EXPIRED",
    paid_by_bank: "SUCCEEDED",
    refused_by_bank: "FAILED",
}


async def without_webhooks(tenant: Tenant, _happens: Act) -> None:
    await tenant.fault("webhook.send", "webhook", "lost", count=1_000)


async def without_answers(tenant: Tenant, happens: Act) -> None:
    # To close a checkout is not to ask about it: where we end a payment ourselves, we have to be heard.
    # What becomes of a closing nobody confirms is told below.
    closes = happens in {cancelled, expired}
    for operation in ("checkout.read", "checkout.find", *(() if closes else ("checkout.close",))):
        await tenant.fault(operation, "before", "status:503", count=1_000)


async def lived(house: House, happens: Act, channel: Callable[[Tenant, Act], Awaitable[None]]) -> End:
    tenant = await house.tenant()
    await channel(tenant, happens)
    life = 60 if happens is expired else 3_600
    payment = await tenant.open(expiresInSeconds=life, entitlements=[{"feature": "pro"}])
    await happens(tenant, payment)
    await tenant.eventually(payment, ENDS[happens])
    return await end_of(tenant, payment)


@pytest.mark.parametrize("happens", ENDS, ids=lambda happens: happens.__name__)
@pytest.mark.slow
async def test_a_payment_ends_the_same_without_webhooks_and_without_answers(
    house: House, happens: Act
) -> None:
    told, asked = await asyncio.gather(
        lived(house, happens, without_answers), lived(house, happens, without_webhooks)
    )
    assert told == asked
    succeeded = ENDS[happens] == "SUCCEEDED"
    assert told.statuses == ["payment.created", "payment.pending", f"payment.{told.status.lower()}"]
    assert (len(told.captured), len(told.books), told.entitled) == (succeeded, 2 * succeeded, succeeded)


# --- Without answers when we have to know ---------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
async def unconfirmed(house: House) -> AsyncIterator[asyncio.Future[tuple[End, End]]]:
    """What became of two payments that we closed. It takes half a minute, in which others are told of."""

    async def closed(happens: Act, life: int) -> End:
        tenant = await house.tenant()
        for operation in ("checkout.read", "checkout.find"):
            await tenant.fault(operation, "before", "status:503", count=1_000)
        # Done over there, and we do not hear of it.
        await tenant.fault("checkout.close", "after", "reset", count=1_000)
        payment = await tenant.open(expiresInSeconds=life)
        await happens(tenant, payment)
        await tenant.eventually(payment, ENDS[happens], within=50)
        return await end_of(tenant, payment)

    ends = asyncio.gather(closed(cancelled, 3_600), closed(expired, 180))
    yield ends
    ends.cancel()


# --- Without both ---------------------------------------------------------------------------------


NOWHERE = "http://127.0.0.1:9"


async def unheard_of(tenant: Tenant, *, pays: bool) -> Json:
    """A payment of which no word reaches us, whether it is paid or not, once it is UNKNOWN."""
    await tenant.fault("webhook.send", "webhook", "lost", count=1_000)
    payment = await tenant.open(expiresInSeconds=180, entitlements=[{"feature": "pro"}])
    await write(tenant, "UPDATE provider_accounts SET api_base = $1", NOWHERE)
    if pays:
        await tenant.pay(payment)
    await tenant.eventually(payment, "UNKNOWN", within=50)
    return payment


async def can_be_asked_again(tenant: Tenant, _payment: Json) -> None:
    await write(tenant, "UPDATE provider_accounts SET api_base = NULL")


async def tells_after_all(tenant: Tenant, payment: Json) -> None:
    (event,) = (await tenant.house.control("GET", "webhooks", reference=payment["id"]))["data"]
    await tenant.house.control("POST", "webhooks/resend", {"eventId": event["eventId"]})


async def ends_rightly(tenant: Tenant, payment: Json, comes_back: Act, status: str) -> None:
    await comes_back(tenant, payment)
    await tenant.eventually(payment, status, within=50)
    end = await end_of(tenant, payment)
    succeeded = status == "SUCCEEDED"
    stations = ["created", "pending", "unknown", status.lower()]
    assert end.statuses == [f"payment.{station}" for station in stations]
    assert (len(end.captured), len(end.books), end.entitled) == (succeeded, 2 * succeeded, succeeded)
    assert end.sessions == ["complete" if succeeded else "expired"]


async def of_interest(house: House, now: datetime) -> set[tuple[str, str]]:
    database = Database(house.ready["databaseUrl"], pool_size=1)
    try:
        async with database.system() as tx:
            return {(matter.kind, matter.subject) for matter in await attention.matters(tx, now)}
    finally:
        await database.close()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_without_both_a_payment_is_unknown_until_either_comes_back(
    house: House, receiver: Receiver
) -> None:
    tenants = [await house.tenant(webhook_url=receiver.url), await house.tenant(), await house.tenant()]
    lives = [unheard_of(tenant, pays=pays) for tenant, pays in zip(tenants, (True, True, False), strict=True)]
    payments = await asyncio.gather(*lives)
    said = await receiver.event("payment.unknown")
    assert said.body["data"]["paymentId"] == payments[0]["id"]
    now = datetime.now(UTC)
    today, tomorrow = await of_interest(house, now), await of_interest(house, now + timedelta(hours=24))
    for payment in payments:
        assert cried_out(house, "payment_unknown", payment["id"])
        assert ("payment unknown", payment["id"]) in tomorrow - today
    returns: list[tuple[Act, str]] = [
        (can_be_asked_again, "SUCCEEDED"),
        (tells_after_all, "SUCCEEDED"),
        (can_be_asked_again, "EXPIRED"),
    ]
    await asyncio.gather(
        *(
            ends_rightly(tenant, payment, *back)
            for tenant, payment, back in zip(tenants, payments, returns, strict=True)
        )
    )


@pytest.mark.slow
async def test_a_closing_nobody_confirms_ends_by_the_companys_own_event(
    unconfirmed: asyncio.Future[tuple[End, End]],
) -> None:
    ends = await unconfirmed
    assert [end.status for end in ends] == ["CANCELLED", "EXPIRED"]
    assert [end.sessions for end in ends] == [["expired"], ["expired"]]
