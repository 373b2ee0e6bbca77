"""The promises of the house as questions to the database: each finds the rows that break one.

Questions about what the provider holds take its own ledger as a second witness; see ``cli verify``.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.values import Value

# What is on its way is not yet a breach.
GRACE: Final = timedelta(minutes=2)


class Finding(Value):
    """One broken promise: where, and what is wrong there."""

    subject: str
    problem: str


# Each names what must not exist, as (subject, problem); ``:before`` is now less the grace.
QUESTIONS: Final[Mapping[str, str]] = {
    "I1 every payment ends once, or waits for a reason": """
        SELECT p.id AS subject, 'ended ' || count(e.id) || ' times as ' || p.status AS problem
        FROM payments p LEFT JOIN payment_events e ON e.payment_id = p.id AND e.type IN
            ('payment.succeeded', 'payment.failed', 'payment.expired', 'payment.cancelled')
        WHERE p.status IN ('SUCCEEDED', 'FAILED', 'EXPIRED', 'CANCELLED')
        GROUP BY p.id HAVING count(e.id) <> CASE
            WHEN p.late AND (p.status = 'SUCCEEDED' OR p.failure_code = 'refunded_in_review') THEN 2
            ELSE 1 END
        UNION ALL
        SELECT p.id, p.status || ' although its time was up' FROM payments p
        WHERE p.status IN ('CREATED', 'PROVIDER_PENDING') AND p.expires_at < :before AND NOT EXISTS
            (SELECT FROM payment_events e WHERE e.payment_id = p.id AND e.type = 'payment.processing')
    """,
    "I3 succeeded means captured, amount and currency agreeing": """
        SELECT p.id AS subject, 'SUCCEEDED, but the ledger does not hold its money' AS problem
        FROM payments p LEFT JOIN (
            SELECT payment_id, currency, -sum(amount_minor) AS earned FROM ledger_entries
            WHERE account = 'tenant_revenue' GROUP BY payment_id, currency
        ) l ON l.payment_id = p.id
        WHERE p.status = 'SUCCEEDED' AND p.accepted_by IS NULL AND
            (l.earned, l.currency) IS DISTINCT FROM (p.amount_minor, p.currency)
        UNION ALL
        SELECT p.id, p.status || ', but holds money that nobody gives back' FROM payments p
        WHERE p.status IN ('FAILED', 'EXPIRED', 'CANCELLED') AND p.captured_minor > p.refund_reserved
            AND NOT EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id AND r.state = 'FAILED')
    """,
    "I4 rights follow the money": """
        SELECT e.id AS subject, 'granted for a payment that is ' || p.status AS problem
        FROM entitlements e JOIN payments p ON p.id = e.payment_id WHERE p.status <> 'SUCCEEDED'
        UNION ALL
        SELECT p.id, 'paid for ' || jsonb_array_length(p.entitlements) || ' rights, got ' || count(e.id)
        FROM payments p LEFT JOIN entitlements e ON e.payment_id = p.id AND e.subscription_id IS NULL
        WHERE p.status = 'SUCCEEDED' GROUP BY p.id HAVING count(e.id) <> jsonb_array_length(p.entitlements)
        UNION ALL
        SELECT e.id, 'is not the subscriber''s' FROM entitlements e JOIN subscriptions s
            ON s.id = e.subscription_id WHERE (e.tenant_id, e.user_id) <> (s.tenant_id, s.user_id)
        UNION ALL
        SELECT e.id, 'stands with a payment of something else' FROM entitlements e
        JOIN payments p ON p.id = e.payment_id LEFT JOIN invoices i ON i.id = p.invoice_id
        WHERE e.subscription_id IS NOT NULL AND i.subscription_id IS DISTINCT FROM e.subscription_id
        UNION ALL
        SELECT e.id, 'stands with no payment, but its period was paid' FROM entitlements e
        WHERE e.subscription_id IS NOT NULL AND e.payment_id IS NULL AND EXISTS (SELECT FROM invoices i
            WHERE i.subscription_id = e.subscription_id AND i.status = 'paid' AND i.amount_due_minor > 0
                AND i.reason <> 'subscription_update' AND i.period_start = e.valid_from)
        UNION ALL
        SELECT e.id, 'ends when its period does not' FROM entitlements e JOIN subscriptions s
            ON s.id = e.subscription_id AND s.status IN ('trialing', 'active') AND e.revoked_at IS NULL
        WHERE e.valid_to IS DISTINCT FROM s.period_end AND NOT EXISTS (SELECT FROM invoices i
            WHERE i.subscription_id = s.id AND i.status = 'open')
        UNION ALL
        SELECT e.id, 'says ' || e.used || ' were used in its period, ' || coalesce(sum(t.quantity), 0)
            || ' were'
        FROM entitlements e LEFT JOIN (usage u CROSS JOIN LATERAL jsonb_to_recordset(u.taken)
            AS t(entitlement_id text, valid_from timestamptz, quantity bigint))
            ON t.entitlement_id = e.id AND t.valid_from = e.valid_from
        GROUP BY e.id HAVING e.used <> coalesce(sum(t.quantity), 0)
    """,
    "I5 tenants are told everything, without gaps": """
        SELECT s.tenant_id AS subject, 'counted to ' || s.last || ', has ' || count(e.id) AS problem
        FROM event_sequences s LEFT JOIN events e ON e.tenant_id = s.tenant_id
        GROUP BY s.tenant_id, s.last HAVING count(e.id) <> s.last OR max(e.sequence) <> s.last
        UNION ALL
        SELECT e.id, 'was never queued for ' || w.id FROM events e JOIN webhook_endpoints w
            ON w.tenant_id = e.tenant_id AND w.status <> 'deleted' AND w.listens_after < e.sequence
        WHERE e.type <> 'endpoint.test' AND (w.events IS NULL OR w.events @> to_jsonb(e.type))
            AND NOT EXISTS (SELECT FROM deliveries d WHERE d.event_id = e.id AND d.endpoint_id = w.id)
        UNION ALL
        SELECT e.id, 'of one endpoint, was queued for ' || count(d.id)
        FROM events e LEFT JOIN deliveries d ON d.event_id = e.id
        WHERE e.type = 'endpoint.test' GROUP BY e.id HAVING count(d.id) <> 1
    """,
    "I2 refunds stay within what was captured, one payable checkout a payment": """
        SELECT p.id AS subject, 'reserved ' || p.refund_reserved || ' and gave back ' || p.amount_refunded
            || ', refunds say ' || coalesce(sum(r.amount_minor), 0) AS problem
        FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id
            AND r.state NOT IN ('FAILED', 'REJECTED')
        GROUP BY p.id HAVING p.refund_reserved <> coalesce(sum(r.amount_minor), 0) OR p.amount_refunded
            <> coalesce(sum(r.amount_minor) FILTER (WHERE r.state = 'SUCCEEDED'), 0)
        UNION ALL
        SELECT p.id, p.status || ', but a checkout is ' || c.state FROM payments p
        JOIN checkouts c ON c.payment_id = p.id AND c.state IN ('CALLING', 'OPEN')
        WHERE p.status IN ('SUCCEEDED', 'FAILED', 'EXPIRED', 'CANCELLED')
    """,
    "I2 what needs a second person goes back as approved, or not at all": """
        SELECT r.id AS subject, r.state || ', its approval ' || coalesce(a.state, 'is missing') AS problem
        FROM refunds r LEFT JOIN approvals a ON a.id = r.approval_id AND a.refund_id = r.id
        WHERE r.approval_id IS NOT NULL AND r.state <> ALL (CASE a.state
            WHEN 'PENDING' THEN ARRAY['PENDING_APPROVAL']
            WHEN 'APPROVED' THEN ARRAY['PENDING', 'UNKNOWN', 'SUCCEEDED', 'FAILED']
            WHEN 'REJECTED' THEN ARRAY['REJECTED']
            WHEN 'EXPIRED' THEN ARRAY['REJECTED'] ELSE ARRAY[]::text[] END)
        UNION ALL
        SELECT a.id, 'of ' || a.amount_minor || ' ' || a.currency || ', its refund of ' || r.amount_minor
            || ' ' || r.currency
        FROM approvals a JOIN refunds r ON r.id = a.refund_id WHERE r.approval_id IS DISTINCT FROM a.id
            OR (r.payment_id, r.amount_minor, r.currency) <> (a.payment_id, a.amount_minor, a.currency)
        UNION ALL
        SELECT p.id, p.status || ' by a decision that nobody approved' FROM payments p
        WHERE (p.accepted_by IS NOT NULL OR p.failure_code = 'refunded_in_review') AND NOT EXISTS
            (SELECT FROM approvals a WHERE a.payment_id = p.id AND a.kind = 'review' AND a.state = 'APPROVED'
                AND a.choice = CASE p.status WHEN 'SUCCEEDED' THEN 'accept' ELSE 'refund' END)
        UNION ALL
        SELECT id, kind || ' that waits although its time is up' FROM approvals
        WHERE state = 'PENDING' AND expires_at < :before
    """,
    "I6 the ledger sums to zero": """
        SELECT transaction_id AS subject, 'sums to ' || sum(amount_minor) || ' ' || currency AS problem
        FROM ledger_entries GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0
    """,
    "I8 every tenant's rows are its own": """
        SELECT c.relname AS subject, 'is not under forced row-level security' AS problem
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
            AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
        UNION ALL
        SELECT rolname, 'could see past row-level security' FROM pg_roles
        WHERE rolname IN ('paysaga_runtime', 'paysaga_system') AND (rolsuper OR rolbypassrls)
    """,
    "I9 inbox and outbox drain": """
        SELECT id AS subject, 'received, but without effect for minutes' AS problem FROM inbox
        WHERE state = 'RECEIVED' AND received_at < :before
        UNION ALL
        SELECT d.id, 'should have left minutes ago' FROM deliveries d JOIN webhook_endpoints w
            ON w.id = d.endpoint_id WHERE d.state = 'PENDING' AND d.due_at < :before AND w.status = 'enabled'
    """,
}


async def ask(tx: AsyncConnection, question: str, now: datetime) -> list[Finding]:
    """What breaks this promise now, at most a hundred of them; needs a system transaction."""
    query = text(f"SELECT * FROM ({QUESTIONS[question]}) AS findings LIMIT 100")  # nosec B608
    bound: dict[str, Any] = {"before": now - GRACE} if ":before" in QUESTIONS[question] else {}
    return [Finding(subject=row.subject, problem=row.problem) for row in await tx.execute(query, bound)]


class Witnessed(Value):
    """A payment as we hold it, to be compared with the provider's own ledger."""

    id: str
    status: str
    amount_minor: int
    currency: str
    accepted: bool
    """An operator took other money than was ordered."""
    returned: int
    """Given back, or on its way."""
    quarantined: bool
    receivable: dict[str, int]
    """What our books say the provider owes for it, by currency."""
    moving: bool
    """Something of it is on its way: the books and the provider need not agree yet."""


