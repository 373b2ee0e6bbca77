"""Sheets of A4 that fill from the top, row by row. Texts are drawn, never read: there is no markup.

The same rows give the same bytes, whenever and wherever they are printed.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, lru_cache
from io import BytesIO
from itertools import islice
from threading import Lock
from typing import Final, NamedTuple

from pymupdf_fonts import myfont  # type: ignore[import-untyped]
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

WIDTH: Final = 595.28
HEIGHT: Final = 841.89
MARGIN: Final = 50.0
RIGHT: Final = WIDTH - MARGIN
_TOP: Final = HEIGHT - 70.0
_BOTTOM: Final = 70.0
_LEADING: Final = 1.35
_MOST_LINES: Final = 12
"""Of one cell. Whoever writes a novel into an address gets its beginning, and the row fits on a page."""

_UNKNOWN: Final = "\ufffd"
# The PDF library's fonts hold a place in the file while they are cut down to what a document uses.
_one_at_a_time: Final = Lock()
_loading: Final = Lock()


class Face(StrEnum):
    """Noto Sans, under the SIL Open Font License; it knows Latin, Greek and Cyrillic letters."""

    REGULAR = "PaysagaSans"
    BOLD = "PaysagaSans-Bold"


_FILES: Final = {Face.REGULAR: "notos", Face.BOLD: "notosbo"}


def _font(face: Face) -> TTFont:
    with _loading:
        return _loaded(face)


@cache
def _loaded(face: Face) -> TTFont:
    font = TTFont(face.value, BytesIO(myfont(_FILES[face])), shapable=False)
    pdfmetrics.registerFont(font)
    return font


@cache
def _glyphs() -> frozenset[int]:
    """The characters that every face can print."""
    return frozenset.intersection(*(frozenset(_font(face).face.charToGlyph) for face in Face))


def printable(text: str) -> str:
    """``text`` in one direction and in known glyphs: what has none becomes a replacement character.

    Line feeds stay. What cannot be seen (controls, joiners, marks of direction) is left out, so that a text
    cannot turn its neighbours around.
    """
    glyphs = _glyphs()
    return "".join(_seen(character, glyphs) for character in unicodedata.normalize("NFC", text))


def _seen(character: str, glyphs: frozenset[int]) -> str:
    if character == "\n":
        return character
    unseen = unicodedata.category(character) in {"Cc", "Cf"} or "\ufe00" <= character <= "\ufe0f"
    if ord(character) in glyphs and not unseen:
        return character
    if character.isspace():
        return " "
    return "" if unseen else _UNKNOWN


def wrapped(text: str, face: Face, size: float, width: float) -> Iterator[str]:
    """The lines of a printable text, each at most so wide; a word that is wider is cut."""
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            rest = f"{line} {word}" if line else word
            if line and _fitting(rest, face, size, width) < len(rest):
                yield line
                rest = word
            while (fitting := _fitting(rest, face, size, width)) < len(rest):
                yield rest[:fitting]
                rest = rest[fitting:]
            line = rest
        yield line


@lru_cache(maxsize=8192)
def _width(face: Face, character: str) -> float:
    """In thousandths of the font's size."""
    return pdfmetrics.stringWidth(character, _font(face).fontName, 1000)


def _fitting(text: str, face: Face, size: float, width: float) -> int:
    """How many characters of the text are at most so wide; one at least."""
    left = width * 1000 / size
    for count, character in enumerate(text):
        left -= _width(face, character)
        if left < 0:
            return max(count, 1)
    return len(text)


@dataclass(frozen=True, slots=True)
class Cell:
    """A text in a column, which it wraps to."""

    text: str
    left: float = MARGIN
    right: float = RIGHT
    face: Face = Face.REGULAR
    size: float = 9.0
    ends_right: bool = False

    def lines(self) -> list[str]:
        found = wrapped(printable(self.text), self.face, self.size, self.right - self.left)
        lines = list(islice(found, _MOST_LINES + 1))
        return lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], "…"]


class _Ink(NamedTuple):
    """A line of text at its place."""

    y: float
    line: str
    cell: Cell


