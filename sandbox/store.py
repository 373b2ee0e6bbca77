"""What must survive a ``kill -9``: one SQLite file in WAL mode, written only inside ``BEGIN IMMEDIATE``.

Everything the company sells or owes is a ``Record`` kept as JSON beside the columns it is searched by; a new
kind of thing is a new subclass and no new table. The queues beside it have tables of their own.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from time import time_ns
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from sandbox.clock import to_microseconds

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, account TEXT NOT NULL,
    reference TEXT, parent TEXT, own TEXT, created_us INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS objects_by_account ON objects (kind, account, seq);
CREATE INDEX IF NOT EXISTS objects_by_reference ON objects (reference, kind, seq);
CREATE INDEX IF NOT EXISTS objects_by_parent ON objects (parent, kind, seq);
CREATE INDEX IF NOT EXISTS objects_by_own ON objects (own, kind, seq);
CREATE INDEX IF NOT EXISTS objects_by_time ON objects (kind, account, created_us);
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT NOT NULL,
    due_us INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_due ON jobs (due_us);
CREATE INDEX IF NOT EXISTS jobs_by_subject ON jobs (subject);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, account TEXT NOT NULL, reference TEXT,
    endpoint TEXT, url TEXT NOT NULL, body TEXT NOT NULL, trick TEXT, due_us INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'pending') STRICT;
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (account, due_us) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE INDEX IF NOT EXISTS deliveries_reordered ON deliveries (reference)
    WHERE trick = 'reorder' AND state = 'pending';
CREATE TABLE IF NOT EXISTS attempts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, delivery INTEGER NOT NULL,
    status INTEGER, error TEXT, at_us INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS attempts_by_event ON attempts (event);
CREATE TABLE IF NOT EXISTS idempotency (
    account TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,
    status INTEGER NOT NULL, body TEXT NOT NULL, created_us INTEGER NOT NULL,
    PRIMARY KEY (account, key)) STRICT;
CREATE INDEX IF NOT EXISTS idempotency_by_age ON idempotency (created_us);
CREATE TABLE IF NOT EXISTS faults (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, rule TEXT NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0, hits INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    operation TEXT NOT NULL, account TEXT, reference TEXT,
    idempotency_key TEXT, status INTEGER, at_us INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS requests_by_reference ON requests (reference);
CREATE TABLE IF NOT EXISTS accounts (
    name TEXT NOT NULL, dialect TEXT NOT NULL, since_us INTEGER NOT NULL,
    PRIMARY KEY (name, dialect)) STRICT;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""
_TABLES = (
    *(
        "objects",
        "jobs",
        "deliveries",
        "attempts",
        "idempotency",
        "faults",
        "requests",
        "accounts",
        "settings",
    ),
)


def new_id(prefix: str) -> str:
    """Make an opaque id that sorts by age."""
    return f"{prefix}_{time_ns() // 1000:014x}{token_hex(6)}"


class Record(BaseModel):
    """One thing the company remembers. Fields named in ``PRIVATE`` are stored and never shown."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)
    KIND: ClassVar[str]
    PRIVATE: ClassVar[frozenset[str]] = frozenset()

    id: str
    account: str
    reference: str | None
    """The session's reference: the caller's payment id."""
    created_at: datetime
    dialect: str = "sandbox"
    """Whose words its account is told about it in: those of the face through which it came to be."""

    @property
    def parent(self) -> str | None:
        """Name the record this one hangs from."""
        return None

    @property
    def own_reference(self) -> str | None:
        """Give the caller's own name for this record, where it differs from the session's reference."""
        return None

    def wire(self) -> dict[str, Any]:
        """Lay the record out as the API shows it."""
        return {"object": self.KIND, **self.model_dump(mode="json", exclude={"dialect", *self.PRIVATE})}


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for. An empty field matches everything."""

    account: str | None = None
    reference: str | None = None
    parent: str | None = None
    own: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    after: int = 0
    limit: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """A stretch of a list, oldest first, and where the next one starts."""

    items: list[R]
    next_cursor: str | None


class Store:
    """The file. One connection, used from one thread, so statements never interleave."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; everything an earlier process committed is there."""
        self.sql = sqlite3.connect(path, isolation_level=None)
        self.sql.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000", "foreign_keys=ON"):
            self.sql.execute(f"PRAGMA {pragma}")
        self.sql.executescript(_SCHEMA)

    def close(self) -> None:
        """Fold the write-ahead log in and let the file go."""
        self.sql.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Take the write lock, then commit everything or nothing. Not to be nested, not to be awaited in."""
        self.sql.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.sql.execute("ROLLBACK")
            raise
        self.sql.execute("COMMIT")

    def insert(self, record: Record) -> None:
        """Remember a new record."""
        self.sql.execute(
            "INSERT INTO objects (id, kind, account, reference, parent, own, created_us, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.id,
                record.KIND,
                record.account,
                record.reference,
                record.parent,
                record.own_reference,
                to_microseconds(record.created_at),
                record.model_dump_json(),
            ),
        )

    def update(self, record: Record) -> None:
        """Replace what is remembered of a record."""
        self.sql.execute("UPDATE objects SET body = ? WHERE id = ?", (record.model_dump_json(), record.id))

    def delete(self, record: Record) -> None:
        """Forget a record."""
        self.sql.execute("DELETE FROM objects WHERE id = ?", (record.id,))

    def get(self, kind: type[R], identity: str, account: str | None = None) -> R | None:
        """Read one record; None if there is none, or if it is not the given account's."""
        row = self.sql.execute(
            "SELECT body, account FROM objects WHERE id = ? AND kind = ?", (identity, kind.KIND)
        ).fetchone()
        if row is None or (account is not None and row["account"] != account):
            return None
        return kind.model_validate_json(row["body"])

    def page(self, kind: type[R], query: Query) -> Page[R]:
        """Read the records that match, oldest first, so that paging never misses one that stays."""
        clauses, values = ["kind = :kind", "seq > :after"], _values(query)
        columns = ("account", "reference", "parent", "own")
        clauses += [f"{column} = :{column}" for column in columns if values[column] is not None]
        if query.created_from:
            clauses.append("created_us >= :created_from")
        if query.created_to:
            clauses.append("created_us < :created_to")
        where = " AND ".join(clauses)  # constants only: every value is bound
        sql = f"SELECT seq, body FROM objects WHERE {where} ORDER BY seq LIMIT :limit + 1"  # noqa: S608 # nosec B608
        rows = self.sql.execute(sql, {**values, "kind": kind.KIND}).fetchall()
        shown = rows[: query.limit]
        more = len(rows) > query.limit
        items = [kind.model_validate_json(row["body"]) for row in shown]
        return Page(items, str(shown[-1]["seq"]) if more else None)

    def all(self, kind: type[R], query: Query) -> list[R]:
        """Read every record that matches, oldest first."""
        return self.page(kind, query).items

    def setting(self, name: str) -> str | None:
        """Read a setting that outlives the process."""
        row = self.sql.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row["value"])

    def set_setting(self, name: str, value: str) -> None:
        """Keep a setting beyond the life of the process."""
        self.sql.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def wipe(self) -> None:
        """Forget everything."""
        for table in _TABLES:
            self.sql.execute(f"DELETE FROM {table}")  # noqa: S608 - our own # nosec B608


def _values(query: Query) -> Mapping[str, Any]:
    return {
        "account": query.account,
        "reference": query.reference,
        "parent": query.parent,
        "own": query.own,
        "created_from": to_microseconds(query.created_from) if query.created_from else None,
        "created_to": to_microseconds(query.created_to) if query.created_to else None,
        "after": query.after,
        "limit": query.limit,
    }
