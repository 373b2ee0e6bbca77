"""Things put off until later, on the sandbox's clock. They survive a restart and happen once."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sandbox.clock import from_microseconds, to_microseconds
from sandbox.world import World

_HANDLERS: dict[str, Callable[[World, str], None]] = {}
_AT_A_TIME = 100


def handles(kind: str) -> Callable[[Callable[[World, str], None]], Callable[[World, str], None]]:
    """Name the function that does a kind of job. It runs inside the transaction that removes the job."""

    def register(function: Callable[[World, str], None]) -> Callable[[World, str], None]:
        _HANDLERS[kind] = function
        return function

    return register


def put_off(world: World, kind: str, subject: str, by: timedelta) -> None:
    """Plan a job for one record. Call inside a transaction."""
    due_us = to_microseconds(world.clock.now() + by)
    world.store.sql.execute(
        "INSERT INTO jobs (kind, subject, due_us) VALUES (?, ?, ?)", (kind, subject, due_us)
    )
    world.alarm.set()


def forget(world: World, kind: str, subject: str) -> None:
    """Drop a job that has lost its point. Call inside a transaction."""
    world.store.sql.execute("DELETE FROM jobs WHERE subject = ? AND kind = ?", (subject, kind))


def run_due(world: World) -> None:
    """Do everything whose time has come, each job in a transaction of its own."""
    due = "SELECT seq, kind, subject FROM jobs WHERE due_us <= ? ORDER BY due_us, seq LIMIT ?"
    while rows := world.store.sql.execute(due, (to_microseconds(world.clock.now()), _AT_A_TIME)).fetchall():
        for row in rows:
            with world.store.transaction():
                world.store.sql.execute("DELETE FROM jobs WHERE seq = ?", (row["seq"],))
                _HANDLERS[row["kind"]](world, row["subject"])


def next_due(world: World) -> datetime | None:
    """Say when the next job is due on the sandbox's clock."""
    row = world.store.sql.execute("SELECT min(due_us) AS due_us FROM jobs").fetchone()
    return None if row["due_us"] is None else from_microseconds(row["due_us"])
