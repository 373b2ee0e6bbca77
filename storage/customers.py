"""Customers in PostgreSQL: a tenant's subscriber as a provider account knows them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.invoice import Party
from domain.tenant import ProviderAccount
from domain.values import Value, derived_id
from storage.tables import customers


class Payer(Value):
    """Who pays, at one provider account. ``reference`` is the provider's name, once it has one."""

    id: str
    tenant_id: str
    user_id: str
    account_id: str
    provider: str
    reference: str | None
    email: str | None
    party: Party | None
    """What stands on invoices; without one, what else is known."""

    @property
    def as_party(self) -> Party:
        return self.party or Party(name=self.user_id, email=self.email)


async def ensure(
    tx: AsyncConnection,
    account: ProviderAccount,
    user_id: str,
    now: datetime,
    *,
    email: str | None = None,
    party: Party | None = None,
) -> Payer:
    """The subscriber as this account's customer; what is newly said of them replaces what was known."""
    news: dict[str, Any] = {} if email is None else {"email": email}
    news |= {} if party is None else {"party": party.model_dump(mode="json")}
    kept = {"user_id": user_id}
    added = (
        upsert(customers)
        .values(
            id=derived_id("cus", account.created_at, account.id, user_id),
            tenant_id=account.tenant_id,
            account_id=account.id,
            provider=account.provider,
            created_at=now,
            **kept,
            **news,
        )
        .on_conflict_do_update(index_elements=["tenant_id", "user_id", "account_id"], set_=kept | news)
        .returning(customers)
    )
    return _payer((await tx.execute(added)).one())


async def get(tx: AsyncConnection, customer_id: str) -> Payer:
    return _payer((await tx.execute(select(customers).where(customers.c.id == customer_id))).one())


async def named(tx: AsyncConnection, customer_id: str, reference: str) -> None:
    """This is how the provider calls them."""
    await tx.execute(
        update(customers)
        .where(customers.c.id == customer_id, customers.c.reference.is_(None))
        .values(reference=reference)
    )


async def by_reference(tx: AsyncConnection, account_id: str, reference: str) -> Payer | None:
    """Whom a provider's word speaks of; None for somebody we do not know."""
    row = (
        await tx.execute(
            select(customers).where(customers.c.account_id == account_id, customers.c.reference == reference)
        )
    ).one_or_none()
    return None if row is None else _payer(row)


def _payer(row: Row[Any]) -> Payer:
    facts = {name: row._mapping[name] for name in Payer.model_fields}  # noqa: SLF001 - its public name
    party = None if row.party is None else Party(**row.party)
    return Payer(**(facts | {"party": party}))
