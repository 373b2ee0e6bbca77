"""The whole schema: columns and constraints, no behaviour.

Row-level security, triggers and grants stand in the migrations; a test compares both with the server.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Id = String(64)
Moment = DateTime(timezone=True)


def _tenant() -> Column[str]:
    return Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False)


def _payment(*, nullable: bool = False) -> Column[str]:
    return Column("payment_id", Id, ForeignKey("payments.id"), nullable=nullable)


def _at(name: str = "created_at") -> Column[object]:
    return Column(name, Moment, nullable=False)


def _calls() -> tuple[Column[int], Column[int], Column[object], Column[object]]:
    """What ``storage.calls`` remembers of calls to a provider."""
    return (
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("unsure", Integer, nullable=False, server_default=text("0")),
        Column("first_called_at", Moment),
        Column("busy_until", Moment),
    )


tenants = Table(
    "tenants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("app_name", String(64), nullable=False, unique=True),
    Column("contact_email", String(254), nullable=False),
    Column("organization", String(128)),
    Column("sandbox", Boolean, nullable=False),
    Column("suspended", Boolean, nullable=False, server_default=text("false")),
    Column("settings", JSONB, nullable=False),
    Column("data_key", LargeBinary, nullable=False),
    _at(),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("previous_hash", Text),
    Column("previous_until", Moment),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("revoked_at", Moment),
    _at(),
    Index(None, "tenant_id"),
    CheckConstraint("role IN ('owner', 'operator', 'approver', 'readonly')", name="role"),
)

provider_accounts = Table(
    "provider_accounts",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    Column("provider", String(32), nullable=False),
    Column("api_base", String(2048)),
    Column("secrets", LargeBinary, nullable=False),
    Column("retired_at", Moment),
    _at(),
    Index(
        "one_live_account_per_provider",
        "tenant_id",
        "provider",
        unique=True,
        postgresql_where=text("retired_at IS NULL"),
    ),
)

payments = Table(
    "payments",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    Column("idempotency_key", String(255), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("user_id", String(128), nullable=False),
    Column("order_id", String(128)),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("account_id", Id, ForeignKey("provider_accounts.id"), nullable=False),
    Column("alternatives", JSONB, nullable=False, server_default=text("'[]'")),
    Column("description", String(500)),
    Column("customer_email", String(254)),
    Column("success_url", String(2048)),
    Column("cancel_url", String(2048)),
    Column("entitlements", JSONB, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("sandbox", Boolean, nullable=False),
    Column("status", String(24), nullable=False),
    Column("provider_reference", String(255)),
    Column("checkout_url", Text),
    Column("opened_at", Moment),
    Column("captured_minor", BigInteger, nullable=False, server_default=text("0")),
    Column("captured_currency", String(3)),
    Column("refund_reserved", BigInteger, nullable=False, server_default=text("0")),
    Column("amount_refunded", BigInteger, nullable=False, server_default=text("0")),
    Column("refund_status", String(16), nullable=False, server_default=text("'NONE'")),
    Column("dispute_status", String(16), nullable=False, server_default=text("'NONE'")),
    Column("failure_code", String(64)),
    Column("failure_message", String(500)),
    Column("late", Boolean, nullable=False, server_default=text("false")),
    Column("accepted_by", String(160)),
    Column("nudged_at", Moment),
    Column("cancel_requested_at", Moment),
    Column("correlation_id", String(128)),
    _at(),
    _at("updated_at"),
    _at("expires_at"),
    UniqueConstraint("tenant_id", "idempotency_key"),
    CheckConstraint("amount_minor > 0", name="amount"),
    CheckConstraint("refund_reserved <= captured_minor", name="refunds_within_capture"),
    CheckConstraint("amount_refunded <= refund_reserved", name="refunds_were_reserved"),
    CheckConstraint(
        "status IN ('CREATED', 'PROVIDER_PENDING', 'SUCCEEDED', 'FAILED', 'EXPIRED', 'CANCELLED',"
        " 'UNKNOWN', 'REVIEW')",
        name="status",
    ),
    CheckConstraint(
        "status <> 'SUCCEEDED' OR (captured_minor = amount_minor AND captured_currency = currency)"
        " OR (captured_minor > 0 AND accepted_by IS NOT NULL)",
        name="paid_in_full",
    ),
    # An order is paid once, whatever keys its requests carry.
    Index(
        "one_live_payment_per_order",
        "tenant_id",
        "order_id",
        unique=True,
        postgresql_where=text(
            "order_id IS NOT NULL AND (status IN ('CREATED', 'PROVIDER_PENDING', 'UNKNOWN', 'REVIEW')"
            " OR (status = 'SUCCEEDED' AND refund_status <> 'FULL'))"
        ),
    ),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "user_id", "created_at"),
    Index(
        "payments_to_be_cancelled",
        "cancel_requested_at",
        postgresql_where=text(
            "cancel_requested_at IS NOT NULL AND status IN ('CREATED', 'PROVIDER_PENDING')"
        ),
    ),
    Index(
        "payments_still_open",
        "created_at",
        postgresql_where=text("status IN ('CREATED', 'PROVIDER_PENDING', 'UNKNOWN')"),
    ),
)

checkouts = Table(
    "checkouts",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    _payment(),
    Column("account_id", Id, ForeignKey("provider_accounts.id"), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    *_calls(),
    Column("reference", String(255)),
    CheckConstraint("state IN ('CALLING', 'OPEN', 'ABSENT', 'CLOSED')", name="state"),
    Index(None, "payment_id"),
    Index(
        "one_payable_checkout_per_payment",
        "payment_id",
        unique=True,
        postgresql_where=text("state IN ('CALLING', 'OPEN')"),
    ),
)

refunds = Table(
    "refunds",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    _payment(),
    Column("account_id", Id, ForeignKey("provider_accounts.id"), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("checkout_reference", String(255), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("state", String(24), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("idempotency_key", String(255)),
    Column("digest", String(64)),
    Column("reason", String(500)),
    Column("requested_by", String(160), nullable=False),
    *_calls(),
    Column("provider_reference", String(255)),
    Column("failure_code", String(64)),
    Column("failure_message", String(500)),
    Column("correlation_id", String(128)),
    _at(),
    _at("updated_at"),
    # The approval names its refund with a foreign key; both ways round neither row could be the first.
    Column("approval_id", Id),
    CheckConstraint("amount_minor > 0", name="amount"),
    UniqueConstraint("tenant_id", "idempotency_key"),
    UniqueConstraint("approval_id"),
    CheckConstraint(
        "state IN ('PENDING_APPROVAL', 'PENDING', 'SUCCEEDED', 'FAILED', 'UNKNOWN', 'REJECTED')", name="state"
    ),
    CheckConstraint(
        "approval_id IS NOT NULL OR state NOT IN ('PENDING_APPROVAL', 'REJECTED')", name="decided_on"
    ),
    CheckConstraint("(idempotency_key IS NULL) = (digest IS NULL)", name="key_with_digest"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "payment_id"),
    Index(
        "refunds_unsettled",
        "created_at",
        postgresql_where=text("state IN ('PENDING_APPROVAL', 'PENDING', 'UNKNOWN')"),
    ),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    _payment(),
    Column("kind", String(16), nullable=False),
    Column("refund_id", Id, ForeignKey("refunds.id"), unique=True),
    Column("choice", String(16)),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reason", String(500)),
    Column("requested_by", String(160), nullable=False),
    Column("requester_credential_id", Id, ForeignKey("credentials.id")),
    Column("state", String(16), nullable=False),
    Column("decided_by", String(160)),
    Column("decider_credential_id", Id, ForeignKey("credentials.id")),
    Column("decided_at", Moment),
    Column("correlation_id", String(128)),
    _at(),
    _at("expires_at"),
    CheckConstraint("amount_minor > 0", name="amount"),
    CheckConstraint("kind IN ('refund', 'review')", name="kind"),
    CheckConstraint("state IN ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED')", name="state"),
    CheckConstraint("(kind = 'refund') = (refund_id IS NOT NULL)", name="of_a_refund"),
    CheckConstraint(
        "(kind = 'review') = (choice IS NOT NULL) AND choice IN ('accept', 'refund')", name="of_a_review"
    ),
    CheckConstraint("(state = 'PENDING') = (decided_at IS NULL)", name="decided_at"),
    CheckConstraint(
        "(state IN ('APPROVED', 'REJECTED')) = (decided_by IS NOT NULL)"
        " AND (decided_by IS NULL) = (decider_credential_id IS NULL)",
        name="decided_by_somebody",
    ),
    CheckConstraint("decider_credential_id <> requester_credential_id", name="four_eyes"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "payment_id"),
    Index("approvals_pending", "expires_at", postgresql_where=text("state = 'PENDING'")),
    # What was approved is carried out, so a payment leaves REVIEW by one decision.
    Index(
        "one_review_per_payment",
        "payment_id",
        unique=True,
        postgresql_where=text("kind = 'review' AND state IN ('PENDING', 'APPROVED')"),
    ),
)

disputes = Table(
    "disputes",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    _payment(),
    Column("account_id", Id, ForeignKey("provider_accounts.id"), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("provider_reference", String(255), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("fee_minor", BigInteger, nullable=False),
    Column("fee_currency", String(3), nullable=False),
    Column("state", String(16), nullable=False),
    Column("held", Boolean, nullable=False),
    Column("reason", String(128)),
    Column("statement", Text),
    Column("reminders", Integer, nullable=False, server_default=text("0")),
    Column("evidence_due_by", Moment),
    Column("evidence_wanted_at", Moment),
    Column("evidence_sent_at", Moment),
    Column("looked_at", Moment, nullable=False),
    _at(),
    _at("updated_at"),
    UniqueConstraint("account_id", "provider_reference"),
    CheckConstraint("state IN ('INQUIRY', 'OPEN', 'UNDER_REVIEW', 'WON', 'LOST', 'CLOSED')", name="state"),
    CheckConstraint("amount_minor >= 0 AND fee_minor >= 0", name="amounts"),
    Index(None, "payment_id"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(
        "disputes_unsettled",
        "created_at",
        postgresql_where=text("state IN ('INQUIRY', 'OPEN', 'UNDER_REVIEW')"),
    ),
)

payment_events = Table(
    "payment_events",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    _payment(),
    Column("type", String(64), nullable=False),
    Column("cause_id", String(255), nullable=False),
    Column("evidence_sha256", String(64)),
    Column("raw_state", String(255)),
    _at("at"),
    UniqueConstraint("payment_id", "cause_id"),
)

entitlements = Table(
    "entitlements",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    Column("user_id", String(128), nullable=False),
    Column("feature", String(128), nullable=False),
    Column("quantity", BigInteger, nullable=False),
    _payment(),
    Column("valid_from", Moment, nullable=False),
    Column("valid_to", Moment),
    Index(None, "tenant_id", "user_id", "feature"),
    Index(None, "payment_id"),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _tenant(),
    Column("transaction_id", Id, nullable=False),
    _payment(),
    Column("account", String(32), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    _at("at"),
    UniqueConstraint("transaction_id", "account"),
    CheckConstraint(
        "account IN ('provider_receivable', 'tenant_revenue', 'refunds', 'dispute_holds', 'losses', 'fees',"
        " 'suspense')",
        name="account",
    ),
    Index(None, "tenant_id", "currency", "account"),
    Index(None, "payment_id"),
)

audit_records = Table(
    "audit_records",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _tenant(),
    Column("organization", String(128)),
    Column("actor", String(160), nullable=False),
    Column("correlation_id", String(128)),
    Column("action", String(64), nullable=False),
    Column("resource", String(160), nullable=False),
    Column("provider", String(32)),
    Column("result", String(16), nullable=False),
    Column("failure", String(64)),
    _at("at"),
    Index(None, "tenant_id", "at"),
    Index(None, "tenant_id", "resource"),
    Index(None, "tenant_id", "id"),
)

# No foreign keys to what is sealed: a record that is gone must leave its seal behind.
audit_seals = Table(
    "audit_seals",
    metadata,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("record_id", BigInteger, nullable=False, unique=True),
    Column("hash", LargeBinary, nullable=False),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("highest", BigInteger, nullable=False),
    _at("latest"),
    Column("previous", LargeBinary, nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("signature", LargeBinary, nullable=False),
    _at("at"),
    Index(None, "latest"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    Column("account_id", Id, ForeignKey("provider_accounts.id"), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("event_id", String(255), nullable=False),
    _payment(nullable=True),
    Column("state", String(16), nullable=False),
    Column("note", String(64)),
    Column("body", LargeBinary, nullable=False),
    Column("observation", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", Moment, nullable=False),
    _at("received_at"),
    Column("processed_at", Moment),
    UniqueConstraint("account_id", "event_id"),
    CheckConstraint("state IN ('RECEIVED', 'PROCESSED', 'UNMATCHED', 'QUARANTINED', 'DEAD')", name="state"),
    Index("inbox_waiting", "due_at", postgresql_where=text("state IN ('RECEIVED', 'UNMATCHED')")),
    Index(None, "payment_id"),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    Column("sequence", BigInteger, nullable=False),
    Column("type", String(64), nullable=False),
    _payment(nullable=True),
    Column("data", JSONB, nullable=False),
    _at("at"),
    UniqueConstraint("tenant_id", "sequence"),
    Index(None, "payment_id"),
)

event_sequences = Table(
    "event_sequences",
    metadata,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    Column("last", BigInteger, nullable=False),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    Column("url", String(2048), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("status", String(16), nullable=False, server_default=text("'enabled'")),
    Column("disabled_reason", String(128)),
    _at(),
    Index(None, "tenant_id"),
    CheckConstraint("status IN ('enabled', 'disabled')", name="status"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    Column("endpoint_id", Id, ForeignKey("webhook_endpoints.id"), nullable=False),
    Column("event_id", Id, ForeignKey("events.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", Moment),
    Column("last_status", Integer),
    Column("last_error", String(255)),
    Column("delivered_at", Moment),
    _at(),
    UniqueConstraint("endpoint_id", "event_id"),
    CheckConstraint("state IN ('PENDING', 'DELIVERED', 'EXHAUSTED')", name="state"),
    CheckConstraint("(state = 'PENDING') = (due_at IS NOT NULL)", name="due_while_pending"),
    Index("deliveries_due", "endpoint_id", "due_at", postgresql_where=text("state = 'PENDING'")),
)

reconciliation_runs = Table(
    "reconciliation_runs",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    Column("account_id", Id, ForeignKey("provider_accounts.id"), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("phase", String(16)),
    Column("cursor", Text),
    Column("counts", JSONB, nullable=False),
    Column("failure", String(255)),
    _at("started_at"),
    _at("updated_at"),
    Column("ended_at", Moment),
    CheckConstraint("state IN ('RUNNING', 'DONE', 'FAILED')", name="state"),
    CheckConstraint("(state = 'RUNNING') = (ended_at IS NULL)", name="ended"),
    Index(None, "tenant_id", "started_at", "id"),
    Index(
        "one_running_reconciliation_per_account",
        "account_id",
        unique=True,
        postgresql_where=text("state = 'RUNNING'"),
    ),
)

reconciliation_differences = Table(
    "reconciliation_differences",
    metadata,
    Column("id", Id, primary_key=True),
    _tenant(),
    Column("run_id", Id, ForeignKey("reconciliation_runs.id"), nullable=False),
    Column("drift", String(24), nullable=False),
    Column("subject", String(16), nullable=False),
    _payment(nullable=True),
    Column("our_id", Id),
    Column("their_id", String(255)),
    Column("here", String(255), nullable=False),
    Column("there", String(255), nullable=False),
    Column("action", String(16), nullable=False),
    Column("inbox_id", Id, ForeignKey("inbox.id")),
    Column("fingerprint", String(64), nullable=False),
    Column("announced", Boolean, nullable=False),
    _at("at"),
    CheckConstraint("action IN ('REPAIRED', 'REPORTED', 'WAITING')", name="action"),
    Index(None, "run_id", "drift", "id"),
    Index("differences_announced", "tenant_id", "fingerprint", postgresql_where=text("announced")),
)

reconciliation_sightings = Table(
    "reconciliation_sightings",
    metadata,
    Column("account_id", Id, ForeignKey("provider_accounts.id"), primary_key=True),
    Column("subject", String(16), primary_key=True),
    Column("their_id", String(255), primary_key=True),
    _tenant(),
    Column("run_id", Id, ForeignKey("reconciliation_runs.id"), nullable=False),
    Column("our_id", String(255)),
    Column("checkout", String(255)),
    Column("made_at", Moment, nullable=False),
    Index(None, "account_id", "our_id"),
)
