"""Subscriptions at the sandbox's Dodo Payments: its own library is the judge, the clock is pushed on."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import dodopayments
import pytest
import pytest_asyncio

from sandbox.faces.dodo_products import Plan
from tests.sandbox.company_specs import complaints
from tests.sandbox.dodo_shop import DodoShop
from tests.sandbox.sandbox_house import GOOD_CARD, Json, Shop

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]

SPEC = "dodo/openapi-1.53.2-nosamples.json"
PRO, TEAM = "pdt_pro_1990000_HUF_month", "pdt_team_4990000_HUF_month"
LATER_DECLINED = "4000000000000341"
DAY = 86_400
BEGUN = ("payment.succeeded", "subscription.active")


@pytest_asyncio.fixture
async def merchant(spare_shop: Shop) -> AsyncIterator[DodoShop]:
    """Open a shop where the clock may be pushed."""
    async with DodoShop.at(spare_shop) as opened:
        yield opened


async def offered(merchant: DodoShop, **changes: Any) -> Any:
    """A checkout at which a subscription begins, of a customer of our name."""
    customer = await merchant.dodo.customers.create(
        email="ann@example.com", name="Ann", metadata={"paysaga_customer": "cus_ours"}
    )
    order: Json = {
        "product_cart": [{"product_id": PRO, "quantity": 1}],
        "customer": {"customer_id": customer.customer_id},
        "metadata": {"paysaga_subscription": merchant.shop.reference},
        "return_url": "https://shop.test/thanks",
        **changes,
    }
    return await merchant.dodo.checkout_sessions.create(**order)


async def subscribed(merchant: DodoShop, number: str = GOOD_CARD, **changes: Any) -> Any:
    """A subscription whose first month was paid."""
    session = await offered(merchant, **changes)
    assert (await merchant.pay(session.session_id, number)).status_code == 303
    told = await merchant.hears(*BEGUN)
    return told[-1] if hasattr(told[-1], "next_billing_date") else told[0]


async def pushed(merchant: DodoShop, days: int) -> None:
    await merchant.shop.company.control("POST", "clock", json={"advanceSeconds": days * DAY})


async def stands(merchant: DodoShop, subscription: Any) -> Any:
    return await merchant.dodo.subscriptions.retrieve(subscription.subscription_id)


async def updated_card(merchant: DodoShop, subscription: Any, number: str) -> None:
    """What a customer does at their portal."""
    opened = await merchant.dodo.customers.customer_portal.create(subscription.customer.customer_id)
    path = opened.link.removeprefix(merchant.shop.company.url)
    answer = await merchant.shop.client.post(path, data={"cardNumber": number, "action": "update"})
    assert answer.status_code == 200


async def test_a_subscription_begins_when_its_checkout_is_paid(merchant: DodoShop) -> None:
    told = await subscribed(merchant)
    found = await stands(merchant, told)
    assert (found.status, found.product_id, found.quantity) == ("active", PRO, 1)
    assert found.metadata["paysaga_subscription"] == merchant.shop.reference
    assert found.previous_billing_date < found.next_billing_date
    [payment] = (await merchant.dodo.payments.list()).items
    assert (payment.subscription_id, payment.total_amount) == (found.subscription_id, 1_990_000)
    [kept] = (await merchant.dodo.customers.retrieve_payment_methods(found.customer.customer_id)).items
    assert kept.card.last4_digits == "4242"


async def test_a_subscription_is_what_the_specification_says(merchant: DodoShop) -> None:
    told = await subscribed(merchant)
    path = f"/dodo/subscriptions/{told.subscription_id}"
    assert complaints(SPEC, "SubscriptionResponse", await merchant.shop.get(path)) == []
    for letter in merchant.shop.letters:
        assert complaints(SPEC, "OutgoingWebhook", letter.event) == []


async def test_each_period_that_ends_is_renewed_however_far_the_clock_is_pushed(merchant: DodoShop) -> None:
    begun = await subscribed(merchant)
    await pushed(merchant, 63)
    renewals = ["payment.succeeded", "subscription.renewed"] * 2
    await merchant.hears(*BEGUN, *renewals)
    found = await stands(merchant, begun)
    plan = Plan(PRO, 1_990_000, "HUF", "month")
    assert found.previous_billing_date == plan.over(begun.previous_billing_date, 2)
    assert found.next_billing_date == plan.over(begun.previous_billing_date, 3)
    captures = (await merchant.shop.ledger())["captures"]
    assert [capture["amount"] for capture in captures] == [1_990_000] * 3
    bill = (await merchant.dodo.payments.list()).items[0]
    assert (bill.checkout_session_id, bill.subscription_id) == (None, found.subscription_id)
    await merchant.dodo.refunds.create(payment_id=bill.payment_id)


async def test_a_bill_that_is_declined_holds_the_subscription_until_another_card_is_left(
    merchant: DodoShop,
) -> None:
    begun = await subscribed(merchant, LATER_DECLINED)
    await pushed(merchant, 32)
    told = await merchant.hears(*BEGUN, "payment.failed", "subscription.on_hold")
    [failed] = [one for one in told if getattr(one, "error_code", None)]
    assert (failed.status, failed.error_code) == ("failed", "CARD_DECLINED")
    assert (await stands(merchant, begun)).status == "on_hold"
    await updated_card(merchant, begun, GOOD_CARD)
    await merchant.hears(*BEGUN, "payment.failed", "subscription.on_hold", *BEGUN)
    found = await stands(merchant, begun)
    assert (found.status, found.previous_billing_date) == ("active", begun.next_billing_date)


async def test_a_trial_takes_nothing_until_it_is_over(merchant: DodoShop) -> None:
    session = await offered(merchant, subscription_data={"trial_period_days": 14})
    path = session.checkout_url.removeprefix(merchant.shop.company.url)
    form = {"cardNumber": GOOD_CARD, "action": "pay"}
    assert (await merchant.shop.client.post(path, data=form)).status_code == 303
    [begun] = await merchant.hears("subscription.active")
    assert ((begun.next_billing_date - begun.previous_billing_date).days, begun.trial_period_days) == (14, 14)
    assert (await merchant.shop.ledger())["captures"] == []
    await pushed(merchant, 15)
    await merchant.hears("subscription.active", "payment.succeeded", "subscription.renewed")


async def test_it_ends_at_once_or_with_the_period_and_then_for_good(merchant: DodoShop) -> None:
    begun = await subscribed(merchant)
    update = merchant.dodo.subscriptions.update
    for wanted in (True, False, True, True):
        found = await update(begun.subscription_id, cancel_at_next_billing_date=wanted)
        assert (found.status, found.cancel_at_next_billing_date) == ("active", wanted)
    await pushed(merchant, 32)
    told = await merchant.hears(*BEGUN, *["subscription.updated"] * 3, "subscription.cancelled")
    assert told[-1].cancelled_at == begun.next_billing_date
    assert len((await merchant.shop.ledger())["captures"]) == 1
    with pytest.raises(dodopayments.UnprocessableEntityError) as over:
        await update(begun.subscription_id, status="cancelled")
    assert over.value.body["code"] == "SUBSCRIPTION_INACTIVE"  # type: ignore[index]


async def test_a_dearer_plan_costs_the_difference_of_what_is_left_at_once(merchant: DodoShop) -> None:
    begun = await subscribed(merchant)
    change = merchant.dodo.subscriptions.change_plan
    dearer: Json = {"product_id": TEAM, "quantity": 2, "proration_billing_mode": "prorated_immediately"}
    await change(begun.subscription_id, **dearer)
    await merchant.hears(*BEGUN, "payment.succeeded", "subscription.plan_changed")
    found = await stands(merchant, begun)
    assert (found.product_id, found.quantity, found.next_billing_date) == (TEAM, 2, begun.next_billing_date)
    paid = [capture["amount"] for capture in (await merchant.shop.ledger())["captures"]]
    assert 0.99 < paid[1] / (2 * 4_990_000 - 1_990_000) <= 1
    await change(
        begun.subscription_id, **dearer | {"product_id": PRO, "proration_billing_mode": "do_not_bill"}
    )
    assert (await stands(merchant, begun)).product_id == PRO
    assert len((await merchant.shop.ledger())["captures"]) == 2


async def test_a_difference_that_nobody_pays_leaves_the_plan_as_it_is(merchant: DodoShop) -> None:
    begun = await subscribed(merchant, LATER_DECLINED)
    await merchant.dodo.subscriptions.change_plan(
        begun.subscription_id, product_id=TEAM, quantity=1, proration_billing_mode="prorated_immediately"
    )
    await merchant.hears(*BEGUN, "payment.failed")
    assert (await stands(merchant, begun)).product_id == PRO


async def test_what_nobody_knows_cannot_be_subscribed_to_or_asked_about(merchant: DodoShop) -> None:
    with pytest.raises(dodopayments.NotFoundError):
        await merchant.dodo.subscriptions.retrieve("sub_nothing")
    with pytest.raises(dodopayments.NotFoundError):
        await offered(merchant, customer={"customer_id": "cus_nobody"})
    begun = await subscribed(merchant)
    with pytest.raises(dodopayments.UnprocessableEntityError):
        await merchant.dodo.subscriptions.change_plan(
            begun.subscription_id, product_id="pdt_book", quantity=1, proration_billing_mode="do_not_bill"
        )


@pytest.mark.parametrize(
    ("interval", "begun", "ends"),
    [
        ("month", "2027-01-31", ["2027-02-28", "2027-03-31", "2027-04-30"]),
        ("month", "2027-11-30", ["2027-12-30", "2028-01-30", "2028-02-29"]),
        ("year", "2028-02-29", ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("week", "2026-12-28", ["2027-01-04"]),
    ],
)
async def test_the_day_of_the_month_is_kept_where_there_is_one(
    interval: str, begun: str, ends: list[str]
) -> None:
    plan = Plan("pdt", 1, "HUF", interval)
    over = [plan.over(datetime.fromisoformat(begun), number + 1) for number in range(len(ends))]
    assert [at.date().isoformat() for at in over] == ends
