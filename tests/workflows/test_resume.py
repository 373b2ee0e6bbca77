"""A payment whose workflow was lost goes on where its row stands, as if nothing had been."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.payment import PaymentRef
from storage import payments
from storage.database import Database
from tests.house import House, Json, Tenant
from workflows import messages


@pytest.fixture
async def database(house: House) -> AsyncIterator[Database]:
    database = Database(house.ready["databaseUrl"], pool_size=1)
    yield database
    await database.close()


async def lose(tenant: Tenant, payment: Json) -> None:
    client = await tenant.house.temporal()
    await client.get_workflow_handle(tenant.workflow_id(payment)).terminate("lost")


async def rebuild(database: Database, tenant: Tenant, payment: Json) -> PaymentRef:
    """Start the workflow from its row, as the sweep does it."""
    async with database.tenant(tenant.id) as tx:
        ref = (await payments.get(tx, payment["id"])).ref
    await messages.start_payment(await tenant.house.temporal(), ref)
    return ref


async def paid_once(tenant: Tenant, payment: Json) -> None:
    paid = await tenant.eventually(payment, "SUCCEEDED")
    await tenant.ended(payment)
    types = [event["type"] for event in paid["events"]]
    assert types == ["payment.created", "payment.pending", "payment.succeeded"]
    lines = await tenant.rows("SELECT FROM ledger_entries WHERE payment_id = $1", payment["id"])
    truth = await tenant.house.ledger(payment)
    assert (len(lines), len(truth["sessions"]), len(truth["captures"])) == (2, 1, 1)


async def test_a_lost_workflow_is_started_again_and_waits_for_the_same_payer(
    tenant: Tenant, database: Database
) -> None:
    payment = await tenant.open(expiresInSeconds=3600)
    await lose(tenant, payment)
    await rebuild(database, tenant, payment)
    await tenant.pay(payment)
    await paid_once(tenant, payment)


async def test_a_lost_workflow_that_was_started_again_finds_out_by_itself(
    tenant: Tenant, database: Database, house: House
) -> None:
    payment = await tenant.open(expiresInSeconds=3600)
    await house.fault("webhook.send", "webhook", "lost", reference=payment["id"], count=10)
    await lose(tenant, payment)
    await tenant.pay(payment)
    await rebuild(database, tenant, payment)
    await paid_once(tenant, payment)


async def test_a_webhook_brings_a_lost_workflow_back(tenant: Tenant) -> None:
    payment = await tenant.open(expiresInSeconds=3600)
    await lose(tenant, payment)
    await tenant.pay(payment)
    await paid_once(tenant, payment)


async def test_a_wish_to_cancel_brings_a_lost_workflow_back(tenant: Tenant) -> None:
    payment = await tenant.open(expiresInSeconds=3600)
    await lose(tenant, payment)
    answer = await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


@pytest.mark.slow
async def test_a_repeated_order_brings_a_workflow_back_that_was_lost_before_it_opened(tenant: Tenant) -> None:
    # Tried at 0, ½, 1½ and 3½ s; the API waits for 5.
    await tenant.fault("checkout.create", "before", "status:503", count=4)
    late = await tenant.create("same-key", expiresInSeconds=3600)
    assert (late.status_code, late.json()["checkoutUrl"]) == (202, None)
    await lose(tenant, late.json())
    payment = await tenant.open("same-key", expiresInSeconds=3600)
    assert payment["id"] == late.json()["id"]
    await tenant.pay(payment)
    await paid_once(tenant, payment)


async def test_to_start_a_payment_that_runs_or_has_ended_does_nothing(
    tenant: Tenant, database: Database
) -> None:
    payment = await tenant.open(expiresInSeconds=3600)
    ref = await rebuild(database, tenant, payment)
    client = await tenant.house.temporal()
    first = await client.get_workflow_handle(tenant.workflow_id(payment)).describe()
    assert first.status is WorkflowExecutionStatus.RUNNING
    await tenant.pay(payment)
    await paid_once(tenant, payment)
    with pytest.raises(WorkflowAlreadyStartedError):
        await messages.start_payment(client, ref)
    last = await client.get_workflow_handle(tenant.workflow_id(payment)).describe()
    assert (last.run_id, last.status) == (first.run_id, WorkflowExecutionStatus.COMPLETED)
