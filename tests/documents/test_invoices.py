"""What is printed says what the invoice says, in both languages, whatever stands in it."""

import re
import sys
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader
from reportlab.pdfbase.pdfmetrics import stringWidth

from documents.invoices import credit_note_pdf, invoice_pdf
from documents.paper import Face, printable, wrapped
from documents.words import WORDS, Language, money
from domain.calendar import Period
from domain.invoice import (
    CreditNote,
    Invoice,
    InvoiceStatus,
    Line,
    LineKind,
    Party,
    Reason,
    Tax,
    totals,
)
from domain.money import CURRENCIES, exponent

# Half an hour before midnight in UTC is the next day in Budapest.
START = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
FEBRUARY = Period(start=START, end=START + timedelta(days=28))
ISSUER = Party(
    name="Árvíztűrő Tükörfúrógép Kft.",
    address="1111 Budapest\nFő utca 1.",
    tax_number="12345678-2-42",
    email="szamla@tenant.example",
)
NOTE = CreditNote(
    id="crn_1",
    tenant_id="ten_1",
    invoice_id="inv_1",
    number=3,
    currency="HUF",
    amount_minor=1_990_000,
    tax_minor=423_071,
    refund_id="ref_1",
    reason="Goodwill",
    created_at=START,
)


def line(kind: LineKind = LineKind.PERIOD, amount: int = 1_990_000, plan: str = "Profi ŐŰ") -> Line:
    return Line(
        kind=kind,
        plan_name=plan,
        price_id="prc_1",
        quantity=1,
        unit_minor=abs(amount),
        amount_minor=amount,
        period=FEBRUARY,
    )


def invoice(*lines: Line, credit: int = 0, **facts: Any) -> Invoice:
    lines = lines or (line(),)
    tax = facts.pop("tax", Tax(rate_basis_points=2700))
    plain = {
        "id": "inv_1",
        "tenant_id": "ten_1",
        "subscription_id": "sub_1",
        "user_id": "user",
        "number": 7,
        "status": InvoiceStatus.OPEN,
        "reason": Reason.CYCLE,
        "currency": "HUF",
        "lines": lines,
        "tax": tax,
        "totals": totals(lines, tax, credit),
        "period": FEBRUARY,
        "issuer": ISSUER,
        "recipient": Party(name="Őrült Űrhajós Bt."),
        "sandbox": False,
        "created_at": START,
        "opened_at": START,
    }
    return Invoice(**(plain | facts))


def pages(pdf: bytes) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(pdf)).pages]


def read(printed: Invoice, language: Language = Language.EN, zone: str = "UTC") -> str:
    return " ".join(pages(invoice_pdf(printed, language, zone)))


def test_an_english_invoice_says_all_there_is_to_say() -> None:
    lines = (line(), line(LineKind.UNUSED, -500_050))
    said = read(invoice(*lines, credit=100_000, paid_at=START, amount_paid_minor=1_389_950))
    for text in (
        "Invoice INV-000007",
        "Issued on January 31, 2026",
        "Period January 31, 2026 – February 28, 2026",
        "From To Árvíztűrő Tükörfúrógép Kft. Őrült Űrhajós Bt.",
        "Tax number: 12345678-2-42 szamla@tenant.example 1111 Budapest Fő utca 1.",
        "Description Quantity Unit price Amount",
        "Profi ŐŰ January 31, 2026 – February 28, 2026 1 HUF 19,900.00 HUF 19,900.00",
        "Unused time of Profi ŐŰ January 31, 2026 – February 28, 2026 1 HUF 5,000.50 -HUF 5,000.50",
        "Subtotal HUF 14,899.50 VAT (27%), included HUF 3,167.61 Total HUF 14,899.50",
        "Credit applied -HUF 1,000.00 Amount due HUF 13,899.50",
        "Paid on January 31, 2026 HUF 13,899.50",
        "Days are those of the time zone UTC. Page 1 of 1",
    ):
        assert text in said
    assert "not a real invoice" not in said


