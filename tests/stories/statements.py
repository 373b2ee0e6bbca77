"""What the database was told, transaction by transaction: read from its own log, which misses none."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.house import House, eventually

# Which session speaks, and the transaction's number, which is 0 for as long as it has written nothing.
PREFIX = "told %p %x "
ENTRY = re.compile(
    r"^told (?P<session>\d+) (?P<number>\d+) (?P<kind>LOG|DETAIL):  "
    r"(?:statement: |execute [^:]*: |Parameters: )?(?P<text>.*(?:\n\t.*)*)",
    re.MULTILINE,
)
LINE = 110


@dataclass
class Transaction:
    """Its statements without BEGIN and COMMIT, and what was filled into them."""

    statements: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    committed: bool = True
    writes: bool = False

    def names(self, ids: tuple[str, ...]) -> bool:
        return any(f"'{each}'" in filled_in for filled_in in self.parameters for each in ids)

    def __str__(self) -> str:
        end = "writes" if self.writes else "reads" if self.committed else "rolled back"
        return "\n    ".join([f"{len(self.statements):>2}, {end}", *map(_shortened, self.statements)])


@dataclass(frozen=True)
class Overheard:
    """The database's log from a place on."""

    path: Path
    start: int = 0

    def from_here(self) -> Self:
        return type(self)(self.path, self.path.stat().st_size)

    def transactions(self, *ids: str) -> list[Transaction]:
        """Those that have ended and named one of these ids, in the order of their ends.

        Sweeps name nobody in particular; nor does what a pool tells a new connection.
        """
        return [transaction for transaction in self._ended() if transaction.names(ids)]

    def _ended(self) -> list[Transaction]:
        ended: list[Transaction] = []
        running: dict[str, Transaction] = {}
        latest: dict[str, Transaction] = {}
        for entry in ENTRY.finditer(self.path.read_bytes()[self.start :].decode()):
            session, text = entry["session"], entry["text"]
            if entry["kind"] == "DETAIL":
                latest.setdefault(session, Transaction()).parameters.append(text)
            elif text.startswith("BEGIN"):
                running[session] = Transaction()
            elif text.startswith(("COMMIT", "ROLLBACK")):
                if session in running:
                    ended.append(running.pop(session))
                    ended[-1].committed = text.startswith("COMMIT")
                    ended[-1].writes = ended[-1].committed and entry["number"] != "0"
            else:
                latest[session] = running.get(session, Transaction())
                latest[session].statements.append(text)
                if session not in running:
                    # A statement that nobody put into a transaction is one by itself.
                    ended.append(latest[session])
        return ended


@asynccontextmanager
async def overhearing(house: House) -> AsyncIterator[Overheard]:
    """Have the database write down every statement of every session, with what was filled into it."""
    settings = {"log_statement": "all", "log_line_prefix": PREFIX}
    async with house.database(role="postgres") as superuser:

        async def tell(*words: str) -> None:
            for word in words:
                await superuser.execute(f"ALTER SYSTEM {word}")
            await superuser.execute("SELECT pg_reload_conf()")

        async def heard() -> bool | None:
            return await superuser.fetchval("SHOW log_statement") == "all" or None

        try:
            await tell(*(f"SET {name} = '{value}'" for name, value in settings.items()))
            await eventually(heard)
            yield Overheard(house.data_dir / "logs" / "postgres.log").from_here()
        finally:
            await tell(*(f"RESET {name}" for name in settings))


def _shortened(statement: str) -> str:
    """On one line, without the lists of columns: they do not tell one statement from another."""
    line = " ".join(statement.split())
    line = re.sub(r"^SELECT (?!set_config).*? FROM ", "SELECT … FROM ", line)
    line = re.sub(r" RETURNING .*", " RETURNING …", line)
    line = re.sub(r"\(([^()]*, ){3,}[^()]*\)", "(…)", line)
    return line if len(line) <= LINE else f"{line[:LINE]}…"
