"""What the payments of a span come to: in all, or piece by piece, by the same statements. Reads only.

Payments are those created in the span, as they stand now.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.payment import ENDED, PaymentStatus
from domain.report import Span, SuccessRate, Sum, Takings, TimeToPay, Volume
from storage.ownership import ours

_PIECE: Final = "width_bucket({at}, CAST(:edges AS timestamptz[]))"
"""Which of the pieces a moment belongs to, counted from 1; each begins at its edge."""

_PLACED: Final = """
    SELECT {piece} AS piece, status, currency,
        CASE WHEN status = 'FAILED' THEN coalesce(failure_code, 'unknown') END AS reason,
        count(*) AS number, sum(amount_minor) AS amount
    FROM payments p WHERE tenant_id = :tenant AND created_at >= :start AND created_at < :end
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""

# Only what the tenant could keep: late money that went back was never volume.
_KEPT: Final = """
    SELECT {piece} AS piece, captured_currency AS currency, count(*) AS number, sum(captured_minor) AS amount,
        count(*) FILTER (WHERE amount_refunded > 0) AS refunded_number, sum(amount_refunded) AS refunded
    FROM payments p WHERE tenant_id = :tenant AND created_at >= :start AND created_at < :end
        AND status = 'SUCCEEDED'
    GROUP BY 1, 2
"""

_TAKEN: Final = """
    SELECT {piece} AS piece, d.currency, count(DISTINCT p.id) AS number, sum(d.amount_minor) AS amount
    FROM payments p JOIN disputes d ON d.payment_id = p.id
    WHERE p.tenant_id = :tenant AND d.tenant_id = :tenant
        AND p.created_at >= :start AND p.created_at < :end AND p.status = 'SUCCEEDED'
        AND d.state IN ('OPEN', 'UNDER_REVIEW', 'LOST')
    GROUP BY 1, 2
"""

# What is charged with nobody there takes nobody's time.
_WAITED: Final = """
    SELECT {piece} AS piece, count(*) AS payments,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY e.at - p.created_at) AS median,
        percentile_disc(0.95) WITHIN GROUP (ORDER BY e.at - p.created_at) AS p95
    FROM payments p JOIN payment_events e ON e.payment_id = p.id AND e.type = 'payment.succeeded'
    WHERE p.tenant_id = :tenant AND e.tenant_id = :tenant
        AND p.created_at >= :start AND p.created_at < :end
        AND p.status = 'SUCCEEDED' AND NOT p.off_session AND NOT p.late
    GROUP BY 1
"""

_Rows = Sequence[Row[Any]]


async def takings(tx: AsyncConnection, span: Span) -> Takings:
    """All of the span. Needs a frozen transaction, so that the figures agree with each other."""
    (whole,) = await pieces(tx, span, [span.start])
    return whole


async def pieces(tx: AsyncConnection, span: Span, edges: Sequence[datetime]) -> list[Takings]:
    """The span cut at ``edges``, of which the first is its start and each later than the one before."""
    found = [
        _by_piece((await tx.execute(ours(query), span.model_dump() | {"edges": edges})).all())
        for query in (each.format(piece=_PIECE.format(at="p.created_at")) for each in _QUERIES)
    ]
    return [
        _takings(start, *(rows.get(number, []) for rows in found)) for number, start in enumerate(edges, 1)
    ]


_QUERIES: Final = (_PLACED, _KEPT, _TAKEN, _WAITED)


def _by_piece(rows: _Rows) -> Mapping[int, _Rows]:
    found: dict[int, list[Row[Any]]] = {}
    for row in rows:
        found.setdefault(row.piece, []).append(row)
    return found


def _takings(start: datetime, placed: _Rows, kept: _Rows, taken: _Rows, waited: _Rows) -> Takings:
    statuses = _counted((row.status, row.number) for row in placed)
    return Takings(
        start=start,
        volume=_volume(placed, kept, taken),
        payments_by_status=statuses,
        success_rate=SuccessRate(
            succeeded=statuses.get(PaymentStatus.SUCCEEDED, 0),
            ended=sum(statuses.get(status, 0) for status in ENDED),
        ),
        failures_by_reason=_counted((row.reason, row.number) for row in placed if row.reason is not None),
        time_to_pay=_time_to_pay(waited),
    )


def _counted(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, count in pairs:
        counts[name] = counts.get(name, 0) + count
    return counts


def _volume(placed: _Rows, kept: _Rows, taken: _Rows) -> tuple[Volume, ...]:
    paid_in, lost_in = ({row.currency: row for row in rows} for rows in (kept, taken))

    def volume(currency: str) -> Volume:
        created = [row for row in placed if row.currency == currency]
        paid, lost = paid_in.get(currency), lost_in.get(currency)
        return Volume(
            currency=currency,
            created=Sum(count=sum(row.number for row in created), amount=sum(row.amount for row in created)),
            succeeded=Sum() if paid is None else Sum(count=paid.number, amount=paid.amount),
            refunded=Sum() if paid is None else Sum(count=paid.refunded_number, amount=paid.refunded),
            disputed=Sum() if lost is None else Sum(count=lost.number, amount=lost.amount),
        )

    return tuple(volume(each) for each in sorted({row.currency for row in placed} | {*paid_in, *lost_in}))


def _time_to_pay(waited: _Rows) -> TimeToPay:
    for row in waited:
        return TimeToPay(
            payments=row.payments, median_seconds=_seconds(row.median), p95_seconds=_seconds(row.p95)
        )
    return TimeToPay(payments=0, median_seconds=None, p95_seconds=None)


def _seconds(span: timedelta) -> int:
    return round(span.total_seconds())
