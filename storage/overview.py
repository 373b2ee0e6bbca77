"""How a tenant's affairs stand today: what waits for somebody, and how its webhooks get on. Reads only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.report import Span
from domain.values import Value
from storage.ownership import ours


class Kind(StrEnum):
    """What may wait for a person."""

    APPROVAL = "approval"
    REVIEW = "review"
    """Money that is not what was ordered."""
    UNKNOWN = "unknown"
    """Nobody can say whether it was paid; it is asked about, and may be settled by itself."""
    DISPUTE = "dispute"
    """A bank wants to see evidence."""
    EVENT = "event"
    """Something a company said, which could not take effect."""
    ENDPOINT = "endpoint"
    """It is disabled, and what is meant for it piles up."""


class Waiting(Value):
    kind: Kind
    count: int
    since: datetime


class Posts(Value):
    """What is on its way to the tenant's endpoints that are enabled, or is not."""

    enabled: int = 0
    disabled: int = 0
    waiting: int = 0
    """Deliveries to enabled endpoints that are to be tried, now or later."""
    due: int = 0
    """Of these, the ones whose time has come."""
    since: datetime | None = None
    """When the first of those was due."""


# The words stand in the text, as those of the indexes do: with parameters the planner might not see it.
_WAITING: Final[Mapping[Kind, str]] = {
    Kind.APPROVAL: """
        SELECT count(*) AS number, min(created_at) AS since FROM approvals
        WHERE tenant_id = :tenant AND state = 'PENDING' AND expires_at > :now
    """,
    Kind.REVIEW: """
        SELECT count(*) AS number, min(updated_at) AS since FROM payments
        WHERE tenant_id = :tenant AND status = 'REVIEW'
    """,
    Kind.UNKNOWN: """
        SELECT count(*) AS number, min(updated_at) AS since FROM payments
        WHERE tenant_id = :tenant AND status = 'UNKNOWN'
    """,
    Kind.DISPUTE: """
        SELECT count(*) AS number, min(created_at) AS since FROM disputes
        WHERE tenant_id = :tenant AND state IN ('INQUIRY', 'OPEN') AND evidence_sent_at IS NULL
    """,
    Kind.EVENT: """
        SELECT count(*) AS number, min(received_at) AS since FROM inbox
        WHERE tenant_id = :tenant AND state IN ('QUARANTINED', 'DEAD')
    """,
    Kind.ENDPOINT: """
        SELECT count(*) AS number, min(updated_at) AS since FROM webhook_endpoints
        WHERE tenant_id = :tenant AND status = 'disabled' AND disabled_reason <> 'tenant'
    """,
}

_POSTS: Final = ours("""
    SELECT count(DISTINCT e.id) FILTER (WHERE e.status = 'enabled') AS enabled,
        count(DISTINCT e.id) FILTER (WHERE e.status = 'disabled') AS disabled,
        count(d.id) FILTER (WHERE e.status = 'enabled') AS waiting,
        count(d.id) FILTER (WHERE e.status = 'enabled' AND d.due_at <= :now) AS due,
        min(d.due_at) FILTER (WHERE e.status = 'enabled' AND d.due_at <= :now) AS since
    FROM webhook_endpoints e
        LEFT JOIN deliveries d ON d.endpoint_id = e.id AND d.tenant_id = :tenant AND d.state = 'PENDING'
    WHERE e.tenant_id = :tenant
""")

_OUTCOMES: Final = ours("""
    SELECT width_bucket(d.created_at, CAST(:edges AS timestamptz[])) AS piece, d.state, count(*) AS number
    FROM webhook_endpoints e JOIN deliveries d ON d.endpoint_id = e.id
    WHERE e.tenant_id = :tenant AND d.tenant_id = :tenant
        AND d.created_at >= :start AND d.created_at < :end
    GROUP BY 1, 2
""")


_ANY: Final = ours("SELECT EXISTS (SELECT FROM payments WHERE tenant_id = :tenant)")


async def waiting(tx: AsyncConnection, now: datetime) -> list[Waiting]:
    """What waits for somebody, kind by kind; what does not wait is not named."""
    found = []
    for kind, question in _WAITING.items():
        asked = {"now": now} if ":now" in question else {}
        row = (await tx.execute(ours(question), asked)).one()
        if row.number:
            found.append(Waiting(kind=kind, count=row.number, since=row.since))
    return found


async def posts(tx: AsyncConnection, now: datetime) -> Posts:
    row = (await tx.execute(_POSTS, {"now": now})).mappings().one()
    return Posts(**row)


async def outcomes(tx: AsyncConnection, span: Span, edges: Sequence[datetime]) -> list[dict[str, int]]:
    """How the deliveries stand that were made in each piece of the span, by state; cut as in ``takings``."""
    found: list[dict[str, int]] = [{} for _ in edges]
    for row in await tx.execute(_OUTCOMES, span.model_dump() | {"edges": edges}):
        found[row.piece - 1][row.state] = row.number
    return found


async def is_new(tx: AsyncConnection) -> bool:
    """Whether nobody has ordered a payment yet."""
    return not (await tx.execute(_ANY)).scalar_one()
