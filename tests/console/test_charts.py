"""What charts are made of: figures in words, days as a zone has them, and files of somebody else."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import console
from console.charts import Pen
from console.refusals import in_its_words
from console.texts.refusals import HUNGARIAN
from documents.words import Language
from domain import days
from domain.errors import FourEyes, refusals
from domain.report import Span

VENDOR = Path(console.__file__).parent / "static/vendor"
BUDAPEST, UTC_ZONE = ZoneInfo("Europe/Budapest"), ZoneInfo("UTC")
EN, HU = Pen(Language.EN, BUDAPEST), Pen(Language.HU, BUDAPEST)


def test_files_of_others_are_as_their_makers_published_them() -> None:
    told = [line.split() for line in (VENDOR / "README.txt").read_text().splitlines()]
    digests = {words[1]: words[0] for words in told if words and len(words[0]) == 64}
    assert digests.keys() == {file.name for file in VENDOR.iterdir() if file.suffix in {".js", ".css"}}
    for name, digest in digests.items():
        assert sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
    assert "MIT" in (VENDOR / "uplot-LICENSE.txt").read_text()


@pytest.mark.parametrize(
    ("seconds", "english", "hungarian"),
    [
        (None, "–", "–"),
        (0, "0 s", "0 mp"),
        (59, "59 s", "59 mp"),
        (60, "1 min", "1 perc"),
        (197, "3 min 17 s", "3 perc 17 mp"),
        (3_600, "1 h", "1 óra"),
        (3_605, "1 h", "1 óra"),
        (90_061, "1 d 1 h", "1 nap 1 óra"),
    ],
)
def test_how_long_something_took_is_said_in_two_units(
    seconds: int | None, english: str, hungarian: str
) -> None:
    assert EN.lasting(seconds).text.replace("\u00a0", " ") == english
    assert HU.lasting(seconds).text.replace("\u00a0", " ") == hungarian


def test_what_is_drawn_is_what_is_written() -> None:
    assert EN.money(123_456, "EUR") == ("€1,234.56", Decimal("1234.56"))
    assert HU.money(1_990_000, "HUF") == ("19\u00a0900\u00a0Ft", Decimal(19_900))
    assert HU.share(8_125) == ("81,25\u00a0%", Decimal("81.25"))
    assert EN.share(None) == ("–", None)
    assert EN.day(datetime(2026, 11, 21, 23, tzinfo=UTC)).text == "Nov 22, 2026"


def test_a_day_has_as_many_hours_as_its_clocks_say() -> None:
    span = Span(start=datetime(2026, 3, 28, 23, tzinfo=UTC), end=datetime(2026, 3, 30, 12, tzinfo=UTC))
    assert days.edges(span, BUDAPEST, span.end) == [
        span.start,
        span.start + timedelta(hours=23),  # the clocks went forward
    ]
    # Where there is no midnight that day, the day begins when clocks go on.
    assert days.midnight(date(2026, 9, 6), ZoneInfo("America/Santiago")) == datetime(
        2026, 9, 6, 4, tzinfo=UTC
    )


def test_the_last_days_end_now_and_begin_at_midnight() -> None:
    now = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert days.last_days(7, now, UTC_ZONE).start == datetime(2026, 11, 16, tzinfo=UTC)
    # There it is tomorrow already.
    assert days.last_days(7, now, BUDAPEST).start == datetime(2026, 11, 16, 23, tzinfo=UTC)


def test_what_a_clock_brought_forward_makes_no_further_days() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    span = Span(start=now - timedelta(days=2), end=now + timedelta(days=900))
    assert len(days.edges(span, UTC_ZONE, now)) == 3


def test_every_refusal_has_its_words_in_hungarian() -> None:
    assert {kind.title for kind in refusals()} == HUNGARIAN.keys()
    assert in_its_words(FourEyes(), Language.HU) == HUNGARIAN[FourEyes.title]
    assert in_its_words(FourEyes(), Language.EN) == FourEyes.title
