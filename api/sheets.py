"""Sheets as RFC 4180 has them, for programs and for the spreadsheets people open them with."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"
# What a spreadsheet takes for a formula when a cell begins with it, the wide forms of East Asia included.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Cell = str | int | None


def rendered(rows: Iterable[Sequence[Cell]]) -> str:
    """The lines of a sheet. Text is quoted, numbers are not, and no text can act as a formula."""
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return page.getvalue()


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
