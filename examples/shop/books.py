"""The shop's own books, in SQLite: who is signed in, what was ordered, and which webhooks were heard."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paysaga_client import Event

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS visitors (token TEXT PRIMARY KEY, user TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    product TEXT NOT NULL,
    payment_id TEXT,
    status TEXT NOT NULL DEFAULT 'open',
    as_of INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS events_heard (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS letters (order_id TEXT NOT NULL, about TEXT NOT NULL);
"""

MEANING: Final = {
    "payment.succeeded": "paid",
    "refund.succeeded": "refunded",
    # The bank sent the money back to us, or never gave it: it is ours as before.
    "refund.failed": "paid",
}
"""The events that change an order, and to what. This shop gives back all of an order or nothing."""


@dataclass(frozen=True)
class Order:
    id: str
    user: str
    product: str
    payment_id: str | None
    """None until we have heard which payment it is; the platform knows it by the order's id as well."""
    status: str
    """open, paid or refunded: what webhooks have told us."""
    as_of: int
    """The sequence of the event that told us."""


class Books:
    """Every method is a transaction of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._transaction() as db:
            db.executescript(SCHEMA)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path)) as db, db:
            yield db

    def sign_in(self, user: str) -> str:
        """A token for the visitor's cookie."""
        token = secrets.token_urlsafe()
        with self._transaction() as db:
            db.execute("INSERT INTO visitors VALUES (?, ?)", (token, user))
        return token

    def who_is(self, token: str) -> str | None:
        with self._transaction() as db:
            row = db.execute("SELECT user FROM visitors WHERE token = ?", (token,)).fetchone()
        return row[0] if row else None

    def write_down(self, order_id: str, user: str, product: str) -> None:
        """Note an order before anybody is asked for money. A form sent twice is one order."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO orders (id, user, product) VALUES (?, ?, ?)", (order_id, user, product)
            )

    def has_payment(self, order_id: str, payment_id: str) -> None:
        with self._transaction() as db:
            db.execute("UPDATE orders SET payment_id = ? WHERE id = ?", (payment_id, order_id))

    def order(self, order_id: str, user: str) -> Order | None:
        return next((order for order in self.orders(user) if order.id == order_id), None)

    def orders(self, user: str) -> list[Order]:
        """All of this user's orders, newest first."""
        with self._transaction() as db:
            rows = db.execute("SELECT * FROM orders WHERE user = ? ORDER BY rowid DESC", (user,)).fetchall()
        return [Order(*row) for row in rows]

    def letters(self, order_id: str) -> list[str]:
        """What the buyer was written about. A real shop would have something that sends them."""
        with self._transaction() as db:
            rows = db.execute("SELECT about FROM letters WHERE order_id = ?", (order_id,)).fetchall()
        return [about for (about,) in rows]

    def hear(self, event: Event) -> None:
        """Take in what a webhook says, once, and never an older word after a newer one.

        The event's id and all it leads to are written in one transaction, so nobody gets a letter twice. If
        it fails, we have not heard the event; the platform gets no 2xx, and sends it again.
        """
        status = MEANING.get(event.type)
        which = {"order": event.data.order_id, "payment": event.data.payment_id}
        with self._transaction() as db:
            is_new = db.execute("INSERT OR IGNORE INTO events_heard VALUES (?)", (event.event_id,)).rowcount
            if not is_new or status is None:
                return
            db.execute(
                "INSERT INTO letters SELECT id, :about FROM orders"
                " WHERE id = :order OR payment_id = :payment",
                which | {"about": status},
            )
            db.execute(
                "UPDATE orders SET status = :status, as_of = :sequence, payment_id = :payment"
                " WHERE (id = :order OR payment_id = :payment) AND as_of < :sequence",
                which | {"status": status, "sequence": event.sequence},
            )
