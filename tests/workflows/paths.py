"""Every way that something can go, gone once: where the histories come from that releases are tried on."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.client import ScheduleActionExecutionStartWorkflow, WorkflowHistory

from tests.house import DECLINED, House, Json, Receiver, Tenant, eventually, kinds, sandbox_keys, whole
from tests.reliability.operator import decided
from tests.stories.company import Company
from tests.stories.test_approvals import careful, decide, waiting
from tests.stories.test_disputes import decided as bank_decides
from tests.stories.test_disputes import stands
from tests.stories.test_refunds import by_hand
from tests.workflows.billing_paths import BILLING
from tests.world import reserve, world_of


async def success(tenant: Tenant) -> Json:
    payment = await tenant.open(entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    return payment


async def decline_then_success(tenant: Tenant) -> Json:
    payment = await tenant.open()
    await tenant.pay(payment, card=DECLINED)
    await eventually(lambda: heard(tenant, payment, "payment.attempt_failed"))
    await tenant.pay(payment)
    return payment


async def heard(tenant: Tenant, payment: Json, type_: str) -> bool | None:
    return type_ in [event["type"] for event in (await tenant.get(payment))["events"]] or None


async def expiry(tenant: Tenant) -> Json:
    await without_webhooks(tenant)
    await without_answers(tenant)
    return await tenant.open(expiresInSeconds=180)


async def cancel(tenant: Tenant) -> Json:
    payment = await tenant.open()
    assert (await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")).status_code == 200
    return payment


async def lost_webhook(tenant: Tenant) -> Json:
    await without_webhooks(tenant)
    payment = await tenant.open(expiresInSeconds=3600)
    await tenant.pay(payment)
    return payment


async def unknown_then_resolved(tenant: Tenant) -> Json:
    await without_webhooks(tenant)
    await without_answers(tenant)
    # A refusal is not worth repeating: it is unknown at once what became of the checkout.
    await tenant.fault("checkout.close", "before", "refuse")
    return await tenant.open(expiresInSeconds=180)


async def nudged_while_unknown(tenant: Tenant) -> Json:
    await without_webhooks(tenant)
    await without_answers(tenant)
    await tenant.fault("checkout.close", "before", "refuse", count=4)
    payment = await tenant.open(expiresInSeconds=180)
    # Whoever looks has the provider asked.
    await tenant.eventually(payment, "UNKNOWN")
    return payment


async def without_webhooks(tenant: Tenant) -> None:
    await tenant.fault("webhook.send", "webhook", "lost", count=10)


async def without_answers(tenant: Tenant) -> None:
    """Nothing is found out by asking, only by closing."""
    await tenant.fault("checkout.read", "before", "status:503", count=100)


async def refused_by_the_provider(tenant: Tenant) -> Json:
    await tenant.fault("checkout.create", "before", "refuse")
    answer = await tenant.create()
    assert answer.status_code == 502
    found: Json = await tenant.get(answer.json()["paymentId"])
    return found


async def other_money_than_ordered(tenant: Tenant) -> Json:
    await without_answers(tenant)
    await tenant.fault("checkout.pay", "answer", "wrongAmount")
    payment = await tenant.open()
    await tenant.pay(payment)
    return payment


async def lost_and_started_again(tenant: Tenant) -> Json:
    payment = await tenant.open()
    client = await tenant.house.temporal()
    await client.get_workflow_handle(tenant.workflow_id(payment)).terminate("lost")
    await tenant.pay(payment)
    return await tenant.eventually(payment, "SUCCEEDED")


# Which way each goes.
PATHS: dict[Callable[[Tenant], Awaitable[Json]], tuple[str, ...]] = {
    success: ("created", "pending", "succeeded"),
    decline_then_success: ("created", "pending", "attempt_failed", "succeeded"),
    expiry: ("created", "pending", "expired"),
    cancel: ("created", "pending", "cancelled"),
    lost_webhook: ("created", "pending", "succeeded"),
    unknown_then_resolved: ("created", "pending", "unknown", "expired"),
    nudged_while_unknown: ("created", "pending", "unknown", "expired"),
    refused_by_the_provider: ("created", "failed"),
    other_money_than_ordered: ("created", "pending", "review"),
    lost_and_started_again: ("created", "pending", "succeeded"),
}


async def live(house: House, path: Callable[[Tenant], Awaitable[Json]]) -> WorkflowHistory:
    tenant = await house.tenant()
    payment = await path(tenant)
    await tenant.ended(payment)
    events = (await tenant.get(payment))["events"]
    assert tuple(event["type"].removeprefix("payment.") for event in events) == PATHS[path]
    return await tenant.history(payment)


async def late_report(house: House) -> WorkflowHistory:
    """What the company says of a payment that has ended, and what does not fit its end."""
    tenant = await house.tenant()
    payment = await success(tenant)
    await tenant.ended(payment)
    account = await tenant.account()
    company = Company(house, account, sandbox_keys(house, account)[0])
    await company.says(payment, "expired/unpaid")
    return await whole(house, f"late:{tenant.id}:{payment['id']}")


async def deliveries(house: House) -> WorkflowHistory:
    """A courier's history: a first attempt that failed, and what came after it."""
    async with Receiver.listening() as receiver:
        receiver.answers = [500]
        tenant = await house.tenant(receiver.url)
        await tenant.open()
        await receiver.count(3)
        endpoint = (await tenant.rows("SELECT id FROM webhook_endpoints"))[0]["id"]
        return await whole(house, f"courier:{tenant.id}:{endpoint}")


