"""Two years of a subscription, on a server that skips the waiting.

Workflows and steps, database and payment company are the real ones; only Temporal's clock runs ahead.
"""

from datetime import UTC, datetime, timedelta

import pytest

from domain.calendar import Interval, Rhythm
from domain.standing import SubscriptionRef
from storage import subscriptions
from tests.house import House, Json, Tenant, eventually
from tests.subscriber import Subscriber, plan
from tests.workflows.flight import flying
from workflows import messages
from workflows.subscription import workflow_id

MONTHS = 24
# A look a week, and what a charge needs.
EVENTS_A_RENEWAL = 75


async def from_the_last_of_january(tenant: Tenant, anna: Subscriber) -> Rhythm:
    """Have the first period begin on the next 31 January."""
    first = datetime(datetime.now(UTC).year + 1, 1, 31, 9, tzinfo=UTC)
    rhythm = Rhythm(anchor=first, interval=Interval.MONTH)
    period = rhythm.period(0)
    async with tenant.house.database(role="postgres") as db:
        await db.execute(
            "UPDATE subscriptions SET anchor = $1, period_start = $1, period_end = $2, due_at = $2"
            " WHERE id = $3",
            *(period.start, period.end, anna.id),
        )
    return rhythm


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_two_years_are_twenty_four_renewals_each_on_its_day(house: House, tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    await anna.subscribes((await plan(tenant))["prices"][0])
    # Nobody but this test's own workers may hear of the charges.
    await tenant.fault("webhook.send", "webhook", "lost", count=1_000)
    rhythm = await from_the_last_of_january(tenant, anna)
    ref = SubscriptionRef(tenant_id=tenant.id, subscription_id=anna.id)
    async with flying(house) as (time, world):
        await messages.wake_subscription(time.client, ref)
        last = rhythm.period(MONTHS)
        ahead = last.start - await time.get_current_time() + timedelta(days=1)
        await time.sleep(ahead)

        async def settled() -> bool | None:
            async with world.database.tenant(tenant.id) as tx:
                return (await subscriptions.get(tx, anna.id)).period == last or None

        await eventually(settled, 60)
        workflow = time.client.get_workflow_handle(workflow_id(tenant.id, anna.id))
        events = len((await workflow.fetch_history()).events)
    await _each_month_was_paid_once(tenant, rhythm)
    assert events <= EVENTS_A_RENEWAL * (MONTHS + 4), events


async def _each_month_was_paid_once(tenant: Tenant, rhythm: Rhythm) -> None:
    invoices = await tenant.rows("SELECT * FROM invoices ORDER BY number")
    assert [row["number"] for row in invoices] == list(range(1, MONTHS + 2))
    assert {row["status"] for row in invoices} == {"paid"}
    renewals = invoices[1:]
    expected = [rhythm.period(number) for number in range(1, MONTHS + 1)]
    assert [(row["period_start"], row["period_end"]) for row in renewals] == [
        (period.start, period.end) for period in expected
    ]
    assert [row["created_at"] for row in renewals] == [period.start for period in expected]
    payments = await tenant.rows("SELECT id, status FROM payments WHERE off_session")
    assert [row["status"] for row in payments] == ["SUCCEEDED"] * MONTHS
    captures: list[Json] = []
    for payment in payments:
        captures += (await tenant.house.ledger(payment))["captures"]
    assert [capture["amount"] for capture in captures] == [199_000] * MONTHS
    renewed = await tenant.rows("SELECT at FROM subscription_events WHERE type = 'subscription.renewed'")
    assert sorted(row["at"] for row in renewed) == [period.start for period in expected]
