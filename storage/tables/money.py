"""Payments and what belongs to them: checkouts, history, rights, and the books."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.base import Id, Moment, at, called, metadata, of_payment, of_tenant

payments = Table(
    "payments",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
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
    Column("capture_reference", String(255)),
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
    Column("invoice_id", Id, ForeignKey("invoices.id")),
    Column("customer_id", Id, ForeignKey("customers.id")),
    Column("off_session", Boolean, nullable=False, server_default=text("false")),
    Column("correlation_id", String(128)),
    at(),
    at("updated_at"),
    at("expires_at"),
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
    Index(
        "one_live_payment_per_invoice",
        "invoice_id",
        unique=True,
        postgresql_where=text(
            "invoice_id IS NOT NULL AND status IN ('CREATED', 'PROVIDER_PENDING', 'UNKNOWN', 'REVIEW',"
            " 'SUCCEEDED')"
        ),
    ),
    Index("payments_of_an_invoice", "invoice_id", postgresql_where=text("invoice_id IS NOT NULL")),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "user_id", "created_at"),
    # For people who look for a payment: newest first for all tenants, and by each of its names.
    Index(None, "created_at", "id"),
    *(
        Index(f"payments_by_{name}", name, postgresql_where=text(f"{name} IS NOT NULL"))
        for name in ("order_id", "provider_reference", "capture_reference")
    ),
    Index(
        "payments_by_capture",
        "account_id",
        "capture_reference",
        postgresql_where=text("capture_reference IS NOT NULL"),
    ),
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
    Index("payments_under_review", "updated_at", postgresql_where=text("status = 'REVIEW'")),
)

checkouts = Table(
    "checkouts",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    of_payment(),
    Column("account_id", Id, ForeignKey("provider_accounts.id"), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    *called(),
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

payment_events = Table(
    "payment_events",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    of_payment(),
    Column("type", String(64), nullable=False),
    Column("cause_id", String(255), nullable=False),
    Column("evidence_sha256", String(64)),
    Column("raw_state", String(255)),
    at("at"),
    UniqueConstraint("payment_id", "cause_id"),
)

entitlements = Table(
    "entitlements",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    Column("user_id", String(128), nullable=False),
    Column("feature", String(128), nullable=False),
    Column("quantity", BigInteger, nullable=False),
    # Of a subscription: the payment that paid the present period, or none, for a trial and a free plan.
    of_payment(nullable=True),
    Column("subscription_id", Id, ForeignKey("subscriptions.id")),
    Column("quota", BigInteger),
    Column("used", BigInteger, nullable=False, server_default=text("0")),
    Column("valid_from", Moment, nullable=False),
    Column("valid_to", Moment),
    Column("revoked_at", Moment),
    UniqueConstraint("subscription_id", "feature"),
    CheckConstraint("payment_id IS NOT NULL OR subscription_id IS NOT NULL", name="source"),
    CheckConstraint("used >= 0", name="used"),
    Index(None, "tenant_id", "user_id", "feature"),
    Index(None, "payment_id"),
)

usage = Table(
    "usage",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    Column("idempotency_key", String(255), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("user_id", String(128), nullable=False),
    Column("feature", String(128), nullable=False),
    Column("quantity", BigInteger, nullable=False),
    # From which rights, and in which of their periods: `domain.entitlement.Portion`.
    Column("taken", JSONB, nullable=False),
    # What the user was answered: how things stood just after.
    Column("quota", BigInteger),
    Column("used", BigInteger, nullable=False),
    Column("remaining", BigInteger),
    at("at"),
    UniqueConstraint("tenant_id", "idempotency_key"),
    CheckConstraint("quantity > 0", name="quantity"),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    of_tenant(),
    Column("transaction_id", Id, nullable=False),
    of_payment(),
    Column("account", String(32), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    at("at"),
    UniqueConstraint("transaction_id", "account"),
    CheckConstraint(
        "account IN ('provider_receivable', 'tenant_revenue', 'refunds', 'dispute_holds', 'losses', 'fees',"
        " 'suspense')",
        name="account",
    ),
    Index(None, "tenant_id", "currency", "account"),
    Index(None, "payment_id"),
)
