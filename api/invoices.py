"""Invoices over HTTP: read, and printed. They are made by what becomes of subscriptions, never asked for."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from api.deps import AnyCaller, TheHouse
from api.strict import Answer, Instant, StrictRoute
from documents.invoices import credit_note_pdf, invoice_pdf
from documents.words import Language
from domain.errors import IllegalTransition, NotFound
from domain.invoice import CreditNote, Invoice, InvoiceStatus, Line, LineKind, Reason
from storage import invoices, tenants

router = APIRouter(prefix="/v1/invoices", tags=["invoices"], route_class=StrictRoute)


class LineAnswer(Answer):
    kind: LineKind
    plan: str
    """Its name, as it was then."""
    price_id: str
    quantity: int
    unit_amount: int
    """Of a whole period."""
    amount: int
    """What counts; negative for what is given back."""
    period_start: Instant
    period_end: Instant

    @classmethod
    def of(cls, line: Line) -> "LineAnswer":
        return cls(
            plan=line.plan_name,
            unit_amount=line.unit_minor,
            amount=line.amount_minor,
            period_start=line.period.start,
            period_end=line.period.end,
            **line.model_dump(include={"kind", "price_id", "quantity"}),
        )


class TaxAnswer(Answer):
    rate_basis_points: int
    inclusive: bool
    label: str


class PartyAnswer(Answer):
    name: str
    address: str | None
    tax_number: str | None
    email: str | None


class CreditNoteAnswer(Answer):
    id: str
    number: int
    amount: int
    """With tax."""
    tax: int
    currency: str
    refund_id: str
    reason: str | None
    void: bool
    """The refund did not reach its payer after all."""
    created_at: Instant

    @classmethod
    def of(cls, note: CreditNote) -> "CreditNoteAnswer":
        kept = {*cls.model_fields} - {"amount", "tax"}
        return cls(amount=note.amount_minor, tax=note.tax_minor, **note.model_dump(include=kept))


class InvoiceAnswer(Answer):
    """Amounts in minor units; ``total - creditApplied = amountDue``, none of the three ever negative."""

    id: str
    subscription_id: str
    user_id: str
    number: int | None
    """From 1 on, without gaps; null for what never became a document."""
    status: InvoiceStatus
    reason: Reason
    currency: str
    lines: list[LineAnswer]
    tax_rate: TaxAnswer
    subtotal: int
    tax: int
    total: int
    credited: int
    """What the lines give back beyond the total: credit for invoices to come."""
    credit_applied: int
    amount_due: int
    amount_paid: int
    amount_credited: int
    """By credit notes."""
    credit_notes: list[CreditNoteAnswer]
    period_start: Instant
    period_end: Instant
    issuer: PartyAnswer
    recipient: PartyAnswer
    payment_id: str | None
    """Of the latest try to have it paid."""
    replaced_by: str | None
    """The invoice that took its place, for one that is void."""
    sandbox: bool
    created_at: Instant
    opened_at: Instant | None
    paid_at: Instant | None
    ended_at: Instant | None

    @classmethod
    def of(cls, invoice: Invoice, notes: Sequence[CreditNote] = ()) -> "InvoiceAnswer":
        return cls(
            lines=[LineAnswer.of(line) for line in invoice.lines],
            tax_rate=TaxAnswer(**invoice.tax.model_dump()),
            credit_notes=[CreditNoteAnswer.of(note) for note in notes if note.invoice_id == invoice.id],
            period_start=invoice.period.start,
            period_end=invoice.period.end,
            issuer=PartyAnswer(**invoice.issuer.model_dump()),
            recipient=PartyAnswer(**invoice.recipient.model_dump()),
            amount_paid=invoice.amount_paid_minor,
            amount_credited=invoice.amount_credited_minor,
            **sums(invoice),
            **invoice.model_dump(include=_PLAIN),
        )


_PLAIN: Final = {
    *("id", "subscription_id", "user_id", "number", "status", "reason", "currency", "payment_id"),
    *("replaced_by", "sandbox", "created_at", "opened_at", "paid_at", "ended_at"),
}


def sums(invoice: Invoice) -> dict[str, Any]:
    """What its lines come to, by the names on the wire."""
    return {name.removesuffix("_minor"): amount for name, amount in invoice.totals.model_dump().items()}


class InvoiceList(Answer):
    data: list[InvoiceAnswer]


@router.get("")
async def list_invoices(
    who: AnyCaller,
    here: TheHouse,
    user_id: Annotated[str | None, Query(alias="userId", min_length=1, max_length=128)] = None,
    subscription_id: Annotated[str | None, Query(alias="subscriptionId", max_length=64)] = None,
    status: InvoiceStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> InvoiceList:
    """The tenant's invoices, newest first."""
    wanted = invoices.InvoiceFilter(
        user_id=user_id, subscription_id=subscription_id, status=status, limit=limit, offset=offset
    )
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await invoices.find(tx, wanted)
        notes = await invoices.notes(tx, [invoice.id for invoice in found])
    return InvoiceList(data=[InvoiceAnswer.of(invoice, notes) for invoice in found])


@router.get("/{invoice_id}")
async def get_invoice(invoice_id: str, who: AnyCaller, here: TheHouse) -> InvoiceAnswer:
    async with here.world.database.tenant(who.tenant_id) as tx:
        invoice = await invoices.get(tx, invoice_id)
        return InvoiceAnswer.of(invoice, await invoices.notes(tx, [invoice_id]))


class _Pdf(Response):
    media_type = "application/pdf"


def _printed(content: bytes, name: str) -> _Pdf:
    return _Pdf(content, headers={"Content-Disposition": f'inline; filename="{name}.pdf"'})


@router.get("/{invoice_id}/pdf", response_class=_Pdf)
async def print_invoice(
    invoice_id: str, who: AnyCaller, here: TheHouse, language: Language = Language.EN
) -> _Pdf:
    """The invoice on paper, its days counted in the tenant's `billingZone`. A draft has none: 409."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        invoice = await invoices.get(tx, invoice_id)
        zone = (await tenants.get(tx, who.tenant_id)).settings.billing_zone
    if invoice.number is None:
        raise IllegalTransition("It never was more than a draft: there is no document to print.")
    # It computes for a while; others are answered meanwhile.
    content = await asyncio.to_thread(invoice_pdf, invoice, language, zone)
    return _printed(content, f"invoice-{invoice.number}")


@router.get("/{invoice_id}/credit-notes/{note_id}/pdf", response_class=_Pdf)
async def print_credit_note(
    invoice_id: str, note_id: str, who: AnyCaller, here: TheHouse, language: Language = Language.EN
) -> _Pdf:
    async with here.world.database.tenant(who.tenant_id) as tx:
        invoice = await invoices.get(tx, invoice_id)
        notes = [note for note in await invoices.notes(tx, [invoice_id]) if note.id == note_id]
        zone = (await tenants.get(tx, who.tenant_id)).settings.billing_zone
    if not notes:
        raise NotFound
    content = await asyncio.to_thread(credit_note_pdf, notes[0], invoice, language, zone)
    return _printed(content, f"credit-note-{notes[0].number}")
