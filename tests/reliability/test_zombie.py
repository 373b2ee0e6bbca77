"""A worker that falls asleep in the middle of a step, and goes on when another has long taken over."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.testing import ActivityEnvironment

from activities.opening import open_checkout
from activities.refund import Errand, RefundActivities
from activities.world import World
from domain.errors import NotYet, ProviderError
from domain.money import Money
from domain.refund import Origin, Refund, RefundState
from providers.wire import FRESH
from storage import payments, refunds
from tests.house import House, Json, Tenant
from tests.reliability.interference import write
from tests.world import AHEAD, place, world_of

Step = Callable[[World], Awaitable[object]]

HOUR = timedelta(hours=1)
# At which of its looks at the clock a step falls asleep: before it calls the company, or with the answer.
ITS_LEAVE, THE_ANSWER = 1, 2
TABLES = ("payments", "checkouts", "refunds", "payment_events", "events", "ledger_entries")


@dataclass
class Sleeper:
    """A step that stops as a stopped process does: its thread stands still, and its loop's timers with it."""

    falls_asleep_at: int
    asleep: threading.Event = field(default_factory=threading.Event)
    awake: threading.Event = field(default_factory=threading.Event)
    looks: int = 0

    def clock(self) -> datetime:
        self.looks += 1
        if self.looks == self.falls_asleep_at:
            self.asleep.set()
            self.awake.wait()
        return datetime.now(UTC)

    async def work(self, house: House, step: Step) -> object:
        async with world_of(house) as world:
            return await step(replace(world, clock=self.clock))


@asynccontextmanager
async def asleep(house: House, step: Step, at: int) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """While this lasts the step sleeps. Call what is yielded to wake it; it tells how the step ended."""
    sleeper = Sleeper(at)
    working = asyncio.create_task(asyncio.to_thread(asyncio.run, sleeper.work(house, step)))

    async def wakes() -> object:
        sleeper.awake.set()
        (outcome,) = await asyncio.gather(working, return_exceptions=True)
        return outcome

    try:
        assert await asyncio.to_thread(sleeper.asleep.wait, 20), "it never got so far"
        yield wakes
    finally:
        await wakes()


async def its_leave_ends(tenant: Tenant, table: str) -> None:
    """As it does by itself, after ``storage.calls.LEASE``."""
    await write(tenant, f"UPDATE {table} SET busy_until = now()")  # noqa: S608 - a table of ours


async def records(tenant: Tenant) -> list[list[Json]]:
    return [await tenant.rows(f"SELECT * FROM {table} ORDER BY id") for table in TABLES]  # noqa: S608


