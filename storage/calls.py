"""Leave to call a provider about one thing, and what is remembered of earlier calls about it.

A call whose answer nobody heard may have taken effect. Rows that calls are made about (``checkouts``,
``refunds``) count those calls, so that a "no" to one of them is not taken for a "no" to all.
"""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, case, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotYet
from domain.values import Value

# Nobody else may call about the same thing until whoever does must have ended: its step may take 22 s.
LEASE: Final = timedelta(seconds=25)
# Companies promise to know an idempotency key for 24 h; half of that is safe.
KEY_LIVES: Final = timedelta(hours=12)


class Call(Value):
    """Leave to call once. ``number`` tells it from all others about the same thing."""

    id: str
    number: int
    first: bool
    """Every earlier call is known to have come to nothing."""
    key_lives: bool
    """The provider still knows the key of the earlier ones."""


def first_call() -> dict[str, Any]:
    """The columns of a row that begins with a call. Several workers share the database's clock."""
    return {
        "attempts": 1,
        "unsure": 1,
        "first_called_at": func.clock_timestamp(),
        "busy_until": func.clock_timestamp() + LEASE,
    }


def next_call(table: Table) -> dict[str, Any]:
    """The same for a row that is there."""
    return first_call() | {
        "attempts": table.c.attempts + 1,
        "unsure": table.c.unsure + 1,
        "first_called_at": func.coalesce(table.c.first_called_at, func.clock_timestamp()),
    }


def free(table: Table) -> ColumnElement[bool]:
    """That nobody else is calling, or can be any more."""
    return or_(table.c.busy_until.is_(None), table.c.busy_until < func.clock_timestamp())


def told(table: Table) -> tuple[ColumnElement[Any], ...]:
    """What a statement that gives leave returns, for ``leave`` to read."""
    lives = table.c.first_called_at > func.clock_timestamp() - KEY_LIVES
    return table.c.id, table.c.attempts, table.c.unsure, lives.label("key_lives")


def leave(row: Row[Any] | None) -> Call:
    """The leave that was written down. Raises ``NotYet`` when somebody else has it."""
    if row is None:
        raise NotYet("Somebody else is asking the provider about this.", retry_after=5)
    return Call(id=row.id, number=row.attempts, first=row.unsure == 1, key_lives=row.key_lives)


async def held(tx: AsyncConnection, table: Table, call: Call) -> bool:
    """Whether the leave is still this caller's, and stays so until the transaction ends."""
    mine = select(table.c.id).where(table.c.id == call.id, table.c.attempts == call.number).with_for_update()
    return (await tx.execute(mine)).one_or_none() is not None


async def ended(tx: AsyncConnection, table: Table, call: Call, *, for_nothing: bool) -> bool:
    """The call is over and others may call. ``for_nothing``: it certainly had no effect.

    One that overslept its leave changes nothing, and is told so by False: whoever has it now counts for
    itself, and hears more.
    """
    done = await tx.execute(
        update(table)
        .where(table.c.id == call.id, table.c.attempts == call.number)
        .values(
            busy_until=None,
            unsure=case((literal(for_nothing), func.greatest(table.c.unsure - 1, 0)), else_=table.c.unsure),
        )
    )
    return bool(done.rowcount)
