"""What providers tell us, and what we tell tenants."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.base import Id, Moment, at, metadata, of_payment, of_tenant, sealed

inbox = Table(
    "inbox",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    Column("account_id", Id, ForeignKey("provider_accounts.id"), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("event_id", String(255), nullable=False),
    of_payment(nullable=True),
    Column("state", String(16), nullable=False),
    Column("note", String(64)),
    Column("body", LargeBinary, nullable=False),
    Column("observation", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", Moment, nullable=False),
    at("received_at"),
    Column("processed_at", Moment),
    UniqueConstraint("account_id", "event_id"),
    CheckConstraint("state IN ('RECEIVED', 'PROCESSED', 'UNMATCHED', 'QUARANTINED', 'DEAD')", name="state"),
    Index("inbox_waiting", "due_at", postgresql_where=text("state IN ('RECEIVED', 'UNMATCHED')")),
    Index("inbox_shelved", "received_at", postgresql_where=text("state IN ('QUARANTINED', 'DEAD')")),
    Index(None, "payment_id"),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    Column("sequence", BigInteger, nullable=False),
    Column("type", String(64), nullable=False),
    of_payment(nullable=True),
    Column("data", JSONB, nullable=False),
    at("at"),
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
    of_tenant(),
    Column("url", String(2048), nullable=False),
    sealed("secret"),
    Column("status", String(16), nullable=False, server_default=text("'enabled'")),
    Column("disabled_reason", String(128)),
    at(),
    # The types it wants to hear of; null: all of them.
    Column("events", JSONB(none_as_null=True)),
    # The last event before they counted.
    Column("listens_after", BigInteger, nullable=False, server_default=text("0")),
    Column("description", String(500)),
    # Signs beside the present one until then.
    sealed("previous_secret", nullable=True),
    Column("previous_until", Moment),
    # Since when it has met nothing but failures; null after a success.
    Column("failing_since", Moment),
    # It has taken long to answer: until then it may hold few of a worker's hands.
    Column("slow_until", Moment),
    at("updated_at"),
    Index(None, "tenant_id"),
    CheckConstraint("status IN ('enabled', 'disabled', 'deleted')", name="status"),
    CheckConstraint("(previous_secret IS NULL) = (previous_until IS NULL)", name="two_secrets"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    Column("endpoint_id", Id, ForeignKey("webhook_endpoints.id"), nullable=False),
    Column("event_id", Id, ForeignKey("events.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", Moment),
    Column("last_status", Integer),
    Column("last_error", String(255)),
    Column("delivered_at", Moment),
    at(),
    # How many attempts it had when its present schedule began; a redelivery begins a new one.
    Column("begun_at_attempt", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("endpoint_id", "event_id"),
    CheckConstraint("state IN ('PENDING', 'DELIVERED', 'EXHAUSTED', 'DROPPED')", name="state"),
    CheckConstraint("(state = 'PENDING') = (due_at IS NOT NULL)", name="due_while_pending"),
    Index("deliveries_due", "endpoint_id", "due_at", postgresql_where=text("state = 'PENDING'")),
    Index(None, "endpoint_id", "created_at", "id"),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("delivery_id", Id, ForeignKey("deliveries.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    of_tenant(),
    at("at"),
    Column("duration_ms", Integer, nullable=False),
    Column("url", String(2048), nullable=False),
    Column("request_headers", JSONB, nullable=False),
    Column("status", Integer),
    Column("error", String(255)),
    Column("answer_headers", JSONB),
    # The beginning of what was answered.
    Column("answer", LargeBinary),
    CheckConstraint("octet_length(answer) <= 2048", name="answer"),
)