async def late_money_accepted_by_two(house: House) -> WorkflowHistory:
    """A review's history: an operator asks, an approver agrees."""
    tenant = await house.tenant()
    await tenant.call("PATCH", "/v1/tenants/me/settings", json={"latePayment": "hold"})
    payment = await paid_too_late(tenant)
    await eventually(lambda: has_become(tenant, payment, "REVIEW"))
    await decided(tenant, "accept", payment["id"])
    (approval,) = await tenant.rows("SELECT id FROM approvals")
    return await whole(house, f"review:{tenant.id}:{approval['id']}")


async def refund_approved(house: House) -> WorkflowHistory:
    """It waits first, and then is like any other."""
    tenant, approver = await careful(house)
    asked, approval = await waiting(tenant)
    client = await house.temporal()
    workflow = client.get_workflow_handle(f"refund:{tenant.id}:{asked['id']}")

    async def waits() -> bool | None:
        return "TIMER_STARTED" in kinds(await workflow.fetch_history()) or None

    await eventually(waits)
    await decide(approver, approval, "approve")
    return await whole(house, workflow.id)


async def refund_nobody_approved(house: House) -> WorkflowHistory:
    """It waits, and that is all."""
    tenant = await house.tenant()
    payment = await success(tenant)
    await tenant.eventually(payment, "SUCCEEDED")
    async with world_of(house) as world:
        refund, _ = await reserve(world, tenant, payment, timedelta(seconds=3))
        await world.start_refund(refund.ref)
    return await whole(house, f"refund:{tenant.id}:{refund.id}")


async def late_money_given_back(house: House) -> WorkflowHistory:
    """A refund's history."""
    tenant = await house.tenant()
    payment = await paid_too_late(tenant)

    async def refund() -> str | None:
        rows = await tenant.rows("SELECT id FROM refunds WHERE state = 'SUCCEEDED'")
        return rows[0]["id"] if rows else None

    history = await whole(house, f"refund:{tenant.id}:{await eventually(refund)}")
    assert (await tenant.get(payment))["refundStatus"] == "FULL"
    return history


async def refund_not_ours(house: House) -> WorkflowHistory:
    """What is heard of a refund that somebody made over there."""
    tenant = await house.tenant()
    payment = await tenant.paid()
    await by_hand(tenant, payment, 1000)

    async def booked() -> bool | None:
        return (await tenant.get(payment))["refundStatus"] == "PARTIAL" or None

    await eventually(booked)
    return await whole(house, f"late:{tenant.id}:{payment['id']}")


async def dispute_won(house: House) -> WorkflowHistory:
    """The tenant has something to say, and the bank believes it."""
    tenant = await house.tenant()
    payment = await tenant.paid()
    dispute = await tenant.disputed(payment)
    await tenant.call("POST", f"/v1/disputes/{dispute['id']}/evidence", json={})
    await stands(tenant, payment, "UNDER_REVIEW")
    return await fought(tenant, payment, "won")


async def dispute_lost(house: House) -> WorkflowHistory:
    """Nobody says anything, until we do; it does not help."""
    tenant = await house.tenant()
    payment = await tenant.paid()
    await tenant.disputed(payment, evidenceSeconds=3)
    await stands(tenant, payment, "UNDER_REVIEW")
    return await fought(tenant, payment, "lost")


async def fought(tenant: Tenant, payment: Json, outcome: str) -> WorkflowHistory:
    await bank_decides(tenant.house, payment, outcome)
    dispute = await stands(tenant, payment, outcome.upper())
    return await whole(tenant.house, f"dispute:{tenant.id}:sandbox:{dispute['id']}")


async def books_compared(house: House) -> WorkflowHistory:
    return await reconciliation(await house.tenant(), "DONE")


async def books_that_stayed_shut(house: House) -> WorkflowHistory:
    tenant = await house.tenant()
    await tenant.fault("payment.list", "before", "refuse")
    return await reconciliation(tenant, "FAILED")


async def reconciliation(tenant: Tenant, status: str) -> WorkflowHistory:
    """The history of a run that was asked for."""
    run = (await tenant.call("POST", "/v1/reconciliation/runs", json={})).json()

    async def ended() -> bool | None:
        found = await tenant.call("GET", f"/v1/reconciliation/runs/{run['id']}")
        return found.json()["status"] == status or None

    await eventually(ended)
    client = await tenant.house.temporal()
    schedule = client.get_schedule_handle(f"reconcile:{tenant.id}:sandbox")
    started = (await schedule.describe()).info.recent_actions[0].action
    assert isinstance(started, ScheduleActionExecutionStartWorkflow)
    return await whole(tenant.house, started.workflow_id)


async def paid_too_late(tenant: Tenant) -> Json:
    await tenant.fault("checkout.close", "before", "lost")
    payment = await cancel(tenant)
    await tenant.ended(payment)
    await tenant.pay(payment)
    return payment


async def has_become(tenant: Tenant, payment: Json, status: str) -> bool | None:
    return (await tenant.get(payment))["status"] == status or None


OTHERS: tuple[Callable[[House], Awaitable[WorkflowHistory]], ...] = (
    *(late_report, deliveries, late_money_given_back, refund_not_ours, dispute_won, dispute_lost),
    *(refund_approved, refund_nobody_approved, late_money_accepted_by_two),
    *(books_compared, books_that_stayed_shut),
    *BILLING,
)
