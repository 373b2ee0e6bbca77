"""What the provider calls the money of a payment: some speak of refunds and disputes by that name alone."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the name, and find payments by it."""
    op.add_column("payments", sa.Column("capture_reference", sa.String(255), nullable=True))
    op.create_index(
        "payments_by_capture",
        "payments",
        ["account_id", "capture_reference"],
        postgresql_where=sa.text("capture_reference IS NOT NULL"),
    )
