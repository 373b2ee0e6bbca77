"""Subscriptions over HTTP: read, ended, paused, and changed, with a preview of what that costs.

A wish is decided on the locked row and answered at once; Temporal hears of it afterwards.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, BackgroundTasks, Depends, Query
from pydantic import AfterValidator, AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from activities import billing, company_run
from activities.world import World
from api.deps import About, AnyCaller, House, TheHouse, Trader, actor
from api.invoices import InvoiceAnswer, LineAnswer, sums
from api.strict import Answer, Instant, Model, Moment, StrictRoute, in_utc
from api.subscribed import SubscriptionAnswer, told
from domain.billing import SubscriptionStatus
from domain.changes import Proration, change, counts_from
from domain.errors import IllegalTransition, InProgress, TenantSuspended, ValidationFailed
from domain.invoicing import drawn_up
from domain.lifecycle import cancel, due, pause, resume
from domain.money import Money, check_amount
from domain.standing import Step, Subscription, Terms
from domain.values import Value
from storage import catalog, events, invoices, subscriptions, tenants

router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"], route_class=StrictRoute)
log = structlog.get_logger(__name__)

_PATIENCE: Final = timedelta(seconds=5)
"""How long a wish waits for a charge that is on its way, before it is refused."""
_A_MOMENT: Final = 0.15
_AGAIN_IN: Final = 2

Quantity = Annotated[int, Field(ge=1, le=1_000_000)]
PriceId = Annotated[str, Field(max_length=64)]


class Cancellation(Model):
    at_period_end: bool = False
    """Whether it goes on until the end of what was paid for; else it ends now."""


class NewTerms(Model):
    """What it shall be. What is not named stays as it is."""

    price_id: PriceId = Field(default_factory=str)
    quantity: Quantity = Field(default_factory=int)
    proration: Proration = Proration.PRORATE
    proration_date: Annotated[AwareDatetime, AfterValidator(in_utc)] | None = None
    """From when on the new terms count, if not from now: the `prorationDate` of a preview."""


class EventAnswer(Answer):
    id: str
    type: str
    status: SubscriptionStatus
    """After it."""
    actor: str
    at: Instant


class WholeSubscription(SubscriptionAnswer):
    latest_invoice_id: str | None
    events: list[EventAnswer]
    """Oldest first."""


class ChangedSubscription(SubscriptionAnswer):
    invoice: InvoiceAnswer | None
    """The one that the change made, if it made one."""


class Preview(Answer):
    """The invoice that a change would make now, or nothing of one. Amounts in minor units."""

    subtotal: int
    tax: int
    total: int
    credited: int
    credit_applied: int
    amount_due: int
    currency: str
    lines: list[LineAnswer]
    """What is owed already comes first: it becomes part of the new invoice."""
    proration_date: Instant
    """Sent with the change, it makes the change cost just this, whenever that is."""


class SubscriptionList(Answer):
    data: list[SubscriptionAnswer]


@router.get("")
async def list_subscriptions(
    who: AnyCaller,
    here: TheHouse,
    user_id: Annotated[str | None, Query(alias="userId", min_length=1, max_length=128)] = None,
    status: SubscriptionStatus | None = None,
    plan_id: Annotated[str | None, Query(alias="planId", max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> SubscriptionList:
    """The tenant's subscriptions, newest first."""
    wanted = subscriptions.SubscriptionFilter(
        user_id=user_id, status=status, plan_id=plan_id, limit=limit, offset=offset
    )
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await subscriptions.find(tx, wanted)
    return SubscriptionList(data=[SubscriptionAnswer.of(sub) for sub in found])


@router.get("/{subscription_id}")
async def get_subscription(subscription_id: str, who: AnyCaller, here: TheHouse) -> WholeSubscription:
    latest = invoices.InvoiceFilter(subscription_id=subscription_id, limit=1)
    async with here.world.database.tenant(who.tenant_id) as tx:
        sub = await subscriptions.get(tx, subscription_id)
        history = await subscriptions.history(tx, subscription_id)
        made = await invoices.find(tx, latest)
    return WholeSubscription(
        latest_invoice_id=made[0].id if made else None,
        events=[EventAnswer(**event) for event in history],
        **told(sub),
    )


Ask = Callable[[World, Subscription, str], Awaitable[Subscription]]
Decide = Callable[[AsyncConnection, Subscription, datetime], Awaitable[Step]]


