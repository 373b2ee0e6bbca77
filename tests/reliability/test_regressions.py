"""Defects of other payment platforms that must be impossible here, each under its project and number."""

import ast
import asyncio
import inspect
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory

from activities.payment import Inquiry, PaymentActivities
from activities.settling import settle
from activities.world import World
from domain.errors import RefundExceedsCaptured
from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.payment import PaymentRef, PaymentStatus
from domain.refund import Origin, Refund
from domain.verdicts import Report
from storage import inbox, payments, refunds
from tests.house import DECLINED, House, Json, Receiver, Tenant, eventually, refused
from tests.reliability.interference import SlowMotion, locked, poisoned, write
from tests.reliability.test_late_money import closed_but_payable, policy, refunded
from tests.stories.company import HOUR, Company, filed, told
from tests.workflows.paths import heard
from tests.workflows.test_replay import KEPT, replay, written
from workflows import messages
from workflows.courier import CourierWorkflow
from workflows.late import LateWorkflow
from workflows.payment import PaymentWorkflow
from workflows.refund import RefundWorkflow
from workflows.review import ReviewWorkflow
from workflows.subscription import SubscriptionWorkflow

PRO: Json = {"entitlements": [{"feature": "pro"}]}


def types(payment: Json) -> list[str]:
    return [event["type"].removeprefix("payment.") for event in payment["events"]]


async def counted_once(tenant: Tenant, payment: Json) -> None:
    """Captured once over there; one success, one booking and one right of it here."""
    assert len((await tenant.house.ledger(payment))["captures"]) == 1
    for table, condition, rows in (
        ("payment_events", "type = 'payment.succeeded'", 1),
        ("events", "type = 'payment.succeeded'", 1),
        ("events", "type = 'entitlement.granted'", 1),
        ("ledger_entries", "true", 2),
        ("entitlements", "true", 1),
    ):
        query = f"SELECT FROM {table} WHERE payment_id = $1 AND {condition}"
        assert len(await tenant.rows(query, payment["id"])) == rows, (table, condition)


async def ref_of(world: World, tenant: Tenant, payment: Json) -> PaymentRef:
    async with world.database.tenant(tenant.id) as tx:
        return (await payments.get(tx, payment["id"])).ref


# --- Money that moves twice -----------------------------------------------------------------------


async def paid(tenant: Tenant) -> Json:
    payment = await tenant.open(expiresInSeconds=86_400)
    await tenant.pay(payment)
    return await tenant.eventually(payment, "SUCCEEDED")


