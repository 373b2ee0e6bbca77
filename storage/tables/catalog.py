"""What tenants sell: plans, and prices that never change."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.base import Id, Moment, at, metadata, of_tenant

plans = Table(
    "plans",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    Column("name", String(128), nullable=False),
    Column("description", String(500)),
    Column("tier", String(64)),
    Column("active", Boolean, nullable=False),
    Column("features", JSONB, nullable=False),
    at(),
    at("updated_at"),
    Index(None, "tenant_id", "created_at", "id"),
)

prices = Table(
    "prices",
    metadata,
    Column("id", Id, primary_key=True),
    of_tenant(),
    Column("plan_id", Id, ForeignKey("plans.id"), nullable=False),
    # Its place among all prices of its plan.
    Column("number", Integer, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("interval", String(8), nullable=False),
    Column("interval_count", Integer, nullable=False),
    Column("trial_days", Integer, nullable=False),
    Column("per_seat", Boolean, nullable=False),
    Column("provider_prices", JSONB, nullable=False),
    at(),
    Column("superseded_at", Moment),
    UniqueConstraint("plan_id", "number"),
    # Zero is a price: that of a free plan.
    CheckConstraint("amount_minor >= 0", name="amount"),
    CheckConstraint(
        "interval = 'month' AND interval_count BETWEEN 1 AND 36"
        " OR interval = 'year' AND interval_count BETWEEN 1 AND 3",
        name="interval",
    ),
    CheckConstraint("trial_days BETWEEN 0 AND 730", name="trial_days"),
    Index(
        "one_offered_price_per_kind",
        *("plan_id", "currency", "interval", "interval_count"),
        unique=True,
        postgresql_where=text("superseded_at IS NULL"),
    ),
)
