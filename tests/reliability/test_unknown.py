"""When nobody can say what happened: the evidence rule, for checkouts and for refunds."""

import asyncio
import time

import pytest

from tests.house import ENDED, House, Json, Tenant, eventually
from tests.reliability.operator import cried_out
from tests.reliability.test_late_money import closed_but_payable, given_back_once, has, refunded


async def unknown(tenant: Tenant, fault: str = "status:503") -> Json:
    """A payment whose company tells nothing at all, though it should have closed the checkout."""
    await tenant.fault("webhook.send", "webhook", "lost", count=1_000)
    await tenant.fault("checkout.read", "before", fault, count=1_000)
    await tenant.fault("checkout.close", "before", fault, count=1_000)
    payment = await tenant.open(expiresInSeconds=180)
    await tenant.eventually(payment, "UNKNOWN", within=60)
    return payment


# --- Checkouts ------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
@pytest.mark.slow
async def test_silence_never_ends_a_payment_and_a_person_is_called(house: House, tenant: Tenant) -> None:
    payment = await unknown(tenant)
    found = await tenant.get(payment)
    assert not {event["type"].removeprefix("payment.").upper() for event in found["events"]} & {*ENDED}
    assert cried_out(house, "payment_unknown", payment["id"])


@pytest.mark.slow
async def test_whoever_looks_at_an_unknown_payment_has_its_provider_asked_but_not_all_the_time(
    house: House, tenant: Tenant
) -> None:
    payment = await unknown(tenant, "refuse")
    before, since = await asked(house, payment), time.monotonic()

    async def again() -> int | None:
        await asyncio.gather(*(tenant.get(payment) for _ in range(5)))
        times = await asked(house, payment) - before
        return times if times >= 5 else None

    # By itself it is asked after 1, 5, 15 and 60 seconds of ours; whoever looks has it asked every second.
    times = await eventually(again, within=14)
    assert times <= time.monotonic() - since + 3
    await house.control("DELETE", "faults")
    await eventually(lambda: has(tenant, payment, "EXPIRED"))


async def asked(house: House, payment: Json) -> int:
    requests = (await house.control("GET", "requests", reference=payment["id"]))["data"]
    return [request["operation"] for request in requests].count("checkout.close")


async def test_a_checkout_whose_answer_was_lost_is_not_made_twice(tenant: Tenant, house: House) -> None:
    await tenant.fault("checkout.create", "after", "reset")
    payment = await tenant.open()
    assert len((await house.ledger(payment))["sessions"]) == 1


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("fault", ["reset", "status:500", "truncate"])
async def test_a_company_without_keys_is_asked_what_it_has_before_it_is_asked_again(
    tenant: Tenant, house: House, fault: str
) -> None:
    await tenant.fault("checkout.create", "after", fault)
    payment = (await tenant.create(expiresInSeconds=3600)).json()
    payment = await tenant.eventually(payment, "PROVIDER_PENDING", within=60)
    (session,) = (await house.ledger(payment))["sessions"]
    assert (session["id"], payment["providerReference"]) == (payment["providerReference"], session["id"])
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")


@pytest.mark.usefixtures("forgetful")
async def test_a_company_without_keys_is_asked_again_once_it_says_it_has_nothing(
    tenant: Tenant, house: House
) -> None:
    await tenant.fault("checkout.create", "before", "reset")
    payment = (await tenant.create(expiresInSeconds=3600)).json()
    payment = await tenant.eventually(payment, "PROVIDER_PENDING", within=60)
    assert len((await house.ledger(payment))["sessions"]) == 1


# --- Refunds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["reset", "status:500", "truncate"])
@pytest.mark.parametrize("keys", ["on", "off"])
async def test_a_refund_whose_answer_was_lost_is_found_and_not_made_twice(
    house: House, tenant: Tenant, fault: str, keys: str
) -> None:
    await house.control("POST", "settings", {"idempotency": keys})
    await tenant.fault("refund.create", "after", fault)
    payment = await closed_but_payable(tenant)
    await tenant.pay(payment)
    await refunded(tenant, payment)
    await given_back_once(tenant, payment)
    await house.control("POST", "settings", {"idempotency": "on"})


@pytest.mark.timeout(120)
@pytest.mark.slow
async def test_an_unknown_refund_keeps_its_money_reserved_until_the_provider_says_what_happened(
    tenant: Tenant,
) -> None:
    await tenant.fault("refund.create", "after", "reset")
    await tenant.fault("refund.list", "before", "status:503", count=2)
    payment = await closed_but_payable(tenant)
    # We are told that it was paid, and nothing of what came of the refund.
    await tenant.fault("webhook.send", "webhook", "lost", nth=2, count=100)
    await tenant.pay(payment)

    async def state() -> str | None:
        rows = await tenant.rows("SELECT state FROM refunds WHERE payment_id = $1", payment["id"])
        return rows[0]["state"] if rows and rows[0]["state"] == "UNKNOWN" else None

    await eventually(state)
    (row,) = await tenant.rows("SELECT refund_reserved FROM payments WHERE id = $1", payment["id"])
    assert row["refund_reserved"] == payment["amount"]
    assert (await tenant.get(payment))["refundStatus"] == "PENDING"
    await refunded(tenant, payment)
    await given_back_once(tenant, payment)


async def test_a_refund_that_the_company_refuses_has_failed_and_a_person_is_called(
    house: House, tenant: Tenant
) -> None:
    await tenant.fault("refund.create", "before", "refuse")
    payment = await closed_but_payable(tenant)
    await tenant.pay(payment)

    async def failed() -> Json | None:
        rows = await tenant.rows("SELECT id, state FROM refunds WHERE payment_id = $1", payment["id"])
        return rows[0] if rows and rows[0]["state"] == "FAILED" else None

    refund = await eventually(failed)
    found = await tenant.get(payment)
    assert (found["refundStatus"], found["amountRefunded"]) == ("NONE", 0)
    assert await eventually(lambda: crying(house, "refund_failed", refund["id"]))


async def crying(house: House, alert: str, about: str) -> bool | None:
    return cried_out(house, alert, about) or None


async def test_a_slow_refund_is_waited_for(tenant: Tenant) -> None:
    payment = await closed_but_payable(tenant)
    await tenant.pay(payment, card="4000000000007726")
    await refunded(tenant, payment, "PENDING")
    await refunded(tenant, payment)
    await given_back_once(tenant, payment)
