"""The step of a subscription, taken by the test itself."""

from datetime import timedelta

from activities.subscription import SubscriptionActivities, Tick
from domain.standing import SubscriptionRef
from tests.house import House, Tenant
from tests.subscriber import Subscriber, moment, plan
from tests.world import world_of


async def test_nothing_is_done_about_it_while_a_charge_is_on_its_way(house: House, tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    begun = await anna.subscribes((await plan(tenant))["prices"][0])
    await tenant.fault("charge.create", "before", "status:503", count=1_000)
    end = moment(begun["currentPeriodEnd"]) + timedelta(seconds=1)
    ref = SubscriptionRef(tenant_id=tenant.id, subscription_id=anna.id)
    async with world_of(house) as world:
        steps = SubscriptionActivities(world)
        for days in (0, 0, 45):
            agenda = await steps.advance(Tick(ref=ref, at=end + timedelta(days=days)))
            assert (agenda.status, agenda.next_at) == ("active", None)
    invoices = await tenant.rows("SELECT status FROM invoices ORDER BY number")
    assert [row["status"] for row in invoices] == ["paid", "open"]
    assert len(await tenant.rows("SELECT id FROM payments WHERE off_session")) == 1
