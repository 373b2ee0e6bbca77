"""An invoice: what a subscriber owes for what, in whole minor units, never less than nothing.

A preview and the invoice it announces are made of the same lines by the same functions here.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.calendar import Period
from domain.values import Value


class InvoiceStatus(StrEnum):
    DRAFT = "draft"
    """Not yet owed: it has no number, and may still change."""
    OPEN = "open"
    PAID = "paid"
    UNCOLLECTIBLE = "uncollectible"
    """All tries were in vain; still owed, and not asked for any more."""
    VOID = "void"
    """Not owed any more, or replaced by another. Its number stays taken."""


class Reason(StrEnum):
    """Why there is an invoice."""

    START = "subscription_create"
    CYCLE = "subscription_cycle"
    CHANGE = "subscription_update"


class LineKind(StrEnum):
    PERIOD = "period"
    """A whole period, or what was used of one."""
    UNUSED = "unused"
    """What was paid for and is not used after a change: given back, so negative."""
    REMAINING = "remaining"
    """The rest of the period, by the new price."""
    TRIAL = "trial"


class Line(Value):
    """One line. ``amount_minor`` is what counts; unit and quantity say what it is of."""

    kind: LineKind
    plan_name: str
    price_id: str
    quantity: int
    unit_minor: int
    """Of a whole period."""
    amount_minor: int
    period: Period


class Tax(Value):
    """A rate that the tenant gives; nothing here knows any law."""

    rate_basis_points: Annotated[int, Field(ge=0, le=10_000)] = 0
    """2 700 are 27 %."""
    inclusive: bool = True
    """Whether prices hold it already; else it comes on top."""
    label: str = "VAT"


class Party(Value):
    """Who issues an invoice, or whom it is for, as it is printed."""

    name: str
    address: str | None = None
    """Lines are parted by line feeds."""
    tax_number: str | None = None
    email: str | None = None


class Totals(Value):
    """What lines come to: ``total - credit_applied = amount_due``, and none of them is ever negative.

    With all taxes, lines that come to less than nothing make a total of 0, and the rest is ``credited`` to
    the subscriber, for invoices to come.
    """

    subtotal_minor: int
    """The sum of the lines; the only one that may be negative, with ``tax_minor``."""
    tax_minor: int
    """Part of the subtotal where prices are inclusive, else on top of it."""
    total_minor: int
    credited_minor: int
    credit_applied_minor: int
    amount_due_minor: int


def totals(lines: Sequence[Line], tax: Tax, credit_minor: int) -> Totals:
    """What these lines come to for a subscriber who holds so much credit from before."""
    subtotal = sum(line.amount_minor for line in lines)
    whole = 10_000 + (tax.rate_basis_points if tax.inclusive else 0)
    taxed = _share(subtotal, tax.rate_basis_points, whole)
    gross = subtotal if tax.inclusive else subtotal + taxed
    total = max(gross, 0)
    applied = min(credit_minor, total)
    return Totals(
        subtotal_minor=subtotal,
        tax_minor=taxed,
        total_minor=total,
        credited_minor=total - gross,
        credit_applied_minor=applied,
        amount_due_minor=total - applied,
    )


def tax_within(amount_minor: int, tax: Tax) -> int:
    """The tax that is part of an amount with tax."""
    return _share(amount_minor, tax.rate_basis_points, 10_000 + tax.rate_basis_points)


def _share(amount: int, part: int, whole: int) -> int:
    """So much of an amount, half a unit rounded away from zero: a credit mirrors its charge."""
    share = (2 * abs(amount) * part + whole) // (2 * whole)
    return share if amount >= 0 else -share


class Invoice(Value):
    """An invoice as its row tells it. From OPEN on its lines, totals and parties never change."""

    id: str
    tenant_id: str
    subscription_id: str
    user_id: str
    number: int | None = None
    """Of this tenant, from 1 on and without gaps; None while it is a draft."""
    status: InvoiceStatus
    reason: Reason
    currency: str
    lines: tuple[Line, ...]
    tax: Tax
    totals: Totals
    period: Period
    issuer: Party
    recipient: Party
    payment_id: str | None = None
    """Of the latest try to have it paid."""
    replaced_by: str | None = None
    """The invoice that took its place, for one that is VOID."""
    amount_paid_minor: int = 0
    amount_credited_minor: int = 0
    """By credit notes."""
    sandbox: bool
    created_at: datetime
    opened_at: datetime | None = None
    paid_at: datetime | None = None
    ended_at: datetime | None = None
    """When it became VOID or UNCOLLECTIBLE."""


class CreditNote(Value):
    """What of a paid invoice was given back."""

    id: str
    tenant_id: str
    invoice_id: str
    number: int
    """Of this tenant's credit notes, from 1 on and without gaps."""
    currency: str
    amount_minor: int
    """With tax."""
    tax_minor: int
    refund_id: str
    reason: str | None = None
    void: bool = False
    """The refund did not reach its payer after all."""
    created_at: datetime
