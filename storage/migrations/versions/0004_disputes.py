"""Disputes: what payers want back from their banks, and what that does to payments and books."""

import sqlalchemy as sa
from alembic import op

from storage.isolation import isolate

revision = "0004"
down_revision = "0003"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the disputes."""
    op.create_table(
        "disputes",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("payment_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("provider_reference", sa.String(255), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(128), nullable=True),
        sa.Column("statement", sa.Text(), nullable=True),
        sa.Column("reminders", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("evidence_due_by", _MOMENT, nullable=True),
        sa.Column("evidence_wanted_at", _MOMENT, nullable=True),
        sa.Column("evidence_sent_at", _MOMENT, nullable=True),
        sa.Column("looked_at", _MOMENT, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "state IN ('INQUIRY', 'OPEN', 'UNDER_REVIEW', 'WON', 'LOST', 'CLOSED')",
            name=op.f("ck_disputes_state"),
        ),
        sa.CheckConstraint("amount_minor >= 0 AND fee_minor >= 0", name=op.f("ck_disputes_amounts")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["provider_accounts.id"], name=op.f("fk_disputes_account_id")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_disputes_payment_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_disputes_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
        sa.UniqueConstraint(
            "account_id", "provider_reference", name=op.f("uq_disputes_account_id_provider_reference")
        ),
    )
    op.create_index(op.f("ix_disputes_payment_id"), "disputes", ["payment_id"])
    op.create_index(
        op.f("ix_disputes_tenant_id_created_at_id"), "disputes", ["tenant_id", "created_at", "id"]
    )
    op.create_index(
        "disputes_unsettled",
        "disputes",
        ["created_at"],
        postgresql_where=sa.text("state IN ('INQUIRY', 'OPEN', 'UNDER_REVIEW')"),
    )
    isolate("disputes", "SELECT, INSERT, UPDATE")
    op.create_check_constraint(
        op.f("ck_ledger_entries_account"),
        "ledger_entries",
        "account IN ('provider_receivable', 'tenant_revenue', 'refunds', 'dispute_holds', 'losses', 'fees',"
        " 'suspense')",
    )
