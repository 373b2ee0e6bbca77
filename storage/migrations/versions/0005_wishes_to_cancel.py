"""A wish to cancel is remembered, for the time when nobody can hear it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add when it was wished."""
    op.add_column("payments", sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "payments_to_be_cancelled",
        "payments",
        ["cancel_requested_at"],
        postgresql_where=sa.text(
            "cancel_requested_at IS NOT NULL AND status IN ('CREATED', 'PROVIDER_PENDING')"
        ),
    )
