"""Runs of reconciliation and what they found. Nothing here touches a payment, a refund or a dispute."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound
from domain.reconciliation import Action, Difference, Phase, Run, RunState, Window
from domain.tenant import ProviderAccount
from domain.values import Value, derived_id, new_id
from storage.tables import inbox
from storage.tables import reconciliation_differences as differences
from storage.tables import reconciliation_runs as runs


async def begin(
    tx: AsyncConnection, account: ProviderAccount, window: Window, now: datetime
) -> tuple[Run, bool]:
    """The account's run that is under way, and whether it is new: there is one at a time."""
    beginning = (
        upsert(runs)
        .values(
            id=new_id("rec", now),
            tenant_id=account.tenant_id,
            account_id=account.id,
            provider=account.provider,
            state=RunState.RUNNING,
            since=window.since,
            until=window.until,
            phase=Phase.PAYMENTS,
            counts={},
            started_at=now,
            updated_at=now,
        )
        # As text: a plan that does for every value would not know a bound one for the index's own.
        .on_conflict_do_nothing(index_elements=["account_id"], index_where=text("state = 'RUNNING'"))
        .returning(runs)
    )
    running = select(runs).where(runs.c.account_id == account.id, runs.c.state == RunState.RUNNING)
    while (row := (await tx.execute(beginning)).one_or_none()) is None:
        row = (await tx.execute(running)).one_or_none()
        if row is not None:
            return _run(row), False
        # It has ended in between.
    return _run(row), True


async def advance(
    tx: AsyncConnection, run: Run, cursor: str | None, seen: Mapping[str, int], now: datetime
) -> Run:
    """Note how far it has come; without a ``cursor`` its phase is over, and after the last one it is done.

    Part of the transaction that wrote down what was found so far: who goes on after a crash repeats nothing
    of it, and leaves nothing out.
    """
    counts = run.counts | {name: run.counts.get(name, 0) + number for name, number in seen.items()}
    phase = run.phase if cursor is not None or run.phase is None else run.phase.next
    ended = {"state": RunState.DONE, "ended_at": now} if phase is None else {}
    row = (
        await tx.execute(
            update(runs)
            .where(runs.c.id == run.id, runs.c.state == RunState.RUNNING)
            .values(phase=phase, cursor=cursor, counts=counts, updated_at=now, **ended)
            .returning(runs)
        )
    ).one_or_none()
    return await get(tx, run.id) if row is None else _run(row)


async def give_up(tx: AsyncConnection, provider: str, why: str, now: datetime) -> list[Run]:
    """End what is under way of the tenant's books at this provider, without a result."""
    rows = await tx.execute(
        update(runs)
        .where(runs.c.provider == provider, runs.c.state == RunState.RUNNING)
        .values(state=RunState.FAILED, failure=why[:255], updated_at=now, ended_at=now)
        .returning(runs)
    )
    return [_run(row) for row in rows]


async def announced(tx: AsyncConnection, fingerprints: Sequence[str]) -> set[str]:
    """Those of these that the tenant was told of before."""
    query = select(differences.c.fingerprint).where(
        differences.c.announced, differences.c.fingerprint.in_(fingerprints)
    )
    return set((await tx.execute(query)).scalars())


class Finding(Value):
    """A difference and what was done about it; ``inbox_id`` is its letter."""

    difference: Difference
    action: Action
    inbox_id: str | None
    announced: bool

    def id(self, run: Run) -> str:
        return derived_id("dif", run.started_at, run.id, self.difference.name)


async def write(tx: AsyncConnection, run: Run, found: Sequence[Finding], now: datetime) -> set[str]:
    """Put findings on record; gives the ids of those that were not there yet."""
    if not found:
        return set()
    rows = [
        {
            "id": each.id(run),
            "tenant_id": run.tenant_id,
            "run_id": run.id,
            "action": each.action,
            "inbox_id": each.inbox_id,
            "fingerprint": each.difference.fingerprint(run.account_id),
            "announced": each.announced,
            "at": now,
            **each.difference.model_dump(exclude={"letter", "waits"}),
        }
        for each in found
    ]
    adding = upsert(differences).values(rows).on_conflict_do_nothing(index_elements=["id"])
    return set((await tx.execute(adding.returning(differences.c.id))).scalars())


async def get(tx: AsyncConnection, run_id: str) -> Run:
    """Raises ``NotFound``; another tenant's run looks exactly like none."""
    row = (await tx.execute(select(runs).where(runs.c.id == run_id))).one_or_none()
    if row is None:
        raise NotFound
    return _run(row)


async def find(tx: AsyncConnection, limit: int, offset: int) -> list[Run]:
    """The tenant's runs, newest first."""
    query = select(runs).order_by(runs.c.started_at.desc(), runs.c.id.desc())
    return [_run(row) for row in await tx.execute(query.limit(limit).offset(offset))]


async def tally(tx: AsyncConnection, run_ids: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
    """Run -> class -> action -> how many."""
    query = (
        select(differences.c.run_id, differences.c.drift, differences.c.action, func.count())
        .where(differences.c.run_id.in_(run_ids))
        .group_by(differences.c.run_id, differences.c.drift, differences.c.action)
    )
    found: dict[str, dict[str, dict[str, int]]] = {run_id: {} for run_id in run_ids}
    for run_id, drift, action, number in await tx.execute(query):
        found[run_id].setdefault(drift, {})[action] = number
    return found


async def differences_of(tx: AsyncConnection, run_id: str, per_class: int) -> list[dict[str, Any]]:
    """What a run found, so many of each class, and what has become of the letters by now."""
    numbered = _of_run(run_id).subquery()
    rows = await tx.execute(
        select(numbered, inbox.c.state.label("letter_state"), inbox.c.note.label("letter_note"))
        .outerjoin(inbox, inbox.c.id == numbered.c.inbox_id)
        .where(numbered.c.place <= per_class)
        .order_by(numbered.c.drift, numbered.c.place)
    )
    return [dict(row) for row in rows.mappings()]


def _of_run(run_id: str) -> Select[Any]:
    place = func.row_number().over(partition_by=differences.c.drift, order_by=differences.c.id)
    return select(differences, place.label("place")).where(differences.c.run_id == run_id)


async def leaderless(tx: AsyncConnection, before: datetime, known: Sequence[str], limit: int) -> list[Run]:
    """Runs that have not moved for a while, those ``known`` to be looked after left out.

    Needs a system transaction.
    """
    rows = await tx.execute(
        select(runs)
        .where(runs.c.state == RunState.RUNNING, runs.c.updated_at < before, runs.c.id.not_in(known))
        .order_by(runs.c.updated_at)
        .limit(limit)
    )
    return [_run(row) for row in rows]


def _run(row: Row[Any]) -> Run:
    facts = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Run(**{name: facts[name] for name in Run.model_fields})
