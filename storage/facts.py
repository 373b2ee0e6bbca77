"""How the whole platform stands, for whoever watches over it: figures without a name in them.

Every question meets an index that holds only what is open, or a count that was kept: what it costs follows
what there is to do, not how long there has been something.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.health import Health
from domain.values import Value
from storage import health, sealing, tallies

OPEN_PAYMENTS: Final = ("CREATED", "PROVIDER_PENDING", "UNKNOWN", "REVIEW")
OPEN_REFUNDS: Final = ("PENDING_APPROVAL", "PENDING", "UNKNOWN")
OPEN_EVENTS: Final = ("RECEIVED", "UNMATCHED", "QUARANTINED", "DEAD")

# The words stand in the text, as those of the indexes do: with parameters the planner might not see it.
_PAYMENTS: Final = text("""
    SELECT status AS name, count(*) AS number, min(updated_at) AS since FROM payments
    WHERE status IN ('CREATED', 'PROVIDER_PENDING', 'UNKNOWN') GROUP BY status
    UNION ALL
    SELECT status, count(*), min(updated_at) FROM payments WHERE status = 'REVIEW' GROUP BY status
""")
_REFUNDS: Final = text("""
    SELECT state AS name, count(*) AS number FROM refunds
    WHERE state IN ('PENDING_APPROVAL', 'PENDING', 'UNKNOWN') GROUP BY state
""")
_EVENTS: Final = text("""
    SELECT state AS name, count(*) AS number, min(received_at) AS since FROM inbox
    WHERE state IN ('RECEIVED', 'UNMATCHED') GROUP BY state
    UNION ALL
    SELECT state, count(*), min(received_at) FROM inbox WHERE state IN ('QUARANTINED', 'DEAD') GROUP BY state
""")
# What piles up for disabled endpoints is not due: nobody may send it.
_DELIVERIES: Final = text("""
    SELECT count(*) AS number, min(d.due_at) AS since
    FROM deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
    WHERE d.state = 'PENDING' AND d.due_at <= :now AND e.status = 'enabled'
""")
# Of each account's last run; older than a week it says nothing of today.
_DIFFERENCES: Final = """
    SELECT count(*) FROM reconciliation_differences d JOIN reconciliation_runs r ON r.id = d.run_id
    WHERE d.action = 'REPORTED' AND d.at >= :week_ago AND r.state = 'DONE' AND NOT EXISTS (
        SELECT FROM reconciliation_runs later
        WHERE later.tenant_id = r.tenant_id AND later.account_id = r.account_id
            AND later.state = 'DONE' AND later.started_at > r.started_at)
"""
_COUNTS: Final[Mapping[str, str]] = {
    "endpoints_disabled": "SELECT count(*) FROM webhook_endpoints WHERE status = 'disabled'",
    "approvals_pending": "SELECT count(*) FROM approvals WHERE state = 'PENDING' AND expires_at > :now",
    "audit_breaches": "SELECT coalesce(sum(greatest(breaches + breaches_at_end, breaches_before)), 0)"
    " FROM audit_examinations",
    "reconciliation_differences": _DIFFERENCES,
}
_WEEK: Final = timedelta(days=7)


class Facts(Value):
    """What all processes would say alike at one moment. Ages are in seconds, and 0 where nothing waits."""

    ended: dict[str, int]
    payments_open: dict[str, int]
    payments_oldest: dict[str, float]
    refunds_open: dict[str, int]
    inbox_events: dict[str, int]
    inbox_oldest: float
    """Of events about payments of ours. One of a payment that nobody knows may be of somebody else's, and
    waits for three days to find out."""
    deliveries_due: int
    deliveries_oldest: float
    endpoints_disabled: int
    approvals_pending: int
    audit_breaches: int
    audit_unsealed: float
    reconciliation_differences: int
    accounts: dict[tuple[str, Health], int]


async def gather(tx: AsyncConnection, now: datetime) -> Facts:
    """Ask for all of it; needs a frozen system transaction, so that one moment is told."""
    totals = await tallies.totals(tx, await sealing.landed_id(tx, now))
    payments, refunds, events = [
        {row["name"]: row for row in (await tx.execute(question)).mappings()}
        for question in (_PAYMENTS, _REFUNDS, _EVENTS)
    ]
    due = (await tx.execute(_DELIVERIES, {"now": now})).mappings().one()
    return Facts(
        ended=totals.ended,
        payments_open=_numbers(payments, OPEN_PAYMENTS),
        payments_oldest={name: _age(payments.get(name), now) for name in OPEN_PAYMENTS},
        refunds_open=_numbers(refunds, OPEN_REFUNDS),
        inbox_events=_numbers(events, OPEN_EVENTS),
        inbox_oldest=_age(events.get("RECEIVED"), now),
        deliveries_due=due["number"],
        deliveries_oldest=_age(due, now),
        audit_unsealed=_seconds(totals.unsealed_since, now),
        accounts=await health.census(tx, now),
        **{name: await _count(tx, question, now) for name, question in _COUNTS.items()},
    )


async def _count(tx: AsyncConnection, question: str, now: datetime) -> int:
    moments = {"now": now, "week_ago": now - _WEEK}
    bound = {name: moment for name, moment in moments.items() if f":{name}" in question}
    return int((await tx.execute(text(question), bound)).scalar_one())


def _numbers(found: Mapping[str, RowMapping], names: tuple[str, ...]) -> dict[str, int]:
    return {name: found[name]["number"] if name in found else 0 for name in names}


def _age(row: Mapping[Any, Any] | None, now: datetime) -> float:
    return 0.0 if row is None else _seconds(row["since"], now)


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
