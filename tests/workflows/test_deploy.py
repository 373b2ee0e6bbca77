"""A new release comes while payments are on their way, and its workers run beside the old ones for a while.

Nothing is remembered between two tasks here, so each task of a payment may go to any worker: the worst that
a busy day can do.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import worker
from activities.payment import PaymentActivities
from activities.world import World
from domain.payment import Payment, PaymentStatus
from installation import open_world
from tests.house import House, Tenant, eventually, kinds
from tests.workflows.releases import Careless, OneStepMore
from tests.world import place, settings_of
from workflows import messages, policies
from workflows.payloads import data_converter
from workflows.payment import PaymentWorkflow

PATIENCE, LIFE = timedelta(seconds=10), timedelta(hours=1)


@dataclass(frozen=True)
class Release:
    """What a worker runs, and the name it signs its tasks with."""

    name: str
    code: type[PaymentWorkflow]
    holds: bool = False


OLD = Release("old", PaymentWorkflow)
# As it runs beside the old one, and as it runs once that is gone.
HELD, NEW = Release("new", OneStepMore, holds=True), Release("new", OneStepMore)
CARELESS = Release("new", Careless)


@dataclass(frozen=True)
class Installation:
    """Payments of one tenant under a Temporal of their own, and whatever workers there are."""

    tenant: Tenant
    world: World
    temporal: Client

    @asynccontextmanager
    async def runs(self, *releases: Release) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            for release in releases:
                await running.enter_async_context(await self._worker(release))
            yield

    async def _worker(self, release: Release) -> Worker:
        steps = PaymentActivities(self.world)
        # Two workers of one queue need a connection each.
        connection = await Client.connect(
            self.temporal.service_client.config.target_host, data_converter=data_converter()
        )
        return Worker(
            connection,
            identity=release.name,
            task_queue=policies.QUEUE,
            workflows=[release.code],
            activities=[steps.open_checkout, steps.close_checkout, steps.ask, steps.settle],
            interceptors=[worker.Failures()],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=0,
            disable_eager_activity_execution=True,
            patch_activation_callback=worker.not_yet if release.holds else None,
        )

    async def opens(self, number: int = 1) -> list[Payment]:
        """So many payments, as the API opens them."""
        placed = [await place(self.world, self.tenant, LIFE) for _ in range(number)]
        for payment in placed:
            await self.tenant.house.fault(
                "webhook.send", "webhook", "lost", reference=payment.id, count=1_000
            )
            async with asyncio.timeout(PATIENCE.total_seconds()):
                await messages.open_checkout(self.temporal, payment.ref, PATIENCE)
        return placed

    async def is_paid(self, payment: Payment) -> None:
        """The payer pays, and the provider's word of it is passed on."""
        found = await self.tenant.get(payment.id)
        await self.tenant.pay(found)
        async with self.world.database.tenant(self.tenant.id) as tx:
            _, provider = await self.world.provider(tx, payment.account_id)
        said = await provider.read_checkout(found["providerReference"], self.world.clock())
        await messages.report(self.temporal, payment, said, said.cause_id)

    def workflow(self, payment: Payment) -> WorkflowHandle[PaymentWorkflow, PaymentStatus]:
        return self.temporal.get_workflow_handle_for(
            PaymentWorkflow.run, f"payment:{self.tenant.id}:{payment.id}"
        )

    async def ends(self, *paid: Payment) -> list[WorkflowHistory]:
        """The whole lives of payments that succeed, none of whose tasks failed."""
        return [await eventually(partial(self._life, payment)) for payment in paid]

    async def _life(self, payment: Payment) -> WorkflowHistory | None:
        history = await self.workflow(payment).fetch_history()
        assert "WORKFLOW_TASK_FAILED" not in kinds(history), f"of {payment.id}, by {workers(history)}"
        if "WORKFLOW_EXECUTION_COMPLETED" not in kinds(history):
            return None
        assert (await self.tenant.get(payment.id))["status"] == "SUCCEEDED"
        return history

    async def stumbles(self, payment: Payment) -> None:
        """A worker meets what it would not have done, and the payment waits for another."""

        async def failed() -> bool | None:
            history = await self.workflow(payment).fetch_history()
            causes = [event.workflow_task_failed_event_attributes.cause for event in history.events]
            return Cause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR in causes or None

        await eventually(failed, within=15)
        assert (await self.tenant.get(payment.id))["status"] == "PROVIDER_PENDING"


@pytest.fixture
async def here(house: House, tenant: Tenant) -> AsyncIterator[Installation]:
    attributes: list[SearchAttributeKey[Any]] = [
        policies.TENANT_ID,
        policies.PAYMENT_STATUS,
        policies.PROVIDER_NAME,
        policies.PROVIDER_REFERENCE,
        policies.CURRENCY,
        policies.AMOUNT_MINOR,
        policies.DUE_AT,
    ]
    async with (
        await WorkflowEnvironment.start_local(
            data_converter=data_converter(),
            dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
            dev_server_extra_args=["--dynamic-config-value", "limit.maxIDLength=255"],
            search_attributes=attributes,
        ) as temporal,
        open_world(settings_of(house), temporal.client) as world,
    ):
        yield Installation(tenant, world, temporal.client)


def workers(history: WorkflowHistory) -> set[str]:
    """Who carried the payment out."""
    done = (event.workflow_task_completed_event_attributes.identity for event in history.events)
    return set(filter(None, done))


@pytest.mark.slow
async def test_no_task_of_a_payment_fails_while_old_and_new_workers_run(here: Installation) -> None:
    async with here.runs(OLD):
        before = await here.opens(3)
    async with here.runs(OLD, HELD):
        during = await here.opens(6)
        for payment in (before[0], *during[:3]):
            await here.is_paid(payment)
        mixed = await here.ends(before[0], *during[:3])
    async with here.runs(HELD):
        await here.is_paid(before[1])
        handed_over = await here.ends(before[1])
    async with here.runs(NEW):
        after = await here.opens(2)
        for payment in (before[2], *during[3:], *after):
            await here.is_paid(payment)
        handed_over += await here.ends(before[2], *during[3:])
        fresh = await here.ends(*after)
    both, new = {"old", "new"}, {"new"}
    assert both in [workers(history) for history in mixed]
    assert [workers(history) for history in (*handed_over[:2], *fresh)] == [both, both, new, new]
    # Who began before the step was let loose does without it; who began after takes it.
    took_it = ["MARKER_RECORDED" in kinds(history) for history in (*mixed, *handed_over, *fresh)]
    assert took_it == [False] * 9 + [True] * 2


@pytest.mark.slow
async def test_a_step_without_a_patch_fails_the_tasks_of_running_payments(here: Installation) -> None:
    async with here.runs(OLD):
        (payment,) = await here.opens()
    async with here.runs(CARELESS):
        await here.is_paid(payment)
        await here.stumbles(payment)


@pytest.mark.slow
async def test_a_patch_that_is_not_held_back_fails_tasks_of_old_workers_until_a_new_one_comes(
    here: Installation,
) -> None:
    async with here.runs(NEW):
        (payment,) = await here.opens()
    async with here.runs(OLD):
        await here.is_paid(payment)
        await here.stumbles(payment)
    async with here.runs(NEW):
        assert await here.workflow(payment).result() is PaymentStatus.SUCCEEDED


async def test_the_platforms_own_workers_hold_patches_back_when_told_to(here: Installation) -> None:
    for_payments, for_couriers, _ = worker.build(here.temporal, here.world, hold_patches=True)
    held = (for_payments, for_couriers)
    assert {each.config().get("patch_activation_callback") for each in held} == {worker.not_yet}
