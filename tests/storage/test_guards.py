"""What the database refuses, whoever asks: changed history, unbalanced books, payments that cannot be."""

# ruff: noqa: S608 - the names of tables and columns come from our own metadata

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, product
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import OrderAlreadyPaid, OrderHasOpenPayment
from domain.money import Money
from domain.payment import Payment, PaymentOrder, sources
from domain.payment import PaymentStatus as S
from domain.verdicts import Verdict
from storage import checkouts, payments
from storage.database import Database
from tests.house import House, Json, Tenant, sealed

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

APPEND_ONLY = (
    *("payment_events", "ledger_entries", "events"),
    *("audit_records", "audit_seals", "audit_checkpoints"),
    "usage",
)
DEEDS = ("UPDATE {0} SET tenant_id = tenant_id", "DELETE FROM {0}", "TRUNCATE {0} CASCADE")
MONEY = Money(amount_minor=1_990_000, currency="HUF")
NOW = datetime.now(UTC)

numbers = count()


@asynccontextmanager
async def above_the_rules(house: House) -> AsyncIterator["Connection"]:
    """A superuser's transaction, which row-level security does not bind. Nothing of it stays."""
    async with house.database(role="postgres") as db:
        transaction = db.transaction()
        await transaction.start()
        yield db
        await transaction.rollback()


@dataclass(frozen=True)
class Desk:
    """A tenant's transaction in which orders are placed; all of it is undone in the end."""

    tx: AsyncConnection
    tenant_id: str
    account_id: str
    placed: list[str] = field(default_factory=list)

    async def place(self, order_id: str | None = None, status: S = S.CREATED) -> str:
        """The id of a new payment that stands where we want it."""
        number = next(numbers)
        order = PaymentOrder(
            payment_id=f"pay_guard_{number}",
            tenant_id=self.tenant_id,
            idempotency_key=f"guard-{number}",
            digest=f"{number}",
            user_id="user-123",
            order_id=order_id,
            money=MONEY,
            provider="sandbox",
            sandbox=True,
            created_at=NOW,
            expires_at=NOW + timedelta(hours=1),
        )
        payment, _ = await payments.place(self.tx, order, self.account_id)
        await self.put(payment.id, status=status)
        return payment.id

    async def put(self, payment_id: str, **columns: Any) -> None:
        """Change a row behind our code's back, its money always captured in full unless said otherwise."""
        columns = {"captured_minor": MONEY.amount_minor, "captured_currency": MONEY.currency} | columns
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        async with self.tx.begin_nested():
            await self.tx.execute(
                text(f"UPDATE payments SET {changes} WHERE id = :id"), columns | {"id": payment_id}
            )

    async def offer(self, payment_id: str, checkout_id: str, state: str) -> None:
        """A checkout of this payment, as it stands, whatever our code would do."""
        async with self.tx.begin_nested():
            await self.tx.execute(
                text(
                    "INSERT INTO checkouts (id, tenant_id, payment_id, account_id, provider, state)"
                    " VALUES (:id, :tenant_id, :payment_id, :account_id, 'sandbox', :state)"
                ),
                {"id": checkout_id, "payment_id": payment_id, "state": state}
                | {"tenant_id": self.tenant_id, "account_id": self.account_id},
            )

    async def move(self, payment_id: str, to: S) -> Payment | None:
        change = payments.Change(captured=MONEY, reference="cs_1")
        return await payments.move(self.tx, payment_id, Verdict(to=to, note="guard"), change, NOW)


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    return await house.tenant()


@pytest.fixture(scope="module")
async def paid(shop: Tenant) -> Json:
    """A payment with all its traces: history, books, audit with its seals, announcements."""
    payment = await shop.open(entitlements=[{"feature": "pro"}])
    await shop.pay(payment)
    await shop.eventually(payment, "SUCCEEDED")
    await shop.ended(payment)
    assert (await shop.use("pro")).status_code == 201
    await sealed(shop)
    return payment


@pytest.fixture
async def database(house: House) -> AsyncIterator[Database]:
    database = Database(house.ready["databaseUrl"], pool_size=2)
    yield database
    await database.close()


@pytest.fixture
async def desk(database: Database, shop: Tenant) -> AsyncIterator[Desk]:
    async with database.tenant(shop.id) as tx:
        account_id = (await tx.execute(text("SELECT id FROM provider_accounts"))).scalar_one()
        yield Desk(tx, shop.id, account_id)
        await tx.rollback()


# --- History is added to, never changed -----------------------------------------------------------


