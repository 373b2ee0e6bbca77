"""Examines the audit trail as it lies in the database: one pass over the chain, in little memory."""

from typing import Any, Final

from sqlalchemy import RowMapping, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.chain import Checkpoint
from domain.custody import MOST, Breach, Examination, Seal, Trusted
from domain.values import Value
from storage.audit import document
from storage.sealing import checkpoint, newest, settled_id, too_late, unsealed
from storage.tables import audit_checkpoints, audit_records, tenants

_CHAIN: Final = text("""
    SELECT coalesce(s.number, c.number) AS place, s.record_id, s.hash, r.*,
        c.first, c.head, c.root, c.highest, c.latest, c.previous, c.key_id, c.signature, c.at AS signed_at
    FROM (SELECT * FROM audit_seals WHERE tenant_id = :tenant AND number > :after AND number <= :until) s
    FULL JOIN (
        SELECT * FROM audit_checkpoints WHERE tenant_id = :tenant AND number > :after AND number <= :until
    ) c ON c.number = s.number
    LEFT JOIN audit_records r ON r.id = s.record_id AND r.tenant_id = :tenant
    ORDER BY 1
""")
_POINT: Final = ("first", "head", "root", "highest", "latest", "previous", "key_id", "signature")
_AT_A_TIME: Final = 1000
# Behind the newest record, sealed or not, that is older than this one.
_BEHIND_IN_TIME: Final = text("""
    SELECT s.number FROM audit_records r JOIN audit_seals s ON s.record_id = r.id AND s.tenant_id = :tenant
    WHERE r.tenant_id = :tenant AND r.at <= :at ORDER BY r.at DESC, r.id DESC LIMIT 1
""")


# A young tenant's rows may be thousands before the planner's statistics know of one. Taking them for few, it
# would look through all of them again for each of them.
_TAKE_THEM_FOR_MANY: Final = text("SET LOCAL enable_nestloop = off")
_TAKE_THEM_AS_USUAL: Final = text("SET LOCAL enable_nestloop = on")


class Report(Value):
    """What was found in a tenant's trail, from one place to another."""

    tenant_id: str
    after: int
    until: int
    complete: bool
    """The examination went to the end of the chain."""
    sealed: int
    """How many places the chain has, examined now or not."""
    pending: int
    """Records that wait for their seal."""
    checkpoints: int
    head: str | None
    """The chain's hash at ``until``, as it was signed there."""
    signatures: bool
    """Whether they were looked at: somebody said which keys to trust."""
    exported: bool
    """Whether the chain was compared with a checkpoint that is kept elsewhere."""
    findings: tuple[Breach, ...]
    more_findings: int

    @property
    def verified(self) -> bool:
        return not self.findings


class Request(Value):
    """Which trail to examine, and what to hold it against."""

    tenant_id: str
    after: int = 0
    """A place whose checkpoint was found sound before; others are taken back to the one before them."""
    at_most: int | None = None
    exported: Checkpoint | None = None


async def examine(tx: AsyncConnection, wanted: Request, trusted: Trusted | None) -> Report:
    """Go along the chain. Needs a frozen transaction: a chain that grows meanwhile would seem torn."""
    last = await newest(tx, wanted.tenant_id)
    start = await _checkpoint_at(tx, wanted.tenant_id, wanted.after) if wanted.after else None
    until = await _until(tx, wanted, 0 if start is None else start.number)
    under_examination = Examination(wanted.tenant_id, trusted, start, wanted.exported)
    await tx.execute(_TAKE_THEM_FOR_MANY)
    await _walk(tx, under_examination, (0 if start is None else start.number, until))
    complete = last is None or under_examination.number >= last.number
    pending = 0
    if last is not None:
        reached = None if complete else under_examination.last
        await _look_for_strangers(tx, under_examination, last, (start, reached))
    if complete:
        pending = await _pending(tx, wanted.tenant_id, last)
    findings = under_examination.end(of_chain=complete)
    return Report(
        tenant_id=wanted.tenant_id,
        after=0 if start is None else start.number,
        until=under_examination.number,
        complete=complete,
        sealed=0 if last is None else last.number,
        pending=pending,
        checkpoints=under_examination.checkpoints,
        head=None if under_examination.last is None else under_examination.last.head.hex(),
        signatures=trusted is not None,
        exported=wanted.exported is not None,
        findings=tuple(findings),
        more_findings=under_examination.uncounted,
    )


