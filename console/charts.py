"""Charts as pages have them: a table of days whose columns may be drawn. The table is all of a chart.

What a cell says is for people; ``value`` is the same for the script that draws, a plain decimal.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal

from documents.words import Language, count, money
from domain.money import exponent

PERCENT, SECONDS, COUNT = "percent", "seconds", "count"
_SIZES: Final = (86_400, 3_600, 60, 1)
_NOTHING: Final = "–"
_UNITS: Final = {Language.EN: ("d", "h", "min", "s"), Language.HU: ("nap", "óra", "perc", "mp")}


class Plot(StrEnum):
    STACK = "stack"
    """A bar; the next one stands on it."""
    LINE = "line"
    DASHED = "dashed"


class Column(NamedTuple):
    text: str
    plot: Plot | None = None


class Cell(NamedTuple):
    text: str
    value: Decimal | None = None


class Day(NamedTuple):
    text: str
    short: str


class Row(NamedTuple):
    day: Day
    cells: Sequence[Cell]


class Chart(NamedTuple):
    """``unit`` is a currency's code or one of the units above; ``id`` is that of its heading."""

    id: str
    title: str
    unit: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    note: str = ""


class Pen:
    """Writes down figures in one language, and days as one zone counts them."""

    def __init__(self, language: Language, zone: ZoneInfo) -> None:
        self._language = language
        self._zone = zone

    def day(self, begins_at: datetime) -> Day:
        day = begins_at.astimezone(self._zone).date()
        return Day(
            text=format_date(day, "medium", locale=self._language),
            short=format_skeleton("MMMd", day, locale=self._language),
        )

    def number(self, number: int) -> Cell:
        return Cell(count(number, self._language), Decimal(number))

    def money(self, amount_minor: int, currency: str) -> Cell:
        written = money(amount_minor, currency, self._language, spoken=True)
        return Cell(written, Decimal(amount_minor).scaleb(-exponent(currency)))

    def share(self, basis_points: int | None) -> Cell:
        """Per cent, of what is counted in hundredths of one."""
        if basis_points is None:
            return Cell(_NOTHING)
        percent = Decimal(basis_points).scaleb(-2)
        space = "\u00a0" if self._language is Language.HU else ""
        return Cell(f"{format_decimal(percent, '#,##0.##', locale=self._language)}{space}%", percent)

    def lasting(self, seconds: int | None) -> Cell:
        """At most two units, as in "1 h 5 min"."""
        if seconds is None:
            return Cell(_NOTHING)
        parts: list[tuple[int, str]] = []
        left = seconds
        for size, name in zip(_SIZES, _UNITS[self._language], strict=True):
            part, left = divmod(left, size)
            # After the greatest unit comes the next one, and then no more.
            if (part and not parts) or len(parts) == 1:
                parts.append((part, name))
        written = [f"{count(part, self._language)}\u00a0{name}" for part, name in parts if part]
        return Cell(" ".join(written) or f"0\u00a0{_UNITS[self._language][-1]}", Decimal(seconds))