async def ask_back(world: World, payment: Json, percent: int, name: str) -> Refund:
    money = Money(amount_minor=payment["amount"] * percent // 100, currency=payment["currency"])
    wish = refunds.Wish(name=name, money=money, origin=Origin.REVIEW, reason="a story", by="test")
    async with world.database.tenant(payment["tenantId"]) as tx:
        known = await payments.get(tx, payment["id"])
        return await refunds.request(tx, known, wish, datetime.now(UTC))


# hyperswitch 13182: concurrent refunds exceeded the capture.
async def test_refunds_that_race_never_exceed_what_was_captured(
    house: House, tenant: Tenant, world: World
) -> None:
    shop = await asyncio.gather(*(paid(tenant) for _ in range(6)))
    asked = [ask_back(world, payment, 60, f"{number}") for payment in shop for number in range(10)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    granted = [answer for answer in answers if isinstance(answer, Refund)]
    assert {type(answer) for answer in answers} == {Refund, RefundExceedsCaptured}
    assert [refund.payment_id for refund in granted] == [payment["id"] for payment in shop]
    await asyncio.gather(*(world.start_refund(refund.ref) for refund in granted))
    for payment, refund in zip(shop, granted, strict=True):
        await refunded(tenant, payment, "PARTIAL")
        (given,) = (await house.ledger(payment))["refunds"]
        assert (given["refundReference"], given["amount"]) == (refund.id, payment["amount"] * 60 // 100)


# medusa 13301: the webhook and the customer's return both completed the order, and captured twice.
@pytest.mark.usefixtures("company")
async def test_all_who_find_the_money_at_once_count_it_once(tenant: Tenant, world: World) -> None:
    payment = await tenant.open(**HOUR, **PRO)
    await asyncio.gather(*(tenant.pay(payment) for _ in range(5)))
    ref = await ref_of(world, tenant, payment)
    reports = [
        Report(ref=ref, said=observed(payment, channel, number))
        for channel in (Channel.WEBHOOK, Channel.READ, Channel.CLOSE)
        for number in range(5)
    ]
    told_of = await asyncio.gather(*(settle(world, report) for report in reports))
    assert {progress.status for progress in told_of} == {PaymentStatus.SUCCEEDED}
    await counted_once(tenant, payment)


def observed(payment: Json, channel: Channel, number: int) -> Observation:
    """That it was paid, heard in this way."""
    return Observation(
        word=Word.PAID,
        raw_state="complete/paid",
        channel=channel,
        cause_id=f"{channel}:{number}",
        reference=payment["providerReference"],
        captured=Money(amount_minor=payment["amount"], currency=payment["currency"]),
        observed_at=datetime.now(UTC),
    )


# lago-api 3223: two webhooks at once made two payment rows.
async def test_two_events_about_the_same_late_money_make_one_success(
    tenant: Tenant, company: Company
) -> None:
    await policy(tenant, "accept")
    payment = await closed_but_payable(tenant)
    await tenant.pay(payment)
    await asyncio.gather(*(company.says(payment, event=f"evt_{number}") for number in range(2)))
    await filed(tenant, 2)
    assert (await tenant.get(payment))["status"] == "SUCCEEDED"
    await counted_once(tenant, payment)
    assert len(await tenant.rows("SELECT FROM payments")) == 1


# akash-console 3449: a retry under a new key charged again.
async def test_a_retry_under_another_key_does_not_charge_again(house: House, tenant: Tenant) -> None:
    await tenant.fault("checkout.create", "before", "reset")
    payment = await tenant.open("first key", orderId="order-1")
    asked = (await house.control("GET", "requests", reference=payment["id"]))["data"]
    keys = [call["idempotencyKey"] for call in asked if call["operation"] == "checkout.create"]
    assert keys == [payment["id"]] * 2
    meanwhile = refused(await tenant.create("second key", orderId="order-1"), 409, "order_has_open_payment")
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    afterwards = refused(await tenant.create("third key", orderId="order-1"), 409, "order_already_paid")
    assert meanwhile["paymentId"] == afterwards["paymentId"] == payment["id"]
    everything = await house.control("GET", "ledger")
    ours = {row["id"] for row in await tenant.rows("SELECT id FROM payments")}
    assert [made["reference"] for made in everything["captures"] if made["reference"] in ours] == [*ours]


# --- An end that is overwritten -------------------------------------------------------------------


# hyperswitch 9925: the answer to a poll overwrote a terminal state.
async def test_an_answer_that_was_long_on_its_way_does_not_undo_a_success(
    tenant: Tenant, world: World
) -> None:
    await tenant.fault("checkout.close", "before", "lost")
    payment = await tenant.open(**HOUR, **PRO)
    inquiry = Inquiry(
        ref=await ref_of(world, tenant, payment), reference=payment["providerReference"], closing=True
    )
    slow = SlowMotion()
    async with httpx.AsyncClient(transport=slow) as http:
        poll = asyncio.create_task(PaymentActivities(replace(world, http=http)).close_checkout(inquiry))
        await slow.answered.wait()
        await tenant.pay(payment)
        await tenant.eventually(payment, "SUCCEEDED")
        slow.let_through.set()
        assert (await poll).status is PaymentStatus.SUCCEEDED
    assert types(await tenant.get(payment)) == ["created", "pending", "succeeded", "contradicted"]
    assert (await tenant.entitled("pro"))["entitled"]


# hyperswitch 2380: the last poll marked a payment FAILED though its money had moved.
@pytest.mark.slow
async def test_a_last_question_that_is_refused_does_not_fail_a_payment_whose_money_moved(
    house: House, tenant: Tenant
) -> None:
    await tenant.fault("webhook.send", "webhook", "lost", count=1_000)
    for operation in ("checkout.read", "checkout.close"):
        await tenant.fault(operation, "before", "refuse", count=1_000)
    payment = await tenant.open(expiresInSeconds=180, **PRO)
    await tenant.pay(payment)
    await tenant.eventually(payment, "UNKNOWN")
    await house.control("DELETE", "faults")
    assert types(await tenant.eventually(payment, "SUCCEEDED")) == [
        *("created", "pending", "unknown", "succeeded"),
    ]
    assert (await tenant.entitled("pro"))["entitled"]


# flexprice 2230: the sweep for expired sessions beat the success webhook: paid, nothing granted.
@pytest.mark.slow
async def test_a_deadline_that_comes_before_the_webhook_grants_what_was_paid(tenant: Tenant) -> None:
    await tenant.fault("webhook.send", "webhook", "late", seconds=4)
    payment = await tenant.open(expiresInSeconds=180, **PRO)
    await tenant.pay(payment)
    found = await tenant.eventually(payment, "SUCCEEDED")
    assert found["events"][-1]["cause"].startswith(("read:", "close:"))
    assert (await tenant.entitled("pro"))["entitled"]
    await filed(tenant)
    await counted_once(tenant, payment)


# polar 14274: the stale failure of an earlier attempt overwrote a success.
async def test_a_decline_that_is_told_after_the_success_changes_nothing(tenant: Tenant) -> None:
    await tenant.fault("webhook.send", "webhook", "late", seconds=2)
    payment = await tenant.open(**PRO)
    await tenant.pay(payment, card=DECLINED)
    await tenant.pay(payment)
    succeeded = await tenant.eventually(payment, "SUCCEEDED")
    await filed(tenant, 2)
    after = await tenant.get(payment)
    assert (after["status"], after["failureCode"], types(after)) == ("SUCCEEDED", None, types(succeeded))
    assert (await tenant.entitled("pro"))["entitled"]


# --- Events that are lost -------------------------------------------------------------------------


# lago-api 2972: an event was acknowledged, and then lost in a queue.
@pytest.mark.slow
async def test_an_event_that_could_not_be_stored_is_not_acknowledged(
    house: House, tenant: Tenant, company: Company
) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    async with locked(house, "inbox"):
        refused(await company.post(told(payment)), 503, "temporarily_unavailable")
    await company.says(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await filed(tenant)


# autumn 2396: an event was acknowledged, failed, and its resends were dropped as duplicates.
async def test_a_poisonous_event_blocks_nobody_and_is_heard_when_it_is_sent_again(
    house: House, tenant: Tenant, company: Company
) -> None:
    await policy(tenant, "accept")
    payment, other = await closed_but_payable(tenant), await tenant.open(**HOUR)
    for each in (payment, other):
        await tenant.pay(each)
    async with poisoned(house, payment):
        await company.says(payment, event="evt_poison")
        await stands(tenant, "attempts = 1")
        # Six more would take hours.
        await write(tenant, "UPDATE inbox SET attempts = 7, due_at = now()")
        await stands(tenant, "state = 'DEAD'")
        await company.says(other, event="evt_other")
        await tenant.eventually(other, "SUCCEEDED")
    await company.says(payment, event="evt_poison")
    await filed(tenant, 2)
    await counted_once(tenant, payment)


async def test_an_event_that_failed_is_tried_again_while_its_payment_is_open(
    house: House, tenant: Tenant, company: Company
) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    async with poisoned(house, payment):
        await company.says(payment)
        await stands(tenant, "attempts = 1")
        try:
            await stands(tenant, "attempts > 1", within=6)
        finally:
            await write(tenant, "UPDATE inbox SET state = 'DEAD'")


async def stands(tenant: Tenant, condition: str, within: float = 10) -> None:
    """Wait until the inbox holds such an event."""

    async def look() -> bool | None:
        return bool(await tenant.rows(f"SELECT FROM inbox WHERE {condition}")) or None

    await eventually(look, within)


# polar 8815: a webhook endpoint was disabled, and the events of that time were gone.
@pytest.mark.slow
async def test_what_happens_while_an_endpoint_is_disabled_is_told_when_it_is_enabled(
    house: House, receiver: Receiver
) -> None:
    tenant = await house.tenant(receiver.url)
    await write(tenant, "UPDATE webhook_endpoints SET status = 'disabled'")
    payment = await tenant.open()
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await tenant.ended(payment)
    kept = await tenant.rows("SELECT state, attempts FROM deliveries")
    assert [tuple(delivery.values()) for delivery in kept] == [("PENDING", 0)] * 3
    assert receiver.received == []
    await write(tenant, "UPDATE webhook_endpoints SET status = 'enabled'")
    received = [delivery.body for delivery in await receiver.count(3)]
    assert {body["sequence"]: body["type"] for body in received} == {
        1: "payment.created",
        2: "payment.pending",
        3: "payment.succeeded",
    }


# sync-engine 349: a signal whose name no workflow knew was swallowed without a word.
def test_every_signal_that_is_sent_has_a_name_that_its_workflow_knows() -> None:
    known = {
        kind.__name__: {*workflow._Definition.must_from_class(kind).signals}
        for kind in (
            *(PaymentWorkflow, LateWorkflow, RefundWorkflow),
            *(ReviewWorkflow, CourierWorkflow, SubscriptionWorkflow),
        )
    }
    sent = signals(ast.parse(inspect.getsource(messages)))
    assert sent == {
        *(("PaymentWorkflow", signal) for signal in ("provider_reported", "nudge", "cancel_wished")),
        *(("LateWorkflow", "provider_reported"), ("LateWorkflow", "refund_reported")),
        *(("RefundWorkflow", "decided"), ("ReviewWorkflow", "decided"), ("CourierWorkflow", "wake")),
        ("SubscriptionWorkflow", "wake"),
    }
    assert [signal for signal in sent if signal[1] not in known[signal[0]]] == []


def signals(module: ast.Module) -> set[tuple[str, str]]:
    """Which signals it sends, and to which workflow."""
    found: set[tuple[str, ast.expr | None]] = set()
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        named = {each.arg: each.value for each in call.keywords}
        match call.func, call.args:
            case ast.Attribute(attr="start_workflow"), [ast.Attribute(value=ast.Name(id=kind)), *_]:
                found.add((kind, named.get("start_signal")))
            case ast.Name(id="SignalWorkflowExecutionRequest"), _:
                found.add(("PaymentWorkflow", named["signal_name"]))
            case ast.Name(id="_tell_late"), [_, _, signal, *_]:
                found.add(("LateWorkflow", signal))
    return {
        (kind, part.value)
        for kind, name in found
        for part in ast.walk(name or ast.Constant(None))
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


@pytest.mark.slow
async def test_an_event_whose_signal_had_no_effect_is_passed_on_again(
    tenant: Tenant, company: Company, world: World
) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    body, now = told(payment), datetime.now(UTC)
    async with world.database.tenant(tenant.id) as tx:
        account, adapter = await world.provider(tx, company.account)
        (said,) = adapter.read_webhook(company.signed(body), body, now)
        assert isinstance(said, Observation)
        letter = await inbox.receive(tx, account, said, body, now)
        assert letter is not None
        # Temporal took it, as far as anybody could tell; no workflow ever heard it.
        await inbox.passed_on(tx, letter, now + timedelta(seconds=2))
    await tenant.eventually(payment, "SUCCEEDED")
    await filed(tenant)


# --- Rights and running payments ------------------------------------------------------------------


# polar 8381: a dispute was opened, and the access kept.
async def test_a_right_rests_while_its_payment_is_disputed_and_when_the_dispute_is_lost(
    tenant: Tenant,
) -> None:
    payment = await tenant.open(**PRO)
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    for dispute, reason in (
        *(("NONE", "active"), ("OPEN", "not_active")),
        *(("WON", "active"), ("LOST", "not_active")),
    ):
        await write(tenant, "UPDATE payments SET dispute_status = $1", dispute)
        right = await tenant.entitled("pro")
        assert (right["entitled"], right["reason"]) == (reason == "active", reason), dispute


# posthog 60956: a deploy broke the workflows that were running.
async def test_a_payment_that_waits_for_its_payer_survives_a_deploy(tenant: Tenant) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment, card=DECLINED)
    await eventually(lambda: heard(tenant, payment, "payment.attempt_failed"))
    running = await tenant.history(payment)
    await replay(running)
    if os.environ.get("PAYSAGA_RECORD_HISTORIES"):
        (KEPT / "waiting.json").write_text(written(running))
    kept: dict[str, Any] = json.loads((KEPT / "waiting.json").read_text())
    await replay(WorkflowHistory.from_json(kept.pop("workflowId"), kept))