class Desk:
    """Where a wish about a subscription is decided, written down and set going."""

    def __init__(self, who: Trader, here: TheHouse, about: About, later: BackgroundTasks) -> None:
        self._who = who
        self._here = here
        self._about = about
        self._later = later

    async def carry_out(self, subscription_id: str, decide: Decide, *, waits: bool) -> billing.Outcome:
        """Do as ``decide`` says of the locked row, in its billing time.

        What ``waits`` for what is being carried out raises ``InProgress`` if that takes long.
        """
        world, who = self._here.world, self._who
        if waits:
            await at_rest(self._here, who.tenant_id, subscription_id)
        async with world.database.tenant(who.tenant_id) as tx:
            sub = await subscriptions.get(tx, subscription_id, lock=True)
            _check_ours(sub)
            wall = world.clock()
            now = sub.time(wall, world.time_scale)
            if waits and await _moves(tx, sub, now):
                raise _in_progress()
            step = await decide(tx, sub, now)
            if step == Step(after=sub, at=now):
                return billing.Outcome(sub)
            tenant = await tenants.get(tx, who.tenant_id)
            if tenant.suspended and step.charge:
                raise TenantSuspended
            scene = billing.Scene(tenant, actor(who), wall, world.time_scale, self._about.request_id)
            done = await billing.carry_out(tx, sub, step, scene)
            endpoints = await events.announce(tx, tenant.id, done.told, wall) if done.told else []
        self._later.add_task(billing.follow_up, world, done, endpoints)
        return done

    async def ask_company(self, subscription_id: str, wish: Ask) -> Subscription | None:
        """The subscription once the company that keeps its schedule has done it; None where we do."""
        async with self._here.world.database.tenant(self._who.tenant_id) as tx:
            sub = await subscriptions.get(tx, subscription_id)
        return await wish(self._here.world, sub, actor(self._who)) if sub.provider_run else None


AtDesk = Annotated[Desk, Depends()]


async def at_rest(here: House, tenant_id: str, subscription_id: str) -> None:
    """Wait until no charge is on its way and nothing is due, for a while.

    Whoever changes seats twice in a row need not care that the first change is just being paid. Raises
    ``InProgress``, ``NotFound``, and ``IllegalTransition`` for a subscription that is not led by us.
    """
    until = time.monotonic() + _PATIENCE.total_seconds()
    while True:
        async with here.world.database.tenant(tenant_id) as tx:
            sub = await subscriptions.get(tx, subscription_id)
            _check_ours(sub)
            if not await _moves(tx, sub, sub.time(here.world.clock(), here.world.time_scale)):
                return
        if time.monotonic() > until:
            raise _in_progress()
        await asyncio.sleep(_A_MOMENT)


async def _moves(tx: AsyncConnection, sub: Subscription, now: datetime) -> bool:
    """Whether something is about to become of it that a wish depends on."""
    at = due(sub)
    return (at is not None and at <= now) or await invoices.being_paid(tx, sub.id)


def _in_progress() -> InProgress:
    return InProgress(retry_after=_AGAIN_IN)


def _check_ours(sub: Subscription) -> None:
    if sub.provider_run:
        raise IllegalTransition(f"{sub.provider} keeps the schedule of this subscription.")


@router.post("/{subscription_id}/cancel")
async def cancel_subscription(
    subscription_id: str, desk: AtDesk, body: Cancellation = Cancellation()
) -> SubscriptionAnswer:
    """End it, now or with its period. Nothing more is charged from here on; nothing is given back by itself.

    Safe to repeat. With `atPeriodEnd` it can be taken back until then: resume.
    """

    async def decide(_: AsyncConnection, sub: Subscription, now: datetime) -> Step:
        return cancel(sub, now, at_period_end=body.at_period_end)

    theirs = await desk.ask_company(
        subscription_id, partial(company_run.cancel, at_period_end=body.at_period_end)
    )
    if theirs is not None:
        return SubscriptionAnswer.of(theirs)
    # Nobody who wants out is kept waiting: a charge that is on its way goes back when it arrives.
    return SubscriptionAnswer.of((await desk.carry_out(subscription_id, decide, waits=False)).sub)


@router.post("/{subscription_id}/pause")
async def pause_subscription(subscription_id: str, desk: AtDesk) -> SubscriptionAnswer:
    """Charge nothing and give nothing until it is resumed; what was paid for waits. Safe to repeat."""

    async def decide(_: AsyncConnection, sub: Subscription, now: datetime) -> Step:
        return pause(sub, now)

    theirs = await desk.ask_company(subscription_id, company_run.pause)
    if theirs is not None:
        return SubscriptionAnswer.of(theirs)
    return SubscriptionAnswer.of((await desk.carry_out(subscription_id, decide, waits=True)).sub)