async def part_of_the_money_back(world: World, tenant: Tenant) -> Refund:
    """A refund on record that no worker of the house begins. The company could make it twice."""
    paid = await tenant.open()
    await tenant.pay(paid)
    await tenant.eventually(paid, "SUCCEEDED")
    await tenant.ended(paid)
    wish = refunds.Wish(
        name="some of it",
        money=Money(amount_minor=paid["amount"] // 3, currency=paid["currency"]),
        origin=Origin.REVIEW,
        reason="a story",
        by="test",
    )
    async with world.database.tenant(tenant.id) as tx:
        payment = await payments.get(tx, paid["id"])
        return await refunds.request(tx, payment, wish, datetime.now(UTC) + AHEAD)


async def carry_out(world: World, refund: Refund) -> RefundState:
    errand = Errand(ref=refund.ref, since=datetime.now(UTC))
    return await ActivityEnvironment().run(RefundActivities(world).carry_out, errand)


# --- Checkouts ------------------------------------------------------------------------------------


async def test_while_one_has_leave_to_ask_for_a_checkout_nobody_else_asks(
    house: House, tenant: Tenant, world: World
) -> None:
    ref = (await place(world, tenant, HOUR)).ref
    async with asleep(house, lambda its: open_checkout(its, ref), ITS_LEAVE) as wakes:
        with pytest.raises(NotYet):
            await open_checkout(world, ref)
        assert (await house.control("GET", "requests", reference=ref.payment_id))["data"] == []
        await wakes()
    assert (await tenant.get(ref.payment_id))["status"] == "PROVIDER_PENDING"


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("forgetful")
@pytest.mark.slow
async def test_who_slept_with_leave_to_ask_for_a_checkout_asks_no_more_when_another_has(
    house: House, tenant: Tenant, world: World
) -> None:
    ref = (await place(world, tenant, HOUR)).ref
    async with asleep(house, lambda its: open_checkout(its, ref), ITS_LEAVE) as wakes:
        await its_leave_ends(tenant, "checkouts")
        opened = await open_checkout(world, ref)
        before = await records(tenant)
        await asyncio.sleep(FRESH.total_seconds())
        assert isinstance(await wakes(), ProviderError)
    sessions = (await house.ledger({"id": ref.payment_id}))["sessions"]
    assert [session["id"] for session in sessions] == [opened.provider_reference]
    assert await records(tenant) == before


@pytest.mark.usefixtures("forgetful")
async def test_who_slept_with_a_checkout_in_hand_changes_nothing_when_another_has_found_it(
    house: House, tenant: Tenant, world: World
) -> None:
    ref = (await place(world, tenant, HOUR)).ref
    async with asleep(house, lambda its: open_checkout(its, ref), THE_ANSWER) as wakes:
        await its_leave_ends(tenant, "checkouts")
        opened = await open_checkout(world, ref)
        before = await records(tenant)
        assert await wakes() == opened
    assert len((await house.ledger({"id": ref.payment_id}))["sessions"]) == 1
    assert await records(tenant) == before


# --- Refunds --------------------------------------------------------------------------------------


async def test_while_one_has_leave_to_ask_for_a_refund_nobody_else_asks(
    house: House, tenant: Tenant, world: World
) -> None:
    refund = await part_of_the_money_back(world, tenant)
    async with asleep(house, lambda its: carry_out(its, refund), ITS_LEAVE) as wakes:
        with pytest.raises(NotYet):
            await carry_out(world, refund)
        assert (await house.ledger({"id": refund.payment_id}))["refunds"] == []
        assert await wakes() is RefundState.SUCCEEDED


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("forgetful")
@pytest.mark.slow
async def test_who_slept_with_leave_to_give_money_back_gives_none_when_another_has(
    house: House, tenant: Tenant, world: World
) -> None:
    refund = await part_of_the_money_back(world, tenant)
    async with asleep(house, lambda its: carry_out(its, refund), ITS_LEAVE) as wakes:
        await its_leave_ends(tenant, "refunds")
        assert await carry_out(world, refund) is RefundState.SUCCEEDED
        before = await records(tenant)
        await asyncio.sleep(FRESH.total_seconds())
        assert isinstance(await wakes(), NotYet)
    given = (await house.ledger({"id": refund.payment_id}))["refunds"]
    assert [each["refundReference"] for each in given] == [refund.id]
    assert await records(tenant) == before


@pytest.mark.usefixtures("forgetful")
async def test_who_slept_with_the_word_on_a_refund_in_hand_changes_nothing_when_another_has_heard_it(
    house: House, tenant: Tenant, world: World
) -> None:
    refund = await part_of_the_money_back(world, tenant)
    # Nobody else tells us first.
    await tenant.fault("webhook.send", "webhook", "lost", count=100)
    async with asleep(house, lambda its: carry_out(its, refund), THE_ANSWER) as wakes:
        await its_leave_ends(tenant, "refunds")
        assert await carry_out(world, refund) is RefundState.SUCCEEDED
        before = await records(tenant)
        assert await wakes() is RefundState.SUCCEEDED
    assert len((await house.ledger({"id": refund.payment_id}))["refunds"]) == 1
    assert await records(tenant) == before
