"""Whatever breaks: attempts at providers, refunds, and money that is late or not what was ordered."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from storage.isolation import isolate

revision = "0002"
down_revision = "0001"

_STATES = "SELECT, INSERT, UPDATE"
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add what is new, and carry over what the old columns know."""
    _payments()
    _checkouts()
    _refunds()
    # The owner is bound by row-level security, too; for this transaction it has to see everybody's rows.
    op.execute("ALTER TABLE payments NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE payments SET captured_currency = currency WHERE captured_minor > 0")
    op.execute("""
        INSERT INTO checkouts (id, tenant_id, payment_id, account_id, provider, state, attempts, unsure, reference)
        SELECT 'chk' || substr(id, 4), tenant_id, id, account_id, provider,
            CASE WHEN status = 'PROVIDER_PENDING' THEN 'OPEN'
                WHEN status IN ('CREATED', 'UNKNOWN') THEN 'CALLING' ELSE 'CLOSED' END,
            calls, calls, provider_reference
        FROM payments WHERE calls > 0
    """)
    op.execute("ALTER TABLE payments FORCE ROW LEVEL SECURITY")
    op.drop_column("payments", "calls")
    op.create_check_constraint(
        op.f("ck_payments_paid_in_full"),
        "payments",
        "status <> 'SUCCEEDED' OR (captured_minor = amount_minor AND captured_currency = currency)"
        " OR (captured_minor > 0 AND accepted_by IS NOT NULL)",
    )
    isolate("checkouts", _STATES)
    isolate("refunds", _STATES)


def _payments() -> None:
    op.add_column(
        "payments",
        sa.Column("alternatives", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
    )
    op.add_column("payments", sa.Column("captured_currency", sa.String(3), nullable=True))
    op.add_column(
        "payments", sa.Column("refund_reserved", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("payments", sa.Column("accepted_by", sa.String(160), nullable=True))
    op.add_column("payments", sa.Column("nudged_at", _MOMENT, nullable=True))
    for name in ("paid_in_full", "refunds_within_capture"):
        op.drop_constraint(op.f(f"ck_payments_{name}"), "payments")
    op.create_check_constraint(
        op.f("ck_payments_refunds_within_capture"), "payments", "refund_reserved <= captured_minor"
    )
    op.create_check_constraint(
        op.f("ck_payments_refunds_were_reserved"), "payments", "amount_refunded <= refund_reserved"
    )


def _calls() -> list[sa.Column]:
    return [
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("unsure", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_called_at", _MOMENT, nullable=True),
        sa.Column("busy_until", _MOMENT, nullable=True),
    ]


def _belongings(table: str) -> list[sa.Column]:
    def of(name: str, target: str) -> sa.Column:
        key = sa.ForeignKey(target, name=op.f(f"fk_{table}_{name}"))
        return sa.Column(name, sa.String(64), key, nullable=False)

    return [
        sa.Column("id", sa.String(64), nullable=False),
        of("tenant_id", "tenants.id"),
        of("payment_id", "payments.id"),
        of("account_id", "provider_accounts.id"),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _checkouts() -> None:
    op.create_table(
        "checkouts",
        *_belongings("checkouts"),
        sa.Column("state", sa.String(16), nullable=False),
        *_calls(),
        sa.Column("reference", sa.String(255), nullable=True),
        sa.CheckConstraint(
            "state IN ('CALLING', 'OPEN', 'ABSENT', 'CLOSED')", name=op.f("ck_checkouts_state")
        ),
    )
    op.create_index(op.f("ix_checkouts_payment_id"), "checkouts", ["payment_id"])
    op.create_index(
        "one_payable_checkout_per_payment",
        "checkouts",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('CALLING', 'OPEN')"),
    )


def _refunds() -> None:
    op.create_table(
        "refunds",
        *_belongings("refunds"),
        sa.Column("checkout_reference", sa.String(255), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("requested_by", sa.String(160), nullable=False),
        *_calls(),
        sa.Column("provider_reference", sa.String(255), nullable=True),
        sa.Column("failure_code", sa.String(64), nullable=True),
        sa.Column("failure_message", sa.String(500), nullable=True),
        sa.Column("correlation_id", sa.String(128), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refunds_amount")),
        sa.CheckConstraint(
            "state IN ('PENDING', 'SUCCEEDED', 'FAILED', 'UNKNOWN')", name=op.f("ck_refunds_state")
        ),
    )
    op.create_index(op.f("ix_refunds_payment_id"), "refunds", ["payment_id"])
    op.create_index(
        "refunds_unsettled",
        "refunds",
        ["created_at"],
        postgresql_where=sa.text("state IN ('PENDING', 'UNKNOWN')"),
    )
