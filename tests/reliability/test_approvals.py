"""Who waits for a second person waits on, whatever dies meanwhile; and the company hears nothing of it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment

from activities.approval import ApprovalActivities
from activities.refund import Errand, RefundActivities
from activities.world import World
from domain.approval import Answer, ApprovalRef
from domain.errors import NotYet
from domain.refund import RefundState
from storage import refunds
from tests.house import House, Json, Tenant, eventually, refused
from tests.reliability.away import gone
from tests.reliability.operator import paysaga
from tests.stories.tenancy import colleague
from tests.stories.test_approvals import (
    ABOVE,
    approval_of,
    asked_of_the_company,
    careful,
    decide,
    given_back,
    propose,
    reviewed,
    waiting,
)
from tests.stories.test_refunds import ask, becomes, paid
from tests.world import reserve

HOUR = timedelta(hours=1)


async def expire(world: World, ref: ApprovalRef) -> Answer:
    return await ActivityEnvironment().run(ApprovalActivities(world).expire, ref)


async def status(tenant: Tenant, payment: Json, wanted: str) -> Json:
    async def look() -> Json | None:
        found = await tenant.get(payment)
        return found if found["status"] == wanted else None

    found: Json = await eventually(look, 60)
    return found


# --- Whatever dies --------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_refund_waits_for_its_approver_across_dead_workers(house: House) -> None:
    tenant, approver = await careful(house)
    asked, approval = await waiting(tenant)
    proposed = (await propose(tenant, under_review := await reviewed(tenant), "accept")).json()
    for _ in range(2):
        await house.kill("worker")
    for each in (approval, proposed):
        assert (await approval_of(tenant, each["id"]))["status"] == "PENDING"
        assert (await decide(approver, each, "approve")).status_code == 200
    await becomes(tenant, asked, "SUCCEEDED")
    await status(tenant, under_review, "SUCCEEDED")
    assert await given_back(house, asked) == [ABOVE]


@pytest.mark.timeout(120)
@pytest.mark.slow
async def test_what_is_decided_while_temporal_is_away_happens_on_its_return(house: House) -> None:
    tenant, approver = await careful(house)
    asked, approval = await waiting(tenant)
    refusing, doubtful = await waiting(tenant)
    proposed = (await propose(tenant, under_review := await reviewed(tenant), "refund")).json()
    payment = await paid(tenant)
    async with gone(house, "temporal"):
        late = (await ask(tenant, payment, amount=ABOVE)).json()
        for each, how in ((approval, "approve"), (doubtful, "reject"), (proposed, "approve")):
            assert (await decide(approver, each, how)).status_code == 200
        assert (await tenant.call("GET", f"/v1/refunds/{asked['id']}")).json()["status"] == "PENDING"
        assert await given_back(house, asked) == []
    await house.recovered()
    await becomes(tenant, asked, "SUCCEEDED")
    await status(tenant, under_review, "FAILED")
    await decide(approver, {"id": late["approvalId"]}, "approve")
    await becomes(tenant, late, "SUCCEEDED")
    assert [await given_back(house, each) for each in (asked, refusing, late)] == [[ABOVE], [], [ABOVE]]
    assert (await tenant.call("GET", f"/v1/refunds/{refusing['id']}")).json()["status"] == "REJECTED"


@pytest.mark.slow
async def test_who_waits_is_given_a_workflow_again(house: House) -> None:
    tenant, approver = await careful(house)
    asked, approval = await waiting(tenant)
    proposed = (await propose(tenant, under_review := await reviewed(tenant), "accept")).json()
    client = await house.temporal()
    waits = [
        client.get_workflow_handle(name)
        for name in (f"refund:{tenant.id}:{asked['id']}", f"review:{tenant.id}:{proposed['id']}")
    ]
    for workflow in waits:
        await workflow.terminate("lost")
    code, printed = await paysaga("rebuild", house=house)
    assert code == 0, printed
    for workflow in waits:
        assert (await workflow.describe()).status is WorkflowExecutionStatus.RUNNING
    for each in (approval, proposed):
        await decide(approver, each, "approve")
    await becomes(tenant, asked, "SUCCEEDED")
    await status(tenant, under_review, "SUCCEEDED")
    assert await given_back(house, asked) == [ABOVE]


@pytest.mark.slow
async def test_what_waits_is_on_the_list_for_people_on_its_last_day(house: House) -> None:
    # A week of this house takes less than three hours.
    tenant, _ = await careful(house)
    _, approval = await waiting(tenant)
    code, printed = await paysaga("attention", "--json", house=house)
    assert (code, approval["id"] in printed) == (0, True), printed


@pytest.mark.slow
async def test_every_promise_holds_while_some_wait_and_others_were_refused(house: House) -> None:
    tenant, approver = await careful(house)
    await waiting(tenant)
    _, refusing = await waiting(tenant)
    await decide(approver, refusing, "reject")
    code, printed = await paysaga("verify", house=house)
    assert code == 0, printed


# --- The company hears nothing of it --------------------------------------------------------------


async def test_no_step_takes_a_refund_that_waits_to_the_company(
    house: House, tenant: Tenant, world: World
) -> None:
    refund, approval = await reserve(world, tenant, await paid(tenant), HOUR)
    errand = Errand(ref=refund.ref, since=datetime.now(UTC))
    step = RefundActivities(world).carry_out
    assert await ActivityEnvironment().run(step, errand) is RefundState.PENDING_APPROVAL
    with no_leave():
        async with world.database.tenant(tenant.id) as tx:
            await refunds.calling(tx, refund.id)
    await expire(world, approval.ref)
    assert await ActivityEnvironment().run(step, errand) is RefundState.REJECTED
    with no_leave():
        async with world.database.tenant(tenant.id) as tx:
            await refunds.calling(tx, refund.id)
    assert await asked_of_the_company(house, {"paymentId": refund.payment_id}) == []


@contextmanager
def no_leave() -> Iterator[None]:
    with pytest.raises(NotYet):
        yield


# --- At the last moment ---------------------------------------------------------------------------


async def test_after_its_time_nobody_approves_though_it_has_not_been_ended_yet(
    house: House, tenant: Tenant, world: World
) -> None:
    payment = await paid(tenant)
    refund, approval = await reserve(world, tenant, payment, timedelta())
    approver = await colleague(tenant, "approver")
    for how in ("approve", "reject"):
        refused(await decide(approver, {"id": approval.id}, how), 409, "illegal_transition")
    assert (await expire(world, approval.ref)).state == "EXPIRED"
    assert (await expire(world, approval.ref)).state == "EXPIRED"
    assert (await tenant.get(payment))["refundStatus"] == "NONE"
    assert (await tenant.call("GET", f"/v1/refunds/{refund.id}")).json()["failureCode"] == "approval_expired"
    assert await given_back(house, {"paymentId": payment["id"]}) == []


@pytest.mark.slow
async def test_of_an_approval_and_the_end_of_its_time_one_counts(
    house: House, tenant: Tenant, world: World
) -> None:
    approver = await colleague(tenant, "approver")
    for _ in range(5):
        payment = await paid(tenant)
        refund, approval = await reserve(world, tenant, payment, HOUR)
        ended, answer = await asyncio.gather(
            expire(world, approval.ref), decide(approver, {"id": approval.id}, "approve")
        )
        approved = answer.status_code == 200
        assert ended.state in ("APPROVED", "EXPIRED")
        assert ((await approval_of(tenant, approval.id))["status"] == "APPROVED") == approved
        await becomes(tenant, {"id": refund.id}, "SUCCEEDED" if approved else "REJECTED")
        back = [payment["amount"]] if approved else []
        assert await given_back(house, {"paymentId": payment["id"]}) == back
