"""In which order a subscription's history was written: its instants may run backwards, the truth does not."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Number what has happened; rows that are there are numbered as they lie, which is as they came."""
    op.add_column("subscription_events", sa.Column("seq", sa.BigInteger(), sa.Identity(), nullable=False))
