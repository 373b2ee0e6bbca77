"""How payments have ended, over all tenants: counted once each, when the audit record of it is sealed.

A record has one place in its tenant's trail and gets it in one transaction, which counts it as well: so no
payment is counted twice or forgotten, and none waits for a row that all of them would change.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import RowMapping, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import String

from domain.outcome import ENDINGS, KNOWN, OTHER
from storage.ownership import ours

_ENDED: Final = """r.result = 'ok' AND r.action = ANY(:endings)"""
_OUTCOME: Final = f"""
    CASE WHEN r.action <> 'payment.failed' THEN split_part(r.action, '.', 2)
        WHEN r.failure = ANY(:known) THEN r.failure ELSE '{OTHER}' END
"""
_WORDS: Final = (
    bindparam("endings", ENDINGS, type_=ARRAY(String)),
    bindparam("known", sorted(KNOWN), type_=ARRAY(String)),
)
# From where the last count ended, not where this batch began: that makes up for who sealed without counting.
_COUNT: Final = ours(f"""
    WITH counted AS (
        SELECT coalesce(max(counted_to), 0) AS place FROM payment_tallies WHERE tenant_id = :tenant
    ),
    ended AS (
        SELECT {_OUTCOME} AS outcome FROM counted, audit_seals s
        JOIN audit_records r ON r.id = s.record_id AND r.tenant_id = :tenant
        WHERE s.tenant_id = :tenant AND s.number > counted.place AND s.number <= :until AND {_ENDED}
    )
    INSERT INTO payment_tallies AS kept (tenant_id, outcome, payments, counted_to)
    SELECT :tenant, outcome, count(*), CAST(:until AS bigint) FROM ended GROUP BY outcome
    UNION ALL SELECT :tenant, '', 0, CAST(:until AS bigint)
    ON CONFLICT (tenant_id, outcome)
    DO UPDATE SET payments = kept.payments + excluded.payments, counted_to = excluded.counted_to
""").bindparams(*_WORDS)
_TALLIED: Final = text("SELECT outcome, sum(payments) AS payments FROM payment_tallies GROUP BY outcome")
_UNSEALED: Final = text(f"""
    SELECT CASE WHEN {_ENDED} THEN {_OUTCOME} END AS outcome, count(*) AS payments, min(r.at) AS oldest
    FROM audit_records r
    WHERE r.id > :above AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.record_id = r.id)
    GROUP BY 1
""").bindparams(*_WORDS)


class Totals(NamedTuple):
    """Payments by how they ended, and since when the oldest record waits for its seal."""

    ended: dict[str, int]
    unsealed_since: datetime | None


def worth_counting(records: Sequence[RowMapping]) -> bool:
    """Whether a payment's end is among these records."""
    return any(record["action"] in ENDINGS for record in records)


async def count(tx: AsyncConnection, until: int) -> None:
    """Count what this tenant's trail says up to a place: part of the transaction that gave it."""
    await tx.execute(_COUNT, {"until": until})


async def totals(tx: AsyncConnection, landed: int) -> Totals:
    """All that have ended by now; needs a frozen system transaction.

    What is sealed has been counted, and what is not is counted now. Records up to ``landed`` have been on
    disk, and so sealed, for minutes (``storage.sealing.landed_id``).
    """
    ended = {row.outcome: int(row.payments) for row in await tx.execute(_TALLIED) if row.outcome}
    unsealed = (await tx.execute(_UNSEALED, {"above": landed})).all()
    for row in unsealed:
        if row.outcome is not None:
            ended[row.outcome] = ended.get(row.outcome, 0) + row.payments
    return Totals(ended, min((row.oldest for row in unsealed), default=None))