async def _walk(tx: AsyncConnection, under_examination: Examination, places: tuple[int, int]) -> None:
    bound = {"tenant": under_examination.tenant_id, "after": places[0], "until": places[1]}
    rows = await tx.stream(_CHAIN, bound, execution_options={"max_row_buffer": _AT_A_TIME})
    async for some in rows.mappings().partitions(_AT_A_TIME):
        for row in some:
            if row["hash"] is not None:
                record = None if row["id"] is None else document(row)
                under_examination.sealed(Seal(row["place"], row["record_id"], row["hash"]), record)
            if row["signed_at"] is not None:
                under_examination.checkpoint(_checkpoint(under_examination.tenant_id, row))


def _checkpoint(tenant_id: str, row: RowMapping) -> Checkpoint:
    facts: dict[str, Any] = {name: row[name] for name in _POINT}
    return Checkpoint(tenant_id=tenant_id, number=row["place"], at=row["signed_at"], **facts)


async def _until(tx: AsyncConnection, wanted: Request, start: int) -> int:
    """The last place to look at: that of a checkpoint, if there is one within reach."""
    if wanted.at_most is None:
        return 2**62
    reach = start + wanted.at_most
    place = (
        await tx.execute(
            select(func.max(audit_checkpoints.c.number)).where(
                audit_checkpoints.c.tenant_id == wanted.tenant_id, audit_checkpoints.c.number <= reach
            )
        )
    ).scalar()
    return reach if place is None or place <= start else int(place)


async def _checkpoint_at(tx: AsyncConnection, tenant_id: str, place: int) -> Checkpoint | None:
    found = select(audit_checkpoints).where(
        audit_checkpoints.c.tenant_id == tenant_id, audit_checkpoints.c.number <= place
    )
    row = (await tx.execute(found.order_by(audit_checkpoints.c.number.desc()).limit(1))).one_or_none()
    return None if row is None else checkpoint(row)


async def _look_for_strangers(
    tx: AsyncConnection,
    under_examination: Examination,
    last: Checkpoint,
    bounds: tuple[Checkpoint | None, Checkpoint | None],
) -> None:
    """Records that nobody sealed because they were not there when they should have been."""
    settled, (start, reached) = await settled_id(tx, last), bounds
    query = select(audit_records.c.id, audit_records.c.at).where(
        audit_records.c.tenant_id == last.tenant_id, unsealed(), too_late(last, settled)
    )
    if start is not None:
        query = query.where(audit_records.c.id > start.highest)
    if reached is not None:
        query = query.where(audit_records.c.id <= reached.highest)
    strangers = (await tx.execute(query.order_by(audit_records.c.id).limit(MOST))).all()
    await tx.execute(_TAKE_THEM_AS_USUAL)
    for stranger in strangers:
        among = {"tenant": last.tenant_id, "at": stranger.at}
        behind = (await tx.execute(_BEHIND_IN_TIME, among)).scalar()
        under_examination.slipped_in(stranger.id, behind or 0)


async def _pending(tx: AsyncConnection, tenant_id: str, last: Checkpoint | None) -> int:
    query = select(func.count()).where(audit_records.c.tenant_id == tenant_id, unsealed())
    if last is not None:
        query = query.where(~too_late(last, await settled_id(tx, last)))
    return int((await tx.execute(query)).scalar_one())


async def tenants_with_trails(tx: AsyncConnection) -> list[str]:
    """All of them; needs a system transaction."""
    return list((await tx.execute(select(tenants.c.id).order_by(tenants.c.id))).scalars())