@pytest.mark.parametrize(("table", "deed"), list(product(APPEND_ONLY, DEEDS)))
async def test_not_even_a_superuser_changes_what_has_happened(
    house: House, paid: Json, table: str, deed: str
) -> None:
    async with above_the_rules(house) as db:
        assert paid["tenantId"] in str(await db.fetch(f"SELECT * FROM {table}"))
        with pytest.raises(asyncpg.RestrictViolationError, match=f"{table} is append-only"):
            await db.execute(deed.format(table))


@pytest.mark.parametrize(("table", "deed"), list(product(APPEND_ONLY, DEEDS)))
async def test_the_application_has_no_right_to_change_what_has_happened(
    house: House, paid: Json, table: str, deed: str
) -> None:
    async with house.database() as db, db.transaction():
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", paid["tenantId"])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(deed.format(table))


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_the_owner_of_the_tables_does_not_empty_them(house: House, paid: Json, table: str) -> None:
    async with house.database(role="paysaga_owner") as db, db.transaction():
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", paid["tenantId"])
        # Row-level security hides the rows from the owner, so there is nothing to change;
        assert [(await db.execute(deed.format(table)))[-2:] for deed in DEEDS[:2]] == [" 0", " 0"]
        # but truncation asks no policy.
        with pytest.raises(asyncpg.RestrictViolationError):
            await db.execute(DEEDS[2].format(table))


# --- Money neither appears nor vanishes -----------------------------------------------------------


async def book(
    db: "Connection", paid: Json, *lines: tuple[str, str, int], transaction: str = "txn_guard"
) -> None:
    await db.execute("SELECT set_config('app.tenant_id', $1, true)", paid["tenantId"])
    await db.executemany(
        "INSERT INTO ledger_entries"
        " (tenant_id, transaction_id, payment_id, account, currency, amount_minor, at)"
        " VALUES ($1, $2, $3, $4, $5, $6, now())",
        [(paid["tenantId"], transaction, paid["id"], *line) for line in lines],
    )


async def test_books_that_balance_are_accepted(house: House, paid: Json) -> None:
    async with house.database() as db:
        transaction = db.transaction()
        await transaction.start()
        await book(db, paid, ("provider_receivable", "HUF", 500), ("suspense", "HUF", -500))
        # What COMMIT would look at, without leaving invented money in the books.
        await db.execute("SET CONSTRAINTS ALL IMMEDIATE")
        await transaction.rollback()


@pytest.mark.parametrize(
    "lines",
    [
        [("provider_receivable", "HUF", 500)],
        [("provider_receivable", "HUF", 500), ("suspense", "HUF", -499)],
        [("provider_receivable", "HUF", 500), ("suspense", "EUR", -500)],
    ],
)
async def test_books_that_do_not_balance_are_refused_at_commit(
    house: House, paid: Json, lines: list[tuple[str, str, int]]
) -> None:
    async with house.database() as db:
        transaction = db.transaction()
        await transaction.start()
        # Line by line they cannot balance; only the whole is judged.
        await book(db, paid, *lines)
        with pytest.raises(asyncpg.CheckViolationError, match="does not sum to zero"):
            await transaction.commit()


async def test_no_line_is_added_to_books_that_are_closed(house: House, shop: Tenant, paid: Json) -> None:
    known = await shop.rows("SELECT transaction_id FROM ledger_entries WHERE payment_id = $1", paid["id"])
    async with house.database() as db:
        transaction = db.transaction()
        await transaction.start()
        await book(db, paid, ("suspense", "HUF", 1), transaction=known[0]["transaction_id"])
        with pytest.raises(asyncpg.CheckViolationError):
            await transaction.commit()


async def test_books_are_judged_even_when_their_tenant_is_forgotten_before_the_commit(
    house: House, paid: Json
) -> None:
    async with house.database() as db:
        transaction = db.transaction()
        await transaction.start()
        await book(db, paid, ("provider_receivable", "HUF", 500))
        await db.execute("SELECT set_config('app.tenant_id', '', true)")
        with pytest.raises(asyncpg.CheckViolationError):
            await transaction.commit()


