"""Refunds that tenants ask for: their keys are remembered for ever."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what a request for a refund carries."""
    op.add_column("refunds", sa.Column("idempotency_key", sa.String(255), nullable=True))
    op.add_column("refunds", sa.Column("digest", sa.String(64), nullable=True))
    op.create_unique_constraint(
        op.f("uq_refunds_tenant_id_idempotency_key"), "refunds", ["tenant_id", "idempotency_key"]
    )
    op.create_check_constraint(
        op.f("ck_refunds_key_with_digest"), "refunds", "(idempotency_key IS NULL) = (digest IS NULL)"
    )
    op.create_index(op.f("ix_refunds_tenant_id_created_at_id"), "refunds", ["tenant_id", "created_at", "id"])
