"""Subscriptions in PostgreSQL: read whole, decided about under their lock, written as a step leaves them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, Select, and_, case, func, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.billing import SubscriptionStatus
from domain.calendar import Period, Rhythm
from domain.catalog import Offer
from domain.errors import NotFound
from domain.events import Announcement, subscription_announcement
from domain.lifecycle import due
from domain.standing import Step, Subscription, SubscriptionRef, Terms
from domain.values import Value, new_id
from storage import audit, catalog
from storage.tables import provider_accounts, subscription_events, subscriptions

S = SubscriptionStatus
LIVE: Final = (S.TRIALING, S.ACTIVE, S.PAST_DUE, S.UNPAID, S.PAUSED)
"""Begun, and not over."""
ENDED: Final = (S.INCOMPLETE_EXPIRED, S.CANCELED)

_ahead = (
    select(provider_accounts.c.clock_ahead_seconds)
    .where(provider_accounts.c.id == subscriptions.c.account_id)
    .scalar_subquery()
)
# Columns that say the same as the value's fields, by the same names.
_PLAIN: Final = tuple(name for name in Subscription.model_fields if name in subscriptions.c)


async def add(tx: AsyncConnection, sub: Subscription, correlation_id: str | None) -> None:
    await tx.execute(insert(subscriptions).values(correlation_id=correlation_id, **_columns(sub)))


async def get(tx: AsyncConnection, subscription_id: str, *, lock: bool = False) -> Subscription:
    """Raises ``NotFound``; another tenant's subscription looks exactly like none.

    ``lock`` keeps everybody else from changing it until the transaction ends. Whoever also needs the lock of
    one of its payments takes that first.
    """
    query = _whole().where(subscriptions.c.id == subscription_id)
    found = await _read(tx, query.with_for_update(of=subscriptions, key_share=True) if lock else query)
    if not found:
        raise NotFound
    return found[0]


async def of_user(tx: AsyncConnection, user_id: str) -> Subscription | None:
    """The one that says what this user has: a live one, else one to come, else the last that is over."""
    weight = case(
        (subscriptions.c.status.in_(LIVE), 0),
        (subscriptions.c.status == S.INCOMPLETE, 1),
        (subscriptions.c.status == S.CANCELED, 2),
        else_=3,
    )
    query = (
        _whole()
        .where(subscriptions.c.user_id == user_id)
        .order_by(weight, subscriptions.c.created_at.desc(), subscriptions.c.id.desc())
        .limit(1)
    )
    return next(iter(await _read(tx, query)), None)


async def live_beside(tx: AsyncConnection, sub: Subscription) -> bool:
    """Whether its user has another one that has begun and is not over."""
    others = select(subscriptions.c.id).where(
        subscriptions.c.user_id == sub.user_id,
        subscriptions.c.id != sub.id,
        subscriptions.c.status.in_(LIVE),
    )
    return (await tx.execute(others.limit(1))).one_or_none() is not None


async def to_come(tx: AsyncConnection, user_id: str) -> list[Subscription]:
    """What this user has begun a checkout for, and not paid."""
    query = _whole().where(subscriptions.c.user_id == user_id, subscriptions.c.status == S.INCOMPLETE)
    return await _read(tx, query)


class SubscriptionFilter(Value):
    """Which subscriptions a list shows."""

    user_id: str | None = None
    status: SubscriptionStatus | None = None
    plan_id: str | None = None
    limit: int = 20
    offset: int = 0


async def find(tx: AsyncConnection, wanted: SubscriptionFilter) -> list[Subscription]:
    """One page, newest first."""
    query = _whole().order_by(subscriptions.c.created_at.desc(), subscriptions.c.id.desc())
    if wanted.user_id is not None:
        query = query.where(subscriptions.c.user_id == wanted.user_id)
    if wanted.status is not None:
        query = query.where(subscriptions.c.status == wanted.status)
    if wanted.plan_id is not None:
        query = query.where(subscriptions.c.price_id.in_(catalog.prices_of(wanted.plan_id)))
    return await _read(tx, query.limit(wanted.limit).offset(wanted.offset))


async def called(tx: AsyncConnection, account_id: str, reference: str) -> Subscription | None:
    """The one that a company calls so, locked as by ``get``; None when none has learned that name."""
    query = _whole().where(
        subscriptions.c.account_id == account_id, subscriptions.c.provider_reference == reference
    )
    found = await _read(tx, query.with_for_update(of=subscriptions, key_share=True))
    return found[0] if found else None


async def save(tx: AsyncConnection, sub: Subscription) -> None:
    """Write a subscription whose lock is held as it stands from now on."""
    never = {"id", "tenant_id", "user_id", "created_at", "begun_at", "sandbox", "provider_run"}
    values = {name: value for name, value in _columns(sub).items() if name not in never}
    await tx.execute(update(subscriptions).where(subscriptions.c.id == sub.id).values(values))


async def record(
    tx: AsyncConnection, step: Step, actor: str, wall: datetime, correlation_id: str | None = None
) -> list[Announcement]:
    """What a step leaves in the subscription's own history and on record; answers what is to be told."""
    sub = step.after
    for told in step.told:
        await tx.execute(
            insert(subscription_events).values(
                id=new_id("sev", wall),
                tenant_id=sub.tenant_id,
                subscription_id=sub.id,
                type=f"subscription.{told}",
                actor=actor,
                status=sub.status,
                mrr_e4=sub.mrr_e4,
                currency=sub.terms.price.money.currency,
                at=step.at,
            )
        )
        deed = audit.Deed(
            tenant_id=sub.tenant_id,
            actor=actor,
            action=f"subscription.{told}",
            resource=sub.id,
            provider=sub.provider,
            correlation_id=correlation_id,
            at=wall,
        )
        await audit.record(tx, deed)
    return [subscription_announcement(sub, f"subscription.{told}") for told in step.told]


