"""What waits for a person, found by looking: no list that could be forgotten to be kept."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.values import Value

# Nobody knows what became of it, for so long: then a person should look.
UNKNOWN_FOR: Final = timedelta(hours=24)
# What nobody decides about within a day will have expired.
LAST_DAY: Final = timedelta(days=1)


class Matter(Value):
    """One thing to look into: what it is, whose, since when, and why."""

    kind: str
    subject: str
    tenant_id: str
    since: datetime
    why: str


_QUESTIONS: Final[Mapping[str, str]] = {
    "payment under review": """
        SELECT id AS subject, tenant_id, updated_at AS since, coalesce(failure_code, '') AS why FROM payments
        WHERE status = 'REVIEW'
    """,
    "payment unknown": """
        SELECT id AS subject, tenant_id, updated_at AS since, 'nobody has said for a day' AS why FROM payments
        WHERE status = 'UNKNOWN' AND updated_at < :unknown_before
    """,
    "refund unknown": """
        SELECT r.id AS subject, r.tenant_id, r.updated_at AS since, 'nobody has said for a day' AS why
        FROM refunds r LEFT JOIN approvals a ON a.id = r.approval_id
        WHERE r.state IN ('PENDING', 'UNKNOWN') AND coalesce(a.decided_at, r.created_at) < :unknown_before
    """,
    "refund failed, money still here": """
        SELECT r.id AS subject, r.tenant_id, r.updated_at AS since, coalesce(r.failure_code, '') AS why
        FROM refunds r JOIN payments p ON p.id = r.payment_id
        WHERE r.state = 'FAILED' AND p.status <> 'SUCCEEDED' AND p.captured_minor > p.refund_reserved
    """,
    "approval in its last day": """
        SELECT id AS subject, tenant_id, created_at AS since,
            kind || ' of ' || payment_id || ' expires ' || to_char(expires_at, 'YYYY-MM-DD HH24:MI') AS why
        FROM approvals WHERE state = 'PENDING' AND expires_at < :tomorrow
    """,
    "dispute waits for evidence": """
        SELECT id AS subject, tenant_id, created_at AS since,
            coalesce('until ' || to_char(evidence_due_by, 'YYYY-MM-DD HH24:MI'), '') AS why
        FROM disputes WHERE state IN ('INQUIRY', 'OPEN') AND evidence_sent_at IS NULL
    """,
    "books differ": """
        SELECT d.id AS subject, d.tenant_id, d.at AS since,
            d.drift || ' ' || d.subject || ': ' || d.here || ' here, ' || d.there || ' there' AS why
        FROM reconciliation_differences d JOIN reconciliation_runs r ON r.id = d.run_id
        WHERE d.action = 'REPORTED' AND r.id = (
            SELECT id FROM reconciliation_runs WHERE account_id = r.account_id AND state = 'DONE'
            ORDER BY started_at DESC LIMIT 1)
    """,
    "event": """
        SELECT id AS subject, tenant_id, received_at AS since, state || ' ' || coalesce(note, '') AS why
        FROM inbox WHERE state IN ('QUARANTINED', 'DEAD')
    """,
}


async def matters(tx: AsyncConnection, now: datetime, unknown_for: timedelta = UNKNOWN_FOR) -> list[Matter]:
    """Everything that waits for a person, the oldest first; needs a system transaction."""
    found = []
    for kind, question in _QUESTIONS.items():
        moments = {"unknown_before": now - unknown_for, "tomorrow": now + LAST_DAY}
        bound = {name: moment for name, moment in moments.items() if f":{name}" in question}
        rows = await tx.execute(text(f"{question} ORDER BY since LIMIT 1000"), bound)
        found += [Matter(kind=kind, **row) for row in rows.mappings()]
    return sorted(found, key=lambda matter: matter.since)