@dataclass(frozen=True, slots=True)
class Imprint:
    """What belongs to the document as a whole, and stands around each page."""

    title: str
    author: str
    language: str
    at: datetime
    """Its date; the clock is not asked."""
    page: str
    """How pages are counted, with places for ``{number}`` and ``{count}``."""
    banner: str = ""
    """Stands above each page, for what nobody may overlook."""

    def around(self, number: int, count: int) -> list[_Ink]:
        counted = Cell(self.page.format(number=number, count=count), size=8.0, ends_right=True)
        named = Cell(self.title, right=RIGHT - 120, size=8.0)
        banner = Cell(self.banner, face=Face.BOLD, size=11.0)
        places = ((40.0, counted), (40.0, named), (HEIGHT - 40.0, banner))
        return [_Ink(y, cell.lines()[0], cell) for y, cell in places]


class Paper:
    """Rows go onto the last page while there is room, then onto a new one, under the heading."""

    def __init__(self, heading: Sequence[Cell] = ()) -> None:
        """Start the first page. ``heading`` stands above the rows of each page but the first."""
        self.heading = heading
        self._pages: list[list[_Ink]] = [[]]
        self._rules: list[list[float]] = [[]]
        self._y = _TOP

    def row(self, *cells: Cell) -> None:
        """Cells beside each other. They stay together, on the next page if they must."""
        rows = [(cell, cell.lines()) for cell in cells]
        height = max(len(lines) * cell.size * _LEADING for cell, lines in rows)
        if self._y - height < _BOTTOM:
            self._turn()
        for cell, lines in rows:
            baselines = (self._y - cell.size * (1 + number * _LEADING) for number in range(len(lines)))
            self._pages[-1].extend(_Ink(y, line, cell) for y, line in zip(baselines, lines, strict=True))
        self._y -= height

    def space(self, points: float = 8.0) -> None:
        self._y -= points

    def rule(self) -> None:
        """A thin line over the whole width."""
        self.space(3.0)
        self._rules[-1].append(self._y)
        self.space(3.0)

    def keep(self, points: float) -> None:
        """Turn the page unless so much is left of it: what follows is to stand together."""
        if self._y - points < _BOTTOM:
            self._turn()

    def _turn(self) -> None:
        self._pages.append([])
        self._rules.append([])
        self._y = _TOP
        if self.heading:
            self.row(*self.heading)
            self.rule()

    def printed(self, imprint: Imprint) -> bytes:
        """The document. It costs milliseconds; the first one in a process loads the fonts, too."""
        with _one_at_a_time:
            return self._printed(imprint)

    def _printed(self, imprint: Imprint) -> bytes:
        file = BytesIO()
        font = _font(Face.REGULAR).fontName
        canvas = Canvas(
            file,
            (WIDTH, HEIGHT),
            invariant=True,
            initialFontName=font,  # type: ignore[arg-type]  # the stub takes it for a number
            lang=imprint.language,
            pageCompression=1,
        )
        canvas.setTitle(printable(imprint.title))
        canvas.setAuthor(printable(imprint.author))
        canvas.setCreator("Paysaga")
        canvas.setSubject("")
        made = f"{imprint.at.astimezone(UTC):D:%Y%m%d%H%M%SZ}"
        canvas.setDateFormatter(lambda *_now: made)
        for number, (inks, rules) in enumerate(zip(self._pages, self._rules, strict=True), start=1):
            frame = imprint.around(number, len(self._pages))
            _draw(canvas, [*inks, *frame], rules)
            canvas.showPage()
        canvas.save()
        return file.getvalue()


def _draw(canvas: Canvas, inks: Sequence[_Ink], rules: Sequence[float]) -> None:
    for y, line, cell in inks:
        canvas.setFont(_font(cell.face).fontName, cell.size)
        if cell.ends_right:
            canvas.drawRightString(cell.right, y, line)
        else:
            canvas.drawString(cell.left, y, line)
    canvas.setLineWidth(0.5)
    for y in rules:
        canvas.line(MARGIN, y, RIGHT, y)
