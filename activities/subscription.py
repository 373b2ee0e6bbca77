"""The step of a subscription: whatever is due, one thing at a time, on the locked row."""

from datetime import datetime

from temporalio import activity

from activities import billing, mirror
from activities.opening import ensure_customer
from activities.world import World
from domain.lifecycle import asks_for_method, due, take
from domain.standing import Subscription, SubscriptionRef
from domain.values import Message
from storage import customers, events, invoices, subscriptions, tenants
from storage.subscriptions import ENDED

ACTOR = "workflow"


class Tick(Message):
    """A look at a subscription, and what Temporal's clock shows at that."""

    ref: SubscriptionRef
    at: datetime


class Agenda(Message):
    """What is to be done about a subscription from here on."""

    status: str
    next_at: datetime | None = None
    """When to look again, by the clock of the tick; None when it waits for somebody, or a charge."""
    ended: bool = False
    price: str = ""
    """For people who look at the workflow."""


class SubscriptionActivities:
    def __init__(self, world: World) -> None:
        self._world = world

    @activity.defn
    async def advance(self, tick: Tick) -> Agenda:
        """Take the first step that is due, if no charge is on its way. Safe to repeat.

        One transaction; before it, where a trial ends, one question: whether anything is saved to charge; or
        how it stands, where the company keeps the schedule. While that is not answered the step waits:
        raises ``ProviderError``.
        """
        world, ref = self._world, tick.ref
        await mirror.reread(world, ref, tick.at, ACTOR)
        has_method = await self._has_method(tick)
        async with world.database.tenant(ref.tenant_id) as tx:
            sub = await subscriptions.get(tx, ref.subscription_id, lock=True)
            tenant = await tenants.get(tx, ref.tenant_id)
            now = sub.time(tick.at, world.time_scale)
            in_flight = await invoices.being_paid(tx, sub.id)
            step = None
            if not in_flight:
                step = take(sub, now, tenant.settings.after_dunning, has_method=has_method)
            if step is None:
                return self._agenda(sub, in_flight=in_flight)
            scene = billing.Scene(tenant, ACTOR, tick.at, world.time_scale)
            done = await billing.carry_out(tx, sub, step, scene)
            endpoints = await events.announce(tx, ref.tenant_id, done.told, tick.at) if done.told else []
        await billing.set_going(world, done, endpoints)
        return self._agenda(done.sub, in_flight=done.charge is not None)

    async def _has_method(self, tick: Tick) -> bool:
        world, ref = self._world, tick.ref
        async with world.database.tenant(ref.tenant_id) as tx:
            sub = await subscriptions.get(tx, ref.subscription_id)
            if not asks_for_method(sub, sub.time(tick.at, world.time_scale)):
                return True
            payer = await customers.get(tx, sub.customer_id)
            _, provider = await world.provider(tx, sub.account_id)
        return bool(await provider.saved_methods(await ensure_customer(world, provider, payer)))

    def _agenda(self, sub: Subscription, *, in_flight: bool) -> Agenda:
        at = None if in_flight else due(sub)
        return Agenda(
            status=sub.status,
            next_at=sub.reread_at if at is None else sub.wall(at, self._world.time_scale),
            ended=sub.status in ENDED,
            price=f"{sub.terms.plan_name} x {sub.terms.quantity}",
        )