# --- Payments that cannot be ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"status": S.SUCCEEDED, "captured_minor": MONEY.amount_minor - 1}, "paid_in_full"),
        ({"status": S.SUCCEEDED, "captured_minor": 0}, "paid_in_full"),
        ({"status": S.SUCCEEDED, "captured_currency": "EUR"}, "paid_in_full"),
        ({"status": S.SUCCEEDED, "captured_minor": 0, "accepted_by": "operator:ann"}, "paid_in_full"),
        ({"refund_reserved": MONEY.amount_minor + 1}, "refunds_within_capture"),
        ({"captured_minor": 0, "refund_reserved": 1}, "refunds_within_capture"),
        ({"amount_refunded": 1}, "refunds_were_reserved"),
        ({"amount_minor": 0}, "amount"),
        ({"status": "PAID"}, "status"),
    ],
)
async def test_a_payment_that_cannot_be_is_not_stored(
    desk: Desk, columns: dict[str, Any], constraint: str
) -> None:
    payment_id = await desk.place()
    with pytest.raises(IntegrityError, match=f'"ck_payments_{constraint}"'):
        await desk.put(payment_id, **columns)


@pytest.mark.parametrize("came_from", S)
async def test_a_payment_moves_where_the_table_lets_it_and_nowhere_else(desk: Desk, came_from: S) -> None:
    payment_id = await desk.place()
    reached = set()
    for to in S:
        await desk.put(payment_id, status=came_from)
        moved = await desk.move(payment_id, to)
        assert (await payments.get(desk.tx, payment_id)).status is (to if moved else came_from)
        reached |= {to} if moved else set()
    assert reached == {to for to in S if came_from in sources(to)}


@pytest.mark.parametrize("came_from", S)
async def test_a_checkout_opens_only_what_was_not_open_yet(desk: Desk, came_from: S) -> None:
    payment_id = await desk.place(status=came_from)
    opened = await payments.opened(desk.tx, payment_id, "cs_1", "https://pay.example", NOW)
    assert (opened is not None) == (came_from in {S.CREATED, S.UNKNOWN})


async def test_a_payment_that_was_opened_keeps_its_first_opening(desk: Desk) -> None:
    payment_id = await desk.place()
    await payments.opened(desk.tx, payment_id, "cs_1", "https://pay.example", NOW)
    await desk.put(payment_id, status=S.UNKNOWN)
    again = await payments.opened(
        desk.tx, payment_id, "cs_1", "https://pay.example", NOW + timedelta(hours=1)
    )
    assert again is not None
    assert again.opened_at == NOW


async def test_a_payment_has_one_checkout_that_can_be_paid(desk: Desk) -> None:
    payment_id = await desk.place()
    await desk.offer(payment_id, "chk_gone", "ABSENT")
    for number, (first, second) in enumerate(product(checkouts.PAYABLE, repeat=2)):
        await desk.offer(payment_id, f"chk_first_{number}", first)
        with pytest.raises(IntegrityError, match='"one_payable_checkout_per_payment"'):
            await desk.offer(payment_id, f"chk_second_{number}", second)
        await checkouts.closed(desk.tx, payment_id)


# --- An order is paid once ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [S.CREATED, S.PROVIDER_PENDING, S.UNKNOWN, S.REVIEW])
async def test_an_order_has_one_open_payment(desk: Desk, status: S) -> None:
    first = await desk.place("order-1", status)
    with pytest.raises(OrderHasOpenPayment) as refused:
        await desk.place("order-1")
    assert refused.value.facts == {"paymentId": first}


async def test_an_order_that_was_paid_is_not_paid_again(desk: Desk) -> None:
    first = await desk.place("order-1", S.SUCCEEDED)
    with pytest.raises(OrderAlreadyPaid) as refused:
        await desk.place("order-1")
    assert refused.value.facts == {"paymentId": first}


@pytest.mark.parametrize("status", [S.FAILED, S.EXPIRED, S.CANCELLED])
async def test_an_order_whose_payment_came_to_nothing_is_free_again(desk: Desk, status: S) -> None:
    await desk.place("order-1", status)
    await desk.place("order-1")


async def test_an_order_that_was_refunded_in_full_is_free_again(desk: Desk) -> None:
    refunded = await desk.place("order-1", S.SUCCEEDED)
    await desk.put(refunded, refund_status="PARTIAL")
    with pytest.raises(OrderAlreadyPaid):
        await desk.place("order-1")
    await desk.put(refunded, refund_status="FULL")
    await desk.place("order-1")


async def test_no_statement_whatever_gives_an_order_two_live_payments(desk: Desk) -> None:
    await desk.place("order-1", S.SUCCEEDED)
    other = await desk.place("order-2", S.FAILED)
    with pytest.raises(IntegrityError, match='"one_live_payment_per_order"'):
        await desk.put(other, order_id="order-1", status=S.PROVIDER_PENDING)


async def test_another_tenants_order_of_the_same_name_is_another_order(desk: Desk, house: House) -> None:
    await desk.place("order-1")
    assert (await (await house.tenant()).create(orderId="order-1")).status_code == 201
