"""A subscription whose schedule is ours and whose cards Stripe keeps, played by the sandbox."""

import pytest

from tests.house import House, Tenant, eventually
from tests.stories.test_companies import customer_of
from tests.subscriber import Subscriber, plan

YEAR = 366 * 86_400


@pytest.fixture
async def shop(house: House) -> Tenant:
    return await customer_of(await house.tenant(), "stripe")


async def skip_a_year(shop: Tenant) -> None:
    """That company's clock cannot be pushed, so ours is."""
    async with shop.house.database(role="postgres") as db:
        await db.execute(
            "UPDATE provider_accounts SET clock_ahead_seconds = $1 WHERE tenant_id = $2", YEAR, shop.id
        )


async def test_what_is_paid_once_at_stripe_is_charged_again_and_again(house: House, shop: Tenant) -> None:
    anna = Subscriber(shop, "anna")
    before = await anna.subscribes((await plan(shop, {"interval": "year"}))["prices"][0])
    assert before["provider"] == "stripe"
    await skip_a_year(shop)
    after = await anna.renewed(before, within=60)
    assert (after["status"], after["access"]) == ("active", "full")

    async def charged() -> str | None:
        rows = await shop.rows("SELECT id FROM payments WHERE off_session AND status = 'SUCCEEDED'")
        return rows[0]["id"] if rows else None

    renewal = await eventually(charged)
    assert len((await house.ledger({"id": renewal}))["captures"]) == 1


@pytest.mark.slow
async def test_a_trial_begins_when_a_card_was_left_at_stripes_page(shop: Tenant) -> None:
    anna = Subscriber(shop, "anna")
    trial = await anna.subscribes((await plan(shop, {"trialDays": 30}))["prices"][0])
    assert (trial["status"], trial["access"]) == ("trialing", "full")
    await skip_a_year(shop)
    await anna.becomes("active", within=60)
