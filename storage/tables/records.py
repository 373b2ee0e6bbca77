"""The audit trail and its seals; the comparison of books."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.base import Id, Moment, at, metadata, of_payment, of_tenant

audit_records = Table(
    "audit_records",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    of_tenant(),
    Column("organization", String(128)),
    Column("actor", String(160), nullable=False),
    Column("correlation_id", String(128)),
    Column("action", String(64), nullable=False),
    Column("resource", String(160), nullable=False),
    Column("provider", String(32)),
    Column("result", String(16), nullable=False),
    Column("failure", String(64)),
    at("at"),
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
    at("latest"),
    Column("previous", LargeBinary, nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("signature", LargeBinary, nullable=False),
    at("at"),
    Index(None, "latest"),
)

reconciliation_runs = Table(
    "reconciliation_runs",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    Column("account_id", Id, ForeignKey("provider_accounts.id"), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("phase", String(16)),
    Column("cursor", Text),
    Column("counts", JSONB, nullable=False),
    Column("failure", String(255)),
    at("started_at"),
    at("updated_at"),
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
    of_tenant(),
    Column("run_id", Id, ForeignKey("reconciliation_runs.id"), nullable=False),
    Column("drift", String(24), nullable=False),
    Column("subject", String(16), nullable=False),
    of_payment(nullable=True),
    Column("our_id", Id),
    Column("their_id", String(255)),
    Column("here", String(255), nullable=False),
    Column("there", String(255), nullable=False),
    Column("action", String(16), nullable=False),
    Column("inbox_id", Id, ForeignKey("inbox.id")),
    Column("fingerprint", String(64), nullable=False),
    Column("announced", Boolean, nullable=False),
    at("at"),
    CheckConstraint("action IN ('REPAIRED', 'REPORTED', 'WAITING')", name="action"),
    Index(None, "run_id", "drift", "id"),
    Index("differences_announced", "tenant_id", "fingerprint", postgresql_where=text("announced")),
    Index("differences_reported", "at", postgresql_where=text("action = 'REPORTED'")),
)

reconciliation_sightings = Table(
    "reconciliation_sightings",
    metadata,
    Column("account_id", Id, ForeignKey("provider_accounts.id"), primary_key=True),
    Column("subject", String(16), primary_key=True),
    Column("their_id", String(255), primary_key=True),
    of_tenant(),
    Column("run_id", Id, ForeignKey("reconciliation_runs.id"), nullable=False),
    Column("our_id", String(255)),
    Column("checkout", String(255)),
    Column("made_at", Moment, nullable=False),
    Index(None, "account_id", "our_id"),
)
