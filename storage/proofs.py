"""All that is known of one payment, to be proven: the facts, and the signature under them."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain import chain, proof
from domain.errors import NotFound
from domain.events import body
from storage.audit import document
from storage.notary import Notary
from storage.ownership import ours
from storage.sealing import checkpoint
from storage.tables import audit_checkpoints, audit_records, audit_seals

_ACCEPTED: Final = """
    SELECT id, tenant_id, idempotency_key, digest, user_id, order_id, amount_minor, currency, description,
        customer_email, success_url, cancel_url, entitlements, metadata, sandbox, correlation_id, created_at,
        expires_at FROM payments WHERE tenant_id = :tenant AND id = :payment
"""
_STANDING: Final = """
    SELECT status, provider, account_id, provider_reference, captured_minor, captured_currency,
        amount_refunded, refund_status, dispute_status, failure_code, failure_message, late,
        accepted_by, updated_at
    FROM payments WHERE tenant_id = :tenant AND id = :payment
"""
# Chapter by chapter. What else belongs to a payment joins here, and is signed with the rest.
_CHAPTERS: Final = {
    "checkouts": """
        SELECT id, account_id, provider, state, attempts, reference FROM checkouts
        WHERE tenant_id = :tenant AND payment_id = :payment ORDER BY id
    """,
    "evidence": """
        SELECT id, event_id, provider, account_id, state, note, observation->>'word' AS word,
            observation->>'raw_state' AS raw_state,
            coalesce(body_sha256, encode(sha256(body), 'hex')) AS body_sha256, received_at, processed_at
        FROM inbox WHERE tenant_id = :tenant AND payment_id = :payment ORDER BY received_at, id
    """,
    "transitions": """
        SELECT id, type, cause_id AS cause, evidence_sha256, raw_state, at FROM payment_events
        WHERE tenant_id = :tenant AND payment_id = :payment ORDER BY at, id
    """,
    "refunds": """
        SELECT id, amount_minor, currency, state, origin, reason, requested_by, provider,
            provider_reference, failure_code, created_at, updated_at
        FROM refunds WHERE tenant_id = :tenant AND payment_id = :payment ORDER BY created_at, id
    """,
    "approvals": """
        SELECT id, kind, refund_id, choice, amount_minor, currency, state, requested_by, decided_by,
            decided_at, created_at, expires_at
        FROM approvals WHERE tenant_id = :tenant AND payment_id = :payment ORDER BY created_at, id
    """,
    "disputes": """
        SELECT id, provider, provider_reference, amount_minor, currency, fee_minor, fee_currency, state,
            reason, statement, evidence_due_by, evidence_sent_at, created_at, updated_at
        FROM disputes WHERE tenant_id = :tenant AND payment_id = :payment ORDER BY created_at, id
    """,
    "ledger": """
        SELECT transaction_id, account, amount_minor, currency, at FROM ledger_entries
        WHERE tenant_id = :tenant AND payment_id = :payment ORDER BY id
    """,
    "grants": """
        SELECT id, user_id, feature, quantity, valid_from, valid_to FROM entitlements
        WHERE tenant_id = :tenant AND payment_id = :payment ORDER BY id
    """,
}
_EVENTS: Final = ours("""
    SELECT e.id, e.tenant_id, e.sequence, e.type, e.data, e.at, t.sandbox FROM events e
    JOIN tenants t ON t.id = e.tenant_id
    WHERE e.tenant_id = :tenant AND e.payment_id = :payment ORDER BY e.sequence
""")
_DELIVERIES: Final = ours("""
    SELECT d.event_id, d.id, d.endpoint_id, w.url, d.state, d.attempts, d.last_status, d.last_error,
        d.created_at, d.delivered_at
    FROM deliveries d JOIN events e ON e.id = d.event_id JOIN webhook_endpoints w ON w.id = d.endpoint_id
    WHERE d.tenant_id = :tenant AND e.tenant_id = :tenant AND w.tenant_id = :tenant
        AND e.payment_id = :payment
    ORDER BY d.created_at, d.id
