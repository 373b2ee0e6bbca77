"""What a tenant's business comes to, added up by the database. Reads only.

Payments, refunds and disputes are those created in the span, as they stand now. What subscriptions bring is
read from their history; it is dated in their own billing time.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.payment import ENDED, PaymentStatus
from domain.report import (
    Churn,
    Disputes,
    Recovered,
    Recovery,
    Revenue,
    Span,
    Standing,
    SuccessRate,
    Sum,
    Summary,
    TimeToPay,
    Trials,
    Volume,
    revenue,
)
from storage.ownership import ours

_PLACED: Final = """
    SELECT status, currency, CASE WHEN status = 'FAILED' THEN coalesce(failure_code, 'unknown') END AS reason,
        count(*) AS number, sum(amount_minor) AS amount
    FROM payments WHERE tenant_id = :tenant AND created_at >= :start AND created_at < :end
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

# Only what the tenant could keep: late money that went back was never volume.
_KEPT: Final = """
    SELECT captured_currency AS currency, count(*) AS number, sum(captured_minor) AS amount,
        count(*) FILTER (WHERE amount_refunded > 0) AS refunded_number, sum(amount_refunded) AS refunded
    FROM payments WHERE tenant_id = :tenant AND created_at >= :start AND created_at < :end
        AND status = 'SUCCEEDED'
    GROUP BY 1
"""

_TAKEN: Final = """
    SELECT d.currency, count(DISTINCT p.id) AS number, sum(d.amount_minor) AS amount
    FROM payments p JOIN disputes d ON d.payment_id = p.id
    WHERE p.tenant_id = :tenant AND d.tenant_id = :tenant
        AND p.created_at >= :start AND p.created_at < :end AND p.status = 'SUCCEEDED'
        AND d.state IN ('OPEN', 'UNDER_REVIEW', 'LOST')
    GROUP BY 1
"""

_STANDING: Final = """
    SELECT state AS status, currency, count(*) AS count, sum(amount_minor) AS amount
    FROM {table} WHERE tenant_id = :tenant AND created_at >= :start AND created_at < :end
    GROUP BY 1, 2 ORDER BY 1, 2
"""

# What is charged with nobody there takes nobody's time.
_WAITED: Final = """
    SELECT count(*) AS payments,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY e.at - p.created_at) AS median,
        percentile_disc(0.95) WITHIN GROUP (ORDER BY e.at - p.created_at) AS p95
    FROM payments p JOIN payment_events e ON e.payment_id = p.id AND e.type = 'payment.succeeded'
    WHERE p.tenant_id = :tenant AND e.tenant_id = :tenant
        AND p.created_at >= :start AND p.created_at < :end
        AND p.status = 'SUCCEEDED' AND NOT p.off_session AND NOT p.late
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
    placed = await _rows(tx, _PLACED, span)
    statuses = _counted((row.status, row.number) for row in placed)
    (waited,) = await _rows(tx, _WAITED, span)
    (tried,) = await _rows(tx, _TRIED, span)
    brought = await _rows(tx, _REVENUE, span)
    return Summary(
        start=span.start,
        end=span.end,
        volume=await _volume(tx, placed, span),
        payments_by_status=statuses,
        success_rate=SuccessRate(
            succeeded=statuses.get(PaymentStatus.SUCCEEDED, 0),
            ended=sum(statuses.get(status, 0) for status in ENDED),
        ),
        failures_by_reason=_counted((row.reason, row.number) for row in placed if row.reason is not None),
        refunds=await _standing(tx, "refunds", span),
        disputes=Disputes(by_status=await _standing(tx, "disputes", span)),
        time_to_pay=TimeToPay(
            payments=waited.payments, median_seconds=_seconds(waited.median), p95_seconds=_seconds(waited.p95)
        ),
        mrr=tuple(_revenue(row) for row in brought),
        churn=Churn(at_start=sum(row.at_start for row in brought), lost=sum(row.lost for row in brought)),
        trials=Trials(**tried._mapping),  # noqa: SLF001 - SQLAlchemy's public name for it
        recovery=Recovery(by_currency=tuple(_recovered(row) for row in await _rows(tx, _RECOVERED, span))),
    )


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


def _counted(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, count in pairs:
        counts[name] = counts.get(name, 0) + count
    return counts


async def _volume(tx: AsyncConnection, placed: Sequence[Row[Any]], span: Span) -> tuple[Volume, ...]:
    kept = {row.currency: row for row in await _rows(tx, _KEPT, span)}
    taken = {row.currency: row for row in await _rows(tx, _TAKEN, span)}

    def volume(currency: str) -> Volume:
        created = [row for row in placed if row.currency == currency]
        paid, lost = kept.get(currency), taken.get(currency)
        return Volume(
            currency=currency,
            created=Sum(count=sum(row.number for row in created), amount=sum(row.amount for row in created)),
            succeeded=Sum() if paid is None else Sum(count=paid.number, amount=paid.amount),
            refunded=Sum() if paid is None else Sum(count=paid.refunded_number, amount=paid.refunded),
            disputed=Sum() if lost is None else Sum(count=lost.number, amount=lost.amount),
        )

    return tuple(volume(currency) for currency in sorted({row.currency for row in placed} | {*kept, *taken}))


async def _standing(tx: AsyncConnection, table: str, span: Span) -> tuple[Standing, ...]:
    rows = await _rows(tx, _STANDING.format(table=table), span)
    return tuple(Standing(**row._mapping) for row in rows)  # noqa: SLF001 - as above


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else round(span.total_seconds())


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
