"""What takes a payment minutes, hours and days: told on a server that skips the waiting.

Workflows and steps, database and payment company are the real ones; only Temporal's clock runs ahead.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.world import World
from domain.approval import LIFE
from domain.payment import PaymentRef
from domain.tenant import ProviderAccount
from domain.values import new_id
from providers.base import PROVIDERS
from providers.sandbox import Sandbox
from storage import accounts
from tests.house import House, Json, Receiver, Tenant, eventually, refused
from tests.stories.tenancy import colleague, keys
from tests.stories.test_refunds import paid
from tests.workflows.flight import flying
from tests.world import place, reserve
from workflows import messages

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=seconds) for seconds in (1, 60, 3_600, 86_400))
# So often is the provider asked within the 30 s in which we insist on closing: at 0, ½, 1½, 3½, 7½, 15½ s.
CLOSING = 6
# So often is it asked what it has, within the 10 min in which we insist on opening, and some times more.
UNFOUND = 55


@dataclass(frozen=True)
class Life:
    """One payment from its order to its end, and the workflow that leads it there."""

    tenant: Tenant
    payment: Json
    ref: PaymentRef
    time: WorkflowEnvironment

    @property
    def workflow(self) -> WorkflowHandle[Any, Any]:
        return self.time.client.get_workflow_handle(self.tenant.workflow_id(self.payment))

    async def fault(self, operation: str, when: str, fault: str, count: int = 1_000) -> None:
        reference = self.payment["id"]
        await self.tenant.house.fault(operation, when, fault, reference=reference, count=count)

    async def begins(self) -> None:
        """The workflow is started as the API and the sweep do it."""
        await messages.start_payment(self.time.client, self.ref)

    async def opens(self) -> None:
        """It begins, and the payer is awaited."""
        await self.begins()

        async def opened() -> Json | None:
            found = await self.tenant.get(self.payment)
            return found if found["status"] == "PROVIDER_PENDING" else None

        self.payment.update(await eventually(opened))

    async def ends(self) -> Json:
        """The payment once its workflow is over: in no time, however long that takes."""
        service = self.time.client.test_service
        await service.unlock_time_skipping(UnlockTimeSkippingRequest())
        try:
            await self.workflow.result()
        finally:
            await service.lock_time_skipping(LockTimeSkippingRequest())
        return await self.tenant.get(self.payment)

    async def answered(self) -> tuple[int, timedelta]:
        """The last question: how many attempts it took, and how long the answer took to come."""
        questions: dict[int, HistoryEvent] = {}
        answer = (0, timedelta())
        async for event in self.workflow.fetch_history_events():
            if event.activity_task_scheduled_event_attributes.activity_type.name == "ask":
                questions[event.event_id] = event
            put = event.activity_task_started_event_attributes
            if put.scheduled_event_id in questions:
                asked_at = questions[put.scheduled_event_id].event_time.ToDatetime()
                answer = (put.attempt, event.event_time.ToDatetime() - asked_at)
        return answer


@dataclass(frozen=True)
class FastHouse:
    """The house's database and sandbox under a Temporal whose time flies while an end is awaited."""

    house: House
    world: World
    time: WorkflowEnvironment

    async def order(self, tenant: Tenant, life: timedelta, *alternatives: str) -> Life:
        """An order on record, of which no webhook will tell."""
        payment = await place(self.world, tenant, life, alternatives=alternatives)
        ordered = Life(tenant, await tenant.get(payment.id), payment.ref, self.time)
        await ordered.fault("webhook.send", "webhook", "lost")
        return ordered


def types(payment: Json) -> list[str]:
    return [event["type"].removeprefix("payment.") for event in payment["events"]]


@pytest.fixture
async def fast(house: House) -> AsyncIterator[FastHouse]:
    async with flying(house) as (time, world):
        yield FastHouse(house, world, time)


# --- While the payer may pay ----------------------------------------------------------------------


async def test_a_day_of_silence_expires_a_payment_that_was_asked_about_every_hour(
    fast: FastHouse, tenant: Tenant
) -> None:
    life = await fast.order(tenant, DAY)
    await life.opens()
    assert types(await life.ends()) == ["created", "pending", "expired"]
    requests = await fast.house.control("GET", "requests", reference=life.payment["id"])
    asked = [request["operation"] for request in requests["data"]]
    # After 1, 5, 15 and 60 minutes, then with every hour but the last, when the checkout is closed instead.
    assert asked == ["checkout.create", *["checkout.read"] * (4 + 22), "checkout.close"]
    assert (await fast.house.ledger(life.payment))["sessions"][0]["status"] == "expired"