def test_a_hungarian_invoice_counts_its_days_in_budapest() -> None:
    lines = (line(), line(LineKind.REMAINING, 500_050))
    said = read(invoice(*lines, tax=Tax(rate_basis_points=550)), Language.HU, "Europe/Budapest")
    for text in (
        "Számla INV-000007",
        "Kelt 2026. február 1.",
        "Kiállító Vevő Árvíztűrő Tükörfúrógép Kft. Őrült Űrhajós Bt.",
        "Megnevezés Mennyiség Egységár Összeg",
        "Profi ŐŰ 2026. február 1. – 2026. március 1. 1 19 900,00 Ft 19 900,00 Ft",
        "Hátralévő idő: Profi ŐŰ",
        "ebből ÁFA (5,5%) 1 298,13 Ft Összesen 24 900,50 Ft Fizetendő 24 900,50 Ft",
        "Europe/Budapest időzóna szerint értendők. 1/1. oldal",
    ):
        assert text in said


def test_a_tax_on_top_is_added_and_one_of_nothing_is_not_named() -> None:
    tax = Tax(rate_basis_points=2000, inclusive=False, label="GST")
    said = read(invoice(line(amount=1_000), currency="EUR", tax=tax))
    assert "Subtotal €10.00 GST (20%) €2.00 Total €12.00" in said
    assert "VAT" not in read(invoice(tax=Tax()))


def test_what_comes_to_less_than_nothing_is_kept_as_credit() -> None:
    said = read(invoice(line(LineKind.UNUSED, -1_990_000)))
    assert "Total HUF 0.00 Kept as credit for later invoices HUF 19,900.00 Amount due HUF 0.00" in said


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", LineKind)
def test_every_kind_of_line_has_its_words(kind: LineKind, language: Language) -> None:
    assert WORDS[language].kinds[kind].format(plan="Profi ŐŰ") in read(invoice(line(kind)), language)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("status", InvoiceStatus)
def test_every_status_is_named_and_only_a_void_invoice_is_marked_void(
    status: InvoiceStatus, language: Language
) -> None:
    said = read(invoice(status=status), language)
    assert WORDS[language].statuses[status] in said
    assert (WORDS[language].void in said) == (status is InvoiceStatus.VOID)


def test_a_draft_has_no_number() -> None:
    said = read(invoice(status=InvoiceStatus.DRAFT, number=None, opened_at=None))
    assert said.startswith("Draft invoice Created on January 31, 2026")
    assert "INV-" not in said


def test_a_void_invoice_names_the_one_that_took_its_place() -> None:
    said = read(invoice(status=InvoiceStatus.VOID, ended_at=START, replaced_by="inv_2"))
    assert "Void: not owed Since January 31, 2026 Replaced by inv_2" in said


def test_a_test_says_on_every_page_that_it_is_one() -> None:
    printed = pages(invoice_pdf(invoice(*[line()] * 60, sandbox=True), Language.EN))
    assert len(printed) > 1
    assert all("TEST – not a real invoice" in page for page in printed)


def test_two_hundred_lines_are_all_there_and_the_pages_are_counted() -> None:
    lines = [line(amount=100 * number, plan=f"Plan {number:03}") for number in range(1, 201)]
    printed = pages(invoice_pdf(invoice(*lines), Language.EN))
    said = " ".join(printed)
    for number in range(1, 201):
        assert f"Plan {number:03} January 31" in said
        assert f"HUF {number}.00 HUF {number}.00" in said
    for number, page in enumerate(printed, start=1):
        assert f"Page {number} of {len(printed)}" in page
        assert "Description Quantity Unit price Amount" in page


def test_a_credit_note_names_its_invoice_and_its_tax() -> None:
    said = " ".join(pages(credit_note_pdf(NOTE, invoice(), Language.EN)))
    for text in (
        "Credit note CN-000003 Issued on January 31, 2026 For invoice INV-000007",
        "Reason Goodwill",
        "Amount given back HUF 19,900.00 VAT (27%), included HUF 4,230.71",
    ):
        assert text in said
    hungarian = credit_note_pdf(NOTE.model_copy(update={"void": True}), invoice(sandbox=True), Language.HU)
    assert "Visszatérített összeg 19 900,00 Ft ebből ÁFA (27%) 4 230,71 Ft" in pages(hungarian)[0]
    assert "ÉRVÉNYTELEN · TESZT – nem valódi számla" in pages(hungarian)[0]


