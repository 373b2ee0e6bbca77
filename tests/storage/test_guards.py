"""What the database refuses, whoever asks: changed history, unbalanced books, impossible payments, drift."""

# ruff: noqa: S608 - the names of tables and columns come from our own metadata

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, product
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from house import House, Json, Tenant
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import make_url, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from domain.errors import OrderAlreadyPaid, OrderHasOpenPayment
from domain.money import Money
from domain.payment import Channel, Observation, Payment, PaymentOrder, Verdict, Word, sources
from domain.payment import PaymentStatus as S
from storage import payments, schema
from storage.database import Database
from storage.tables import metadata

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

APPEND_ONLY = ("payment_events", "ledger_entries", "audit_records", "events")
DEEDS = ("UPDATE {0} SET tenant_id = tenant_id", "DELETE FROM {0}", "TRUNCATE {0} CASCADE")
MONEY = Money(amount_minor=1_990_000, currency="HUF")
NOW = datetime.now(UTC)

numbers = count()


def address(house: House, role: str = "paysaga_owner", database: str = "paysaga") -> str:
    """Where the database is, for another role than the application's."""
    secrets = json.loads((house.data_dir / "secrets.json").read_text())
    password = secrets["superuser_password" if role == "postgres" else "owner_password"]
    url = httpx.URL(house.ready["databaseUrl"])
    return str(url.copy_with(username=role, password=password, path=f"/{database}"))


@asynccontextmanager
async def above_the_rules(house: House) -> AsyncIterator["Connection"]:
    """A superuser's transaction, which row-level security does not bind. Nothing of it stays."""
    db = await asyncpg.connect(address(house, "postgres"))
    transaction = db.transaction()
    await transaction.start()
    try:
        yield db
    finally:
        await transaction.rollback()
        await db.close()


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
        columns = {"captured_minor": MONEY.amount_minor} | columns
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        async with self.tx.begin_nested():
            await self.tx.execute(
                text(f"UPDATE payments SET {changes} WHERE id = :id"), columns | {"id": payment_id}
            )

    async def move(self, payment_id: str, to: S) -> Payment | None:
        said = Observation(
            word=Word.PAID,
            raw_state="complete/paid",
            channel=Channel.WEBHOOK,
            cause_id="evt_1",
            reference="cs_1",
            captured=MONEY,
            observed_at=NOW,
        )
        return await payments.move(self.tx, payment_id, Verdict(to=to, note="guard"), said, NOW)


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    return await house.tenant()


@pytest.fixture(scope="module")
async def paid(shop: Tenant) -> Json:
    """A payment with all its traces: history, books, audit, announcements."""
    payment = await shop.open(entitlements=[{"feature": "pro"}])
    await shop.pay(payment)
    await shop.eventually(payment, "SUCCEEDED")
    await shop.ended(payment)
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


@pytest.mark.parametrize(("table", "deed"), product(APPEND_ONLY, DEEDS))
async def test_not_even_a_superuser_changes_what_has_happened(
    house: House, paid: Json, table: str, deed: str
) -> None:
    async with above_the_rules(house) as db:
        assert paid["id"] in str(await db.fetch(f"SELECT * FROM {table}"))
        with pytest.raises(asyncpg.RestrictViolationError, match=f"{table} is append-only"):
            await db.execute(deed.format(table))


@pytest.mark.parametrize(("table", "deed"), product(APPEND_ONLY, DEEDS))
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
        ({"amount_refunded": MONEY.amount_minor + 1}, "refunds_within_capture"),
        ({"captured_minor": 0, "amount_refunded": 1}, "refunds_within_capture"),
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


# --- The schema is what the code says -------------------------------------------------------------

# Everything a table is made of, in PostgreSQL's own words, with the schema's name left out.
ANATOMY = """
    SELECT c.relname || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || a.attidentity::text
        || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '') AS part
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND c.relnamespace = cast(:schema AS regnamespace)
    UNION ALL
    SELECT conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = cast(:schema AS regnamespace)
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname = :schema
"""


async def anatomy(tx: AsyncConnection, name: str) -> set[str]:
    parts = (await tx.execute(text(ANATOMY), {"schema": name})).scalars()
    return {
        part.replace(f"{name}.", "")
        for part in parts
        if not part.split(".")[-1].startswith("alembic_version")
    }


@asynccontextmanager
async def as_owner(house: House, **options: Any) -> AsyncIterator[AsyncConnection]:
    """The schema owner's transaction. Nothing of it stays."""
    engine = create_async_engine(make_url(address(house)).set(drivername="postgresql+asyncpg"), **options)
    async with engine.connect() as tx:
        yield tx
        await tx.rollback()
    await engine.dispose()


async def test_alembic_finds_nothing_to_migrate(house: House) -> None:
    def differences(connection: SyncConnection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with as_owner(house) as tx:
        assert await tx.run_sync(differences) == []


async def test_the_migrations_and_the_tables_say_the_same_to_the_letter(house: House) -> None:
    # Alembic compares neither checks nor the conditions of indexes.
    async with as_owner(house, execution_options={"schema_translate_map": {None: "drift"}}) as tx:
        await tx.execute(text("CREATE SCHEMA drift"))
        await tx.run_sync(metadata.create_all)
        meant, found = await anatomy(tx, "drift"), await anatomy(tx, "public")
    assert len(meant) > 150
    assert meant == found


async def test_to_upgrade_again_changes_nothing(house: House, database: Database) -> None:
    async with as_owner(house) as tx:
        before = await anatomy(tx, "public")
    for _ in range(2):
        await asyncio.to_thread(schema.upgrade, address(house))
    async with as_owner(house) as tx:
        assert await anatomy(tx, "public") == before
    async with database.system() as tx:
        assert await schema.is_current(tx)


async def test_two_installers_at_once_wait_for_each_other(house: House) -> None:
    async def install() -> tuple[str, int | None]:
        script = "import sys; from storage import schema; schema.upgrade(sys.argv[1])"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, address(house, database="twice")),
            stderr=asyncio.subprocess.PIPE,
        )
        return (await process.communicate())[1].decode(), process.returncode

    superuser = await asyncpg.connect(address(house, "postgres"))
    await superuser.execute("CREATE DATABASE twice OWNER paysaga_owner")
    try:
        assert await asyncio.gather(install(), install()) == [("", 0), ("", 0)]
    finally:
        await superuser.execute("DROP DATABASE twice")
        await superuser.close()
