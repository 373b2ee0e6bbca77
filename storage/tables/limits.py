"""What is counted of everybody, for a while: the only table whose rows are nobody's."""

from sqlalchemy import Column, String, Table
from sqlalchemy.dialects.postgresql import ARRAY

from storage.tables.base import Moment, at, metadata

rate_windows = Table(
    "rate_windows",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("entered_at", ARRAY(Moment), nullable=False),
    at("forget_at"),
    prefixes=["UNLOGGED"],
)
