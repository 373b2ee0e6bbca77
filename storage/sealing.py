"""Seals the audit trail: gives new records their places in their tenant's chain, and signs how far it goes.

Apart from the transactions that write them, so that a payment never waits for another's record.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, RowMapping, exists, func, insert, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from domain import chain
from domain.chain import Checkpoint
from domain.custody import IN_FLIGHT
from storage import tallies
from storage.audit import document
from storage.notary import Notary
from storage.tables import audit_checkpoints, audit_records, audit_seals

BATCH: Final = 500
_STEP: Final = 100_000
_ALONE: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended('paysaga audit ' || :tenant, 0))")
_ADD: Final = text("""
    INSERT INTO audit_seals (tenant_id, number, record_id, hash)
    SELECT CAST(:tenant AS varchar), *
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:records AS bigint[]), CAST(:hashes AS bytea[]))
""")


async def seal(tx: AsyncConnection, notary: Notary, tenant_id: str, now: datetime) -> Checkpoint | None:
    """Seal the next batch of this tenant's records; None when there are none, or somebody else is at it.

    Records that come late from a slow transaction get the next places. One that shows up among records sealed
    long before was not written when it says: it gets none, and ``storage.custody`` reports it.
    """
    if not (await tx.execute(_ALONE, {"tenant": tenant_id})).scalar_one():
        return None
    last = await newest(tx, tenant_id)
    found = (
        (
            await tx.execute(
                select(audit_records)
                .where(audit_records.c.tenant_id == tenant_id, unsealed(), *await _in_time(tx, last))
                .order_by(audit_records.c.id)
                .limit(BATCH)
            )
        )
        .mappings()
        .all()
    )
    if not found:
        return None
    leaves = [chain.leaf(document(row)) for row in found]
    hashes = [chain.genesis(tenant_id) if last is None else last.head]
    for leaf in leaves:
        hashes.append(chain.link(hashes[-1], leaf))
    point = _signed(
        notary, _next(tenant_id, last, found, (hashes[-1], chain.root(leaves)), now, notary.key_id)
    )
    await tx.execute(
        _ADD,
        {
            "tenant": tenant_id,
            "numbers": list(range(point.first, point.number + 1)),
            "records": [row["id"] for row in found],
            "hashes": hashes[1:],
        },
    )
    await tx.execute(insert(audit_checkpoints).values(point.model_dump()))
    if tallies.worth_counting(found):
        await tallies.count(tx, point.number)
    return point


def _next(
    tenant_id: str,
    last: Checkpoint | None,
    found: Sequence[RowMapping],
    sealed: tuple[bytes, bytes],
    now: datetime,
    key_id: str,
) -> Checkpoint:
    number = 0 if last is None else last.number
    latest = min(max(row["at"] for row in found), now)
    return Checkpoint(
        tenant_id=tenant_id,
        first=number + 1,
        number=number + len(found),
        head=sealed[0],
        root=sealed[1],
        highest=max(found[-1]["id"], 0 if last is None else last.highest),
        latest=latest if last is None else max(latest, last.latest),
        previous=chain.NOTHING if last is None else last.digest,
        at=now,
        key_id=key_id,
    )


def _signed(notary: Notary, point: Checkpoint) -> Checkpoint:
    return point.model_copy(update={"signature": notary.sign(point.signed)})


async def newest(tx: AsyncConnection, tenant_id: str) -> Checkpoint | None:
    """How far this tenant's chain goes."""
    row = (
        await tx.execute(
            select(audit_checkpoints)
            .where(audit_checkpoints.c.tenant_id == tenant_id)
            .order_by(audit_checkpoints.c.number.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else checkpoint(row)


def checkpoint(row: Row[Any]) -> Checkpoint:
    return Checkpoint(**{name: row._mapping[name] for name in Checkpoint.model_fields})  # noqa: SLF001


def unsealed() -> ColumnElement[bool]:
    return ~exists().where(audit_seals.c.record_id == audit_records.c.id)


async def _in_time(tx: AsyncConnection, last: Checkpoint | None) -> list[ColumnElement[bool]]:
    """What holds for records that may still have been on their way when ``last`` was made."""
    if last is None:
        return []
    settled = await settled_id(tx, last)
    return [audit_records.c.id > settled, audit_records.c.at >= last.latest - IN_FLIGHT]


def too_late(last: Checkpoint, settled: int) -> ColumnElement[bool]:
    """What holds for all other records without a seal."""
    return or_(audit_records.c.id <= settled, audit_records.c.at < last.latest - IN_FLIGHT)


async def settled_id(tx: AsyncConnection, last: Checkpoint) -> int:
    """Every record up to this id had been on disk when ``last`` was made.

    Its id was given to it within ``IN_FLIGHT`` of its time, and it was on disk within ``IN_FLIGHT`` of that.
    """
    found: int | None = (
        await tx.execute(
            select(audit_checkpoints.c.highest)
            .where(
                audit_checkpoints.c.tenant_id == last.tenant_id,
                audit_checkpoints.c.latest < last.latest - 2 * IN_FLIGHT,
            )
            .order_by(audit_checkpoints.c.number.desc())
            .limit(1)
        )
    ).scalar()
    return 0 if found is None else found


async def waiting(tx: AsyncConnection, above: int, at_least: int) -> set[str]:
    """Tenants with records without a seal, among those above an id; needs a system transaction.

    All of them, unless they are ``at_least`` so many.
    """
    highest = (await tx.execute(select(func.max(audit_records.c.id)))).scalar() or 0
    found: set[str] = set()
    # Step by step: a trail of years is not looked through within the time that a statement has.
    while above < highest and len(found) < at_least:
        some = audit_records.c.id.between(above + 1, above + _STEP)
        query = select(audit_records.c.tenant_id).distinct().where(some, unsealed())
        found.update((await tx.execute(query)).scalars())
        above += _STEP
    return found


async def landed_id(tx: AsyncConnection, now: datetime) -> int:
    """Whatever has an id up to this one is on disk by now; needs a system transaction.

    Some record with this id was sealed so long ago, and ids are given in order to all tenants.
    """
    query = select(audit_checkpoints.c.highest).where(audit_checkpoints.c.latest < now - 2 * IN_FLIGHT)
    newest_first = query.order_by(audit_checkpoints.c.latest.desc()).limit(1)
    found: int | None = (await tx.execute(newest_first)).scalar()
    return 0 if found is None else found
