"""What processes meet with at provider accounts, so that each knows what the others know."""

import sqlalchemy as sa
from alembic import op

from storage.isolation import isolate

revision = "0010"
down_revision = "0009"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table. It holds no record: what is over is deleted."""
    op.create_table(
        "provider_health",
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("process", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("credentials", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failure", sa.String(255), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "state IN ('troubled', 'closed', 'refused')", name=op.f("ck_provider_health_state")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["provider_accounts.id"], name=op.f("fk_provider_health_account_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_provider_health_tenant_id")),
        sa.PrimaryKeyConstraint("account_id", "process", name=op.f("pk_provider_health")),
    )
    op.create_index(op.f("ix_provider_health_seen_at"), "provider_health", ["seen_at"])
    isolate("provider_health", "SELECT, INSERT, UPDATE, DELETE")
