"""What is owed and not paid: tried again, healed, given up, and given back when nobody owes it any more."""

import pytest

from tests.house import Json, Tenant, eventually
from tests.stories.test_disputes import decided
from tests.subscriber import Subscriber, plan

LOST = "4000034100089987"
APPROVES_EACH_TIME = "4000002760003184"


async def begun(tenant: Tenant, card: str) -> Subscriber:
    """Somebody who has paid once, with a card that pays no more."""
    anna = Subscriber(tenant, "anna")
    await anna.subscribes((await plan(tenant))["prices"][0], card=card)
    return anna


async def told(tenant: Tenant, type_: str) -> list[Json]:
    """What the tenant was told of this, oldest first."""
    rows = await tenant.rows("SELECT data FROM events WHERE type = $1 ORDER BY sequence", type_)
    return [row["data"] for row in rows]


async def failures(tenant: Tenant, number: int) -> list[Json]:
    async def look() -> list[Json] | None:
        query = "SELECT * FROM payments WHERE off_session AND status = 'FAILED'"
        found = await tenant.rows(query)
        return found if len(found) == number else None

    found: list[Json] = await eventually(look)
    return found


@pytest.mark.parametrize("card", [LOST, APPROVES_EACH_TIME])
@pytest.mark.slow
async def test_after_a_hard_decline_nobody_asks_that_card_again(tenant: Tenant, card: str) -> None:
    anna = await begun(tenant, card)
    await anna.time_passes(31)
    await anna.becomes("past_due")
    await anna.time_passes(15)
    assert (await anna.status())["access"] == "grace"
    await anna.time_passes(7)
    assert (await anna.becomes("canceled"))["access"] == "none"
    await failures(tenant, 1)


async def test_a_charge_whose_answer_was_lost_is_neither_taken_twice_nor_counted_as_a_failure(
    tenant: Tenant,
) -> None:
    anna = await begun(tenant, "4242424242424242")
    before = await anna.status()
    await tenant.fault("charge.create", "answer", "reset")
    await anna.time_passes(31)
    after = await anna.renewed(before)
    assert (await anna.becomes("active"))["currentPeriodEnd"] == after["currentPeriodEnd"]
    (renewal,) = await tenant.rows("SELECT id, status FROM payments WHERE off_session")
    await tenant.eventually(renewal, "SUCCEEDED")
    ledger = await tenant.house.ledger(renewal)
    assert len(ledger["captures"]) == 1
    assert await told(tenant, "subscription.past_due") == []


@pytest.mark.slow
async def test_an_upgrade_of_the_card_pays_what_is_owed_once(tenant: Tenant) -> None:
    anna = await begun(tenant, "4000000000000341")
    await anna.time_passes(31)
    await anna.becomes("past_due")
    await anna.portal()
    await anna.portal(card="5555555555554444")
    await anna.becomes("active")
    paid = await tenant.rows("SELECT id FROM payments WHERE off_session AND status = 'SUCCEEDED'")
    assert len(paid) == 1
    assert len(await told(tenant, "invoice.paid")) == 2


async def test_a_full_refund_of_a_period_takes_its_rights_and_leaves_a_credit_note(tenant: Tenant) -> None:
    anna = await begun(tenant, "4242424242424242")
    (first,) = await tenant.rows("SELECT id FROM payments")
    answer = await tenant.call(
        "POST", f"/v1/payments/{first['id']}/refunds", json={}, headers={"Idempotency-Key": "back"}
    )
    assert answer.status_code == 202, answer.text

    async def noted() -> Json | None:
        notes = await tenant.rows("SELECT * FROM credit_notes")
        return notes[0] if notes else None

    note = await eventually(noted)
    assert (note["number"], note["amount_minor"]) == (1, 199_000)
    assert not (await tenant.entitled("exports", "anna"))["entitled"]
    assert (await anna.status())["status"] == "active"


async def test_a_dispute_of_a_period_takes_its_rights_until_it_is_won(tenant: Tenant) -> None:
    await begun(tenant, "4242424242424242")
    (first,) = await tenant.rows("SELECT id FROM payments")
    await tenant.disputed(first)
    assert not (await tenant.entitled("exports", "anna"))["entitled"]
    await decided(tenant.house, first, "won")

    async def back() -> bool | None:
        return (await tenant.entitled("exports", "anna"))["entitled"] or None

    await eventually(back)
