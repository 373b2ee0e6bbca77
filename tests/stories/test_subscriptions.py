"""The life of a subscription as its tenant and its subscriber see it; the company's clock drives it."""

from tests.house import Tenant
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
