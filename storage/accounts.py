"""Tenants' accounts at payment providers, secrets sealed."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound
from domain.tenant import ProviderAccount
from storage.tables import provider_accounts, tenants
from storage.vault import Vault, place

Secrets = dict[str, str]


async def add(tx: AsyncConnection, vault: Vault, new: ProviderAccount, secrets: Secrets) -> None:
    """Make this the tenant's account at its provider; the one before it retires but keeps its webhooks."""
    await _retire(tx, new.provider, new.created_at)
    data_key = (
        await tx.execute(select(tenants.c.data_key).where(tenants.c.id == new.tenant_id))
    ).scalar_one()
    sealed = vault.seal(data_key, _place(new.id, new.tenant_id), json.dumps(secrets))
    await tx.execute(insert(provider_accounts).values(secrets=sealed, **new.model_dump()))


async def retire(tx: AsyncConnection, provider: str, now: datetime) -> None:
    """Take no new payments through this provider. Raises ``NotFound`` when there is no such account."""
    if not await _retire(tx, provider, now):
        raise NotFound


async def _retire(tx: AsyncConnection, provider: str, now: datetime) -> bool:
    retired = await tx.execute(
        update(provider_accounts)
        .where(provider_accounts.c.provider == provider, provider_accounts.c.retired_at.is_(None))
        .values(retired_at=now)
    )
    return retired.rowcount > 0


async def live(tx: AsyncConnection) -> list[ProviderAccount]:
    """The tenant's accounts that take new payments."""
    rows = await tx.execute(
        select(provider_accounts)
        .where(provider_accounts.c.retired_at.is_(None))
        .order_by(provider_accounts.c.created_at)
    )
    return [account(row) for row in rows]


async def unlock(
    tx: AsyncConnection, vault: Vault, account_id: str, provider: str | None = None
) -> tuple[ProviderAccount, Secrets]:
    """An account and its secrets; use them and drop them.

    Works in a system transaction too: a webhook's address is all that says whose it is.
    Raises ``NotFound`` for an unknown account, or one of another provider than named.
    """
    row = (
        await tx.execute(
            select(provider_accounts, tenants.c.data_key)
            .join(tenants, tenants.c.id == provider_accounts.c.tenant_id)
            .where(provider_accounts.c.id == account_id)
        )
    ).one_or_none()
    if row is None or provider not in {None, row.provider}:
        raise NotFound
    plain = vault.open(row.data_key, _place(row.id, row.tenant_id), row.secrets)
    return account(row), json.loads(plain)


def _place(account_id: str, tenant_id: str) -> str:
    return place("provider_accounts", "secrets", account_id, tenant_id)


def account(row: Row[Any]) -> ProviderAccount:
    """A row of ``provider_accounts``, its secrets left out."""
    return ProviderAccount(
        id=row.id,
        tenant_id=row.tenant_id,
        provider=row.provider,
        api_base=row.api_base,
        created_at=row.created_at,
    )
