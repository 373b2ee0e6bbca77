"""Days as the clocks of a zone count them: some have 23 hours, some 25."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.report import Span


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins there; where clocks skip midnight, when they go on."""
    # An hour that is skipped is told by the offset before it, which lands just after; of an hour that comes
    # twice, the first.
    return datetime.combine(day, time(), zone).astimezone(UTC)


def last_days(number: int, now: datetime, zone: ZoneInfo) -> Span:
    """Today and the days before it, until now."""
    today = now.astimezone(zone).date()
    return Span(start=midnight(today - timedelta(days=number - 1), zone), end=now)


def edges(span: Span, zone: ZoneInfo, until: datetime) -> list[datetime]:
    """When each of the span's days begins, the first one where the span does; none begins after ``until``.

    What is left of the span after the last edge is part of its last day.
    """
    return [span.start, *_midnights_after(span.start, min(span.end, until), zone)]


def _midnights_after(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    day = start.astimezone(zone).date()
    while (edge := midnight(day := day + timedelta(days=1), zone)) < end:
        yield edge
