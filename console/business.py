"""A tenant's business in a span of days, as its first page shows it: the API's own figures, and the days'."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Self
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from console import charts
from console.charts import Cell, Chart, Column, Pen, Plot, Row
from domain.days import edges
from domain.report import Span, Summary, Takings, Volume
from storage import figures, overview, takings

Texts = Mapping[str, str]

_GIVEN_UP: Final = ("EXHAUSTED", "DROPPED")


class Business(NamedTuple):
    summary: Summary
    days: Sequence[Takings]
    monthly: Mapping[str, Sequence[int]]
    """What subscriptions bring in a month, at the end of each of the days, by currency."""
    outcomes: Sequence[Mapping[str, int]]
    """How the deliveries stand that were made on each of the days, by state."""

    @classmethod
    async def read(cls, tx: AsyncConnection, span: Span, zone: ZoneInfo, now: datetime) -> Self:
        """Needs a frozen transaction, so that days and totals agree with each other."""
        cut = edges(span, zone, now)
        return cls(
            summary=await figures.summary(tx, span),
            days=await takings.pieces(tx, span, cut),
            monthly=await figures.monthly(tx, span, cut),
            outcomes=await overview.outcomes(tx, span, cut),
        )

    def charts(self, pen: Pen, t: Texts) -> Iterator[Chart]:
        """What has nothing to show is left out."""
        for volume in self.summary.volume:
            yield self._volume(volume.currency, pen, t)
        if self.summary.success_rate.ended:
            yield self._success(pen, t)
        if self.summary.time_to_pay.payments:
            yield self._time_to_pay(pen, t)
        for currency, amounts in self.monthly.items():
            yield self._monthly(currency, amounts, pen, t)
        if any(self.outcomes):
            yield self._deliveries(pen, t)

    def _volume(self, currency: str, pen: Pen, t: Texts) -> Chart:
        def cells(day: Takings) -> Sequence[Cell]:
            of = next((each for each in day.volume if each.currency == currency), Volume(currency=currency))
            sums = (of.succeeded.amount, of.net, of.refunded.amount, of.disputed.amount)
            return (pen.number(of.succeeded.count), *(pen.money(sum_, currency) for sum_ in sums))

        columns = (
            Column(t["overview_payments_paid"]),
            Column(t["overview_paid"]),
            # On top of each other they come to what was paid.
            Column(t["overview_net"], Plot.STACK),
            Column(t["overview_refunded"], Plot.STACK),
            Column(t["overview_disputed"], Plot.STACK),
        )
        title = f"{t['overview_volume']}, {currency}"
        return Chart(f"volume_{currency}", title, currency, columns, self._rows(pen, map(cells, self.days)))

    def _success(self, pen: Pen, t: Texts) -> Chart:
        def cells(day: Takings) -> Sequence[Cell]:
            rate = day.success_rate
            return pen.number(rate.ended), pen.number(rate.succeeded), pen.share(rate.basis_points)

        columns = (
            Column(t["overview_ended"]),
            Column(t["overview_payments_paid"]),
            Column(t["overview_success"], Plot.LINE),
        )
        rows = self._rows(pen, map(cells, self.days))
        return Chart(
            "success", t["overview_success"], charts.PERCENT, columns, rows, t["overview_success_note"]
        )

    def _time_to_pay(self, pen: Pen, t: Texts) -> Chart:
        def cells(day: Takings) -> Sequence[Cell]:
            waited = day.time_to_pay
            lasted = (waited.median_seconds, waited.p95_seconds)
            return (pen.number(waited.payments), *(pen.lasting(seconds) for seconds in lasted))

        columns = (
            Column(t["overview_payments_paid"]),
            Column(t["overview_median"], Plot.LINE),
            Column(t["overview_p95"], Plot.DASHED),
        )
        rows = self._rows(pen, map(cells, self.days))
        return Chart(
            "time_to_pay", t["overview_time"], charts.SECONDS, columns, rows, t["overview_time_note"]
        )

    def _monthly(self, currency: str, amounts: Sequence[int], pen: Pen, t: Texts) -> Chart:
        rows = self._rows(pen, ((pen.money(amount, currency),) for amount in amounts))
        columns = (Column(t["overview_mrr"], Plot.LINE),)
        title = f"{t['overview_mrr']}, {currency}"
        return Chart(f"mrr_{currency}", title, currency, columns, rows, t["overview_mrr_note"])

    def _deliveries(self, pen: Pen, t: Texts) -> Chart:
        def cells(made: Mapping[str, int]) -> Sequence[Cell]:
            given_up = sum(made.get(state, 0) for state in _GIVEN_UP)
            numbers = (made.get("DELIVERED", 0), made.get("PENDING", 0), given_up)
            return tuple(pen.number(number) for number in numbers)

        names = ("overview_delivered", "overview_on_its_way", "overview_given_up")
        columns = tuple(Column(t[name], Plot.STACK) for name in names)
        rows = self._rows(pen, map(cells, self.outcomes))
        return Chart("deliveries", t["overview_deliveries"], charts.COUNT, columns, rows)

    def _rows(self, pen: Pen, cells: Iterator[Sequence[Cell]]) -> list[Row]:
        return [Row(pen.day(day.start), each) for day, each in zip(self.days, cells, strict=True)]

    def tiles(self, pen: Pen, t: Texts) -> Iterator[tuple[str, str, str]]:
        """Name, figure, and what more there is to say of it."""
        told = self.summary
        for of in told.volume:
            paid = f"{t['overview_paid']}: {pen.money(of.succeeded.amount, of.currency).text}"
            yield f"{t['overview_net']}, {of.currency}", pen.money(of.net, of.currency).text, paid
        rate, waited = told.success_rate, told.time_to_pay
        ended = f"{t['overview_ended']}: {pen.number(rate.ended).text}"
        yield t["overview_success"], pen.share(rate.basis_points).text, ended
        p95 = f"{t['overview_p95']}: {pen.lasting(waited.p95_seconds).text}"
        yield t["overview_time"], pen.lasting(waited.median_seconds).text, p95
        for brought in told.mrr:
            share = f"{t['overview_churn']}: {pen.share(brought.churn_basis_points).text}"
            mrr = pen.money(brought.end, brought.currency).text
            yield f"{t['overview_mrr']}, {brought.currency}", mrr, share

    def failures(self, pen: Pen) -> list[dict[str, Any]]:
        """Why payments failed, most often first."""
        reasons = sorted(self.summary.failures_by_reason.items(), key=lambda item: (-item[1], item[0]))
        whole = sum(number for _, number in reasons)
        return [
            {"reason": reason, "number": pen.number(number).text, "percent": 100 * number // whole}
            for reason, number in reasons
        ]

    def went_back(self, pen: Pen, t: Texts) -> Iterator[tuple[str, str, str, str]]:
        """What it is, how it stands, how many, and how much: refunds first."""
        for kind, found in (("refund", self.summary.refunds), ("dispute", self.summary.disputes.by_status)):
            for each in found:
                yield (
                    t[f"overview_{kind}s"],
                    t[f"{kind}_is_{each.status}"],
                    pen.number(each.count).text,
                    pen.money(each.amount, each.currency).text,
                )

    def movements(self, pen: Pen) -> Iterator[tuple[str, Sequence[str]]]:
        """What subscriptions bring, by currency: at the start, what moved it, and at the end."""
        for each in self.summary.mrr:
            gained = (each.start, each.new, each.reactivated, each.expansion)
            sums = (*gained, -each.contraction, -each.churned, each.end)
            yield each.currency, [pen.money(sum_, each.currency).text for sum_ in sums]
