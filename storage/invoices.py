"""Invoices in PostgreSQL: numbered without gaps when they open, unchangeable from then on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import Period
from domain.errors import NotFound
from domain.invoice import CreditNote, Invoice, InvoiceStatus, Line, Party, Tax, Totals, tax_within
from domain.payment import OPEN as ON_THEIR_WAY
from domain.payment import PaymentStatus
from domain.refund import Refund
from domain.values import Value, new_id
from storage.tables import credit_notes, document_numbers, invoices, payments

I = InvoiceStatus  # noqa: E741
_OPEN: Final = (I.DRAFT, I.OPEN)

_latest_payment = (
    select(payments.c.id)
    .where(payments.c.invoice_id == invoices.c.id)
    .order_by(payments.c.created_at.desc(), payments.c.id.desc())
    .limit(1)
    .scalar_subquery()
)


async def add(tx: AsyncConnection, invoice: Invoice) -> Invoice:
    """Write it down. One that is not a draft gets its number: the counter stays locked until the commit."""
    if invoice.status is not I.DRAFT:
        number = await _next(tx, invoice.tenant_id, "invoice")
        invoice = invoice.model_copy(update={"number": number})
    await tx.execute(insert(invoices).values(_columns(invoice)))
    return invoice


async def open_(tx: AsyncConnection, draft: Invoice) -> Invoice:
    """A draft becomes a document, as it stands in ``draft``: numbered, and unchangeable from here on."""
    numbered = draft.model_copy(
        update={"number": await _next(tx, draft.tenant_id, "invoice"), "status": I.OPEN}
    )
    await tx.execute(update(invoices).where(invoices.c.id == draft.id).values(_columns(numbered)))
    return numbered


async def _next(tx: AsyncConnection, tenant_id: str, kind: str) -> int:
    counted = (
        upsert(document_numbers)
        .values(tenant_id=tenant_id, kind=kind, last=1)
        .on_conflict_do_update(
            index_elements=["tenant_id", "kind"], set_={"last": document_numbers.c.last + 1}
        )
        .returning(document_numbers.c.last)
    )
    number: int = (await tx.execute(counted)).scalar_one()
    return number


async def get(tx: AsyncConnection, invoice_id: str, *, lock: bool = False) -> Invoice:
    """Raises ``NotFound``; another tenant's invoice looks exactly like none."""
    query = _whole().where(invoices.c.id == invoice_id)
    row = (await tx.execute(query.with_for_update(of=invoices) if lock else query)).one_or_none()
    if row is None:
        raise NotFound
    return _invoice(row)


async def pending(tx: AsyncConnection, subscription_id: str, *, lock: bool = True) -> Invoice | None:
    """The draft or the open invoice of a subscription, which has one at most; ``lock`` it to change it."""
    query = _whole().where(invoices.c.subscription_id == subscription_id, invoices.c.status.in_(_OPEN))
    row = (await tx.execute(query.with_for_update(of=invoices) if lock else query)).one_or_none()
    return None if row is None else _invoice(row)


class InvoiceFilter(Value):
    """Which invoices a list shows."""

    user_id: str | None = None
    subscription_id: str | None = None
    status: InvoiceStatus | None = None
    limit: int = 20
    offset: int = 0


async def find(tx: AsyncConnection, wanted: InvoiceFilter) -> list[Invoice]:
    """One page, newest first."""
    query = _whole().order_by(invoices.c.created_at.desc(), invoices.c.id.desc())
    asked = (
        (invoices.c.user_id, wanted.user_id),
        (invoices.c.subscription_id, wanted.subscription_id),
        (invoices.c.status, wanted.status),
    )
    query = query.where(*(column == value for column, value in asked if value is not None))
    rows = await tx.execute(query.limit(wanted.limit).offset(wanted.offset))
    return [_invoice(row) for row in rows]


async def paid(tx: AsyncConnection, invoice: Invoice, at: datetime) -> Invoice:
    """All that was due has come."""
    due = invoice.totals.amount_due_minor
    await tx.execute(
        update(invoices)
        .where(invoices.c.id == invoice.id)
        .values(status=I.PAID, amount_paid_minor=due, paid_at=at)
    )
    return invoice.model_copy(update={"status": I.PAID, "amount_paid_minor": due, "paid_at": at})


