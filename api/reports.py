"""Reports over HTTP: what a span of time comes to, and its payments as a sheet."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from api import sheets
from api.deps import AnyCaller, House, TheHouse
from api.strict import Answer, Instant, Moment, StrictRoute, rfc3339
from domain import report
from domain.dispute import DisputeState
from domain.errors import ValidationFailed
from domain.money import Money
from domain.payment import PaymentStatus
from domain.refund import RefundState
from domain.report import Span
from storage import figures

router = APIRouter(prefix="/v1/reports", tags=["reports"], route_class=StrictRoute)

# Rows of a sheet that are held, and written down, at a time: while that takes, other requests wait.
PAGE: Final = 500
_DAWN: Final = datetime(1, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(milliseconds=1)

Share = Annotated[int | None, Field(description="Hundredths of a per cent; null where there is no base.")]


class Figures(Answer):
    """Read off the domain's own figures, name by name."""

    model_config = ConfigDict(from_attributes=True)


class SumAnswer(Figures):
    count: int
    amount: int


class VolumeAnswer(Figures):
    currency: str
    created: SumAnswer
    succeeded: SumAnswer
    refunded: SumAnswer
    disputed: SumAnswer
    net: int


class SuccessRateAnswer(Figures):
    succeeded: int
    ended: int
    basis_points: Share


class RefundsAnswer(Figures):
    status: RefundState
    currency: str
    count: int
    amount: int


class DisputesOfAnswer(Figures):
    status: DisputeState
    currency: str
    count: int
    amount: int


class DisputesAnswer(Figures):
    opened: int
    won: int
    lost: int
    by_status: list[DisputesOfAnswer]


class TimeToPayAnswer(Figures):
    payments: int
    median_seconds: int | None
    p95_seconds: int | None


class RevenueAnswer(Figures):
    currency: str
    start: int
    new: int
    reactivated: int
    expansion: int
    contraction: int
    churned: int
    end: int
    churn_basis_points: Share


class ChurnAnswer(Figures):
    at_start: int
    lost: int
    basis_points: Share


class TrialsAnswer(Figures):
    started: int
    ended: int
    converted: int
    basis_points: Share


class RecoveredAnswer(Figures):
    currency: str
    failed: SumAnswer
    recovered: SumAnswer
    lost: SumAnswer
    pending: SumAnswer


class RecoveryAnswer(Figures):
    failed: int
    recovered: int
    lost: int
    pending: int
    basis_points: Share
    by_currency: list[RecoveredAnswer]


class SummaryAnswer(Figures):
    start: Annotated[Instant, Field(alias="from")]
    end: Annotated[Instant, Field(alias="to")]
    volume: list[VolumeAnswer]
    payments_by_status: dict[PaymentStatus, int]
    success_rate: SuccessRateAnswer
    failures_by_reason: dict[str, int]
    refunds: list[RefundsAnswer]
    disputes: DisputesAnswer
    time_to_pay: TimeToPayAnswer
    mrr: list[RevenueAnswer]
    churn: ChurnAnswer
    trials: TrialsAnswer
    recovery: RecoveryAnswer


class Asked(NamedTuple):
    """What the query says of the span; either end may be left to us."""

    start: datetime | None
    end: datetime | None

    async def span(self, tx: AsyncConnection, now: datetime) -> Span:
        """The last thirty days, if nothing else is said, and on to where a clock of play money was set.

        Raises ``ValidationFailed``.
        """
        end = self.end or now
        start = self.start or _before(end, report.USUAL)
        if end - start > report.LONGEST:
            raise ValidationFailed(errors=(("/query/from", "a report spans 366 days at most"),))
        if self.end is None:
            reached = await figures.reached(tx)
            end = now if reached is None else max(now, reached + _TICK)
        if start >= end:
            raise ValidationFailed(errors=(("/query/to", "this must be later than from"),))
        return Span(start=start, end=end)


def _before(end: datetime, by: timedelta) -> datetime:
    return end - min(by, end - _DAWN)


def _asked(
    start: Annotated[Moment | None, Query(alias="from")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="Exclusive.")] = None,
) -> Asked:
    return Asked(start, end)


AskedFor = Annotated[Asked, Depends(_asked)]


@router.get("/summary")
async def get_summary(who: AnyCaller, here: TheHouse, asked: AskedFor) -> SummaryAnswer:
    """What a span of time comes to, all of it as at one instant: the last thirty days, or what is asked."""
    async with here.world.database.tenant(who.tenant_id, frozen=True) as tx:
        span = await asked.span(tx, here.world.clock())
        return SummaryAnswer.model_validate(await figures.summary(tx, span))


_COLUMNS: Final = (
    *("id", "createdAt", "updatedAt", "status", "userId", "orderId", "description"),
    *("amount", "amountDecimal", "currency", "amountCaptured", "capturedCurrency"),
    *("provider", "providerReference", "refundStatus", "amountRefunded", "disputeStatus"),
    *("failureCode", "late", "invoiceId", "sandbox"),
)


@router.get(
    "/payments.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def get_payments_sheet(who: AnyCaller, here: TheHouse, asked: AskedFor) -> StreamingResponse:
    """The payments created in a span of time as a sheet, oldest first, one a line; as large as it may be."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        span = await asked.span(tx, here.world.clock())
        # Whatever fails by here is answered with a problem; later only a cut connection can tell.
        first = await figures.sheet(tx, span, (_DAWN, ""), PAGE)
    name = f"payments-{span.start.date()}-{span.end.date()}.csv"
    return StreamingResponse(
        _pages(here, who.tenant_id, span, first),
        media_type=sheets.MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _pages(here: House, tenant_id: str, span: Span, rows: Sequence[Row[Any]]) -> AsyncIterator[str]:
    """Page by page, each in a transaction of its own: a slow reader holds no connection, and no snapshot."""
    yield sheets.rendered([_COLUMNS])
    while rows:
        yield sheets.rendered(map(_line, rows))
        if len(rows) < PAGE:
            return
        last = (rows[-1].created_at, rows[-1].id)
        async with here.world.database.tenant(tenant_id) as tx:
            rows = await figures.sheet(tx, span, last, PAGE)


def _line(row: Row[Any]) -> tuple[sheets.Cell, ...]:
    decimal, _, _ = str(Money(amount_minor=row.amount_minor, currency=row.currency)).partition(" ")
    return (
        *(row.id, rfc3339(row.created_at), rfc3339(row.updated_at), row.status),
        *(row.user_id, row.order_id, row.description),
        *(row.amount_minor, decimal, row.currency, row.captured_minor, row.captured_currency),
        *(row.provider, row.provider_reference, row.refund_status, row.amount_refunded, row.dispute_status),
        *(row.failure_code, str(row.late).lower(), row.invoice_id, str(row.sandbox).lower()),
    )
