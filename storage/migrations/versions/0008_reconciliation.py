"""Reconciliation: runs, what they found, and what of the providers' books they have seen."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from storage.isolation import isolate

revision = "0008"
down_revision = "0007"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the three tables of reconciliation."""
    _runs()
    _differences()
    _sightings()
    isolate("reconciliation_runs", "SELECT, INSERT, UPDATE")
    # What was found is a record: the application adds to it and changes nothing.
    isolate("reconciliation_differences", "SELECT, INSERT")
    isolate("reconciliation_sightings", "SELECT, INSERT, UPDATE")


def _runs() -> None:
    op.create_table(
        "reconciliation_runs",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.Column("phase", sa.String(16), nullable=True),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("failure", sa.String(255), nullable=True),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.CheckConstraint(
            "state IN ('RUNNING', 'DONE', 'FAILED')", name=op.f("ck_reconciliation_runs_state")
        ),
        sa.CheckConstraint(
            "(state = 'RUNNING') = (ended_at IS NULL)", name=op.f("ck_reconciliation_runs_ended")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["provider_accounts.id"], name=op.f("fk_reconciliation_runs_account_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_reconciliation_runs_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_runs")),
    )
    op.create_index(
        op.f("ix_reconciliation_runs_tenant_id_started_at_id"),
        "reconciliation_runs",
        ["tenant_id", "started_at", "id"],
    )
    op.create_index(
        "one_running_reconciliation_per_account",
        "reconciliation_runs",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("state = 'RUNNING'"),
    )


def _differences() -> None:
    op.create_table(
        "reconciliation_differences",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("drift", sa.String(24), nullable=False),
        sa.Column("subject", sa.String(16), nullable=False),
        sa.Column("payment_id", sa.String(64), nullable=True),
        sa.Column("our_id", sa.String(64), nullable=True),
        sa.Column("their_id", sa.String(255), nullable=True),
        sa.Column("here", sa.String(255), nullable=False),
        sa.Column("there", sa.String(255), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("inbox_id", sa.String(64), nullable=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "action IN ('REPAIRED', 'REPORTED', 'WAITING')", name=op.f("ck_reconciliation_differences_action")
        ),
        sa.ForeignKeyConstraint(
            ["inbox_id"], ["inbox.id"], name=op.f("fk_reconciliation_differences_inbox_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_reconciliation_differences_payment_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["reconciliation_runs.id"], name=op.f("fk_reconciliation_differences_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_reconciliation_differences_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_differences")),
    )
    op.create_index(
        op.f("ix_reconciliation_differences_run_id_drift_id"),
        "reconciliation_differences",
        ["run_id", "drift", "id"],
    )
    op.create_index(
        "differences_announced",
        "reconciliation_differences",
        ["tenant_id", "fingerprint"],
        postgresql_where=sa.text("announced"),
    )


def _sightings() -> None:
    op.create_table(
        "reconciliation_sightings",
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(16), nullable=False),
        sa.Column("their_id", sa.String(255), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("our_id", sa.String(255), nullable=True),
        sa.Column("checkout", sa.String(255), nullable=True),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["provider_accounts.id"], name=op.f("fk_reconciliation_sightings_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["reconciliation_runs.id"], name=op.f("fk_reconciliation_sightings_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_reconciliation_sightings_tenant_id")
        ),
        sa.PrimaryKeyConstraint(
            "account_id", "subject", "their_id", name=op.f("pk_reconciliation_sightings")
        ),
    )
    op.create_index(
        op.f("ix_reconciliation_sightings_account_id_our_id"),
        "reconciliation_sightings",
        ["account_id", "our_id"],
    )