async def drop(tx: AsyncConnection, invoice: Invoice, to: InvoiceStatus, at: datetime) -> Invoice:
    """It is not asked for any more: VOID, or UNCOLLECTIBLE."""
    await tx.execute(update(invoices).where(invoices.c.id == invoice.id).values(status=to, ended_at=at))
    return invoice.model_copy(update={"status": to, "ended_at": at})


async def replaced(tx: AsyncConnection, old: Invoice, by: Invoice) -> Invoice:
    await tx.execute(update(invoices).where(invoices.c.id == old.id).values(replaced_by=by.id))
    return old.model_copy(update={"replaced_by": by.id})


async def tries(tx: AsyncConnection, invoice_id: str) -> int:
    """How many payments were begun for it."""
    count = select(func.count()).select_from(payments).where(payments.c.invoice_id == invoice_id)
    number: int = (await tx.execute(count)).scalar_one()
    return number


async def being_paid(tx: AsyncConnection, subscription_id: str) -> bool:
    """Whether a charge for what a subscription owes is on its way; an awaited first payer is none."""
    on_its_way = (
        select(func.count())
        .select_from(payments.join(invoices, invoices.c.id == payments.c.invoice_id))
        .where(
            invoices.c.subscription_id == subscription_id,
            invoices.c.status == I.OPEN,
            payments.c.status.in_([*ON_THEIR_WAY, PaymentStatus.REVIEW]),
        )
    )
    return bool((await tx.execute(on_its_way)).scalar())


async def credited(tx: AsyncConnection, invoice_id: str, refund: Refund, at: datetime) -> None:
    """What of an invoice's payment went back leaves a credit note, once a refund."""
    invoice = await get(tx, invoice_id, lock=True)
    # What was captured beyond the invoice, and accepted by a person, is on no invoice.
    amount = min(refund.money.amount_minor, invoice.amount_paid_minor - invoice.amount_credited_minor)
    if amount <= 0:
        return
    note = CreditNote(
        id=new_id("crn", at),
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        number=await _next(tx, invoice.tenant_id, "credit_note"),
        currency=invoice.currency,
        amount_minor=amount,
        tax_minor=tax_within(amount, invoice.tax),
        refund_id=refund.id,
        reason=refund.reason,
        created_at=at,
    )
    await tx.execute(insert(credit_notes).values(note.model_dump()))
    await _credit(tx, invoice_id, amount)


async def uncredited(tx: AsyncConnection, invoice_id: str, refund: Refund) -> None:
    """The refund did not reach its payer after all: its credit note is void."""
    voided = await tx.execute(
        update(credit_notes)
        .where(credit_notes.c.refund_id == refund.id, ~credit_notes.c.void)
        .values(void=True)
        .returning(credit_notes.c.amount_minor)
    )
    for note in voided:
        await _credit(tx, invoice_id, -note.amount_minor)


async def _credit(tx: AsyncConnection, invoice_id: str, amount: int) -> None:
    await tx.execute(
        update(invoices)
        .where(invoices.c.id == invoice_id)
        .values(amount_credited_minor=invoices.c.amount_credited_minor + amount)
    )


async def notes(tx: AsyncConnection, invoice_ids: Sequence[str]) -> list[CreditNote]:
    """The credit notes of these invoices, in the order of their numbers."""
    rows = await tx.execute(
        select(credit_notes).where(credit_notes.c.invoice_id.in_(invoice_ids)).order_by(credit_notes.c.number)
    )
    return [CreditNote(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it


def _whole() -> Select[Any]:
    return select(invoices, _latest_payment.label("payment_id"))


def _columns(invoice: Invoice) -> dict[str, Any]:
    apart = {"lines", "tax", "totals", "period", "issuer", "recipient", "payment_id"}
    told = invoice.model_dump(mode="json", include={"lines", "tax", "issuer", "recipient"})
    period = {"period_start": invoice.period.start, "period_end": invoice.period.end}
    return invoice.model_dump(exclude=apart) | told | invoice.totals.model_dump() | period


def _invoice(row: Row[Any]) -> Invoice:
    facts = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    plain = {name: facts[name] for name in Invoice.model_fields if name in facts}
    return Invoice(
        **(
            plain
            | {
                "lines": tuple(Line.model_validate(line) for line in row.lines),
                "tax": Tax(**row.tax),
                "totals": Totals(**{name: facts[name] for name in Totals.model_fields}),
                "period": Period(start=row.period_start, end=row.period_end),
                "issuer": Party(**row.issuer),
                "recipient": Party(**row.recipient),
            }
        )
    )
