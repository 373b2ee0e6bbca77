"""What people want to see together, though it lies in several tables. Reads only."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound
from storage.tables import payments

# What is whose is said by each of them, as they are also asked in transactions that see all tenants' rows.
CHAPTERS: Final[Mapping[str, str]] = {
    "History": """
        SELECT at, type, cause_id AS cause, raw_state, evidence_sha256 FROM payment_events
        WHERE tenant_id = :owner AND payment_id = :payment ORDER BY at, id
    """,
    "Provider events": """
        SELECT received_at AS at, id, provider, event_id, state, note, observation->>'raw_state' AS said,
            observation->>'evidence_sha256' AS evidence_sha256, attempts, processed_at FROM inbox
        WHERE tenant_id = :owner AND payment_id = :payment ORDER BY received_at, id
    """,
    "Calls": """
        SELECT first_called_at AS at, id, provider, state, attempts, unsure, reference FROM checkouts
        WHERE tenant_id = :owner AND payment_id = :payment ORDER BY first_called_at NULLS FIRST, id
    """,
    "Ledger": """
        SELECT at, transaction_id, account, amount_minor, currency FROM ledger_entries
        WHERE tenant_id = :owner AND payment_id = :payment ORDER BY id
    """,
    "Rights": """
        SELECT valid_from AS at, id, feature, quantity, valid_to, revoked_at FROM entitlements
        WHERE tenant_id = :owner AND payment_id = :payment ORDER BY id
    """,
    "Refunds": """
        SELECT created_at AS at, id, state, amount_minor, currency, origin, reason, requested_by, approval_id,
            provider, provider_reference, attempts, first_called_at, failure_code, updated_at
        FROM refunds WHERE tenant_id = :owner AND payment_id = :payment ORDER BY created_at, id
    """,
    "Disputes": """
        SELECT created_at AS at, id, state, amount_minor, currency, reason, provider, provider_reference,
            evidence_due_by, evidence_sent_at, updated_at
        FROM disputes WHERE tenant_id = :owner AND payment_id = :payment ORDER BY created_at, id
    """,
    "Approvals": """
        SELECT created_at AS at, id, kind, choice, state, amount_minor, currency, reason, requested_by,
            requester_credential_id, decided_by, decided_at, expires_at, refund_id
        FROM approvals WHERE tenant_id = :owner AND payment_id = :payment ORDER BY created_at, id
    """,
    "Webhooks to the tenant": """
        SELECT e.at, e.sequence, e.type, e.id AS event_id, d.id AS delivery_id, w.url,
            w.status AS endpoint, d.state, d.attempts, d.last_status, d.last_error, d.delivered_at
        FROM events e
        LEFT JOIN deliveries d ON d.event_id = e.id AND d.tenant_id = :owner
        LEFT JOIN webhook_endpoints w ON w.id = d.endpoint_id AND w.tenant_id = :owner
        WHERE e.tenant_id = :owner AND e.payment_id = :payment ORDER BY e.sequence, d.id
    """,
    "Attempts": """
        SELECT a.at, a.delivery_id, a.number, a.url, a.status, a.error, a.duration_ms, e.type
        FROM events e
        JOIN deliveries d ON d.event_id = e.id AND d.tenant_id = :owner
        JOIN delivery_attempts a ON a.delivery_id = d.id AND a.tenant_id = :owner
        WHERE e.tenant_id = :owner AND e.payment_id = :payment ORDER BY a.at, a.delivery_id, a.number
    """,
    "Audit": """
        SELECT at, actor, action, resource, result, failure, correlation_id FROM audit_records
        WHERE tenant_id = :owner AND (resource = :payment OR resource IN (
            SELECT id FROM refunds WHERE tenant_id = :owner AND payment_id = :payment
            UNION SELECT id FROM disputes WHERE tenant_id = :owner AND payment_id = :payment
            UNION SELECT id FROM approvals WHERE tenant_id = :owner AND payment_id = :payment)) ORDER BY id
    """,
}
MOST: Final = 500
"""So many lines of a chapter are read, and no more: the first."""


async def dossier(tx: AsyncConnection, payment_id: str) -> dict[str, Any]:
    """A payment's row and, chapter by chapter, all that refers to it. Raises ``NotFound``."""
    row = (await tx.execute(select(payments).where(payments.c.id == payment_id))).one_or_none()
    if row is None:
        raise NotFound
    of_this = {"payment": payment_id, "owner": row.tenant_id, "most": MOST}
    chapters = {}
    for title, query in CHAPTERS.items():
        found = await tx.execute(text(f"{query} LIMIT :most"), of_this)
        chapters[title] = [dict(line) for line in found.mappings()]
    return {"payment": dict(row._mapping), "tables": chapters}  # noqa: SLF001 - public, despite its name