async def history(tx: AsyncConnection, subscription_id: str) -> list[dict[str, Any]]:
    """``{id, type, status, actor, at}``, oldest first."""
    columns = ("id", "type", "status", "actor", "at")
    rows = await tx.execute(
        select(*(subscription_events.c[name] for name in columns))
        .where(subscription_events.c.subscription_id == subscription_id)
        .order_by(subscription_events.c.seq)
    )
    return [dict(row) for row in rows.mappings()]


async def method_changed(tx: AsyncConnection, customer_id: str) -> list[SubscriptionRef]:
    """There is news of what a customer can be charged by: note it.

    Also where it heals nothing yet: a charge of what was there before may be on its way, and fail.
    """
    heals = and_(
        subscriptions.c.status.in_([S.PAST_DUE, S.UNPAID, S.PAUSED]), ~subscriptions.c.cancel_at_period_end
    )
    noted = await tx.execute(
        update(subscriptions)
        .where(
            subscriptions.c.customer_id == customer_id,
            subscriptions.c.status.in_(LIVE),
            ~subscriptions.c.provider_run,
        )
        .values(
            method_changed=True,
            due_at=case((heals, subscriptions.c.updated_at), else_=subscriptions.c.due_at),
        )
        .returning(subscriptions.c.id, subscriptions.c.tenant_id)
    )
    return [SubscriptionRef(tenant_id=row.tenant_id, subscription_id=row.id) for row in noted]


