"""Sessions of billing: the pages that subscribers were sent to, and the keys that asked for them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import IdempotencyConflict
from domain.values import Value
from storage.tables import billing_sessions


class Session(Value):
    """One page. Without a ``url`` it has not been given yet, and whoever repeats the key gets it."""

    id: str
    tenant_id: str
    idempotency_key: str
    digest: str
    mode: str
    user_id: str
    customer_id: str
    subscription_id: str | None = None
    success_url: str
    cancel_url: str
    url: str | None = None
    created_at: datetime
    expires_at: datetime


async def by_key(tx: AsyncConnection, key: str, digest: str) -> Session | None:
    """What this key asked for. Raises ``IdempotencyConflict`` when it was for another request."""
    query = select(billing_sessions).where(billing_sessions.c.idempotency_key == key)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    if row.digest != digest:
        raise IdempotencyConflict
    return _session(row)


async def add(tx: AsyncConnection, session: Session) -> bool:
    """Remember the key for ever; False when somebody else has just used it."""
    added = await tx.execute(
        upsert(billing_sessions)
        .values(session.model_dump())
        .on_conflict_do_nothing(index_elements=["tenant_id", "idempotency_key"])
    )
    return bool(added.rowcount)


async def opened(tx: AsyncConnection, session_id: str, url: str) -> None:
    """Where the page is, from now on."""
    await tx.execute(
        update(billing_sessions)
        .where(billing_sessions.c.id == session_id, billing_sessions.c.url.is_(None))
        .values(url=url)
    )


def _session(row: Row[Any]) -> Session:
    return Session(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
