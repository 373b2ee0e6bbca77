"""Payments that a workflow should be leading: what rebuilds and sweeps look for.

Everything here needs a system transaction.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.payment import OPEN, PaymentRef, PaymentStatus
from storage.payments import of_row
from storage.tables import payments


async def still_open(tx: AsyncConnection, after: str, limit: int) -> list[PaymentRef]:
    """Every payment that a workflow should be leading, by id, from after this one on."""
    rows = await tx.execute(
        select(payments)
        .where(payments.c.status.in_(OPEN), payments.c.id > after)
        .order_by(payments.c.id)
        .limit(limit)
    )
    return [of_row(row).ref for row in rows]


async def neglected(
    tx: AsyncConnection, created_before: datetime, expired_before: datetime, known: Sequence[str], limit: int
) -> list[PaymentRef]:
    """Payments whose workflow may be missing: orders nobody opened, and open ones whose time is long up.

    Those ``known`` to be looked after are left out.
    """
    rows = await tx.execute(
        select(payments)
        .where(
            or_(
                and_(payments.c.status == PaymentStatus.CREATED, payments.c.created_at < created_before),
                and_(payments.c.status.in_(OPEN), payments.c.expires_at < expired_before),
            ),
            payments.c.id.not_in(known),
        )
        .order_by(payments.c.created_at)
        .limit(limit)
    )
    return [of_row(row).ref for row in rows]


async def uncancelled(
    tx: AsyncConnection, wished_before: datetime, known: Sequence[str], limit: int
) -> list[PaymentRef]:
    """Payments that their tenant wants cancelled, and nobody seems to have heard it.

    One that has become UNKNOWN has heard: its provider was asked to close, and owes the answer.
    """
    rows = await tx.execute(
        select(payments)
        .where(
            payments.c.status.in_([PaymentStatus.CREATED, PaymentStatus.PROVIDER_PENDING]),
            payments.c.cancel_requested_at < wished_before,
            payments.c.id.not_in(known),
        )
        .order_by(payments.c.cancel_requested_at)
        .limit(limit)
    )
    return [of_row(row).ref for row in rows]
