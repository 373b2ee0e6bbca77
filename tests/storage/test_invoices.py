"""Invoices are documents: numbered without gaps whoever else is at it, unchangeable once they are issued."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.invoice import Invoice, InvoiceStatus, Line, LineKind, Party, Reason, Tax, totals
from domain.values import new_id
from storage import invoices, subscriptions
from storage.database import Database
from tests.house import House, Tenant
from tests.subscriber import Subscriber

NOW = datetime(2027, 1, 1, tzinfo=UTC)


class _TakenBackError(Exception):
    pass


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    return await house.tenant()


@pytest.fixture(scope="module")
async def drawn(shop: Tenant, database: Database) -> Invoice:
    """An invoice that nobody has issued yet."""
    anna = Subscriber(shop, "anna")
    await anna.has_for_nothing()
    async with database.tenant(shop.id) as tx:
        sub = await subscriptions.get(tx, anna.id)
    assert sub.period is not None
    line = Line(
        kind=LineKind.PERIOD,
        plan_name="Pro",
        price_id=sub.terms.price.id,
        quantity=1,
        unit_minor=1000,
        amount_minor=1000,
        period=sub.period,
    )
    return Invoice(
        id="",
        tenant_id=shop.id,
        subscription_id=sub.id,
        user_id="anna",
        status=InvoiceStatus.OPEN,
        reason=Reason.CYCLE,
        currency="HUF",
        lines=(line,),
        tax=Tax(),
        totals=totals([line], Tax(), 0),
        period=sub.period,
        issuer=Party(name="Shop"),
        recipient=Party(name="Anna"),
        sandbox=True,
        created_at=NOW,
        opened_at=NOW,
    )


@pytest.fixture(scope="module")
async def database(house: House) -> AsyncIterator[Database]:
    database = Database(house.ready["databaseUrl"], pool_size=8)
    yield database
    await database.close()


async def issued(tx: AsyncConnection, drawn: Invoice, **facts: Any) -> Invoice:
    return await invoices.add(tx, drawn.model_copy(update={"id": new_id("inv", NOW)} | facts))


async def test_forty_at_once_of_which_every_third_comes_to_nothing_leave_no_gap(
    database: Database, drawn: Invoice
) -> None:
    before = await numbers(database, drawn)

    async def issue(number: int) -> None:
        async with database.tenant(drawn.tenant_id) as tx:
            invoice = await issued(tx, drawn)
            # One subscription has one open invoice: this makes room for the next.
            await invoices.drop(tx, invoice, InvoiceStatus.VOID, NOW)
            await asyncio.sleep(0)
            if number % 3 == 0:
                raise _TakenBackError

    ends = await asyncio.gather(*map(issue, range(40)), return_exceptions=True)
    assert [type(end) for end in ends if end is not None] == [_TakenBackError] * 14
    made = len(await numbers(database, drawn)) - len(before)
    assert made == 26
    assert await numbers(database, drawn) == list(range(1, len(before) + made + 1))


async def numbers(database: Database, drawn: Invoice) -> list[int]:
    async with database.tenant(drawn.tenant_id) as tx:
        rows = await tx.execute(text("SELECT number FROM invoices WHERE number IS NOT NULL ORDER BY number"))
        return list(rows.scalars())


async def test_a_draft_has_no_number_until_it_is_opened(database: Database, drawn: Invoice) -> None:
    async with database.tenant(drawn.tenant_id) as tx:
        draft = await issued(tx, drawn, status=InvoiceStatus.DRAFT, opened_at=None)
        assert draft.number is None
        opened = await invoices.open_(tx, draft.model_copy(update={"opened_at": NOW}))
        assert opened.number is not None
        assert await invoices.get(tx, draft.id) == opened
        await invoices.drop(tx, opened, InvoiceStatus.VOID, NOW)


async def test_a_subscription_has_one_open_invoice(database: Database, drawn: Invoice) -> None:
    async with database.tenant(drawn.tenant_id) as tx:
        first = await issued(tx, drawn)
        for status in (InvoiceStatus.OPEN, InvoiceStatus.DRAFT):
            with pytest.raises(IntegrityError, match="one_open_invoice"):
                async with tx.begin_nested():
                    await issued(tx, drawn, status=status)
        await invoices.drop(tx, first, InvoiceStatus.VOID, NOW)


@pytest.mark.parametrize(
    "change",
    [
        "lines = '[]'",
        "total_minor = 0, amount_due_minor = 0",
        "tax = '{}'",
        "issuer = '{}'",
        "recipient = '{}'",
        "number = number + 100",
        "number = NULL",
        "currency = 'EUR'",
        "period_end = now()",
        "created_at = now()",
        "opened_at = now()",
        "subscription_id = subscription_id || 'x'",
    ],
)
async def test_what_an_issued_invoice_says_never_changes(
    database: Database, drawn: Invoice, change: str
) -> None:
    async with database.tenant(drawn.tenant_id) as tx:
        invoice = await issued(tx, drawn)
        await stands(tx, invoice, change)
        await invoices.drop(tx, invoice, InvoiceStatus.VOID, NOW)


@pytest.mark.parametrize("end", [InvoiceStatus.PAID, InvoiceStatus.VOID])
async def test_what_is_paid_or_void_stays_so(database: Database, drawn: Invoice, end: InvoiceStatus) -> None:
    async with database.tenant(drawn.tenant_id) as tx:
        invoice = await issued(tx, drawn)
        await (invoices.paid(tx, invoice, NOW) if end is InvoiceStatus.PAID else _void(tx, invoice))
        for status in InvoiceStatus:
            if status is not end:
                await stands(tx, invoice, f"status = '{status}'")


async def _void(tx: AsyncConnection, invoice: Invoice) -> Invoice:
    return await invoices.drop(tx, invoice, InvoiceStatus.VOID, NOW)


@pytest.mark.parametrize("table", ["invoices", "credit_notes", "document_numbers"])
async def test_not_even_the_owner_of_the_tables_empties_them(house: House, table: str) -> None:
    async with house.database(role="paysaga_owner") as db:
        with pytest.raises(asyncpg.RestrictViolationError, match="kept for ever"):
            await db.execute(f"TRUNCATE {table} CASCADE")


async def stands(tx: AsyncConnection, invoice: Invoice, change: str) -> None:
    """PostgreSQL itself refuses to change it so."""
    with pytest.raises(DBAPIError, match="has been issued"):
        async with tx.begin_nested():
            await tx.execute(
                text(f"UPDATE invoices SET {change} WHERE id = :id"),  # noqa: S608 - changes of this page
                {"id": invoice.id},
            )
