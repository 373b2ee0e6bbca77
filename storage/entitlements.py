"""Entitlements: granted with the payment, computed at every look."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, insert, not_, or_, select, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.billing import SubscriptionStatus, gives
from domain.catalog import Feature
from domain.entitlement import Entitlement
from domain.payment import DISPUTED, Payment, PaymentStatus, RefundStatus
from domain.standing import Subscription
from domain.tenant import PartialRefundPolicy
from domain.values import derived_id
from storage.tables import entitlements, payments, subscriptions, tenants


async def grant(tx: AsyncConnection, payment: Payment, now: datetime) -> list[Entitlement]:
    """Grant what the order promised, in the transaction that makes it paid."""
    granted = [
        Entitlement(
            id=derived_id("ent", payment.order.created_at, payment.id, str(number)),
            user_id=payment.order.user_id,
            feature=promise.feature,
            quantity=promise.quantity,
            source_type="payment",
            source_id=payment.id,
            payment_id=payment.id,
            valid_from=now,
            valid_to=_end(now, promise.duration_seconds),
            active=True,
        )
        for number, promise in enumerate(payment.order.entitlements)
    ]
    if granted:
        kept = {"id", "user_id", "feature", "quantity", "valid_from", "valid_to"}
        common = {"tenant_id": payment.order.tenant_id, "payment_id": payment.id}
        await tx.execute(insert(entitlements), [common | right.model_dump(include=kept) for right in granted])
    return granted


async def follow(
    tx: AsyncConnection,
    sub: Subscription,
    features: Sequence[Feature],
    payment_id: str | None,
    *,
    goes_on: bool = False,
) -> None:
    """What a subscription gives from here on: its plan's features, for the period that was paid.

    A quota begins anew with a new period, and goes on within one. With ``goes_on``, and while a renewal is
    owed (PAST_DUE), nothing new was paid for: what is given stays in the period, and with the payment, that
    it had, also when a pause has moved that period's end.
    """
    if sub.period is None:
        return
    footing = sub.period.start, sub.period.end, payment_id
    if goes_on or sub.status is SubscriptionStatus.PAST_DUE:
        footing = await _footing(tx, sub, footing)
    await tx.execute(
        update(entitlements)
        .where(
            entitlements.c.subscription_id == sub.id,
            entitlements.c.revoked_at.is_(None),
            entitlements.c.feature.not_in([each.feature for each in features]),
        )
        .values(revoked_at=sub.updated_at)
    )
    if features:
        await tx.execute(_granting(sub, features, footing))


_Footing = tuple[datetime, datetime, str | None]
"""Where rights of a subscription begin and end, and the payment that they stand and fall with."""


async def _footing(tx: AsyncConnection, sub: Subscription, otherwise: _Footing) -> _Footing:
    """That of the period that was paid last. A pause moves the end of a period, not its beginning."""
    row = (
        await tx.execute(
            select(entitlements.c.valid_from, entitlements.c.valid_to, entitlements.c.payment_id)
            .where(entitlements.c.subscription_id == sub.id)
            .order_by(entitlements.c.valid_from.desc(), entitlements.c.payment_id.asc().nulls_last())
            .limit(1)
        )
    ).one_or_none()
    if row is None:
        return otherwise
    end = row.valid_to if sub.status is SubscriptionStatus.PAST_DUE else otherwise[1]
    return row.valid_from, end, row.payment_id


def _granting(sub: Subscription, features: Sequence[Feature], footing: _Footing) -> Insert:
    seats = sub.terms.quantity if sub.terms.price.per_seat else 1
    start, end, payment_id = footing
    adding = upsert(entitlements).values(
        [
            {
                "id": derived_id("ent", sub.created_at, sub.id, each.feature),
                "tenant_id": sub.tenant_id,
                "user_id": sub.user_id,
                "subscription_id": sub.id,
                "payment_id": payment_id,
                "feature": each.feature,
                "quantity": sub.terms.quantity,
                "quota": None if each.limit is None else each.limit * seats,
                "valid_from": start,
                "valid_to": end,
            }
            for each in features
        ]
    )
    new = adding.excluded
    same = entitlements.c.valid_from == new.valid_from
    kept = func.coalesce(new.payment_id, entitlements.c.payment_id)
    news = {name: new[name] for name in ("quantity", "quota", "valid_from", "valid_to")}
    return adding.on_conflict_do_update(
        index_elements=["subscription_id", "feature"],
        set_=news
        | {
            "revoked_at": None,
            "used": case((same, entitlements.c.used), else_=0),
            "payment_id": case((same, kept), else_=new.payment_id),
        },
    )


async def of_subscription(tx: AsyncConnection, subscription_id: str, now: datetime) -> list[Entitlement]:
    """What a subscription gave and gives, with what holds now."""
    return [
        _entitlement(row)
        for row in await tx.execute(
            _rights(now).where(entitlements.c.subscription_id == subscription_id).order_by(entitlements.c.id)
        )
    ]


def _end(start: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else start + timedelta(seconds=seconds)


async def of_user(
    tx: AsyncConnection, user_id: str, now: datetime, feature: str | None = None
) -> list[Entitlement]:
    """All that was ever granted to a user, newest first, with what holds now."""
    query = (
        _rights(now)
        .where(entitlements.c.user_id == user_id)
        .order_by(entitlements.c.valid_from.desc(), entitlements.c.id)
    )
    if feature is not None:
        query = query.where(entitlements.c.feature == feature)
    return [_entitlement(row) for row in await tx.execute(query)]


async def in_force(tx: AsyncConnection, user_id: str, feature: str, now: datetime) -> list[Entitlement]:
    """What gives a user this feature now. Nobody else takes of it, or renews it, until the commit."""
    query = (
        _rights(now)
        .where(entitlements.c.user_id == user_id, entitlements.c.feature == feature, _active(now))
        .order_by(entitlements.c.id)
        .with_for_update(of=entitlements, key_share=True)
    )
    return [_entitlement(row) for row in await tx.execute(query)]


async def of_payment(tx: AsyncConnection, payment_id: str, now: datetime) -> list[Entitlement]:
    """What a payment granted, with what holds now."""
    rows = await tx.execute(
        _rights(now).where(entitlements.c.payment_id == payment_id).order_by(entitlements.c.id)
    )
    return [_entitlement(row) for row in rows]


def _rights(now: datetime) -> Select[Any]:
    return (
        select(entitlements, _active(now).label("active"))
        .outerjoin(payments, payments.c.id == entitlements.c.payment_id)
        .outerjoin(subscriptions, subscriptions.c.id == entitlements.c.subscription_id)
    )


def _active(now: datetime) -> ColumnElement[bool]:
    strict = tenants.c.settings["partial_refund"].astext == PartialRefundPolicy.REVOKE
    taken_with_a_part = exists().where(
        tenants.c.id == payments.c.tenant_id, strict, payments.c.amount_refunded > 0
    )
    paid = and_(
        payments.c.status == PaymentStatus.SUCCEEDED,
        payments.c.refund_status != RefundStatus.FULL,
        not_(taken_with_a_part),
        payments.c.dispute_status.not_in(DISPUTED),
    )
    in_time = and_(
        entitlements.c.valid_from <= now,
        or_(entitlements.c.valid_to.is_(None), entitlements.c.valid_to > now),
    )
    # A subscription's own status says whether its time runs, in its own billing time.
    subscribed = subscriptions.c.status.in_([status for status in SubscriptionStatus if gives(status)])
    free = entitlements.c.payment_id.is_(None)
    return and_(
        or_(free, paid),
        case((entitlements.c.subscription_id.is_(None), in_time), else_=subscribed),
        entitlements.c.revoked_at.is_(None),
    )


def _entitlement(row: Row[Any]) -> Entitlement:
    return Entitlement(
        id=row.id,
        user_id=row.user_id,
        feature=row.feature,
        quantity=row.quantity,
        limit=row.quota,
        used=row.used,
        source_type="payment" if row.subscription_id is None else "subscription",
        source_id=row.subscription_id or row.payment_id,
        payment_id=row.payment_id,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        active=row.active,
    )
