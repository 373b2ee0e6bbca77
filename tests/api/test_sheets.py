"""A sheet is read by programs as it was meant, and does nothing in a spreadsheet."""

import csv
import io

import pytest

from api.sheets import rendered


def test_a_sheet_is_quoted_as_rfc_4180_says() -> None:
    assert rendered([["id", "amount"], ['a "b", c', 1990], [None, 0]]) == (
        '"id","amount"\r\n"a ""b"", c",1990\r\n"",0\r\n'
    )


def test_what_is_between_the_quotes_comes_back_as_it_was() -> None:
    told = ["Zoë", "two\nlines", "a;b", " = 1", "x=1", "1990"]
    assert next(csv.reader(io.StringIO(rendered([told])))) == told


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_text_acts_as_a_formula(begins: str) -> None:
    (cell,) = next(csv.reader(io.StringIO(rendered([[f"{begins}cmd|' /C calc'!A0"]]), newline="")))
    assert cell == f"'{begins}cmd|' /C calc'!A0"


def test_a_number_is_a_number_also_below_nothing() -> None:
    assert rendered([[-5]]) == "-5\r\n"