async def test_a_lost_webhook_is_found_out_after_a_minute(fast: FastHouse, tenant: Tenant) -> None:
    life = await fast.order(tenant, DAY)
    await life.opens()
    await tenant.pay(life.payment)
    assert types(await life.ends()) == ["created", "pending", "succeeded"]
    attempts, late = await life.answered()
    assert (attempts, late // MINUTE) == (2, 1)


async def test_a_payer_may_take_their_time(fast: FastHouse, tenant: Tenant) -> None:
    life = await fast.order(tenant, DAY)
    await life.opens()
    await fast.time.sleep(10 * MINUTE)
    await tenant.pay(life.payment)
    assert types(await life.ends()) == ["created", "pending", "succeeded"]
    attempts, late = await life.answered()
    assert (attempts, late // MINUTE) == (4, 15)


# --- When another company has its turn ------------------------------------------------------------


@pytest.fixture
async def elsewhere(house: House) -> AsyncIterator[str]:
    """A second payment company, as far as we can tell."""

    class Elsewhere(Sandbox):
        name = "elsewhere"
        api_base = house.ready["sandboxUrl"]

    yield Elsewhere.name
    del PROVIDERS[Elsewhere.name]


async def test_operators_find_a_payment_under_the_company_that_took_it(
    fast: FastHouse, tenant: Tenant, elsewhere: str
) -> None:
    now = datetime.now(UTC)
    account = ProviderAccount(
        id=new_id("acc", now), tenant_id=tenant.id, provider=elsewhere, api_base=None, created_at=now
    )
    async with fast.world.database.tenant(tenant.id) as tx:
        await accounts.put(tx, fast.world.vault, account, (await keys(tenant))["credentials"])
    life = await fast.order(tenant, DAY, elsewhere)
    await life.fault("checkout.create", "before", "refuse", 1)
    await life.opens()

    async def shown() -> bool:
        # The row is committed before the workflow hears of it, and only then tells Temporal.
        seen = (await life.workflow.describe()).search_attributes
        return (seen["Provider"], seen["PaymentStatus"]) == (["elsewhere"], ["PROVIDER_PENDING"])

    await eventually(shown)


# --- Until a second person decides ----------------------------------------------------------------


async def test_what_nobody_approves_within_seven_days_stays(fast: FastHouse, receiver: Receiver) -> None:
    tenant = await fast.house.tenant(webhook_url=receiver.url)
    payment = await paid(tenant)
    refund, approval = await reserve(fast.world, tenant, payment, LIFE)
    await messages.start_refund(fast.time.client, refund.ref)
    workflow = fast.time.client.get_workflow_handle(f"refund:{tenant.id}:{refund.id}")
    await fast.time.sleep(LIFE - HOUR)
    answer = await tenant.call("GET", f"/v1/refunds/{refund.id}")
    assert answer.json()["status"] == "PENDING_APPROVAL"
    assert (await tenant.get(payment))["refundStatus"] == "PENDING"
    await fast.time.sleep(HOUR)
    assert await workflow.result() == "REJECTED"
    found = (await tenant.call("GET", f"/v1/refunds/{refund.id}")).json()
    assert (found["status"], found["failureCode"]) == ("REJECTED", "approval_expired")
    assert (await tenant.call("GET", f"/v1/approvals/{approval.id}")).json()["status"] == "EXPIRED"
    assert (await tenant.get(payment))["refundStatus"] == "NONE"
    told = await receiver.event("refund.rejected")
    assert told.body["data"]["failureCode"] == "approval_expired"
    approver = await colleague(tenant, "approver")
    answer = await approver.call("POST", f"/v1/approvals/{approval.id}/approve")
    refused(answer, 409, "illegal_transition")
    assert (await fast.house.ledger(payment))["refunds"] == []


# --- When nobody can say what happened ------------------------------------------------------------


@pytest.mark.parametrize(
    ("unanswered", "answered_after"),
    [
        (0, 15 * SECOND),
        (1, MINUTE),
        (2, 5 * MINUTE),
        (3, 15 * MINUTE),
        (4, HOUR),
        (5, 6 * HOUR),
        (6, 6 * HOUR + DAY),
        (30, 6 * HOUR + 25 * DAY),
    ],
)
async def test_a_provider_that_is_silent_at_the_deadline_is_asked_on_until_it_answers(
    fast: FastHouse, tenant: Tenant, unanswered: int, answered_after: timedelta
) -> None:
    life = await fast.order(tenant, HOUR)
    await life.opens()
    await life.fault("checkout.close", "before", "status:503", CLOSING + unanswered)
    assert types(await life.ends()) == ["created", "pending", "unknown", "expired"]
    attempts, late = await life.answered()
    assert attempts == unanswered + 2
    # The pauses are counted from one answer to the next question, and the answers take their time, too.
    assert answered_after <= late < answered_after + 10 * SECOND


async def test_money_is_found_after_the_silence(fast: FastHouse, tenant: Tenant) -> None:
    life = await fast.order(tenant, 10 * MINUTE)
    await life.opens()
    await life.fault("checkout.read", "before", "status:503", 2)
    await life.fault("checkout.close", "before", "status:503", CLOSING + 3)
    await tenant.pay(life.payment)
    assert types(await life.ends()) == ["created", "pending", "unknown", "succeeded"]
    assert len((await fast.house.ledger(life.payment))["captures"]) == 1


@pytest.mark.slow
async def test_a_checkout_that_was_never_made_fails_its_payment_but_only_when_that_is_certain(
    fast: FastHouse, tenant: Tenant
) -> None:
    life = await fast.order(tenant, 10 * MINUTE)
    await life.fault("checkout.create", "before", "reset")
    await life.fault("checkout.find", "before", "status:503", UNFOUND)
    await life.begins()
    ended = await life.ends()
    assert types(ended) == ["created", "unknown", "failed"]
    assert ended["failureCode"] == "provider_unavailable"
    assert (await life.answered())[0] > 3


async def test_a_checkout_whose_making_nobody_heard_of_is_found_and_closed(
    fast: FastHouse, tenant: Tenant
) -> None:
    life = await fast.order(tenant, 10 * MINUTE)
    await life.fault("checkout.create", "after", "reset")
    await life.fault("checkout.find", "before", "status:503", UNFOUND)
    await life.begins()
    ended = await life.ends()
    assert types(ended) == ["created", "unknown", "expired"]
    sessions = (await fast.house.ledger(life.payment))["sessions"]
    assert [session["status"] for session in sessions] == ["expired"]


async def test_a_provider_that_has_lost_the_checkout_is_not_asked_in_a_hurry(
    fast: FastHouse, tenant: Tenant
) -> None:
    life = await fast.order(tenant, DAY)
    await life.opens()
    await life.fault("checkout.read", "before", "status:404")
    assert types(await life.ends()) == ["created", "pending", "expired"]
    assert len((await life.workflow.fetch_history()).events) <= 35
