"""What documents say in each language, and how it writes amounts, dates and rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, get_currency_symbol

from domain.calendar import Period
from domain.invoice import InvoiceStatus, LineKind, Tax
from domain.money import exponent


class Language(StrEnum):
    """What documents can be printed in (ISO 639)."""

    EN = "en"
    HU = "hu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language's. Braces are places for values."""

    invoice: str
    draft: str
    credit_note: str
    not_real: str
    void: str
    reference: str
    created_on: str
    issued_on: str
    period: str
    status: str
    replaced_by: str
    ended_on: str
    invoice_number: str
    reason: str
    issuer: str
    recipient: str
    tax_number: str
    description: str
    quantity: str
    unit_price: str
    amount: str
    subtotal: str
    tax_included: str
    total: str
    credited: str
    credit_applied: str
    amount_due: str
    paid_on: str
    given_back: str
    credit_total: str
    zone: str
    page: str
    vat: str
    """What the usual label of a tax is in this language."""
    statuses: Mapping[InvoiceStatus, str]
    kinds: Mapping[LineKind, str]


_ENGLISH: Final = Words(
    invoice="Invoice",
    draft="Draft invoice",
    credit_note="Credit note",
    not_real="TEST – not a real invoice",
    void="VOID",
    reference="Reference",
    created_on="Created on",
    issued_on="Issued on",
    period="Period",
    status="Status",
    replaced_by="Replaced by",
    ended_on="Since",
    invoice_number="For invoice",
    reason="Reason",
    issuer="From",
    recipient="To",
    tax_number="Tax number: {number}",
    description="Description",
    quantity="Quantity",
    unit_price="Unit price",
    amount="Amount",
    subtotal="Subtotal",
    tax_included="{tax}, included",
    total="Total",
    credited="Kept as credit for later invoices",
    credit_applied="Credit applied",
    amount_due="Amount due",
    paid_on="Paid on {day}",
    given_back="Given back by credit notes",
    credit_total="Amount given back",
    zone="Days are those of the time zone {zone}.",
    page="Page {number} of {count}",
    vat="VAT",
    statuses={
        InvoiceStatus.DRAFT: "Draft: not owed yet",
        InvoiceStatus.OPEN: "Open",
        InvoiceStatus.PAID: "Paid",
        InvoiceStatus.UNCOLLECTIBLE: "Unpaid, not collected any more",
        InvoiceStatus.VOID: "Void: not owed",
    },
    kinds={
        LineKind.PERIOD: "{plan}",
        LineKind.UNUSED: "Unused time of {plan}",
        LineKind.REMAINING: "Remaining time of {plan}",
        LineKind.TRIAL: "Free trial of {plan}",
    },
)

_HUNGARIAN: Final = Words(
    invoice="Számla",
    draft="Számlatervezet",
    credit_note="Jóváíró számla",
    not_real="TESZT – nem valódi számla",
    void="ÉRVÉNYTELEN",
    reference="Hivatkozás",
    created_on="Készült",
    issued_on="Kelt",
    period="Időszak",
    status="Állapot",
    replaced_by="Helyette",
    ended_on="Ettől kezdve",
    invoice_number="Eredeti számla",
    reason="Indok",
    issuer="Kiállító",
    recipient="Vevő",
    tax_number="Adószám: {number}",
    description="Megnevezés",
    quantity="Mennyiség",
    unit_price="Egységár",
    amount="Összeg",
    subtotal="Részösszeg",
    tax_included="ebből {tax}",
    total="Összesen",
    credited="Jóváírás későbbi számlákra",
    credit_applied="Felhasznált jóváírás",
    amount_due="Fizetendő",
    paid_on="Kifizetve: {day}",
    given_back="Jóváíró számlákkal visszatérítve",
    credit_total="Visszatérített összeg",
    zone="A napok a(z) {zone} időzóna szerint értendők.",
    page="{number}/{count}. oldal",
    vat="ÁFA",
    statuses={
        InvoiceStatus.DRAFT: "Tervezet: még nem esedékes",
        InvoiceStatus.OPEN: "Fizetésre vár",
        InvoiceStatus.PAID: "Kifizetve",
        InvoiceStatus.UNCOLLECTIBLE: "Kifizetetlen, behajtása megszűnt",
        InvoiceStatus.VOID: "Érvénytelen: nem kell fizetni",
    },
    kinds={
        LineKind.PERIOD: "{plan}",
        LineKind.UNUSED: "Fel nem használt idő: {plan}",
        LineKind.REMAINING: "Hátralévő idő: {plan}",
        LineKind.TRIAL: "Ingyenes próbaidő: {plan}",
    },
)

WORDS: Final[Mapping[Language, Words]] = {Language.EN: _ENGLISH, Language.HU: _HUNGARIAN}


def money(amount_minor: int, currency: str, language: Language, *, spoken: bool = False) -> str:
    """An amount as the language writes it, with all decimals that ISO 4217 counts.

    ``spoken`` leaves them out of whole forints: ISO counts a fillér that nobody has seen since 1999.
    """
    digits = exponent(currency)
    whole = spoken and currency == "HUF" and amount_minor % 10**digits == 0
    number = "#,##0." + "0" * digits if digits and not whole else "#,##0"
    if language is Language.HU:
        pattern = f"{number}\u00a0¤"
    else:  # a sign stands close to its number (€5.00), a code does not (HUF 5.00)
        code = get_currency_symbol(currency, language)[-1].isalpha()
        pattern = f"¤\u00a0{number}" if code else f"¤{number}"
    value = Decimal(amount_minor).scaleb(-digits)
    return format_currency(value, currency, pattern, locale=language, currency_digits=False)


def day(instant: datetime, zone: str, language: Language) -> str:
    return format_date(instant.astimezone(ZoneInfo(zone)), "long", locale=language)


def period(span: Period, zone: str, language: Language) -> str:
    """From the first day to the one on which the next period begins."""
    return f"{day(span.start, zone, language)} – {day(span.end, zone, language)}"


def tax_name(tax: Tax, language: Language) -> str:
    """Its label with its rate, as in "VAT (27%)"."""
    rate = format_decimal(Decimal(tax.rate_basis_points).scaleb(-2), "#,##0.##", locale=language)
    label = WORDS[language].vat if tax.label == "VAT" else tax.label
    return f"{label} ({rate}%)"


def count(quantity: int, language: Language) -> str:
    return format_decimal(quantity, "#,##0", locale=language)
