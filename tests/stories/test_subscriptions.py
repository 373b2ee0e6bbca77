"""The life of a subscription as its tenant and its subscriber see it; the company's clock drives it."""

import pytest

from tests.house import Tenant, eventually
from tests.subscriber import Subscriber, moment, plan


async def test_a_checkout_begins_a_subscription_and_its_money_gives_the_rights(tenant: Tenant) -> None:
    price = (await plan(tenant))["prices"][0]
    anna = Subscriber(tenant, "anna")
    assert (await anna.status())["access"] == "none"
    status = await anna.subscribes(price)
    assert (status["status"], status["access"], status["priceId"]) == ("active", "full", price["id"])
    length = moment(status["currentPeriodEnd"]) - moment(status["currentPeriodStart"])
    assert 28 <= length.days <= 31
    assert (await tenant.entitled("exports", "anna"))["entitled"]


async def test_a_renewal_is_charged_when_its_time_has_come(tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    before = await anna.subscribes((await plan(tenant))["prices"][0])
    await anna.time_passes(31)
    after = await anna.renewed(before)
    assert after["status"] == "active"


async def test_a_trial_ends_with_the_first_charge(tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    trial = await anna.subscribes((await plan(tenant, {"trialDays": 14}))["prices"][0])
    assert (trial["status"], trial["access"], trial["currentPeriodEnd"]) == (
        "trialing",
        "full",
        trial["trialEnd"],
    )
    assert (await tenant.entitled("exports", "anna"))["entitled"]
    assert await tenant.rows("SELECT id FROM invoices") == []
    await anna.time_passes(14)
    active = await anna.becomes("active")
    assert active["currentPeriodStart"] == trial["trialEnd"]
    (told,) = await tenant.rows("SELECT count(*) AS n FROM events WHERE type = 'subscription.trial_will_end'")
    assert told["n"] == 1


async def test_a_trial_that_ends_with_nothing_to_charge_pauses_until_a_card_is_left(tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    await anna.subscribes((await plan(tenant, {"trialDays": 14}))["prices"][0])
    await anna.portal(action="remove")
    await anna.time_passes(15)
    assert (await anna.becomes("paused"))["access"] == "none"
    assert not (await tenant.entitled("exports", "anna"))["entitled"]
    await anna.portal()
    assert (await anna.becomes("active"))["access"] == "full"


async def test_a_checkout_that_nobody_completes_expires_after_23_hours(tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    await anna.checkout((await plan(tenant))["prices"][0])
    assert (await anna.status())["status"] == "incomplete"
    await anna.time_passes(23 / 24)
    assert (await anna.becomes("incomplete_expired"))["access"] == "none"


BROKE = "4000000000000341"


@pytest.mark.slow
async def test_a_renewal_that_fails_is_tried_on_days_2_7_14_and_21_and_then_over(tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    first = await anna.subscribes((await plan(tenant))["prices"][0], card=BROKE)
    await anna.time_passes(31)
    owed = await anna.becomes("past_due")
    assert (owed["access"], owed["currentPeriodStart"]) == ("grace", first["currentPeriodEnd"])
    assert (await tenant.entitled("exports", "anna"))["entitled"]
    for number, days in enumerate((2, 5, 7), 2):
        await anna.time_passes(days)
        await _tried(tenant, number)
        assert (await anna.status())["status"] == "past_due"
    await anna.time_passes(7)
    over = await anna.becomes("canceled")
    assert over["access"] == "none"
    tries = await tenant.rows("SELECT status FROM payments WHERE off_session")
    assert [row["status"] for row in tries] == ["FAILED"] * 5
    assert not (await tenant.entitled("exports", "anna"))["entitled"]


async def _tried(tenant: Tenant, times: int) -> None:
    async def look() -> bool | None:
        failed = await tenant.rows("SELECT id FROM payments WHERE off_session AND status = 'FAILED'")
        return len(failed) == times or None

    await eventually(look)


async def test_a_new_card_heals_what_is_owed_at_once(tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    await anna.subscribes((await plan(tenant))["prices"][0], card=BROKE)
    await anna.time_passes(31)
    await anna.becomes("past_due")
    await anna.portal()
    assert (await anna.becomes("active"))["access"] == "full"