async def leaderless(
    tx: AsyncConnection,
    now: datetime,
    scale: float,
    known: Sequence[str],
    limit: int,
    account_id: str | None = None,
) -> list[SubscriptionRef]:
    """Those for which something is due and nobody may know it, perhaps of one account only.

    A system transaction finds those of all tenants. Those ``known`` to be looked after are left out.
    """
    theirs = provider_accounts.c.clock_ahead_seconds
    passed = func.extract("epoch", now - subscriptions.c.begun_at) * (scale - 1)
    pushed = now + func.make_interval(0, 0, 0, 0, 0, 0, theirs + passed)
    joined = subscriptions.join(provider_accounts, provider_accounts.c.id == subscriptions.c.account_id)
    due_there = select(subscriptions.c.id).select_from(joined).where(subscriptions.c.due_at <= pushed)
    if scale == 1:
        # The world's time is all but everybody's, and has an index of its own.
        due_there = due_there.where(theirs > 0)
    due_here = select(subscriptions.c.id).where(subscriptions.c.due_at <= now)
    unheard = select(subscriptions.c.id).where(subscriptions.c.reread_at <= now)
    by = subscriptions.c.due_at
    waiting = [
        query.where(
            true() if account_id is None else subscriptions.c.account_id == account_id,
            subscriptions.c.id.not_in(known),
        )
        .order_by(mark)
        .limit(limit)
        for query, mark in ((due_here, by), (due_there, by), (unheard, subscriptions.c.reread_at))
    ]
    rows = await tx.execute(
        select(subscriptions.c.id, subscriptions.c.tenant_id).where(
            or_(*(subscriptions.c.id.in_(found) for found in waiting))
        )
    )
    return [SubscriptionRef(tenant_id=row.tenant_id, subscription_id=row.id) for row in rows]


async def running(tx: AsyncConnection, limit: int) -> list[SubscriptionRef]:
    """All that somebody should be leading; needs a system transaction."""
    rows = await tx.execute(
        select(subscriptions.c.id, subscriptions.c.tenant_id)
        .where(subscriptions.c.status.not_in(ENDED))
        .order_by(subscriptions.c.id)
        .limit(limit)
    )
    return [SubscriptionRef(tenant_id=row.tenant_id, subscription_id=row.id) for row in rows]


def _whole() -> Select[Any]:
    return select(subscriptions, _ahead.label("ahead_seconds"))


async def _read(tx: AsyncConnection, query: Select[Any]) -> list[Subscription]:
    rows = (await tx.execute(query)).all()
    ids = {id_ for row in rows for id_ in (row.price_id, row.pending_price_id, row.billed_price_id) if id_}
    offers = await catalog.offers(tx, sorted(ids)) if ids else {}
    return [_subscription(row, offers) for row in rows]


def _columns(sub: Subscription) -> dict[str, Any]:
    pending, billed, period = sub.pending, sub.billed, sub.period
    return sub.model_dump(include=set(_PLAIN)) | {
        "price_id": sub.terms.price.id,
        "quantity": sub.terms.quantity,
        "pending_price_id": None if pending is None else pending.price.id,
        "pending_quantity": None if pending is None else pending.quantity,
        "billed_price_id": None if billed is None else billed.price.id,
        "billed_quantity": None if billed is None else billed.quantity,
        "anchor": sub.rhythm.anchor,
        "zone": sub.rhythm.zone,
        "period_start": None if period is None else period.start,
        "period_end": None if period is None else period.end,
        "due_at": due(sub),
    }


def _subscription(row: Row[Any], offers: Mapping[str, Offer]) -> Subscription:
    facts = {name: row._mapping[name] for name in _PLAIN}  # noqa: SLF001 - SQLAlchemy's public name for it
    terms = _terms(offers[row.price_id], row.quantity)
    rhythm = Rhythm(
        anchor=row.anchor, interval=terms.price.interval, count=terms.price.interval_count, zone=row.zone
    )
    pending = row.pending_price_id and _terms(offers[row.pending_price_id], row.pending_quantity)
    billed = row.billed_price_id and _terms(offers[row.billed_price_id], row.billed_quantity)
    return Subscription(
        terms=terms,
        pending=pending or None,
        billed=billed or None,
        rhythm=rhythm,
        period=None if row.period_end is None else Period(start=row.period_start, end=row.period_end),
        ahead=timedelta(seconds=row.ahead_seconds),
        **facts,
    )


def _terms(offer: Offer, quantity: int) -> Terms:
    return Terms(plan_id=offer.plan.id, plan_name=offer.plan.name, price=offer.price, quantity=quantity)