@pytest.mark.parametrize("language", Language)
def test_an_amount_is_written_to_the_last_unit_in_every_currency(language: Language) -> None:
    point = "," if language is Language.HU else "."
    for currency, amount in product(sorted(CURRENCIES), (0, 7, -1_234_567, 9_007_199_254_740_993)):
        written = money(amount, currency, language)
        assert int(re.sub("[^0-9]", "", written)) == abs(amount)
        assert written.startswith("-") == (amount < 0)
        decimals = re.sub("[^0-9]", "", written.rpartition(point)[2]) if exponent(currency) else ""
        assert len(decimals) == exponent(currency)


@pytest.fixture
def impatient_threads() -> Iterator[None]:
    """Threads take turns all the time, so that those who read with one cursor do meet."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("impatient_threads")
def test_the_same_invoice_is_printed_in_the_same_bytes_also_by_many_at_once() -> None:
    # Letters made of others are those that the library looks for in the font's file.
    accented = "".join(map(chr, range(0x1E00, 0x1F00)))

    def of(number: int) -> bytes:
        return invoice_pdf(invoice(line(plan=accented[number:]), number=number), Language.HU)

    with ThreadPoolExecutor(6) as pool:
        printed = list(pool.map(of, range(12)))
    assert printed == [of(number) for number in range(12)]
    assert len(set(printed)) == 12


def test_a_document_is_dated_by_its_own_day_and_names_no_other() -> None:
    written = PdfReader(BytesIO(invoice_pdf(invoice(), Language.EN))).metadata
    assert written is not None
    assert written.creation_date == written.modification_date == START
    assert (written.title, written.author) == ("Invoice INV-000007", ISSUER.name)


@pytest.mark.parametrize(
    "hostile",
    [
        '<b>bold</b> <img src="file:///etc/passwd"/> <a href="http://x.example">&amp;',
        "{plan} {0} {number.__class__} %s $name",
        ") Tj ET (\\",
        "שלום مرحبا \u202edetrevni\u202c",
        "😀👩‍👩‍👧 我们 \ufffe \ud800",
        "Zs" + "\u0301" * 400,
        "W" * 5_000,
        "a\r\n\t\x00\x1b[31m\u2028b",
        "\n" * 500,
        "",
    ],
    ids=[
        "markup",
        "places",
        "pdf",
        "right-to-left",
        "no-glyph",
        "marks",
        "wide",
        "controls",
        "feeds",
        "none",
    ],
)
def test_what_a_tenant_wrote_is_printed_and_never_read(hostile: str) -> None:
    party = Party.model_construct(name=hostile, address=hostile, tax_number=hostile, email=hostile)
    tax = Tax.model_construct(rate_basis_points=2700, inclusive=True, label=hostile)
    written = line().model_copy(update={"plan_name": hostile})
    printed = invoice().model_copy(
        update={"issuer": party, "recipient": party, "tax": tax, "lines": (written,)}
    )
    pdf = invoice_pdf(printed, Language.EN)
    said = " ".join(pages(pdf))
    assert len(pages(pdf)) <= 2
    assert "Amount due HUF 19,900.00" in said
    first = printable(hostile).split("\n")[0][:20].strip()
    assert " ".join(first.split()) in said
    assert not {b"/URI", b"/JavaScript", b"/Launch", b"/EmbeddedFile"} & set(pdf.split())


def test_a_letter_and_its_mark_are_printed_as_one() -> None:
    assert printable("Bu\u030b") == "Bű"


@given(st.text(max_size=80))
def test_every_text_becomes_one_that_can_be_printed(text: str) -> None:
    seen = printable(text)
    assert printable(seen) == seen
    assert not {unicodedata.category(character) for character in seen if character != "\n"} & {
        "Cc",
        "Cf",
        "Cs",
    }
    for face in Face:
        lines = list(wrapped(seen, face, 9.0, 60.0))
        assert all(stringWidth(line, face, 9.0) <= 60.0 for line in lines)
        assert "".join("".join(lines).split()) == "".join(seen.split())
