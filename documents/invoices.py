"""An invoice and a credit note, as they are handed to a person."""

from collections.abc import Iterator
from typing import Final

from documents.paper import MARGIN, RIGHT, Cell, Face, Imprint, Paper
from documents.words import WORDS, Language, Words, count, day, money, period, tax_name
from domain.invoice import CreditNote, Invoice, InvoiceStatus, Line, Party

_MIDDLE: Final = 300.0
_VALUES: Final = 140.0
"""Where what stands beside a label begins."""
_QUANTITIES: Final = (285.0, 345.0)
_UNITS: Final = (345.0, 445.0)
_AMOUNTS: Final = (445.0, RIGHT)
_SUMS: Final = 270.0
_ENDING: Final = 150.0
"""Room for the sums, which are not torn apart."""


def invoice_pdf(invoice: Invoice, language: Language, zone: str = "UTC") -> bytes:
    """The invoice on paper; always the same bytes for the same invoice, language and zone (IANA's name).

    Texts of the tenant are printed as they are: nothing in them is markup, and nothing is fetched. What
    the fonts have no glyph for is replaced. It computes for milliseconds: a server does it in a thread.
    """
    words = WORDS[language]
    paper = Paper(heading=_columns(words))
    draft = invoice.status is InvoiceStatus.DRAFT
    title = words.draft if draft else f"{words.invoice} {invoice_number(invoice.number)}"
    paper.row(Cell(title, face=Face.BOLD, size=18.0))
    paper.space()
    for label, value in _facts(invoice, language, zone):
        _fact(paper, label, value)
    _parties(paper, invoice, words)
    paper.row(*_columns(words))
    paper.rule()
    for line in invoice.lines:
        _line(paper, line, invoice.currency, language, zone)
    paper.keep(_ENDING)
    paper.rule()
    for label, amount in _sums(invoice, language):
        _sum(paper, label, money(amount, invoice.currency, language), Face.REGULAR)
    due = money(invoice.totals.amount_due_minor, invoice.currency, language)
    _sum(paper, words.amount_due, due, Face.BOLD)
    for label, amount in _since(invoice, language, zone):
        _sum(paper, label, money(amount, invoice.currency, language), Face.REGULAR)
    _closing(paper, words, zone)
    return paper.printed(
        Imprint(
            title=title,
            author=invoice.issuer.name,
            language=language,
            at=invoice.opened_at or invoice.created_at,
            page=words.page,
            banner=_banner(words, sandbox=invoice.sandbox, void=invoice.status is InvoiceStatus.VOID),
        )
    )


def credit_note_pdf(note: CreditNote, invoice: Invoice, language: Language, zone: str = "UTC") -> bytes:
    """The credit note on paper, with the invoice it is for; the same promises as ``invoice_pdf``."""
    words = WORDS[language]
    paper = Paper()
    title = f"{words.credit_note} {credit_note_number(note.number)}"
    paper.row(Cell(title, face=Face.BOLD, size=18.0))
    paper.space()
    _fact(paper, words.issued_on, day(note.created_at, zone, language))
    _fact(paper, words.invoice_number, invoice_number(invoice.number))
    _fact(paper, words.reference, note.id)
    if note.reason:
        _fact(paper, words.reason, note.reason)
    _parties(paper, invoice, words)
    paper.rule()
    _sum(paper, words.credit_total, money(note.amount_minor, note.currency, language), Face.BOLD)
    if invoice.tax.rate_basis_points:
        included = words.tax_included.format(tax=tax_name(invoice.tax, language))
        _sum(paper, included, money(note.tax_minor, note.currency, language), Face.REGULAR)
    _closing(paper, words, zone)
    return paper.printed(
        Imprint(
            title=title,
            author=invoice.issuer.name,
            language=language,
            at=note.created_at,
            page=words.page,
            banner=_banner(words, sandbox=invoice.sandbox, void=note.void),
        )
    )


def invoice_number(number: int | None) -> str:
    """As it is printed; a dash for a draft, which has none."""
    return "–" if number is None else f"INV-{number:06}"


def credit_note_number(number: int) -> str:
    return f"CN-{number:06}"


