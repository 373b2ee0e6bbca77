"""Double entry per tenant and currency. Each transaction sums to zero; the database refuses any other."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.dispute import Books, Dispute
from domain.ledger import Account, Balance
from domain.money import Money
from domain.payment import Payment, PaymentStatus
from domain.refund import Refund
from domain.values import Value, derived_id
from storage.tables import ledger_entries


async def captured(tx: AsyncConnection, payment: Payment, money: Money, at: datetime) -> None:
    """The provider owes us what it captured. The tenant has earned it, unless it is not ours to keep yet."""
    amount = money.amount_minor
    due = Account.TENANT_REVENUE if payment.status is PaymentStatus.SUCCEEDED else Account.SUSPENSE
    await _post(
        tx, payment, "capture", money.currency, {Account.PROVIDER_RECEIVABLE: amount, due: -amount}, at
    )


async def accepted(tx: AsyncConnection, payment: Payment, money: Money, at: datetime) -> None:
    """What waited for a decision is earned after all."""
    amount = money.amount_minor
    await _post(
        tx,
        payment,
        "accepted",
        money.currency,
        {Account.SUSPENSE: amount, Account.TENANT_REVENUE: -amount},
        at,
    )


async def refunded(tx: AsyncConnection, payment: Payment, refund: Refund, at: datetime) -> None:
    """The provider owes us that much less."""
    amount = refund.money.amount_minor
    out_of = Account.REFUNDS if payment.status is PaymentStatus.SUCCEEDED else Account.SUSPENSE
    await _post(
        tx,
        payment,
        refund.id,
        refund.money.currency,
        {out_of: amount, Account.PROVIDER_RECEIVABLE: -amount},
        at,
    )


async def refund_bounced(tx: AsyncConnection, payment: Payment, refund: Refund, at: datetime) -> None:
    """The payer's bank sent it back: the provider owes us that much again."""
    amount = refund.money.amount_minor
    into = Account.REFUNDS if payment.status is PaymentStatus.SUCCEEDED else Account.SUSPENSE
    await _post(
        tx,
        payment,
        f"{refund.id}:bounced",
        refund.money.currency,
        {Account.PROVIDER_RECEIVABLE: amount, into: -amount},
        at,
    )


async def disputed(
    tx: AsyncConnection, payment: Payment, dispute: Dispute, moved: Books, at: datetime
) -> None:
    """What a dispute's step moves between the provider, the bank's hold, and what is lost to it."""
    for currency, lines in moved.items():
        await _post(tx, payment, f"{dispute.id}:{dispute.state}:{currency}", currency, lines, at)


async def _post(
    tx: AsyncConnection, payment: Payment, what: str, currency: str, lines: Mapping[str, int], at: datetime
) -> None:
    common = {
        "tenant_id": payment.order.tenant_id,
        # The same event of the same payment is booked once, however often a step runs.
        "transaction_id": derived_id("txn", payment.order.created_at, payment.id, what),
        "payment_id": payment.id,
        "currency": currency,
        "at": at,
    }
    entries = [common | {"account": account, "amount_minor": amount} for account, amount in lines.items()]
    await tx.execute(insert(ledger_entries), entries)


async def balances(tx: AsyncConnection, currency: str | None, at: datetime | None) -> list[Balance]:
    """What every account holds, now or at a moment, by currency."""
    lines = ledger_entries.c
    query = (
        select(lines.account, lines.currency, func.sum(lines.amount_minor).label("balance"))
        .group_by(lines.account, lines.currency)
        .order_by(lines.currency, lines.account)
    )
    if currency is not None:
        query = query.where(lines.currency == currency)
    if at is not None:
        query = query.where(lines.at <= at)
    return [
        Balance(account=row.account, currency=row.currency, balance=int(row.balance))
        for row in await tx.execute(query)
    ]


class Wanted(Value):
    """Which lines are to be listed: those after the one numbered ``after``."""

    payment_id: str | None = None
    account: Account | None = None
    currency: str | None = None
    after: int = 0
    limit: int = 50


async def entries(tx: AsyncConnection, wanted: Wanted) -> list[dict[str, Any]]:
    """Lines of the books, oldest first."""
    lines = ledger_entries.c
    query = (
        select(
            func.concat("len_", lines.id).label("id"),
            lines.transaction_id,
            lines.payment_id,
            lines.account,
            lines.currency,
            lines.amount_minor.label("amount"),
            lines.at,
        )
        .where(lines.id > wanted.after)
        .order_by(lines.id)
        .limit(wanted.limit)
    )
    asked = ((lines.payment_id, wanted.payment_id), (lines.account, wanted.account))
    for column, value in (*asked, (lines.currency, wanted.currency)):
        if value is not None:
            query = query.where(column == value)
    return [dict(row) for row in (await tx.execute(query)).mappings()]
