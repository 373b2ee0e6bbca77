"""Several endpoints a tenant, each with its choice of events; what each attempt sent and met."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from storage.isolation import isolate

revision = "0016"
down_revision = "0015"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add what endpoints can be told, how long each has failed, and the attempts of their deliveries."""
    _endpoints()
    _deliveries()
    _attempts()


def _endpoints() -> None:
    for column in (
        sa.Column("events", JSONB(), nullable=True),
        sa.Column("listens_after", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("description", sa.String(500), nullable=True),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", _MOMENT, nullable=True),
        sa.Column("failing_since", _MOMENT, nullable=True),
        sa.Column("slow_until", _MOMENT, nullable=True),
        sa.Column("updated_at", _MOMENT, nullable=True),
    ):
        op.add_column("webhook_endpoints", column)
    # The owner is bound by row-level security, too; for this transaction it has to see everybody's rows.
    for table in ("webhook_endpoints", "events"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute("""
        UPDATE webhook_endpoints w SET updated_at = created_at, listens_after = coalesce(
            (SELECT max(sequence) FROM events e WHERE e.tenant_id = w.tenant_id AND e.at < w.created_at), 0)
    """)
    for table in ("webhook_endpoints", "events"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.alter_column("webhook_endpoints", "updated_at", nullable=False)
    op.drop_constraint(op.f("ck_webhook_endpoints_status"), "webhook_endpoints")
    op.create_check_constraint(
        op.f("ck_webhook_endpoints_status"),
        "webhook_endpoints",
        "status IN ('enabled', 'disabled', 'deleted')",
    )
    op.create_check_constraint(
        op.f("ck_webhook_endpoints_two_secrets"),
        "webhook_endpoints",
        "(previous_secret IS NULL) = (previous_until IS NULL)",
    )


def _deliveries() -> None:
    op.add_column(
        "deliveries", sa.Column("begun_at_attempt", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.drop_constraint(op.f("ck_deliveries_state"), "deliveries")
    op.create_check_constraint(
        op.f("ck_deliveries_state"),
        "deliveries",
        "state IN ('PENDING', 'DELIVERED', 'EXHAUSTED', 'DROPPED')",
    )
    op.create_index(
        op.f("ix_deliveries_endpoint_id_created_at_id"), "deliveries", ["endpoint_id", "created_at", "id"]
    )


def _attempts() -> None:
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("request_headers", JSONB(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(255), nullable=True),
        sa.Column("answer_headers", JSONB(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("octet_length(answer) <= 2048", name=op.f("ck_delivery_attempts_answer")),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_attempts_delivery_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_delivery_attempts_tenant_id")),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_delivery_attempts")),
    )
    isolate("delivery_attempts", "SELECT, INSERT")
