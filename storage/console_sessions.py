"""Sessions of people who signed in with a browser. What opens one is not here, only its digest."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.session import IDLE, Session
from domain.values import Value
from storage.tables import console_sessions as sessions


class Kept(Value):
    """A session, and what shows that nothing it was opened with has changed."""

    session: Session
    bound_to: bytes


async def add(tx: AsyncConnection, kept: Kept, digest: bytes) -> None:
    await tx.execute(
        insert(sessions).values(digest=digest, bound_to=kept.bound_to, **kept.session.model_dump())
    )


async def find(tx: AsyncConnection, digest: bytes) -> Kept | None:
    """Whatever is on record, alive or not: who asks knows what time it is."""
    row = (await tx.execute(select(sessions).where(sessions.c.digest == digest))).one_or_none()
    return None if row is None else Kept(session=_session(row), bound_to=row.bound_to)


async def seen(tx: AsyncConnection, session_id: str, now: datetime) -> None:
    await tx.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=now))


async def of(tx: AsyncConnection, credential_id: str | None, now: datetime) -> list[Session]:
    """The living ones of a credential, or of the operator; the one used last comes first."""
    query = select(sessions).where(_theirs(credential_id), ~_over(now)).order_by(sessions.c.seen_at.desc())
    return [_session(row) for row in await tx.execute(query)]


async def end(tx: AsyncConnection, session_id: str, credential_id: str | None) -> Session | None:
    """What was ended; None if there was no such session of theirs. Safe to repeat."""
    ended = await _ended(tx, sessions.c.id == session_id, credential_id)
    return next(iter(ended), None)


async def end_others(tx: AsyncConnection, kept_id: str, credential_id: str | None) -> list[Session]:
    """End all of theirs but this one."""
    return await _ended(tx, sessions.c.id != kept_id, credential_id)


async def _ended(tx: AsyncConnection, which: ColumnElement[bool], credential_id: str | None) -> list[Session]:
    ended = await tx.execute(delete(sessions).where(which, _theirs(credential_id)).returning(sessions))
    return [_session(row) for row in ended]


async def end_all(tx: AsyncConnection, credential_id: str) -> None:
    await tx.execute(delete(sessions).where(sessions.c.credential_id == credential_id))


async def owners_of_ended(tx: AsyncConnection, now: datetime, limit: int) -> Sequence[str]:
    """Under which tenants there are sessions that are over; needs a system transaction."""
    query = select(sessions.c.tenant_id).where(_over(now)).distinct().limit(limit)
    return list((await tx.execute(query)).scalars())


async def forget_ended(tx: AsyncConnection, now: datetime) -> None:
    await tx.execute(delete(sessions).where(_over(now)))


def _theirs(credential_id: str | None) -> ColumnElement[bool]:
    return sessions.c.credential_id.is_not_distinct_from(credential_id)


def _over(now: datetime) -> ColumnElement[bool]:
    return or_(sessions.c.ends_at <= now, sessions.c.seen_at <= now - IDLE)


def _session(row: Row[Any]) -> Session:
    return Session(**{name: row._mapping[name] for name in Session.model_fields})  # noqa: SLF001