def _facts(invoice: Invoice, language: Language, zone: str) -> Iterator[tuple[str, str]]:
    words = WORDS[language]
    if invoice.opened_at:
        yield words.issued_on, day(invoice.opened_at, zone, language)
    else:
        yield words.created_on, day(invoice.created_at, zone, language)
    yield words.period, period(invoice.period, zone, language)
    yield words.status, words.statuses[invoice.status]
    if invoice.ended_at:
        yield words.ended_on, day(invoice.ended_at, zone, language)
    if invoice.replaced_by:
        yield words.replaced_by, invoice.replaced_by
    yield words.reference, invoice.id


def _fact(paper: Paper, label: str, value: str) -> None:
    paper.row(Cell(label, right=_VALUES), Cell(value, left=_VALUES))


def _parties(paper: Paper, invoice: Invoice, words: Words) -> None:
    parties = ((invoice.issuer, MARGIN, _MIDDLE - 15), (invoice.recipient, _MIDDLE, RIGHT))
    paper.space(14.0)
    titles = (words.issuer, words.recipient)
    paper.row(
        *(Cell(title, left, right, size=8.0) for title, (_, left, right) in zip(titles, parties, strict=True))
    )
    paper.row(*(Cell(party.name, left, right, Face.BOLD) for party, left, right in parties))
    paper.row(*(Cell(_particulars(party, words), left, right) for party, left, right in parties))
    paper.space(18.0)


def _particulars(party: Party, words: Words) -> str:
    number = words.tax_number.format(number=party.tax_number) if party.tax_number else None
    return "\n".join(filter(None, (number, party.email, party.address)))


def _columns(words: Words) -> tuple[Cell, ...]:
    return _cells(words.description, words.quantity, words.unit_price, words.amount, Face.BOLD)


def _cells(
    description: str, quantity: str, unit: str, amount: str, face: Face = Face.REGULAR
) -> tuple[Cell, ...]:
    return (
        Cell(description, MARGIN, _QUANTITIES[0] - 5, face),
        Cell(quantity, *_QUANTITIES, face, ends_right=True),
        Cell(unit, *_UNITS, face, ends_right=True),
        Cell(amount, *_AMOUNTS, face, ends_right=True),
    )


def _line(paper: Paper, line: Line, currency: str, language: Language, zone: str) -> None:
    said = WORDS[language].kinds[line.kind].format(plan=line.plan_name)
    paper.row(
        *_cells(
            f"{said}\n{period(line.period, zone, language)}",
            count(line.quantity, language),
            money(line.unit_minor, currency, language),
            money(line.amount_minor, currency, language),
        )
    )
    paper.space(3.0)


def _sums(invoice: Invoice, language: Language) -> Iterator[tuple[str, int]]:
    words, totals = WORDS[language], invoice.totals
    yield words.subtotal, totals.subtotal_minor
    if invoice.tax.rate_basis_points:
        tax = tax_name(invoice.tax, language)
        yield words.tax_included.format(tax=tax) if invoice.tax.inclusive else tax, totals.tax_minor
    yield words.total, totals.total_minor
    if totals.credited_minor:
        yield words.credited, totals.credited_minor
    if totals.credit_applied_minor:
        yield words.credit_applied, -totals.credit_applied_minor


def _since(invoice: Invoice, language: Language, zone: str) -> Iterator[tuple[str, int]]:
    """What became of it after it was issued."""
    words = WORDS[language]
    if invoice.paid_at:
        yield words.paid_on.format(day=day(invoice.paid_at, zone, language)), invoice.amount_paid_minor
    if invoice.amount_credited_minor:
        yield words.given_back, -invoice.amount_credited_minor


def _sum(paper: Paper, label: str, amount: str, face: Face) -> None:
    left, right = _AMOUNTS
    paper.row(Cell(label, _SUMS, left - 5, face), Cell(amount, left, right, face, ends_right=True))


def _closing(paper: Paper, words: Words, zone: str) -> None:
    paper.space(18.0)
    paper.row(Cell(words.zone.format(zone=zone), size=8.0))


def _banner(words: Words, *, sandbox: bool, void: bool) -> str:
    return " · ".join(mark for mark, applies in ((words.void, void), (words.not_real, sandbox)) if applies)
