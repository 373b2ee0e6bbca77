"""What users take of what they are entitled to: counted once a key, and never beyond a limit."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, exists, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.entitlement import Entitlement, Portion, allowance, portions
from domain.errors import IdempotencyConflict, LimitExceeded
from domain.values import Value, new_id
from storage import entitlements as rights
from storage.tables import entitlements, usage


class Use(Value):
    """So much of a feature is to be taken, under this key; ``digest`` is of what the request meant."""

    tenant_id: str
    idempotency_key: str
    digest: str
    user_id: str
    feature: str
    quantity: int


class Used(Value):
    """What was taken, and what was left just after that."""

    user_id: str
    feature: str
    quantity: int
    limit: int | None
    used: int
    remaining: int | None


async def take(tx: AsyncConnection, use: Use, now: datetime) -> tuple[Used, bool]:
    """Take it, all or nothing; True when this key took it before, and this is the answer it had then.

    Whoever takes from the same rights waits until the transaction ends, so that together they never take
    more than there is, and a period that is renewed meanwhile gets all of a use or nothing.

    Raises ``LimitExceeded``, which leaves the key free, and ``IdempotencyConflict``.
    """
    held = await rights.in_force(tx, use.user_id, use.feature, now)
    try:
        taken = portions(held, use.quantity)
    except LimitExceeded:
        # Perhaps it was this very key that took the last of it.
        if (known := await _known(tx, use)) is not None:
            return known, True
        # Or we have just waited for a renewal: a query that waits sees the renewed right, but not yet its
        # payment. Ours are the locks by now, so this one sees all there is.
        held = await rights.in_force(tx, use.user_id, use.feature, now)
        taken = portions(held, use.quantity)
    if (written := await _written(tx, use, held, taken, now)) is not None:
        return written, False
    if (known := await _known(tx, use)) is None:
        raise IdempotencyConflict
    return known, True


async def _written(
    tx: AsyncConnection, use: Use, held: Sequence[Entitlement], taken: Sequence[Portion], now: datetime
) -> Used | None:
    """On record and counted, in one statement, as others wait. None, and nothing, when the key is taken."""
    amounts = {portion.entitlement_id: portion.quantity for portion in taken}
    left = allowance(
        [right.model_copy(update={"used": right.used + amounts.get(right.id, 0)}) for right in held]
    )
    added = (
        upsert(usage)
        .values(
            id=new_id("use", now),
            taken=[portion.model_dump(mode="json") for portion in taken],
            quota=left.limit,
            used=left.used,
            remaining=left.remaining,
            at=now,
            **use.model_dump(),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "idempotency_key"])
        .returning(usage)
        .cte("added")
    )
    counted = (
        update(entitlements)
        .where(entitlements.c.id.in_(amounts), exists().select_from(added))
        .values(used=entitlements.c.used + case(amounts, value=entitlements.c.id))
        .cte("counted")
    )
    row = (await tx.execute(select(added).add_cte(counted))).one_or_none()
    return None if row is None else _used(row)


async def _known(tx: AsyncConnection, use: Use) -> Used | None:
    """What this key took before. Raises ``IdempotencyConflict`` when that was another request."""
    query = select(usage).where(usage.c.idempotency_key == use.idempotency_key)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    if row.digest != use.digest:
        raise IdempotencyConflict
    return _used(row)


def _used(row: Row[Any]) -> Used:
    return Used(
        user_id=row.user_id,
        feature=row.feature,
        quantity=row.quantity,
        limit=row.quota,
        used=row.used,
        remaining=row.remaining,
    )
