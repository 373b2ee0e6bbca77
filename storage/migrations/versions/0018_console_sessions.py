"""Sessions of people who signed in with a browser."""

import sqlalchemy as sa
from alembic import op

from storage.isolation import isolate

revision = "0018"
down_revision = "0017"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table. It holds no record: what is over is deleted.

    The platform's operator is no tenant, so ``tenant_id`` refers to none there.
    """
    op.create_table(
        "console_sessions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("credential_id", sa.String(64), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("bound_to", sa.LargeBinary(), nullable=False),
        sa.Column("browser", sa.String(64), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("ends_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "(tenant_id = 'platform') = (credential_id IS NULL)", name=op.f("ck_console_sessions_somebodys")
        ),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_console_sessions_digest")),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name=op.f("fk_console_sessions_credential_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_console_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_console_sessions_digest")),
    )
    op.create_index(op.f("ix_console_sessions_seen_at"), "console_sessions", ["seen_at"])
    op.create_index(
        op.f("ix_console_sessions_tenant_id_credential_id"),
        "console_sessions",
        ["tenant_id", "credential_id"],
    )
    isolate("console_sessions", "SELECT, INSERT, UPDATE, DELETE")
