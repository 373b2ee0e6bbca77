"""What companies said of the subscriptions they run themselves, and when they are asked again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from storage.isolation import append_only, isolate

revision = "0014"
down_revision = "0013"

_ID = sa.String(64)
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the words, and the time of the next question."""
    op.create_table(
        "subscription_words",
        sa.Column("id", _ID, nullable=False),
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("note", sa.String(length=32)),
        sa.Column("observation", JSONB(), nullable=False),
        sa.Column("told_at", _MOMENT, nullable=False),
        sa.Column("read", sa.Boolean(), nullable=False),
        sa.Column("heard_at", _MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('subscription', 'invoice')", name=op.f("ck_subscription_words_kind")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["provider_accounts.id"], name=op.f("fk_subscription_words_account_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_subscription_words_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_words")),
        sa.UniqueConstraint("account_id", "event_id", name=op.f("uq_subscription_words_account_id_event_id")),
    )
    op.create_index(
        op.f("ix_subscription_words_account_id_reference"), "subscription_words", ["account_id", "reference"]
    )
    isolate("subscription_words", "SELECT, INSERT")
    append_only("subscription_words")
    op.add_column("subscriptions", sa.Column("reread_at", _MOMENT))
    op.create_index(
        "subscriptions_to_be_read",
        "subscriptions",
        ["reread_at"],
        postgresql_where=sa.text("reread_at IS NOT NULL"),
    )
    # Those a company runs have a deadline too: until its first word.
    for name, columns in (
        ("subscriptions_by_due_at", ["due_at"]),
        ("subscriptions_to_be_led", ["account_id", "due_at"]),
    ):
        op.drop_index(name, "subscriptions")
        op.create_index(name, "subscriptions", columns, postgresql_where=sa.text("due_at IS NOT NULL"))
