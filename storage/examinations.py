"""A continuing examination of all audit trails, a stretch at a time, and what it has found so far.

Each trail is gone along from its beginning, then its end is looked at again and again as it grows; after a
day it is begun anew. So whatever is done to a record shows within a day, and to a new one within minutes.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import or_, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.custody import Trusted
from storage import custody
from storage.tables import audit_examinations, tenants

# So many places are looked at in one transaction, at most.
STRETCH: Final = 1_000
_ANEW_AFTER: Final = timedelta(days=1)
_AGAIN_AFTER: Final = timedelta(minutes=1)
# One at a time, and not the lock of those who seal: they need not wait.
_NOTHING: Final = {"reached": 0, "seen": 0, "breaches": 0, "breaches_at_end": 0, "breaches_before": 0}
_ALONE: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended('paysaga audit ' || :tenant, 1))")


class Examined(NamedTuple):
    """How many breaches of a trail are known now, and whether that is more than before."""

    breaches: int
    news: bool


async def due(tx: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Tenants whose trails nobody has looked at for longest; needs a system transaction."""
    trails = select(tenants.c.id).outerjoin_from(
        tenants, audit_examinations, audit_examinations.c.tenant_id == tenants.c.id
    )
    waiting = or_(
        audit_examinations.c.examined_at.is_(None), audit_examinations.c.examined_at < now - _AGAIN_AFTER
    )
    oldest_first = audit_examinations.c.examined_at.asc().nulls_first()
    return list((await tx.execute(trails.where(waiting).order_by(oldest_first).limit(limit))).scalars())


async def go_on(
    tx: AsyncConnection, tenant_id: str, trusted: Trusted, now: datetime, stretch: int = STRETCH
) -> Examined | None:
    """Examine the next stretch of this tenant's trail and remember what was found.

    None: somebody else is at it. Needs a frozen transaction of the tenant.
    """
    if not (await tx.execute(_ALONE, {"tenant": tenant_id})).scalar_one():
        return None
    known = (await tx.execute(select(audit_examinations))).mappings().one_or_none()
    facts = _NOTHING | {"began_at": now} | dict(known or {})
    before = _found(facts)
    if now - facts["began_at"] >= _ANEW_AFTER:
        facts |= _NOTHING | {"began_at": now, "breaches_before": _found(facts), "seen": facts["seen"]}
    wanted = custody.Request(tenant_id=tenant_id, after=facts["reached"], at_most=stretch)
    report = await custody.examine(tx, wanted, trusted)
    # A trail that has become shorter lost its end, whatever is left of it.
    found = len(report.findings) + report.more_findings + (report.sealed < facts["seen"])
    if report.complete:
        # The end is looked at anew each time: what is found there now replaces what was.
        facts |= {"breaches_at_end": found, "breaches_before": 0}
    else:
        facts |= {"reached": report.until, "breaches": facts["breaches"] + found}
    facts["seen"] = max(facts["seen"], report.sealed)
    facts |= {"tenant_id": tenant_id, "examined_at": now}
    row = upsert(audit_examinations).values(facts)
    await tx.execute(row.on_conflict_do_update(index_elements=["tenant_id"], set_=facts))
    return Examined(_found(facts), news=_found(facts) > before)


def _found(facts: Mapping[str, Any]) -> int:
    return int(max(facts["breaches"] + facts["breaches_at_end"], facts["breaches_before"]))
