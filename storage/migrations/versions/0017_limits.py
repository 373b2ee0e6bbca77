"""How often somebody asked lately, counted by all processes together."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from storage.isolation import RUNTIME

revision = "0017"
down_revision = "0016"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table of windows. Nothing in it is anybody's: whoever acts for a tenant sees none of it."""
    op.create_table(
        "rate_windows",
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("entered_at", ARRAY(_MOMENT), nullable=False),
        sa.Column("forget_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_windows")),
        prefixes=["UNLOGGED"],
    )
    # Rows change all the time; with room beside them no index has to follow.
    op.execute("ALTER TABLE rate_windows SET (fillfactor = 50)")
    nobody = "NULLIF(current_setting('app.tenant_id', true), '') IS NULL"
    op.execute("ALTER TABLE rate_windows ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE rate_windows FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY rate_windows_nobody ON rate_windows TO {RUNTIME} USING ({nobody}) WITH CHECK ({nobody})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON rate_windows TO {RUNTIME}")
