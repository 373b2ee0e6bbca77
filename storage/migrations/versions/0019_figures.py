"""How payments have ended, counted as it happens; how far trails are examined; indexes of what is open."""

import sqlalchemy as sa
from alembic import op

from storage.isolation import isolate

revision = "0019"
down_revision = "0018"

_MOMENT = sa.DateTime(timezone=True)
# As written here for ever: what is counted under which name later on is the code's business.
_KNOWN = (
    *("amount_mismatch", "authentication_required", "card_declined", "card_not_supported"),
    *("currency_unsupported", "do_not_honor", "expired_card", "fraudulent", "generic_decline"),
    *("incorrect_cvc", "incorrect_number", "insufficient_funds", "invalid_account", "lost_card", "no_method"),
    *("pickup_card", "processing_error", "provider_misconfigured", "provider_unavailable"),
    *("refunded_in_review", "restricted_card", "stolen_card", "temporarily_unavailable"),
    *("transaction_not_allowed", "withdrawal_count_limit_exceeded"),
)


def upgrade() -> None:
    """Add both tables and the indexes; what is sealed already is counted now."""
    _tallies()
    _examinations()
    op.create_index(
        "payments_under_review", "payments", ["updated_at"], postgresql_where=sa.text("status = 'REVIEW'")
    )
    op.create_index(
        "inbox_shelved",
        "inbox",
        ["received_at"],
        postgresql_where=sa.text("state IN ('QUARANTINED', 'DEAD')"),
    )
    op.create_index(
        "differences_reported",
        "reconciliation_differences",
        ["at"],
        postgresql_where=sa.text("action = 'REPORTED'"),
    )


def _tallies() -> None:
    op.create_table(
        "payment_tallies",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("payments", sa.BigInteger(), nullable=False),
        sa.Column("counted_to", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("payments >= 0", name=op.f("ck_payment_tallies_payments")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_payment_tallies_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "outcome", name=op.f("pk_payment_tallies")),
    )
    # The owner is bound by row-level security, too; for this transaction it has to see everybody's rows.
    for table in ("audit_seals", "audit_records"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        sa.text("""
            INSERT INTO payment_tallies (tenant_id, outcome, payments, counted_to)
            WITH reached AS (SELECT tenant_id, max(number) AS number FROM audit_seals GROUP BY tenant_id),
            ended AS (
                SELECT s.tenant_id, CASE WHEN r.action <> 'payment.failed' THEN split_part(r.action, '.', 2)
                    WHEN r.failure = ANY(:known) THEN r.failure ELSE 'other' END AS outcome
                FROM audit_seals s JOIN audit_records r ON r.id = s.record_id
                WHERE r.result = 'ok' AND r.action IN
                    ('payment.succeeded', 'payment.failed', 'payment.expired', 'payment.cancelled'))
            SELECT tenant_id, outcome, count(*), reached.number FROM ended JOIN reached USING (tenant_id)
            GROUP BY tenant_id, outcome, reached.number
            UNION ALL SELECT tenant_id, '', 0, number FROM reached
        """).bindparams(sa.bindparam("known", list(_KNOWN), type_=sa.ARRAY(sa.String())))
    )
    for table in ("audit_seals", "audit_records"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    # Rows change all the time; with room beside them no index has to follow.
    op.execute("ALTER TABLE payment_tallies SET (fillfactor = 50)")
    isolate("payment_tallies", "SELECT, INSERT, UPDATE")


def _examinations() -> None:
    op.create_table(
        "audit_examinations",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("breaches", sa.BigInteger(), nullable=False),
        sa.Column("breaches_at_end", sa.BigInteger(), nullable=False),
        sa.Column("breaches_before", sa.BigInteger(), nullable=False),
        sa.Column("began_at", _MOMENT, nullable=False),
        sa.Column("examined_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_audit_examinations_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_examinations")),
    )
    op.create_index(op.f("ix_audit_examinations_examined_at"), "audit_examinations", ["examined_at"])
    isolate("audit_examinations", "SELECT, INSERT, UPDATE")
