"""What is counted as it happens, since counting it anew would take longer each day."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, String, Table

from storage.tables.base import Id, Moment, at, metadata

# How a tenant's payments have ended, as far as its audit trail is sealed.
payment_tallies = Table(
    "payment_tallies",
    metadata,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    # "succeeded", or a reason of `domain.outcome`. The empty one only says how far has been counted.
    Column("outcome", String(64), primary_key=True),
    Column("payments", BigInteger, nullable=False),
    # The place in the trail up to which this row counts.
    Column("counted_to", BigInteger, nullable=False),
    CheckConstraint("payments >= 0", name="payments"),
)

# How far each tenant's trail has been examined in the present pass, and what was found.
audit_examinations = Table(
    "audit_examinations",
    metadata,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    # All stretches up to this place are done; what is behind it is looked at again and again.
    Column("reached", BigInteger, nullable=False),
    # How many places it was seen to have: it never has fewer.
    Column("seen", BigInteger, nullable=False),
    Column("breaches", BigInteger, nullable=False),
    # Of the last look at the end of the trail, which is taken back by the next.
    Column("breaches_at_end", BigInteger, nullable=False),
    # Of the pass before: they count until this one is through.
    Column("breaches_before", BigInteger, nullable=False),
    at("began_at"),
    Column("examined_at", Moment, nullable=False),
    Index(None, "examined_at"),
)
