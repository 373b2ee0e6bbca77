"""Entitlements: granted with the payment, computed at every look."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, exists, insert, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.entitlement import Entitlement
from domain.payment import DISPUTED, Payment, PaymentStatus, RefundStatus
from domain.tenant import PartialRefundPolicy
from domain.values import derived_id
from storage.tables import entitlements, payments, tenants


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
            valid_from=now,
            valid_to=_end(now, promise.duration_seconds),
            active=True,
        )
        for number, promise in enumerate(payment.order.entitlements)
    ]
    if granted:
        kept = {"id", "user_id", "feature", "quantity", "valid_from", "valid_to"}
        common = {"tenant_id": payment.order.tenant_id, "payment_id": payment.id}
        await tx.execute(
            insert(entitlements).values([common | right.model_dump(include=kept) for right in granted])
        )
    return granted


def _end(start: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else start + timedelta(seconds=seconds)


async def of_user(
    tx: AsyncConnection, user_id: str, now: datetime, feature: str | None = None
) -> list[Entitlement]:
    """All that was ever granted to a user, newest first, with what holds now."""
    query = (
        select(entitlements, _active(now).label("active"))
        .join(payments, payments.c.id == entitlements.c.payment_id)
        .where(entitlements.c.user_id == user_id)
        .order_by(entitlements.c.valid_from.desc(), entitlements.c.id)
    )
    if feature is not None:
        query = query.where(entitlements.c.feature == feature)
    return [_entitlement(row) for row in await tx.execute(query)]


async def of_payment(tx: AsyncConnection, payment_id: str, now: datetime) -> list[Entitlement]:
    """What a payment granted, with what holds now."""
    rows = await tx.execute(
        select(entitlements, _active(now).label("active"))
        .join(payments, payments.c.id == entitlements.c.payment_id)
        .where(entitlements.c.payment_id == payment_id)
        .order_by(entitlements.c.id)
    )
    return [_entitlement(row) for row in rows]


def _active(now: datetime) -> ColumnElement[bool]:
    strict = tenants.c.settings["partial_refund"].astext == PartialRefundPolicy.REVOKE
    taken_with_a_part = exists().where(
        tenants.c.id == payments.c.tenant_id, strict, payments.c.amount_refunded > 0
    )
    return and_(
        payments.c.status == PaymentStatus.SUCCEEDED,
        payments.c.refund_status != RefundStatus.FULL,
        not_(taken_with_a_part),
        payments.c.dispute_status.not_in(DISPUTED),
        entitlements.c.valid_from <= now,
        or_(entitlements.c.valid_to.is_(None), entitlements.c.valid_to > now),
    )


def _entitlement(row: Row[Any]) -> Entitlement:
    return Entitlement(
        id=row.id,
        user_id=row.user_id,
        feature=row.feature,
        quantity=row.quantity,
        source_type="payment",
        source_id=row.payment_id,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        active=row.active,
    )
