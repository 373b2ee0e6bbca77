"""Only a provider's word ends a payment: what lost, wrong and misleading answers must not do."""

import asyncio

import pytest
from temporalio.client import WorkflowExecutionStatus

from api.payments import NewPayment
from tests.house import House, Json, Receiver, Tenant, eventually


async def write(tenant: Tenant, statement: str, *values: object) -> None:
    """Change a row of this tenant, as the application could."""
    async with tenant.house.database() as db, db.transaction():
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", tenant.id)
        await db.execute(statement, *values)


async def payable(house: House, payment: Json) -> int:
    return [session["status"] for session in (await house.ledger(payment))["sessions"]].count("open")


async def test_a_no_says_nothing_of_an_earlier_call_whose_answer_was_lost(
    tenant: Tenant, house: House
) -> None:
    await tenant.fault("checkout.create", "after", "reset")
    await tenant.fault("checkout.find", "before", "refuse")
    answer = await tenant.create(orderId="order-1", expiresInSeconds=3600)
    assert answer.status_code == 202
    second = await tenant.create(orderId="order-1")
    assert second.json()["code"] == "order_has_open_payment"
    payment = answer.json()
    await tenant.eventually(payment, "EXPIRED")
    assert await payable(house, payment) == 0


async def test_a_time_out_in_front_of_the_provider_is_not_a_no(tenant: Tenant, house: House) -> None:
    await tenant.fault("checkout.create", "after", "status:408")
    payment = await tenant.open()
    assert len((await house.ledger(payment))["sessions"]) == 1


async def test_a_404_for_a_checkout_we_hold_the_name_of_closes_nothing(tenant: Tenant, house: House) -> None:
    payment = await tenant.open()
    await tenant.fault("checkout.close", "before", "status:404")
    answer = await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    assert answer.status_code in {200, 202}
    cancelled = await tenant.eventually(payment, "CANCELLED")
    assert "payment.unknown" in [event["type"] for event in cancelled["events"]]
    assert await payable(house, payment) == 0


async def test_a_cancel_whose_answers_are_lost_still_ends_cancelled(tenant: Tenant) -> None:
    payment = await tenant.open(expiresInSeconds=3600)
    await tenant.fault("checkout.close", "after", "reset", count=1)
    await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    await tenant.eventually(payment, "CANCELLED")


@pytest.mark.slow
async def test_money_in_an_answer_nobody_understands_is_booked_when_its_meaning_is_known(
    tenant: Tenant,
) -> None:
    payment = await tenant.open(expiresInSeconds=3600)
    await tenant.fault("webhook.send", "webhook", "lost", reference=payment["id"], count=20)
    # Nobody asks in between.
    await tenant.fault("checkout.read", "before", "status:503")
    await tenant.pay(payment)
    # "Expired", it says of a checkout that was paid.
    await tenant.fault("checkout.close", "before", "lost")
    await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    paid = await tenant.eventually(payment, "SUCCEEDED")
    assert "payment.unknown" in [event["type"] for event in paid["events"]]
    booked = await tenant.rows("SELECT account FROM ledger_entries WHERE payment_id = $1", payment["id"])
    assert {entry["account"] for entry in booked} == {"provider_receivable", "tenant_revenue"}


@pytest.mark.slow
async def test_an_address_that_turned_bad_keeps_no_payment_from_its_end(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(expiresInSeconds=3600)
    await tenant.fault("webhook.send", "webhook", "lost", reference=payment["id"], count=20)
    await write(tenant, "UPDATE provider_accounts SET api_base = 'http://10.1.2.3:9'")
    await tenant.pay(payment)
    client = await house.temporal()
    handle = client.get_workflow_handle(tenant.workflow_id(payment))

    async def asked_in_vain() -> bool | None:
        pending = (await handle.describe()).raw_description.pending_activities
        return True if any("address" in each.last_failure.message for each in pending) else None

    await eventually(asked_in_vain)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await write(tenant, "UPDATE provider_accounts SET api_base = NULL")
    await tenant.eventually(payment, "SUCCEEDED")


@pytest.mark.slow
async def test_a_payment_whose_workflow_is_gone_gets_another(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(expiresInSeconds=180)
    await tenant.fault("webhook.send", "webhook", "lost", reference=payment["id"], count=20)
    client = await house.temporal()
    await client.get_workflow_handle(tenant.workflow_id(payment)).terminate("a story")
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")


async def test_an_endpoint_at_a_refused_address_is_an_attempt_that_failed(
    house: House, receiver: Receiver
) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    await write(tenant, "UPDATE webhook_endpoints SET url = 'http://10.1.2.3/hook'")
    await tenant.open()

    async def attempted() -> list[Json] | None:
        return await tenant.rows("SELECT * FROM deliveries WHERE last_error LIKE '%not public%'") or None

    deliveries = await eventually(attempted)
    assert all(delivery["attempts"] >= 1 for delivery in deliveries)
    await write(tenant, "UPDATE webhook_endpoints SET url = $1", receiver.url)
    await receiver.event("payment.pending")


@pytest.mark.slow
async def test_a_failure_shows_neither_statement_nor_data(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(customerEmail="anna@example.com", description="a canary")
    async with house.database() as db, db.transaction():
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", tenant.id)
        await db.execute("SELECT FROM payments WHERE id = $1 FOR UPDATE", payment["id"])
        await tenant.pay(payment)
        # Long enough for a settle to run into its lock time-out.
        await asyncio.sleep(6)
    await tenant.eventually(payment, "SUCCEEDED")
    history = (await tenant.history(payment)).to_json()
    assert not any(word in history for word in ("anna@", "canary", "UPDATE payments", "[SQL", "parameters"))


def test_what_is_not_said_does_not_change_what_a_key_was_used_for() -> None:
    """This digest is on record with every payment ever made: it may never change for the same body."""
    body = {"userId": "user-123", "amount": 1990000, "currency": "HUF"}

    class Later(NewPayment):
        something_new: str | None = None

    assert NewPayment.model_validate(body).digest() == Later.model_validate(body).digest()
    assert (
        NewPayment.model_validate(body).digest()
        == NewPayment.model_validate(body | {"orderId": None}).digest()
    )
    assert NewPayment.model_validate(body).digest() == PINNED


PINNED = "ad0f3aea8c8dfb5b33f51a86c98d0684bb17c8678299a023741089d0290bb381"
