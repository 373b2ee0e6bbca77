"""Which days a page is about: the last so many, or from one day to another."""

from datetime import date, datetime, timedelta
from typing import Annotated, Final, NamedTuple
from zoneinfo import ZoneInfo

from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from api.reports import Asked
from domain import days
from domain.errors import ValidationFailed
from domain.report import USUAL, Span

CHOICES: Final = (7, 30, 90)
_YEARS: Final = range(2000, 9000)
_ONE: Final = timedelta(days=1)


class Chosen(NamedTuple):
    """``start`` and ``end`` are days, both included; without either it is the last ``number`` of days."""

    number: int
    start: date | None
    end: date | None

    @property
    def is_usual(self) -> bool:
        return self.start is None and self.end is None

    async def span(self, tx: AsyncConnection, now: datetime, zone: ZoneInfo) -> Span:
        """As a report over the API has it. Raises ``ValidationFailed``."""
        end = None if self.end is None else days.midnight(self.end + _ONE, zone)
        if self.start is not None:
            start = days.midnight(self.start, zone)
        elif self.end is not None:
            start = days.midnight(self.end - USUAL + _ONE, zone)
        else:
            start = days.last_days(self.number, now, zone).start
        return await Asked(start, end).span(tx, now)


def _chosen(
    number: Annotated[str, Query(alias="days")] = "",
    start: Annotated[str, Query(alias="from")] = "",
    end: Annotated[str, Query(alias="to")] = "",
) -> Chosen:
    """A field of a form that is left empty is sent all the same."""
    wanted = int(number) if number in map(str, CHOICES) else USUAL.days
    return Chosen(wanted, _day(start, "/query/from"), _day(end, "/query/to"))


def _day(text: str, pointer: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.year not in _YEARS:
        raise ValidationFailed(errors=((pointer, "a day as in 2026-11-22 is needed"),))
    return day


TheDays = Annotated[Chosen, Depends(_chosen)]
