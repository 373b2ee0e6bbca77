"""The independent truth that tests compare with: what moved, what was sent, what was received."""

from typing import Any

from sandbox.charges import Charge
from sandbox.checkout import Session
from sandbox.clock import from_microseconds
from sandbox.dialects import Event
from sandbox.disputes import Dispute
from sandbox.payments import Payment
from sandbox.refunds import Refund
from sandbox.store import Query
from sandbox.wire import shown_instant
from sandbox.world import World


def truth(world: World, reference: str | None) -> dict[str, list[dict[str, Any]]]:
    """Lay out everything under a reference, or everything."""
    query, store = Query(reference=reference), world.store
    return {
        "captures": [{**_head(capture), "session": capture.session} for capture in store.all(Payment, query)],
        "refunds": [
            {**_head(refund), "refundReference": refund.refund_reference, "payment": refund.payment}
            for refund in store.all(Refund, query)
        ],
        "disputes": [
            {**_head(dispute), "payment": dispute.payment, "reason": dispute.reason, "fee": dispute.fee}
            for dispute in store.all(Dispute, query)
        ],
        "sessions": [
            {
                **_head(session),
                "paymentStatus": session.payment_status,
                "amountCaptured": session.amount_captured,
                "currencyCaptured": session.currency_captured,
                "payment": session.payment,
            }
            for session in store.all(Session, query)
        ],
        "charges": [
            {
                **_head(charge),
                "amountCaptured": charge.amount_captured,
                "currencyCaptured": charge.currency_captured,
                "payment": charge.payment,
                "reason": (charge.last_error or {}).get("code"),
            }
            for charge in store.all(Charge, query)
        ],
    }


def _head(record: Payment | Refund | Dispute | Session | Charge) -> dict[str, Any]:
    return {
        "id": record.id,
        "account": record.account,
        "reference": record.reference,
        "status": record.status,
        "amount": record.amount,
        "currency": record.currency,
        "at": shown_instant(record.created_at),
    }


def webhooks(world: World, reference: str | None) -> list[dict[str, Any]]:
    """List events, oldest first, each with its attempts; ``status`` is null when nobody answered."""
    tried = world.store.sql.execute(
        "SELECT attempts.* FROM attempts JOIN objects ON objects.id = attempts.event"
        " WHERE ? IS NULL OR objects.reference = ? ORDER BY attempts.seq",
        (reference, reference),
    ).fetchall()
    attempts: dict[str, list[dict[str, Any]]] = {}
    for row in tried:
        at = shown_instant(from_microseconds(row["at_us"]))
        attempt = {"status": row["status"], "error": row["error"], "at": at}
        attempts.setdefault(row["event"], []).append(attempt)
    return [
        {
            "eventId": event.id,
            "type": event.type,
            "account": event.account,
            "reference": event.reference,
            "attempts": attempts.get(event.id, []),
        }
        for event in world.store.all(Event, Query(reference=reference))
    ]


def requests(world: World, reference: str | None) -> list[dict[str, Any]]:
    """List the calls received, oldest first; ``status`` is null while, or because, no answer was given."""
    rows = world.store.sql.execute(
        "SELECT * FROM requests WHERE ? IS NULL OR reference = ? ORDER BY seq", (reference, reference)
    ).fetchall()
    return [
        {
            "operation": row["operation"],
            "account": row["account"],
            "reference": row["reference"],
            "idempotencyKey": row["idempotency_key"],
            "status": row["status"],
            "at": shown_instant(from_microseconds(row["at_us"])),
        }
        for row in rows
    ]
