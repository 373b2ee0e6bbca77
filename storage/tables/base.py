"""What all tables share: names of constraints, kinds of columns."""

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Id = String(64)
Moment = DateTime(timezone=True)


def of_tenant() -> Column[str]:
    return Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False)


def of_payment(*, nullable: bool = False) -> Column[str]:
    return Column("payment_id", Id, ForeignKey("payments.id"), nullable=nullable)


def at(name: str = "created_at") -> Column[object]:
    return Column(name, Moment, nullable=False)


def sealed(name: str, *, nullable: bool = False) -> Column[bytes]:
    """What ``storage.vault`` has sealed. It seals for no other column: a rotation of keys finds them all."""
    return Column(name, LargeBinary, nullable=nullable, info={"sealed": True})


def called() -> tuple[Column[int], Column[int], Column[object], Column[object]]:
    """What ``storage.calls`` remembers of calls to a provider."""
    return (
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("unsure", Integer, nullable=False, server_default=text("0")),
        Column("first_called_at", Moment),
        Column("busy_until", Moment),
    )
