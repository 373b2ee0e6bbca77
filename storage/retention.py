"""What nobody needs any more: found across tenants, taken away under each, a piece at a time.

A table is walked through by its ids, which begin with their moment: no index is kept for this alone, and no
piece takes long. The database refuses to lose what is young or still needed, whoever asks (migration 0021).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.values import first_id
from storage.tables import deliveries, delivery_attempts, inbox

PIECE: Final = 500
"""How many rows are looked at, and at most changed, at a time."""


class Piece(NamedTuple):
    """A piece of a table: whose rows in it are to be looked at, and after which id the next one begins."""

    rows: dict[str, list[str]]
    """Tenant -> ids."""
    last: str | None
    """None: this was the end."""


async def old_letters(tx: AsyncConnection, after: str, before: datetime) -> Piece:
    """Provider events that took effect before and still have their bodies; needs a system transaction."""
    looked_at = (
        select(
            inbox.c.id,
            inbox.c.tenant_id,
            _is_done(before).label("due"),
        )
        .where(inbox.c.id > after, inbox.c.id < first_id("inb", before))
        .order_by(inbox.c.id)
        .limit(PIECE)
    )
    rows = (await tx.execute(looked_at)).all()
    return _piece([(row.id, row.tenant_id) for row in rows if row.due], [row.id for row in rows])


async def empty_letters(tx: AsyncConnection, ids: Sequence[str], before: datetime) -> int:
    """Take the bodies of these away, where nobody needs them. Their hashes stay, and what they meant."""
    free = (
        select(inbox.c.id).where(inbox.c.id.in_(ids), _is_done(before)).with_for_update(skip_locked=True)
    ).cte("free")
    emptied = await tx.execute(
        update(inbox)
        .where(inbox.c.id == free.c.id)
        .values(body=None, body_sha256=func.encode(func.sha256(inbox.c.body), "hex"))
    )
    return emptied.rowcount


def _is_done(before: datetime) -> ColumnElement[bool]:
    return (inbox.c.state == "PROCESSED") & (inbox.c.processed_at < before) & inbox.c.body.is_not(None)


async def old_attempts(tx: AsyncConnection, after: str, before: datetime) -> Piece:
    """Deliveries with attempts from before; needs a system transaction."""
    looked_at = (
        select(delivery_attempts.c.delivery_id, delivery_attempts.c.tenant_id, delivery_attempts.c.at)
        .where(
            delivery_attempts.c.delivery_id > after, delivery_attempts.c.delivery_id < first_id("dlv", before)
        )
        .order_by(delivery_attempts.c.delivery_id, delivery_attempts.c.number)
        .limit(PIECE)
    )
    rows = (await tx.execute(looked_at)).all()
    old = dict.fromkeys((row.delivery_id, row.tenant_id) for row in rows if row.at < before)
    return _piece([*old], [row.delivery_id for row in rows])


async def forget_attempts(tx: AsyncConnection, delivery_ids: Sequence[str], before: datetime) -> int:
    """Forget what old attempts of these sent and met. Whatever may still go out keeps all of its own."""
    over = select(deliveries.c.id).where(deliveries.c.id.in_(delivery_ids), deliveries.c.state != "PENDING")
    forgotten = await tx.execute(
        delete(delivery_attempts).where(
            delivery_attempts.c.delivery_id.in_(over), delivery_attempts.c.at < before
        )
    )
    return forgotten.rowcount


def _piece(due: Sequence[tuple[str, str]], looked_at: Sequence[str]) -> Piece:
    rows: dict[str, list[str]] = {}
    for each, tenant_id in due:
        rows.setdefault(tenant_id, []).append(each)
    return Piece(rows, looked_at[-1] if len(looked_at) == PIECE else None)
