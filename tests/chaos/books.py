"""Evidence made by hand, sound in every way, for tests to doctor."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

from tests.chaos import plan
from tests.chaos.evidence import Evidence
from tests.chaos.mail import Letter
from tests.chaos.shops import FEATURE, Told
from tests.house import Json

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
AMOUNT, CURRENCY = 5_000, "EUR"


def sound() -> Evidence:
    """Two shops: one payment paid, one expired, and three whose money was late or wrong."""
    evidence = Evidence(
        told=[],
        letters=[],
        ledger={"captures": [], "refunds": [], "sessions": [], "disputes": []},
        lists={"ten_0": [], "ten_1": []},
        rights={},
        bugs=[],
        trespasses=[{"tenant": "ten_0", "payment": "pay_late", "status": 404}],
        rows={
            "webhook_endpoints": [
                {"id": f"whe_{shop}", "tenant_id": f"ten_{shop}", "status": "enabled"} for shop in range(2)
            ]
        }
        | {
            table: []
            for table in (
                *("payments", "payment_events", "ledger_entries", "inbox"),
                *("events", "deliveries", "refunds"),
            )
        },
        verified={
            "ok": True,
            "checks": [
                {"promise": "I1", "outcome": "ok", "findings": []},
                {"promise": "I7 the trail", "outcome": "ok", "detail": "9 records sealed", "findings": []},
            ],
        },
    )
    _sell(evidence, "pay_paid", 0, "SUCCEEDED", captured=AMOUNT, booked=AMOUNT)
    _sell(evidence, "pay_expired", 0, "EXPIRED")
    _sell(evidence, "pay_late", 1, "CANCELLED", captured=AMOUNT, inbox="QUARANTINED")
    _sell(evidence, "pay_returned", 1, "CANCELLED", captured=AMOUNT, refunded=AMOUNT)
    _sell(evidence, "pay_wrong", 1, "REVIEW", captured=AMOUNT - 1, booked=AMOUNT - 1)
    return evidence


def row(evidence: Evidence, table: str, **where: Any) -> Json:
    """The one row that is meant."""
    (found,) = [
        each for each in evidence.rows[table] if all(each[name] == value for name, value in where.items())
    ]
    return found


def told(evidence: Evidence, payment_id: str) -> Told:
    return next(each for each in evidence.told if payment_id in each.payment_ids)


def letter(evidence: Evidence, payment_id: str, type_: str) -> int:
    """Where in the shops' post this one is."""
    return next(
        number
        for number, each in enumerate(evidence.letters)
        if (each.payment_id, each.type) == (payment_id, type_)
    )


def rewrite(evidence: Evidence, payment_id: str, type_: str, **changes: Any) -> Letter:
    """Put another letter in the place of one."""
    number = letter(evidence, payment_id, type_)
    evidence.letters[number] = dataclasses.replace(evidence.letters[number], **changes)
    return evidence.letters[number]


def _sell(
    evidence: Evidence,
    payment_id: str,
    shop: int,
    status: str,
    *,
    captured: int = 0,
    booked: int = 0,
    refunded: int = 0,
    inbox: str = "PROCESSED",
) -> None:
    tenant, rows = f"ten_{shop}", evidence.rows
    number = len(evidence.told)
    order = dataclasses.replace(
        plan.draw(1, 5, 0).orders[number], shop=shop, amount=AMOUNT, currency=CURRENCY
    )
    evidence.told.append(
        Told(order, tenant, [payment_id, payment_id], ["PROVIDER_PENDING", status, status], over=True)
    )
    rows["payments"].append(
        {
            "id": payment_id,
            "tenant_id": tenant,
            "idempotency_key": order.key,
            "amount_minor": AMOUNT,
            "currency": CURRENCY,
            "status": status,
            "refund_status": "FULL" if refunded else "NONE",
            "dispute_status": "NONE",
            "created_at": NOON,
        }
    )
    _announce(evidence, payment_id, tenant, shop, ["created", "pending", status.lower()])
    _move_money(evidence, payment_id, captured, booked, refunded)
    rows["inbox"].append(
        {"event_id": f"evt_at_company_{number}", "payment_id": payment_id, "state": inbox, "note": "paid"}
    )
    evidence.lists[tenant].append({"id": payment_id})
    right = {"source": {"id": payment_id}, "feature": FEATURE, "active": True}
    evidence.rights[payment_id] = [right] if status == "SUCCEEDED" else []


def _announce(evidence: Evidence, payment_id: str, tenant: str, shop: int, words: list[str]) -> None:
    rows = evidence.rows
    for word in words:
        type_, sequence = f"payment.{word}", 1 + sum(event["tenant_id"] == tenant for event in rows["events"])
        event_id = f"evt_{payment_id}_{word}"
        rows["payment_events"].append({"payment_id": payment_id, "type": type_, "at": NOON})
        rows["events"].append(
            {
                "id": event_id,
                "tenant_id": tenant,
                "sequence": sequence,
                "type": type_,
                "payment_id": payment_id,
            }
        )
        rows["deliveries"].append(
            {"event_id": event_id, "state": "DELIVERED", "attempts": 2, "last_error": None}
        )
        for answer in (500, 200):
            evidence.letters.append(
                Letter(shop, event_id, f"hash of {event_id}", type_, sequence, tenant, payment_id, answer)
            )


def _move_money(evidence: Evidence, payment_id: str, captured: int, booked: int, refunded: int) -> None:
    ledger, money = evidence.ledger, {"reference": payment_id, "currency": CURRENCY}
    ledger["sessions"].append(money | {"id": f"cs_{payment_id}", "status": "complete", "amount": AMOUNT})
    if captured:
        ledger["captures"].append(money | {"id": f"py_{payment_id}", "amount": captured})
    if refunded:
        name = f"ref_{payment_id}"
        ledger["refunds"].append(
            money | {"id": f"re_{payment_id}", "refundReference": name, "status": "succeeded"}
            | {"amount": refunded}
        )  # fmt: skip
        evidence.rows["refunds"].append({"id": name, "payment_id": payment_id})
    if booked:
        entry = {"transaction_id": f"txn_{payment_id}", "payment_id": payment_id, "currency": CURRENCY}
        evidence.rows["ledger_entries"] += [
            entry | {"account": "provider_receivable", "amount_minor": booked},
            entry | {"account": "tenant_revenue", "amount_minor": -booked},
        ]
