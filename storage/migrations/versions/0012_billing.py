"""Subscriptions and what they are billed: customers, invoices, credit notes, and whose payments they are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from storage.isolation import RUNTIME, append_only, isolate

revision = "0012"
down_revision = "0011"

_ID = sa.String(64)
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables, what payments, rights and accounts say of them, and what guards them."""
    op.add_column(
        "provider_accounts",
        sa.Column("clock_ahead_seconds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    _customers()
    _subscriptions()
    _subscription_events()
    _invoices()
    _payments()
    _entitlements()
    _credit_notes()
    _document_numbers()
    _billing_sessions()
    kept = ("customers", "subscriptions", "billing_sessions")
    for table in (*kept, "invoices", "credit_notes", "document_numbers"):
        isolate(table, "SELECT, INSERT, UPDATE")
    isolate("subscription_events", "SELECT, INSERT")
    append_only("subscription_events")
    _guards()


def _guards() -> None:
    # What has a number is a document: how it stands may change, what it says never does.
    op.execute("""
        CREATE FUNCTION invoice_must_stand() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.number IS NOT NULL AND (
                to_jsonb(NEW) - ARRAY['status', 'replaced_by', 'amount_paid_minor', 'amount_credited_minor',
                                      'paid_at', 'ended_at']
                <> to_jsonb(OLD) - ARRAY['status', 'replaced_by', 'amount_paid_minor', 'amount_credited_minor',
                                         'paid_at', 'ended_at']
                OR OLD.status IN ('paid', 'void') AND NEW.status <> OLD.status
            ) THEN
                RAISE EXCEPTION 'invoice % has been issued', OLD.id USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER invoice_stands BEFORE UPDATE ON invoices
        FOR EACH ROW EXECUTE FUNCTION invoice_must_stand()
    """)
    op.execute("""
        CREATE FUNCTION credit_note_must_stand() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF to_jsonb(NEW) - 'void' <> to_jsonb(OLD) - 'void' OR OLD.void THEN
                RAISE EXCEPTION 'credit note % has been issued', OLD.id USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER credit_note_stands BEFORE UPDATE ON credit_notes
        FOR EACH ROW EXECUTE FUNCTION credit_note_must_stand()
    """)
    op.execute("""
        CREATE FUNCTION refuse_loss() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% are kept for ever', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
    """)
    for table in ("invoices", "credit_notes", "document_numbers"):
        for level, deed in (("ROW", "DELETE"), ("STATEMENT", "TRUNCATE")):
            op.execute(
                f"CREATE TRIGGER {table}_kept_{level.lower()} BEFORE {deed} ON {table}"
                f" FOR EACH {level} EXECUTE FUNCTION refuse_loss()"
            )


def _payments() -> None:
    op.add_column("payments", sa.Column("invoice_id", _ID))
    op.add_column("payments", sa.Column("customer_id", _ID))
    op.add_column(
        "payments", sa.Column("off_session", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    for column, table in (("invoice_id", "invoices"), ("customer_id", "customers")):
        op.create_foreign_key(op.f(f"fk_payments_{column}"), "payments", table, [column], ["id"])
    op.create_index(
        "one_live_payment_per_invoice",
        "payments",
        ["invoice_id"],
        unique=True,
        postgresql_where=sa.text(
            "invoice_id IS NOT NULL AND status IN ('CREATED', 'PROVIDER_PENDING', 'UNKNOWN', 'REVIEW',"
            " 'SUCCEEDED')"
        ),
    )
    op.create_index(
        "payments_of_an_invoice",
        "payments",
        ["invoice_id"],
        postgresql_where=sa.text("invoice_id IS NOT NULL"),
    )


def _entitlements() -> None:
    op.alter_column("entitlements", "payment_id", nullable=True)
    op.add_column("entitlements", sa.Column("subscription_id", _ID))
    op.add_column("entitlements", sa.Column("quota", sa.BigInteger()))
    op.add_column(
        "entitlements", sa.Column("used", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("entitlements", sa.Column("revoked_at", _MOMENT))
    op.create_foreign_key(
        op.f("fk_entitlements_subscription_id"), "entitlements", "subscriptions", ["subscription_id"], ["id"]
    )
    op.create_unique_constraint(
        op.f("uq_entitlements_subscription_id_feature"), "entitlements", ["subscription_id", "feature"]
    )
    op.create_check_constraint(
        op.f("ck_entitlements_source"),
        "entitlements",
        "payment_id IS NOT NULL OR subscription_id IS NOT NULL",
    )
    op.create_check_constraint(op.f("ck_entitlements_used"), "entitlements", "used >= 0")
    op.execute(f"GRANT UPDATE ON entitlements TO {RUNTIME}")


def _customers() -> None:
    op.create_table(
        "customers",
        sa.Column("id", _ID, nullable=False),
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("user_id", sa.String(length=128), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=255)),
        sa.Column("email", sa.String(length=254)),
        sa.Column("party", JSONB()),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["provider_accounts.id"], name=op.f("fk_customers_account_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_customers_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("account_id", "reference", name=op.f("uq_customers_account_id_reference")),
        sa.UniqueConstraint(
            "tenant_id", "user_id", "account_id", name=op.f("uq_customers_tenant_id_user_id_account_id")
        ),
    )


def _subscriptions() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("user_id", sa.String(length=128), nullable=False),
        sa.Column("customer_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("provider_run", sa.Boolean(), nullable=False),
        sa.Column("provider_reference", sa.String(length=255)),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("price_id", _ID, nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("pending_price_id", _ID),
        sa.Column("pending_quantity", sa.BigInteger()),
        sa.Column("billed_price_id", _ID),
        sa.Column("billed_quantity", sa.BigInteger()),
        sa.Column("anchor", _MOMENT, nullable=False),
        sa.Column("zone", _ID, nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("period_start", _MOMENT),
        sa.Column("period_end", _MOMENT),
        sa.Column("trial_end", _MOMENT),
        sa.Column("reminded", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("set_up_at", _MOMENT),
        sa.Column("method_changed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("cancel_at_period_end", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("canceled_at", _MOMENT),
        sa.Column("ended_at", _MOMENT),
        sa.Column("paused_at", _MOMENT),
        sa.Column("credit_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("dunning_since", _MOMENT),
        sa.Column("next_try_at", _MOMENT),
        sa.Column("give_up_at", _MOMENT),
        sa.Column("due_at", _MOMENT),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("correlation_id", sa.String(length=128)),
        sa.Column("begun_at", _MOMENT, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "status IN ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'unpaid', 'paused', 'canceled')",
            name=op.f("ck_subscriptions_status"),
        ),
        sa.CheckConstraint(
            "(pending_price_id IS NULL) = (pending_quantity IS NULL)", name=op.f("ck_subscriptions_pending")
        ),
        sa.CheckConstraint(
            "(billed_price_id IS NULL) = (billed_quantity IS NULL)", name=op.f("ck_subscriptions_billed")
        ),
        sa.CheckConstraint("credit_minor >= 0", name=op.f("ck_subscriptions_credit")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_subscriptions_quantity")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["provider_accounts.id"], name=op.f("fk_subscriptions_account_id")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_subscriptions_customer_id")),
        sa.ForeignKeyConstraint(
            ["pending_price_id"], ["prices.id"], name=op.f("fk_subscriptions_pending_price_id")
        ),
        sa.ForeignKeyConstraint(
            ["billed_price_id"], ["prices.id"], name=op.f("fk_subscriptions_billed_price_id")
        ),
        sa.ForeignKeyConstraint(["price_id"], ["prices.id"], name=op.f("fk_subscriptions_price_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_subscriptions_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
    )
    op.create_index(op.f("ix_subscriptions_customer_id"), "subscriptions", ["customer_id"])
    op.create_index(
        op.f("ix_subscriptions_tenant_id_created_at_id"), "subscriptions", ["tenant_id", "created_at", "id"]
    )
    op.create_index(
        op.f("ix_subscriptions_tenant_id_user_id_created_at"),
        "subscriptions",
        ["tenant_id", "user_id", "created_at"],
    )
    op.create_index(
        "subscriptions_by_their_name",
        "subscriptions",
        ["account_id", "provider_reference"],
        unique=True,
        postgresql_where=sa.text("provider_reference IS NOT NULL"),
    )
    op.create_index(
        "subscriptions_by_due_at",
        "subscriptions",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL AND NOT provider_run"),
    )
    op.create_index(
        "subscriptions_to_be_led",
        "subscriptions",
        ["account_id", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL AND NOT provider_run"),
    )


def _subscription_events() -> None:
    op.create_table(
        "subscription_events",
        sa.Column("id", _ID, nullable=False),
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("subscription_id", _ID, nullable=False),
        sa.Column("type", _ID, nullable=False),
        sa.Column("actor", sa.String(length=160), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("mrr_e4", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_subscription_events_subscription_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_subscription_events_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_events")),
    )
    op.create_index(
        op.f("ix_subscription_events_subscription_id_at"), "subscription_events", ["subscription_id", "at"]
    )
    op.create_index(op.f("ix_subscription_events_tenant_id_at"), "subscription_events", ["tenant_id", "at"])


def _invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", _ID, nullable=False),
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("subscription_id", _ID, nullable=False),
        sa.Column("user_id", sa.String(length=128), nullable=False),
        sa.Column("number", sa.BigInteger()),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("lines", JSONB(), nullable=False),
        sa.Column("tax", JSONB(), nullable=False),
        sa.Column("subtotal_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("credited_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit_applied_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_due_minor", sa.BigInteger(), nullable=False),
        sa.Column("period_start", _MOMENT, nullable=False),
        sa.Column("period_end", _MOMENT, nullable=False),
        sa.Column("issuer", JSONB(), nullable=False),
        sa.Column("recipient", JSONB(), nullable=False),
        sa.Column("replaced_by", _ID),
        sa.Column("amount_paid_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount_credited_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("opened_at", _MOMENT),
        sa.Column("paid_at", _MOMENT),
        sa.Column("ended_at", _MOMENT),
        sa.CheckConstraint(
            "status <> 'paid' OR amount_paid_minor = amount_due_minor", name=op.f("ck_invoices_paid_in_full")
        ),
        sa.CheckConstraint(
            "status IN ('draft', 'open', 'paid', 'uncollectible', 'void')", name=op.f("ck_invoices_status")
        ),
        sa.CheckConstraint(
            "status IN ('draft', 'void') OR number IS NOT NULL", name=op.f("ck_invoices_numbered")
        ),
        sa.CheckConstraint(
            "amount_credited_minor <= amount_paid_minor", name=op.f("ck_invoices_credited_within_payment")
        ),
        sa.CheckConstraint(
            "total_minor >= 0 AND credited_minor >= 0 AND credit_applied_minor >= 0 AND amount_due_minor >= 0 AND total_minor - credit_applied_minor = amount_due_minor",
            name=op.f("ck_invoices_never_negative"),
        ),
        sa.ForeignKeyConstraint(["replaced_by"], ["invoices.id"], name=op.f("fk_invoices_replaced_by")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_invoices_subscription_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_invoices_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_invoices_tenant_id_number")),
    )
    op.create_index(
        op.f("ix_invoices_subscription_id_created_at"), "invoices", ["subscription_id", "created_at"]
    )
    op.create_index(
        op.f("ix_invoices_tenant_id_created_at_id"), "invoices", ["tenant_id", "created_at", "id"]
    )
    op.create_index(
        "one_open_invoice_per_subscription",
        "invoices",
        ["subscription_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('draft', 'open')"),
    )


def _credit_notes() -> None:
    op.create_table(
        "credit_notes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("invoice_id", _ID, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("refund_id", _ID, nullable=False),
        sa.Column("reason", sa.String(length=500)),
        sa.Column("void", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_credit_notes_amount")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_credit_notes_invoice_id")),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name=op.f("fk_credit_notes_refund_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_credit_notes_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_notes")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_credit_notes_refund_id")),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_credit_notes_tenant_id_number")),
    )
    op.create_index(op.f("ix_credit_notes_invoice_id"), "credit_notes", ["invoice_id"])


def _document_numbers() -> None:
    op.create_table(
        "document_numbers",
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_document_numbers_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "kind", name=op.f("pk_document_numbers")),
    )


def _billing_sessions() -> None:
    op.create_table(
        "billing_sessions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("digest", _ID, nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.String(length=128), nullable=False),
        sa.Column("customer_id", _ID, nullable=False),
        sa.Column("subscription_id", _ID),
        sa.Column("success_url", sa.String(length=2048)),
        sa.Column("cancel_url", sa.String(length=2048)),
        sa.Column("url", sa.String(length=2048)),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.CheckConstraint("mode IN ('checkout', 'portal')", name=op.f("ck_billing_sessions_mode")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_billing_sessions_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_billing_sessions_subscription_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_billing_sessions_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_sessions")),
        sa.UniqueConstraint(
            "tenant_id", "idempotency_key", name=op.f("uq_billing_sessions_tenant_id_idempotency_key")
        ),
    )
