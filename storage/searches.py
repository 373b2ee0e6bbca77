"""Payments, refunds and disputes as people look for them: newest first, a page at a time. Reads only.

In a system transaction a list is of all tenants, unless its filter names one.
"""

from collections.abc import Sequence
from datetime import datetime
from operator import eq, ge, le
from typing import Any

from sqlalchemy import Select, Table, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.dispute import Dispute, DisputeState
from domain.payment import Payment, PaymentStatus
from domain.refund import Refund, RefundState
from domain.values import Value
from storage import disputes as all_disputes
from storage import payments as all_payments
from storage import refunds as all_refunds
from storage.tables import disputes, payments, refunds


class Page(Value):
    """Where in a list to begin, and how much of it. ``after`` is the (created_at, id) of the last seen."""

    after: tuple[datetime, str] | None = None
    limit: int = 20
    offset: int = 0

    def cut(self, query: Select[Any], table: Table) -> Select[Any]:
        if self.after is not None:
            query = query.where(tuple_(table.c.created_at, table.c.id) < tuple_(*self.after))
        newest = query.order_by(table.c.created_at.desc(), table.c.id.desc())
        return newest.limit(self.limit).offset(self.offset)


class PaymentFilter(Page):
    """Which payments a list shows."""

    tenant_id: str | None = None
    user_id: str | None = None
    status: PaymentStatus | None = None
    order_id: str | None = None
    provider: str | None = None
    currency: str | None = None
    amount_minor: int | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    name: str | None = None
    """Whatever may be called so: the payment, its order, its user, or the provider's own names for it."""


async def find(tx: AsyncConnection, wanted: PaymentFilter) -> tuple[Sequence[Payment], int]:
    """One page, and how many there are in all. To count is to read them all: do not ask for every page."""
    counting = _narrowed(select(func.count()).select_from(payments), wanted)
    total: int = (await tx.execute(counting)).scalar_one()
    return await page(tx, wanted), total


async def page(tx: AsyncConnection, wanted: PaymentFilter) -> list[Payment]:
    """One page."""
    rows = await tx.execute(wanted.cut(_narrowed(select(payments), wanted), payments))
    return [all_payments.of_row(row) for row in rows]


def _narrowed(query: Select[Any], wanted: PaymentFilter) -> Select[Any]:
    asked = (
        (payments.c.tenant_id, eq, wanted.tenant_id),
        (payments.c.user_id, eq, wanted.user_id),
        (payments.c.status, eq, wanted.status),
        (payments.c.order_id, eq, wanted.order_id),
        (payments.c.provider, eq, wanted.provider),
        (payments.c.currency, eq, wanted.currency),
        (payments.c.amount_minor, eq, wanted.amount_minor),
        (payments.c.created_at, ge, wanted.created_from),
        (payments.c.created_at, le, wanted.created_to),
    )
    query = query.where(*(holds(column, value) for column, holds, value in asked if value is not None))
    if wanted.name is None:
        return query
    called = (
        *(payments.c.id, payments.c.order_id, payments.c.user_id),
        *(payments.c.provider_reference, payments.c.capture_reference),
    )
    return query.where(or_(*(column == wanted.name for column in called)))


class RefundFilter(Page):
    """Which refunds a list shows."""

    tenant_id: str | None = None
    state: RefundState | None = None


async def refund_page(tx: AsyncConnection, wanted: RefundFilter) -> list[Refund]:
    query = _of_state(select(refunds), refunds, wanted)
    return [all_refunds.of_row(row) for row in await tx.execute(wanted.cut(query, refunds))]


class DisputeFilter(Page):
    """Which disputes a list shows."""

    tenant_id: str | None = None
    state: DisputeState | None = None


async def dispute_page(tx: AsyncConnection, wanted: DisputeFilter) -> list[Dispute]:
    query = _of_state(select(disputes), disputes, wanted)
    return [all_disputes.of_row(row) for row in await tx.execute(wanted.cut(query, disputes))]


def _of_state(query: Select[Any], table: Table, wanted: RefundFilter | DisputeFilter) -> Select[Any]:
    if wanted.tenant_id is not None:
        query = query.where(table.c.tenant_id == wanted.tenant_id)
    return query if wanted.state is None else query.where(table.c.state == wanted.state)
