"""Four eyes: what one person asks for and another decides about, and amounts that nobody changes afterwards."""

import sqlalchemy as sa
from alembic import op

from storage.isolation import isolate

revision = "0006"
down_revision = "0005"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add approvals, and make what they are about unchangeable."""
    _refunds()
    _approvals()
    isolate("approvals", "SELECT, INSERT, UPDATE")
    _what_was_asked_stands()


def _refunds() -> None:
    op.add_column("refunds", sa.Column("approval_id", sa.String(64), nullable=True))
    op.create_unique_constraint(op.f("uq_refunds_approval_id"), "refunds", ["approval_id"])
    op.drop_constraint(op.f("ck_refunds_state"), "refunds")
    op.create_check_constraint(
        op.f("ck_refunds_state"),
        "refunds",
        "state IN ('PENDING_APPROVAL', 'PENDING', 'SUCCEEDED', 'FAILED', 'UNKNOWN', 'REJECTED')",
    )
    op.create_check_constraint(
        op.f("ck_refunds_decided_on"),
        "refunds",
        "approval_id IS NOT NULL OR state NOT IN ('PENDING_APPROVAL', 'REJECTED')",
    )
    op.drop_index("refunds_unsettled", "refunds")
    op.create_index(
        "refunds_unsettled",
        "refunds",
        ["created_at"],
        postgresql_where=sa.text("state IN ('PENDING_APPROVAL', 'PENDING', 'UNKNOWN')"),
    )


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(64), nullable=False),
        *(_key(*names) for names in (("tenant_id", "tenants.id"), ("payment_id", "payments.id"))),
        sa.Column("kind", sa.String(16), nullable=False),
        _key("refund_id", "refunds.id", nullable=True),
        sa.Column("choice", sa.String(16), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("requested_by", sa.String(160), nullable=False),
        _key("requester_credential_id", "credentials.id", nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("decided_by", sa.String(160), nullable=True),
        _key("decider_credential_id", "credentials.id", nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("correlation_id", sa.String(128), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_approvals_refund_id")),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_approvals_{name}")) for name, rule in _RULES.items()),
    )
    op.create_index(
        op.f("ix_approvals_tenant_id_created_at_id"), "approvals", ["tenant_id", "created_at", "id"]
    )
    op.create_index(op.f("ix_approvals_payment_id"), "approvals", ["payment_id"])
    op.create_index(
        "approvals_pending", "approvals", ["expires_at"], postgresql_where=sa.text("state = 'PENDING'")
    )
    op.create_index(
        "one_review_per_payment",
        "approvals",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'review' AND state IN ('PENDING', 'APPROVED')"),
    )


_RULES = {
    "amount": "amount_minor > 0",
    "kind": "kind IN ('refund', 'review')",
    "state": "state IN ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED')",
    "of_a_refund": "(kind = 'refund') = (refund_id IS NOT NULL)",
    "of_a_review": "(kind = 'review') = (choice IS NOT NULL) AND choice IN ('accept', 'refund')",
    "decided_at": "(state = 'PENDING') = (decided_at IS NULL)",
    "decided_by_somebody": "(state IN ('APPROVED', 'REJECTED')) = (decided_by IS NOT NULL)"
    " AND (decided_by IS NULL) = (decider_credential_id IS NULL)",
    "four_eyes": "decider_credential_id <> requester_credential_id",
}


def _key(name: str, target: str, *, nullable: bool = False) -> sa.Column:
    key = sa.ForeignKey(target, name=op.f(f"fk_approvals_{name}"))
    return sa.Column(name, sa.String(64), key, nullable=nullable)


def _what_was_asked_stands() -> None:
    """No UPDATE changes what was asked for, and no answer is followed by another; whoever asks."""
    op.execute("""
        CREATE FUNCTION refuse_other_terms() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'what was asked for in % cannot change', TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation';
        END $$
    """)
    asked = {
        "refunds": ("payment_id", "amount_minor", "currency", "approval_id"),
        "approvals": (
            *("payment_id", "amount_minor", "currency", "kind", "refund_id", "choice"),
            *("requested_by", "requester_credential_id", "expires_at"),
        ),
    }
    for table, columns in asked.items():
        before, after = (", ".join(f"{row}.{name}" for name in columns) for row in ("OLD", "NEW"))
        op.execute(f"""
            CREATE TRIGGER {table}_asked BEFORE UPDATE ON {table} FOR EACH ROW
            WHEN (({before}) IS DISTINCT FROM ({after})) EXECUTE FUNCTION refuse_other_terms()
        """)
    op.execute("""
        CREATE TRIGGER approvals_answered BEFORE UPDATE ON approvals FOR EACH ROW
        WHEN (OLD.state <> 'PENDING' AND (OLD.state, OLD.decided_by, OLD.decider_credential_id, OLD.decided_at)
            IS DISTINCT FROM (NEW.state, NEW.decided_by, NEW.decider_credential_id, NEW.decided_at))
        EXECUTE FUNCTION refuse_other_terms()
    """)
