"""What a tenant's business comes to, added up by the database. Reads only.

Payments, refunds and disputes are those created in the span, as they stand now. What subscriptions bring is
read from their history; it is dated in their own billing time.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.report import (
    Churn,
    Disputes,
    Recovered,
    Recovery,
    Revenue,
    Span,
    Standing,
    Sum,
    Summary,
    Trials,
    minor,
    revenue,
)
from storage.ownership import ours
from storage.takings import takings

_STANDING: Final = """
    SELECT state AS status, currency, count(*) AS count, sum(amount_minor) AS amount
    FROM {table} WHERE tenant_id = :tenant AND created_at >= :start AND created_at < :end
    GROUP BY 1, 2 ORDER BY 1, 2
"""

# Of all that is dated before an instant, what was written last is true at that instant.
_REVENUE: Final = """
    WITH compared AS (
        SELECT currency, (max(ARRAY[seq, mrr_e4]))[2] AS after,
            coalesce((max(ARRAY[seq, mrr_e4]) FILTER (WHERE at < :start))[2], 0) AS before,
            coalesce(bool_or(mrr_e4 > 0) FILTER (WHERE at < :start), false) AS known
        FROM subscription_events WHERE tenant_id = :tenant AND at < :end
        GROUP BY subscription_id, currency
    )
    SELECT currency, sum(before) AS start,
        coalesce(sum(after) FILTER (WHERE before = 0 AND NOT known), 0) AS new,
        coalesce(sum(after) FILTER (WHERE before = 0 AND known), 0) AS reactivated,
        coalesce(sum(after - before) FILTER (WHERE before > 0 AND after > before), 0) AS expansion,
        coalesce(sum(before - after) FILTER (WHERE before > after AND after > 0), 0) AS contraction,
        coalesce(sum(before) FILTER (WHERE after = 0), 0) AS churned,
        count(*) FILTER (WHERE before > 0) AS at_start,
        count(*) FILTER (WHERE before > 0 AND after = 0) AS lost
    FROM compared GROUP BY currency
    HAVING bool_or(before > 0 OR after > 0) ORDER BY currency
"""

# The same, as steps: of what is written of a subscription, whatever is dated later and was written earlier
# never came true. So each of the others begins where the one before it ended.
_STEPS: Final = """
    WITH told AS (
        SELECT subscription_id, currency, at, seq, mrr_e4,
            max(seq) OVER (PARTITION BY subscription_id, currency ORDER BY at, seq) AS latest
        FROM subscription_events WHERE tenant_id = :tenant AND at < :end
    ), came_true AS (
        SELECT currency, at, mrr_e4 - coalesce(
            lag(mrr_e4) OVER (PARTITION BY subscription_id, currency ORDER BY at, seq), 0) AS step
        FROM told WHERE seq = latest
    )
    SELECT currency, width_bucket(at, CAST(:edges AS timestamptz[])) AS piece, sum(step) AS step
    FROM came_true GROUP BY 1, 2 ORDER BY 1, 2
"""

# Whoever pauses in a trial has some of it left; whose trial ended with nothing to charge pauses, too.
_TRIED: Final = """
    SELECT count(*) AS started, count(*) FILTER (WHERE is_over) AS ended,
        count(*) FILTER (WHERE converted) AS converted
    FROM (
        SELECT s.status <> 'trialing' AND NOT (s.status = 'paused' AND s.paused_at < s.trial_end) AS is_over,
            EXISTS (
                SELECT FROM subscription_events later
                WHERE later.tenant_id = :tenant AND later.subscription_id = s.id AND later.status = 'active'
            ) AS converted
        FROM subscription_events began JOIN subscriptions s ON s.id = began.subscription_id
        WHERE began.tenant_id = :tenant AND s.tenant_id = :tenant
            AND began.type = 'subscription.trialing' AND began.at >= :start AND began.at < :end
    ) AS trials