""")


async def bundle(tx: AsyncConnection, payment_id: str, now: datetime) -> dict[str, Any]:
    """The facts. Needs a frozen transaction, so that they agree with each other. Raises ``NotFound``."""
    of_this = {"payment": payment_id}
    accepted = (await tx.execute(ours(_ACCEPTED), of_this)).mappings().one_or_none()
    if accepted is None:
        raise NotFound
    standing = (await tx.execute(ours(_STANDING), of_this)).mappings().one()
    chapters = {
        name: [_plain(row) for row in (await tx.execute(ours(query), of_this)).mappings()]
        for name, query in _CHAPTERS.items()
    }
    its_own = (*chapters["refunds"], *chapters["approvals"], *chapters["disputes"])
    names = [payment_id, *(each["id"] for each in its_own)]
    return {
        "tenantId": accepted["tenant_id"],
        "paymentId": payment_id,
        "at": chain.instant(now),
        "order": _plain(accepted),
        "standing": _plain(standing),
        **chapters,
        "deliveries": await _deliveries(tx, of_this),
        "audit": await _audit(tx, accepted["tenant_id"], names),
    }


def signed(notary: Notary, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The bundle of these facts. The same facts always make the same bundle."""
    claims = {
        "type": proof.PROOF,
        "keyId": notary.key_id,
        "publicKeys": [key["x"] for key in notary.keyring.jwks["keys"]],
        "facts": dict(facts),
    }
    return claims | {"signature": notary.sign(proof.statement(claims)).hex()}


async def _deliveries(tx: AsyncConnection, of_this: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the tenant was told, by the hash of the very bytes, and what became of that."""
    told: dict[str, dict[str, Any]] = {}
    for event in (await tx.execute(_EVENTS, of_this)).mappings():
        told[event["id"]] = {
            "eventId": event["id"],
            "type": event["type"],
            "sequence": event["sequence"],
            "at": chain.instant(event["at"]),
            "bodySha256": sha256(body(dict(event), sandbox=event["sandbox"])).hexdigest(),
            "deliveries": [],
        }
    for delivery in (await tx.execute(_DELIVERIES, of_this)).mappings():
        told[delivery["event_id"]]["deliveries"].append(_plain(delivery))
    return list(told.values())


async def _audit(tx: AsyncConnection, tenant_id: str, names: list[str]) -> dict[str, Any]:
    """The audit records of these things, each with the way from it to a signed checkpoint."""
    found = (
        await tx.execute(
            select(audit_records, audit_seals.c.number)
            .outerjoin(audit_seals, audit_seals.c.record_id == audit_records.c.id)
            .where(audit_records.c.tenant_id == tenant_id, audit_records.c.resource.in_(names))
            .order_by(audit_records.c.id)
        )
    ).mappings()
    records, pending, points = [], [], {}
    batches: dict[int, list[bytes]] = {}
    for row in found.all():
        if row["number"] is None:
            pending.append(document(row))
            continue
        point = await _point_of(tx, tenant_id, row["number"])
        if point.number not in batches:
            batches[point.number] = await _leaves(tx, point)
            points[point.number] = point.document
        path = chain.path(batches[point.number], row["number"] - point.first)
        records.append(
            {
                "record": document(row),
                "number": row["number"],
                "checkpoint": point.number,
                "path": [step.hex() for step in path],
            }
        )
    return {"records": records, "pending": pending, "checkpoints": list(points.values())}


async def _point_of(tx: AsyncConnection, tenant_id: str, number: int) -> chain.Checkpoint:
    query = (
        select(audit_checkpoints)
        .where(audit_checkpoints.c.tenant_id == tenant_id, audit_checkpoints.c.number >= number)
        .order_by(audit_checkpoints.c.number)
        .limit(1)
    )
    return checkpoint((await tx.execute(query)).one())


async def _leaves(tx: AsyncConnection, point: chain.Checkpoint) -> list[bytes]:
    rows = await tx.execute(
        select(audit_records)
        .join(audit_seals, audit_seals.c.record_id == audit_records.c.id)
        .where(
            audit_seals.c.tenant_id == point.tenant_id,
            audit_seals.c.number.between(point.first, point.number),
        )
        .order_by(audit_seals.c.number)
    )
    return [chain.leaf(document(row)) for row in rows.mappings()]


def _plain(row: RowMapping) -> dict[str, Any]:
    """A row as JSON has it: camelCase, moments spelt out."""
    return {_camel(str(name)): _spelt(value) for name, value in row.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _spelt(value: Any) -> Any:
    return chain.instant(value) if isinstance(value, datetime) else value
