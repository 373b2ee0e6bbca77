"""Who is told when the clock is pushed: every account that ever called, each only of what it lived through.

An account's clock begins where the sandbox's stood at its first call. Who comes after a year was skipped has
skipped nothing.
"""

from datetime import timedelta
from typing import ClassVar, Literal

from sandbox.clock import MICROSECONDS
from sandbox.dialects import Dialect
from sandbox.errors import missing
from sandbox.events import emit
from sandbox.store import Record, new_id
from sandbox.world import World


class Push(Record):
    """What an account is told of the clock. Nobody looks it up, so it is not kept."""

    KIND: ClassVar[str] = "clock"

    ahead_seconds: int
    """By how much this account's clock is ahead of those on the wall, in all."""
    mode: Literal["test"] = "test"


def meet(world: World, account: str, dialect: Dialect) -> None:
    """Remember who calls, in whose words. Call inside a transaction."""
    world.store.sql.execute(
        "INSERT OR IGNORE INTO accounts (name, dialect, since_us) VALUES (?, ?, ?)",
        (account, dialect.NAME, _advanced_us(world)),
    )


def advance(world: World, by: timedelta) -> None:
    """Push the clock. Call inside a transaction, and ``tell`` when what fell due is done."""
    world.clock.advance(by)
    world.store.set_setting("advanced_us", str(_advanced_us(world)))


def advance_alone(world: World, account: str, by: timedelta) -> None:
    """Push the clock of one account, and no deadline of ours. Call inside a transaction."""
    pushed = world.store.sql.execute(
        "UPDATE accounts SET since_us = since_us - ? WHERE name = ?",
        (by // timedelta(microseconds=1), account),
    )
    if not pushed.rowcount:
        raise missing("account")


def tell(world: World, account: str | None = None) -> None:
    """Tell every account, or one, after all that it is told of besides. Call inside a transaction."""
    known = world.store.sql.execute(
        "SELECT name, dialect, since_us FROM accounts WHERE ? IS NULL OR name = ? ORDER BY name, dialect",
        (account, account),
    )
    for row in known.fetchall():
        push = Push(
            id=new_id("clk"),
            account=row["name"],
            reference=None,
            created_at=world.clock.real(),
            dialect=row["dialect"],
            ahead_seconds=(_advanced_us(world) - row["since_us"]) // MICROSECONDS,
        )
        emit(world, "clock.advanced", push, after_all=True)


def _advanced_us(world: World) -> int:
    return world.clock.advanced // timedelta(microseconds=1)
