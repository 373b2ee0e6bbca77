"""The catalog: plans, and prices whose terms nobody changes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from storage.isolation import isolate

revision = "0011"
down_revision = "0010"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add plans and prices."""
    _plans()
    _prices()
    isolate("plans", "SELECT, INSERT, UPDATE")
    # The application can say that a price is superseded, and has no right to say more.
    isolate("prices", "SELECT, INSERT, UPDATE (superseded_at)")
    _prices_stand()


def _plans() -> None:
    op.create_table(
        "plans",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("description", sa.String(500), nullable=True),
        sa.Column("tier", sa.String(64), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("features", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_plans_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
    )
    op.create_index(op.f("ix_plans_tenant_id_created_at_id"), "plans", ["tenant_id", "created_at", "id"])


def _prices() -> None:
    op.create_table(
        "prices",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("plan_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("interval", sa.String(8), nullable=False),
        sa.Column("interval_count", sa.Integer(), nullable=False),
        sa.Column("trial_days", sa.Integer(), nullable=False),
        sa.Column("per_seat", sa.Boolean(), nullable=False),
        sa.Column("provider_prices", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("superseded_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_prices_tenant_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_prices_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prices")),
        sa.UniqueConstraint("plan_id", "number", name=op.f("uq_prices_plan_id_number")),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_prices_amount")),
        sa.CheckConstraint(
            "interval = 'month' AND interval_count BETWEEN 1 AND 36"
            " OR interval = 'year' AND interval_count BETWEEN 1 AND 3",
            name=op.f("ck_prices_interval"),
        ),
        sa.CheckConstraint("trial_days BETWEEN 0 AND 730", name=op.f("ck_prices_trial_days")),
    )
    op.create_index(
        "one_offered_price_per_kind",
        "prices",
        ["plan_id", "currency", "interval", "interval_count"],
        unique=True,
        postgresql_where=sa.text("superseded_at IS NULL"),
    )


def _prices_stand() -> None:
    """Somebody pays this price: it is superseded once, and else stays as it is, whoever asks."""
    op.execute("""
        CREATE FUNCTION refuse_other_price() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a price never changes' USING ERRCODE = 'restrict_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER prices_stand BEFORE UPDATE ON prices FOR EACH ROW
        WHEN (to_jsonb(OLD) - 'superseded_at' IS DISTINCT FROM to_jsonb(NEW) - 'superseded_at'
            OR OLD.superseded_at IS NOT NULL AND NEW.superseded_at IS DISTINCT FROM OLD.superseded_at)
        EXECUTE FUNCTION refuse_other_price()
    """)
    for level, deed in (("ROW", "DELETE"), ("STATEMENT", "TRUNCATE")):
        op.execute(
            f"CREATE TRIGGER prices_stay_{level.lower()} BEFORE {deed} ON prices"
            f" FOR EACH {level} EXECUTE FUNCTION refuse_other_price()"
        )
