"""The audit trail is sealed: a chain of hashes per tenant, and signed checkpoints along it."""

import sqlalchemy as sa
from alembic import op

from storage.isolation import append_only, isolate

revision = "0007"
down_revision = "0006"

_FACTS = "SELECT, INSERT"


def upgrade() -> None:
    """Add the chain. Records that are there already are sealed by the first worker that runs."""
    # Nobody chooses a record's place: ids are given in the order of writing.
    op.execute("ALTER TABLE audit_records ALTER COLUMN id SET GENERATED ALWAYS")
    op.create_index(op.f("ix_audit_records_tenant_id_id"), "audit_records", ["tenant_id", "id"])
    op.create_table(
        "audit_seals",
        *_place("audit_seals"),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("record_id", name=op.f("uq_audit_seals_record_id")),
    )
    op.create_table(
        "audit_checkpoints",
        *_place("audit_checkpoints"),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.Column("latest", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index(op.f("ix_audit_checkpoints_latest"), "audit_checkpoints", ["latest"])
    for table in ("audit_seals", "audit_checkpoints"):
        isolate(table, _FACTS)
        append_only(table)


def _place(table: str) -> list[sa.Column]:
    tenant = sa.ForeignKey("tenants.id", name=op.f(f"fk_{table}_tenant_id"))
    return [
        sa.Column("tenant_id", sa.String(64), tenant, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "number", name=op.f(f"pk_{table}")),
    ]
