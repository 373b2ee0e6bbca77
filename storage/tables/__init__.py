"""The whole schema: columns and constraints, no behaviour. Here it is whole; its parts are beside.

Row-level security, triggers and grants stand in the migrations; a test compares both with the server.
"""

from storage.tables.base import metadata
from storage.tables.billing import (
    billing_sessions,
    credit_notes,
    customers,
    document_numbers,
    invoices,
    subscription_events,
    subscription_words,
    subscriptions,
)
from storage.tables.catalog import plans, prices
from storage.tables.figures import audit_examinations, payment_tallies
from storage.tables.limits import rate_windows
from storage.tables.messages import (
    deliveries,
    delivery_attempts,
    event_sequences,
    events,
    inbox,
    webhook_endpoints,
)
from storage.tables.money import checkouts, entitlements, ledger_entries, payment_events, payments, usage
from storage.tables.money_back import approvals, disputes, refunds
from storage.tables.people import (
    console_sessions,
    credentials,
    provider_accounts,
    provider_health,
    tenants,
)
from storage.tables.records import (
    audit_checkpoints,
    audit_records,
    audit_seals,
    reconciliation_differences,
    reconciliation_runs,
    reconciliation_sightings,
)

__all__ = [
    "approvals",
    "audit_checkpoints",
    "audit_examinations",
    "audit_records",
    "audit_seals",
    "billing_sessions",
    "checkouts",
    "console_sessions",
    "credentials",
    "credit_notes",
    "customers",
    "deliveries",
    "delivery_attempts",
    "disputes",
    "document_numbers",
    "entitlements",
    "event_sequences",
    "events",
    "inbox",
    "invoices",
    "ledger_entries",
    "metadata",
    "payment_events",
    "payment_tallies",
    "payments",
    "plans",
    "prices",
    "provider_accounts",
    "provider_health",
    "rate_windows",
    "reconciliation_differences",
    "reconciliation_runs",
    "reconciliation_sightings",
    "refunds",
    "subscription_events",
    "subscription_words",
    "subscriptions",
    "tenants",
    "usage",
    "webhook_endpoints",
]
