"""A tenant at a glance: how much there is of everything that somebody may have to look after."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.ownership import ours

_COUNTS: Final = ours("""
    SELECT 'payments' AS what, status AS state, count(*) AS number FROM payments
        WHERE tenant_id = :tenant GROUP BY status
    UNION ALL SELECT 'endpoints', status, count(*) FROM webhook_endpoints
        WHERE tenant_id = :tenant AND status <> 'deleted' GROUP BY status
    UNION ALL SELECT 'inbox', state, count(*) FROM inbox
        WHERE tenant_id = :tenant AND state <> 'PROCESSED' GROUP BY state
    UNION ALL SELECT 'approvals', state, count(*) FROM approvals
        WHERE tenant_id = :tenant AND state = 'PENDING' GROUP BY state
    ORDER BY 1, 2
""")


async def counts(tx: AsyncConnection) -> Mapping[str, Mapping[str, int]]:
    """What -> state -> how many, of the tenant whose transaction this is."""
    found: dict[str, dict[str, int]] = {"payments": {}, "endpoints": {}, "inbox": {}, "approvals": {}}
    for what, state, number in await tx.execute(_COUNTS):
        found[what][state] = number
    return found
