"""Payments are found by whatever they are called, and listed newest first across tenants."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the indexes. Without one for each name, a search by any name reads all payments.

    That of users exists: what PostgreSQL knows of a tenant's users it finds for all tenants, too.
    """
    op.create_index(op.f("ix_payments_created_at_id"), "payments", ["created_at", "id"])
    for column in ("order_id", "provider_reference", "capture_reference"):
        op.create_index(
            f"payments_by_{column}", "payments", [column], postgresql_where=sa.text(f"{column} IS NOT NULL")
        )
