"""Tenants, those who act for them, and their accounts at providers."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.base import Id, Moment, at, metadata, of_tenant, sealed

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
    at(),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("previous_hash", Text),
    Column("previous_until", Moment),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("revoked_at", Moment),
    at(),
    Index(None, "tenant_id"),
    CheckConstraint("role IN ('owner', 'operator', 'approver', 'readonly')", name="role"),
)

provider_accounts = Table(
    "provider_accounts",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    Column("provider", String(32), nullable=False),
    Column("api_base", String(2048)),
    sealed("secrets"),
    Column("retired_at", Moment),
    # By how much a company of play money says it is ahead of the world.
    Column("clock_ahead_seconds", BigInteger, nullable=False, server_default=text("0")),
    at(),
    Index(
        "one_live_account_per_provider",
        "tenant_id",
        "provider",
        unique=True,
        postgresql_where=text("retired_at IS NULL"),
    ),
)

provider_health = Table(
    "provider_health",
    metadata,
    Column("account_id", Id, ForeignKey("provider_accounts.id"), primary_key=True),
    Column("process", Id, primary_key=True),
    of_tenant(),
    Column("credentials", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_failure", String(255), nullable=False),
    at("since"),
    at("seen_at"),
    Index(None, "seen_at"),
    CheckConstraint("state IN ('troubled', 'closed', 'refused')", name="state"),
)

console_sessions = Table(
    "console_sessions",
    metadata,
    Column("id", Id, primary_key=True),
    # The platform's operator is no tenant, so this refers to none there.
    Column("tenant_id", Id, nullable=False),
    Column("credential_id", Id, ForeignKey("credentials.id")),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("bound_to", LargeBinary, nullable=False),
    Column("browser", String(64), nullable=False),
    at(),
    at("seen_at"),
    at("ends_at"),
    Index(None, "seen_at"),
    Index(None, "tenant_id", "credential_id"),
    CheckConstraint("(tenant_id = 'platform') = (credential_id IS NULL)", name="somebodys"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
)