"""

# An invoice that was replaced has the fate of the one that took its place; each counts for what it added.
_RECOVERED: Final = """
    WITH RECURSIVE fate AS (
        SELECT id AS failed_id, currency, status, replaced_by, amount_due_minor - coalesce((
                SELECT sum(owed.amount_due_minor) FROM invoices owed
                WHERE owed.tenant_id = :tenant
                    AND owed.subscription_id = invoices.subscription_id AND owed.replaced_by = invoices.id
            ), 0) AS amount
        FROM invoices
        WHERE tenant_id = :tenant AND created_at >= :start AND created_at < :end AND number IS NOT NULL
            AND EXISTS (
            SELECT FROM payments p
            WHERE p.tenant_id = :tenant AND p.invoice_id = invoices.id
                AND p.status IN ('FAILED', 'EXPIRED', 'CANCELLED')
        )
        UNION ALL
        SELECT fate.failed_id, fate.currency, next.status, next.replaced_by, fate.amount
        FROM fate JOIN invoices next ON next.id = fate.replaced_by AND next.tenant_id = :tenant
    )
    SELECT currency, count(*) AS failed, sum(greatest(amount, 0)) AS failed_amount,
        count(*) FILTER (WHERE status = 'paid') AS recovered,
        coalesce(sum(greatest(amount, 0)) FILTER (WHERE status = 'paid'), 0) AS recovered_amount,
        count(*) FILTER (WHERE status IN ('uncollectible', 'void')) AS lost,
        coalesce(sum(greatest(amount, 0)) FILTER (WHERE status IN ('uncollectible', 'void')), 0)
            AS lost_amount
    FROM fate WHERE replaced_by IS NULL GROUP BY currency ORDER BY currency
"""

_REACHED: Final = ours("SELECT max(at) FROM subscription_events WHERE tenant_id = :tenant")

_SHEET: Final = ours("""
    SELECT id, created_at, updated_at, status, user_id, order_id, description, amount_minor, currency,
        captured_minor, captured_currency, provider, provider_reference, refund_status, amount_refunded,
        dispute_status, failure_code, late, invoice_id, sandbox
    FROM payments WHERE tenant_id = :tenant AND created_at >= :start AND created_at < :end
        AND (created_at, id) > (:at, :id)
    ORDER BY created_at, id LIMIT :limit
""")


async def summary(tx: AsyncConnection, span: Span) -> Summary:
    """All of it. Needs a frozen transaction, so that the figures agree with each other."""
    (tried,) = await _rows(tx, _TRIED, span)
    brought = await _rows(tx, _REVENUE, span)
    came_in = await takings(tx, span)
    return Summary(
        end=span.end,
        refunds=await _standing(tx, "refunds", span),
        disputes=Disputes(by_status=await _standing(tx, "disputes", span)),
        mrr=tuple(_revenue(row) for row in brought),
        churn=Churn(at_start=sum(row.at_start for row in brought), lost=sum(row.lost for row in brought)),
        trials=Trials(**tried._mapping),  # noqa: SLF001 - SQLAlchemy's public name for it
        recovery=Recovery(by_currency=tuple(_recovered(row) for row in await _rows(tx, _RECOVERED, span))),
        **dict(came_in),
    )


async def monthly(tx: AsyncConnection, span: Span, edges: Sequence[datetime]) -> dict[str, list[int]]:
    """What subscriptions of each currency bring in a month, at the end of each piece of the span.

    The pieces are cut at ``edges``, as payments are in ``takings.pieces``; the last of them ends with the
    span, and says what the summary says.
    """
    steps: dict[str, list[int]] = {}
    asked = span.model_dump() | {"edges": edges}
    for row in await tx.execute(ours(_STEPS), asked):
        steps.setdefault(row.currency, [0] * (len(edges) + 1))[row.piece] = int(row.step)
    return {
        currency: [minor(total) for total in accumulate(moved)][1:]
        for currency, moved in steps.items()
        if any(moved)
    }


async def reached(tx: AsyncConnection) -> datetime | None:
    """How far the billing time of the tenant's subscriptions has come, as far as is on record."""
    latest: datetime | None = (await tx.execute(_REACHED)).scalar()
    return latest


async def sheet(
    tx: AsyncConnection, span: Span, after: tuple[datetime, str], limit: int
) -> Sequence[Row[Any]]:
    """The payments of the span, oldest first: the next ``limit`` behind ``after``, a (created_at, id)."""
    at, payment_id = after
    asked = span.model_dump() | {"at": at, "id": payment_id, "limit": limit}
    return (await tx.execute(_SHEET, asked)).all()


async def _rows(tx: AsyncConnection, query: str, span: Span) -> Sequence[Row[Any]]:
    return (await tx.execute(ours(query), span.model_dump())).all()


async def _standing(tx: AsyncConnection, table: str, span: Span) -> tuple[Standing, ...]:
    rows = await _rows(tx, _STANDING.format(table=table), span)
    return tuple(Standing(**row._mapping) for row in rows)  # noqa: SLF001 - as above


def _revenue(row: Row[Any]) -> Revenue:
    movements = (row.new, row.reactivated, row.expansion, row.contraction, row.churned)
    return revenue(row.currency, int(row.start), [int(movement) for movement in movements])


def _recovered(row: Row[Any]) -> Recovered:
    return Recovered(
        currency=row.currency,
        failed=Sum(count=row.failed, amount=row.failed_amount),
        recovered=Sum(count=row.recovered, amount=row.recovered_amount),
        lost=Sum(count=row.lost, amount=row.lost_amount),
    )
