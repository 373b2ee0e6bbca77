"""The inbox as people look through it: what companies said, what became of it, and hearing it again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound
from domain.values import Value
from storage import audit
from storage.database import Database
from storage.inbox import Letter, retry
from storage.tables import inbox

UNHEARD = ("DEAD", "QUARANTINED", "UNMATCHED", "RECEIVED")
"""States of what has not taken effect, those that need a person first."""


class Held(Letter):
    """A letter as it lies there. What was said word by word stays closed: only its hash is told."""

    provider: str
    due_at: datetime
    processed_at: datetime | None
    body_sha256: str | None


class LetterFilter(Value):
    """Which letters a list shows, the newest first; what is None does not matter."""

    states: tuple[str, ...] = UNHEARD
    tenant_id: str | None = None
    payment_id: str | None = None
    before: str | None = None
    """Only those with a lower id: the last one of the page before."""
    limit: int = 50


async def find(tx: AsyncConnection, wanted: LetterFilter) -> list[Held]:
    """One tenant's, or all of them in a system transaction."""
    query = _readable().where(inbox.c.state.in_(wanted.states))
    for name in ("tenant_id", "payment_id"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(inbox.c[name] == value)
    if wanted.before is not None:
        query = query.where(inbox.c.id < wanted.before)
    rows = await tx.execute(query.order_by(inbox.c.id.desc()).limit(wanted.limit))
    return [_held(row) for row in rows]


async def get(tx: AsyncConnection, letter_id: str) -> Held:
    """Raises ``NotFound``; another tenant's looks exactly like none."""
    row = (await tx.execute(_readable().where(inbox.c.id == letter_id))).one_or_none()
    if row is None:
        raise NotFound
    return _held(row)


async def tally(tx: AsyncConnection) -> dict[str, int]:
    """State -> how many lie in it, of those that have not taken effect."""
    query = select(inbox.c.state, func.count()).where(inbox.c.state.in_(UNHEARD)).group_by(inbox.c.state)
    found = {state: number for state, number in await tx.execute(query)}  # noqa: C416 - rows are no pairs
    return {state: found.get(state, 0) for state in UNHEARD}


async def hear_again(
    database: Database, letters: Sequence[Letter], by: str, now: datetime, request: str | None = None
) -> list[str]:
    """Put events back in line, on their tenants' record; names those that were.

    One that has taken effect stays as it is. The worker hears the others within seconds.
    """
    done = []
    for letter in letters:
        deed = audit.Deed(
            tenant_id=letter.tenant_id,
            actor=by,
            action="inbox.retry",
            resource=letter.payment_id or letter.id,
            correlation_id=request,
            at=now,
        )
        async with database.tenant(letter.tenant_id) as tx:
            if await retry(tx, letter.id, now):
                await audit.record(tx, deed)
                done.append(letter.id)
    return done


def _readable() -> Select[Any]:
    named = [inbox.c[name] for name in Held.model_fields if name != "body_sha256" and name in inbox.c]
    # Of a body that was forgotten the digest is kept beside; of any other it is made now.
    digest = func.coalesce(inbox.c.body_sha256, func.encode(func.sha256(inbox.c.body), "hex"))
    return select(*named, digest.label("body_sha256"))


def _held(row: Row[Any]) -> Held:
    facts = dict(row._mapping)  # noqa: SLF001 - its public name
    try:
        return Held(**facts)
    except ValidationError:
        # One that our present code cannot read is listed all the same.
        return Held(**(facts | {"observation": None}))
