"""What people want to see together, though it lies in several tables. Reads only."""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound

_CHAPTERS: Final = {
    "History": """
        SELECT at, type, cause_id AS cause, raw_state FROM payment_events
        WHERE payment_id = :payment ORDER BY at, id
    """,
    "Provider events": """
        SELECT received_at AS at, event_id, state, note, observation->>'raw_state' AS said FROM inbox
        WHERE payment_id = :payment ORDER BY received_at
    """,
    "Ledger": """
        SELECT at, account, amount_minor, currency FROM ledger_entries
        WHERE payment_id = :payment ORDER BY id
    """,
    "Rights": """
        SELECT valid_from AS at, feature, quantity, valid_to FROM entitlements
        WHERE payment_id = :payment ORDER BY id
    """,
    "Refunds": """
        SELECT created_at AS at, id, state, amount_minor, currency, origin, requested_by, failure_code
        FROM refunds WHERE payment_id = :payment ORDER BY created_at, id
    """,
    "Disputes": """
        SELECT created_at AS at, id, state, amount_minor, currency, reason, evidence_due_by, evidence_sent_at
        FROM disputes WHERE payment_id = :payment ORDER BY created_at, id
    """,
    "Approvals": """
        SELECT created_at AS at, id, kind, state, amount_minor, currency, requested_by, decided_by, expires_at
        FROM approvals WHERE payment_id = :payment ORDER BY created_at, id
    """,
    "Webhooks to the tenant": """
        SELECT e.at, e.sequence, e.type, d.state, d.attempts, d.last_status, d.last_error FROM events e
        LEFT JOIN deliveries d ON d.event_id = e.id WHERE e.payment_id = :payment ORDER BY e.sequence
    """,
    "Audit": """
        SELECT at, actor, action, resource, result, correlation_id FROM audit_records
        WHERE resource = :payment OR resource IN (SELECT id FROM refunds WHERE payment_id = :payment
            UNION SELECT id FROM disputes WHERE payment_id = :payment
            UNION SELECT id FROM approvals WHERE payment_id = :payment) ORDER BY id
    """,
}


async def dossier(tx: AsyncConnection, payment_id: str) -> dict[str, Any]:
    """A payment's row and, chapter by chapter, all that refers to it. Raises ``NotFound``."""
    of_this = {"payment": payment_id}
    row = (await tx.execute(text("SELECT * FROM payments WHERE id = :payment"), of_this)).one_or_none()
    if row is None:
        raise NotFound
    chapters = {}
    for title, query in _CHAPTERS.items():
        chapters[title] = [dict(line) for line in (await tx.execute(text(query), of_this)).mappings()]
    return {"payment": dict(row._mapping), "tables": chapters}  # noqa: SLF001 - public, despite its name
