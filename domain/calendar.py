"""When periods begin and end: counted from an anchor, in the zone the subscriber lives by.

The n-th period begins n intervals after the anchor, never one after the period before: so 31 January is
followed by 28 or 29 February and then by 31 March again. The clock on the wall decides: who began at nine in
the morning renews at nine, in summer and in winter.
"""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from domain.values import Value

MONTHS_A_YEAR: Final = 12


class Interval(StrEnum):
    MONTH = "month"
    YEAR = "year"


class Period(Value):
    """From ``start`` on and before ``end``."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


class Rhythm(Value):
    """``count`` months or years, from an instant on, by the clocks of a zone (IANA's name)."""

    anchor: datetime
    interval: Interval
    count: int = 1
    zone: str = "UTC"

    def start(self, number: int) -> datetime:
        """The instant at which the period of this number begins; the first one has number 0."""
        months = number * self.count * (MONTHS_A_YEAR if self.interval is Interval.YEAR else 1)
        zone = ZoneInfo(self.zone)
        local = self.anchor.astimezone(zone)
        year, month = divmod(local.year * MONTHS_A_YEAR + local.month - 1 + months, MONTHS_A_YEAR)
        day = min(local.day, monthrange(year, month + 1)[1])
        # An hour that is skipped is told by the offset before it, which lands just after; of an hour that
        # comes twice it is the anchor's own, or the first.
        fold = local.fold if months == 0 else 0
        return local.replace(year=year, month=month + 1, day=day, fold=fold).astimezone(UTC)

    def period(self, number: int) -> Period:
        return Period(start=self.start(number), end=self.start(number + 1))

    def at(self, instant: datetime) -> int:
        """The number of the period that ``instant`` lies in. Raises ``ValueError`` before the anchor."""
        if instant < self.anchor:
            raise ValueError("there was no period yet")
        months = (instant.year - self.anchor.year) * MONTHS_A_YEAR + instant.month - self.anchor.month
        length = self.count * (MONTHS_A_YEAR if self.interval is Interval.YEAR else 1)
        # Zones and ends of months move a border by less than an interval: one too far at most, or too near.
        number = max(months // length - 1, 0)
        while self.start(number + 1) <= instant:
            number += 1
        return number