async def payments_at(tx: AsyncConnection, provider: str, address: str) -> list[Witnessed]:
    """Every payment given to this provider, or to an account at this address, where it plays others.

    Needs a system transaction.
    """
    rows = await tx.execute(
        text(
            "SELECT id, status, amount_minor, currency, accepted_by IS NOT NULL AS accepted,"
            " refund_reserved AS returned, EXISTS (SELECT FROM inbox i WHERE"
            " i.payment_id = p.id AND i.state = 'QUARANTINED') AS quarantined,"
            " (SELECT coalesce(jsonb_object_agg(l.currency, l.sum) FILTER (WHERE l.sum <> 0), '{}') FROM"
            " (SELECT currency, sum(amount_minor) AS sum FROM ledger_entries WHERE payment_id = p.id"
            " AND account = 'provider_receivable' GROUP BY currency) l) AS receivable,"
            " refund_reserved <> amount_refunded OR status NOT IN ('SUCCEEDED', 'FAILED', 'EXPIRED',"
            " 'CANCELLED') OR EXISTS (SELECT FROM inbox i WHERE i.payment_id = p.id"
            " AND i.state = 'RECEIVED') AS moving"
            " FROM payments p WHERE provider = :provider OR account_id IN"
            " (SELECT id FROM provider_accounts WHERE starts_with(api_base, :address))"
        ),
        {"provider": provider, "address": f"{address}/"},
    )
    return [Witnessed(**row) for row in rows.mappings()]
