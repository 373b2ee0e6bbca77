"""Subscribers on record, whom nobody took to a checkout: placed and moved by the steps that do it for real.

The company was never asked, so nothing here is to be charged; what is decided and written down is our own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from sqlalchemy.ext.asyncio import AsyncConnection

from activities import billing
from activities.world import World
from domain.billing import AfterDunning, SubscriptionStatus
from domain.calendar import Interval, Rhythm
from domain.catalog import Feature, Plan, Price
from domain.events import Announcement
from domain.lifecycle import take
from domain.money import Money
from domain.payment import PaymentRef, PaymentStatus
from domain.standing import Step, Subscription, Terms
from domain.values import new_id
from domain.verdicts import Verdict
from storage import accounts, catalog, customers, events, ledger, payments, subscriptions, tenants
from tests.house import Tenant

MONTHLY = Money(amount_minor=499_000, currency="HUF")


def plan_of(tenant_id: str, *features: Feature, price: Money = MONTHLY, per_seat: bool = False) -> Plan:
    """A plan of one price, by the month."""
    now = datetime.now(UTC)
    monthly = Price(id=new_id("prc", now), money=price, interval=Interval.MONTH, per_seat=per_seat)
    return Plan(
        id=new_id("pln", now),
        tenant_id=tenant_id,
        name="Pro",
        features=features,
        prices=(monthly,),
        created_at=now,
        updated_at=now,
    )


def terms_of(plan: Plan, seats: int = 1) -> Terms:
    return Terms(plan_id=plan.id, plan_name=plan.name, price=plan.prices[0], quantity=seats)


@dataclass(frozen=True)
class Subscriber:
    """One subscription, its steps taken by the test."""

    world: World
    tenant: Tenant
    user: str
    id: str
    first_payment: str

    @classmethod
    async def paying(cls, world: World, tenant: Tenant, plan: Plan, *, user: str, seats: int = 1) -> Self:
        """Somebody who has paid for the first month of a plan, which is added to the catalog."""
        now = datetime.now(UTC)
        async with world.database.tenant(tenant.id) as tx:
            await catalog.add(tx, plan)
            account = (await accounts.live(tx))[0]
            payer = await customers.ensure(tx, account, user, now)
            sub = Subscription(
                id=new_id("sub", now),
                tenant_id=tenant.id,
                user_id=user,
                customer_id=payer.id,
                account_id=account.id,
                provider=account.provider,
                status=SubscriptionStatus.INCOMPLETE,
                terms=terms_of(plan, seats),
                rhythm=Rhythm(anchor=now, interval=Interval.MONTH),
                sandbox=True,
                begun_at=now,
                created_at=now,
                updated_at=now,
            )
            await subscriptions.add(tx, sub, None)
            scene = await scene_of(world, tx, tenant.id)
            invoice = await billing.first_invoice(tx, sub, scene)
            till = billing.Till(expires_at=now + timedelta(hours=1), off_session=False)
            payment, _ = await billing.begin_payment(tx, sub, invoice, scene, till)
            await pay(tx, payment.ref, scene)
        return cls(world, tenant, user, sub.id, payment.id)

    async def now(self) -> Subscription:
        async with self.world.database.tenant(self.tenant.id) as tx:
            return await subscriptions.get(tx, self.id)

    async def renew(self, tx: AsyncConnection) -> list[Announcement]:
        """The period is over, and the next one is paid."""
        sub = await subscriptions.get(tx, self.id, lock=True)
        assert sub.period is not None
        step = take(sub, sub.period.end, AfterDunning.CANCEL)
        assert step is not None
        return await self.carry_out(tx, sub, step)

    async def carry_out(
        self, tx: AsyncConnection, before: Subscription, step: Step, *, pays: bool = True
    ) -> list[Announcement]:
        """Write a step down, and have what it charges paid; what is told of all that."""
        scene = await scene_of(self.world, tx, self.tenant.id)
        done = await billing.carry_out(tx, before, step, scene)
        if done.told:
            await events.announce(tx, self.tenant.id, done.told, scene.wall)
        if done.charge is None or not pays:
            return done.told
        return [*done.told, *await pay(tx, done.charge, scene)]


async def scene_of(world: World, tx: AsyncConnection, tenant_id: str) -> billing.Scene:
    return billing.Scene(await tenants.get(tx, tenant_id), "test", datetime.now(UTC), world.time_scale)


async def pay(tx: AsyncConnection, ref: PaymentRef, scene: billing.Scene) -> list[Announcement]:
    """An invoice's payment succeeds, with all that follows from it; what is to be told."""
    payment = await payments.get(tx, ref.payment_id, lock=True)
    await payments.opened(tx, payment.id, f"cs_{payment.id}", None, scene.wall)
    verdict = Verdict(to=PaymentStatus.SUCCEEDED, note="paid")
    change = payments.Change(captured=payment.order.money)
    moved = await payments.move(tx, payment.id, verdict, change, scene.wall)
    assert moved is not None
    await ledger.captured(tx, moved, moved.order.money, scene.wall)
    done = await billing.settled(tx, moved, scene)
    assert done is not None
    cause = payments.Cause(id="paid", type="payment.succeeded", actor="test", at=scene.wall)
    await payments.record_change(tx, moved, cause, done.told)
    return done.told