@router.post("/{subscription_id}/resume")
async def resume_subscription(subscription_id: str, desk: AtDesk) -> SubscriptionAnswer:
    """Take the wish to end it back, or go on after a pause. Safe to repeat."""

    async def decide(_: AsyncConnection, sub: Subscription, now: datetime) -> Step:
        return resume(sub, now)

    theirs = await desk.ask_company(subscription_id, company_run.resume)
    if theirs is not None:
        return SubscriptionAnswer.of(theirs)
    return SubscriptionAnswer.of((await desk.carry_out(subscription_id, decide, waits=True)).sub)


class Wish(Value):
    """Another price, another number of seats; None is what it has."""

    price_id: str | None
    quantity: int | None
    proration: Proration
    since: datetime | None

    async def step(self, tx: AsyncConnection, sub: Subscription, now: datetime) -> Step:
        """What it makes of a subscription. Raises ``NotFound`` and ``ValidationFailed`` for the price."""
        return change(sub, await self._terms(tx, sub), self.proration, now, self.since)

    async def at_company(self, world: World, sub: Subscription, by: str) -> Subscription:
        """Have the company sell it from now on. Raises as ``step`` and ``company_run.change`` do."""
        async with world.database.tenant(sub.tenant_id) as tx:
            terms = await self._terms(tx, sub)
            if (await tenants.get(tx, sub.tenant_id)).suspended:
                raise TenantSuspended
        return await company_run.change(world, sub, terms, self.proration, by)

    async def _terms(self, tx: AsyncConnection, sub: Subscription) -> Terms:
        quantity = self.quantity or sub.terms.quantity
        if self.price_id in {None, sub.terms.price.id}:
            terms = sub.terms.model_copy(update={"quantity": quantity})
        else:
            offer = await catalog.offer(tx, self.price_id or "")
            if not offer.offered:
                raise ValidationFailed(errors=(("/priceId", "this price is not offered any more"),))
            terms = Terms(
                plan_id=offer.plan.id, plan_name=offer.plan.name, price=offer.price, quantity=quantity
            )
        if terms.total_minor:
            check_amount(Money(amount_minor=terms.total_minor, currency=terms.price.money.currency))
        return terms


@router.post("/{subscription_id}/change")
async def change_subscription(subscription_id: str, body: NewTerms, desk: AtDesk) -> ChangedSubscription:
    """Another price, another number of seats: at once, or from the next period on.

    With `prorate` the difference is invoiced and charged now. A change to what it is already makes no
    invoice, so a repeat is safe; it takes back what was to come.
    """
    wish = Wish(
        price_id=body.price_id or None,
        quantity=body.quantity or None,
        proration=body.proration,
        since=body.proration_date,
    )
    theirs = await desk.ask_company(subscription_id, wish.at_company)
    if theirs is not None:
        return ChangedSubscription(invoice=None, **told(theirs))
    done = await desk.carry_out(subscription_id, wish.step, waits=True)
    return ChangedSubscription(invoice=_made(done), **told(done.sub))


def _made(done: billing.Outcome) -> InvoiceAnswer | None:
    if done.invoice is None:
        return None
    paid_by = None if done.charge is None else done.charge.payment_id
    return InvoiceAnswer.of(done.invoice.model_copy(update={"payment_id": paid_by}))


@router.get("/{subscription_id}/change-preview")
async def preview_change(
    subscription_id: str,
    who: AnyCaller,
    here: TheHouse,
    price_id: Annotated[str | None, Query(alias="priceId", min_length=1, max_length=64)] = None,
    quantity: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    proration: Proration = Proration.PRORATE,
    proration_date: Annotated[Moment | None, Query(alias="prorationDate")] = None,
) -> Preview:
    """What a change would invoice, to the minor unit. Nothing is written.

    It holds for the rest of the hour, and with its `prorationDate` for as long as nothing else changes.
    """
    await at_rest(here, who.tenant_id, subscription_id)
    wish = Wish(price_id=price_id, quantity=quantity, proration=proration, since=proration_date)
    world = here.world
    async with world.database.tenant(who.tenant_id) as tx:
        sub = await subscriptions.get(tx, subscription_id)
        now = sub.time(world.clock(), world.time_scale)
        step = await wish.step(tx, sub, now)
        open_ = await invoices.pending(tx, sub.id, lock=False)
        heading = await billing.heading(tx, await tenants.get(tx, who.tenant_id), sub)
    since = counts_from(sub, now, proration_date)
    currency = sub.terms.price.money.currency
    if step.bill is None:
        return Preview(currency=currency, lines=[], proration_date=since, **dict.fromkeys(_SUMS, 0))
    drawn = drawn_up(step.after, open_, step.bill, heading, now)
    lines = [LineAnswer.of(line) for line in drawn.lines]
    return Preview(currency=currency, lines=lines, proration_date=since, **sums(drawn))


_SUMS: Final = ("subtotal", "tax", "total", "credited", "credit_applied", "amount_due")
