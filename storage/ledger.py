"""Double entry per tenant and currency. Each transaction sums to zero; the database refuses any other."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.dispute import Books, Dispute
from domain.money import Money
from domain.payment import Payment, PaymentStatus
from domain.refund import Refund
from domain.values import derived_id
from storage.tables import ledger_entries


async def captured(tx: AsyncConnection, payment: Payment, money: Money, at: datetime) -> None:
    """The provider owes us what it captured. The tenant has earned it, unless it is not ours to keep yet."""
    amount = money.amount_minor
    due = "tenant_revenue" if payment.status is PaymentStatus.SUCCEEDED else "suspense"
    await _post(tx, payment, "capture", money.currency, {"provider_receivable": amount, due: -amount}, at)


async def accepted(tx: AsyncConnection, payment: Payment, money: Money, at: datetime) -> None:
    """What waited for a decision is earned after all."""
    amount = money.amount_minor
    await _post(tx, payment, "accepted", money.currency, {"suspense": amount, "tenant_revenue": -amount}, at)


async def refunded(tx: AsyncConnection, payment: Payment, refund: Refund, at: datetime) -> None:
    """The provider owes us that much less."""
    amount = refund.money.amount_minor
    out_of = "refunds" if payment.status is PaymentStatus.SUCCEEDED else "suspense"
    await _post(
        tx, payment, refund.id, refund.money.currency, {out_of: amount, "provider_receivable": -amount}, at
    )


async def refund_bounced(tx: AsyncConnection, payment: Payment, refund: Refund, at: datetime) -> None:
    """The payer's bank sent it back: the provider owes us that much again."""
    amount = refund.money.amount_minor
    into = "refunds" if payment.status is PaymentStatus.SUCCEEDED else "suspense"
    await _post(
        tx,
        payment,
        f"{refund.id}:bounced",
        refund.money.currency,
        {"provider_receivable": amount, into: -amount},
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
    await tx.execute(
        insert(ledger_entries).values(
            [common | {"account": account, "amount_minor": amount} for account, amount in lines.items()]
        )
    )
