"""Tenants' accounts at payment providers, secrets sealed."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Row, exists, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound
from domain.tenant import ProviderAccount
from storage.tables import provider_accounts, tenants
from storage.vault import Vault, place

Secrets = dict[str, str]


async def put(
    tx: AsyncConnection, vault: Vault, wanted: ProviderAccount, secrets: Secrets
) -> ProviderAccount:
    """The tenant's account at this provider, with these secrets from now on.

    One that is there keeps its id, so that its webhook address stays; secrets may rotate under it.
    """
    # Whoever comes second waits here, and then finds the first one's account.
    mine = select(tenants.c.data_key).where(tenants.c.id == wanted.tenant_id)
    data_key = (await tx.execute(mine.with_for_update(key_share=True))).scalar_one()
    known = [account for account in await live(tx) if account.provider == wanted.provider]
    kept = known[0].model_copy(update={"api_base": wanted.api_base}) if known else wanted
    sealed = await vault.seal(data_key, _place(kept.id, kept.tenant_id), json.dumps(secrets))
    await tx.execute(
        upsert(provider_accounts)
        .values(secrets=sealed, **kept.model_dump())
        .on_conflict_do_update(index_elements=["id"], set_={"secrets": sealed, "api_base": kept.api_base})
    )
    return kept


async def retire(tx: AsyncConnection, provider: str, now: datetime) -> None:
    """Take no new payments through this provider. Raises ``NotFound`` when there is no such account."""
    retired = await tx.execute(
        update(provider_accounts)
        .where(provider_accounts.c.provider == provider, provider_accounts.c.retired_at.is_(None))
        .values(retired_at=now)
    )
    if not retired.rowcount:
        raise NotFound


async def live(tx: AsyncConnection) -> list[ProviderAccount]:
    """The tenant's accounts that take new payments."""
    rows = await tx.execute(
        select(provider_accounts)
        .where(provider_accounts.c.retired_at.is_(None))
        .order_by(provider_accounts.c.created_at)
    )
    return [account(row) for row in rows]


async def serving(tx: AsyncConnection, providers: Sequence[str]) -> ProviderAccount | None:
    """The tenant's account at the first of these providers where it has one that takes new payments."""
    accounts = {account.provider: account for account in await live(tx)}
    return next((accounts[name] for name in providers if name in accounts), None)


async def get(tx: AsyncConnection, provider: str) -> ProviderAccount | None:
    """The tenant's account at this provider, if it takes new payments."""
    return next((found for found in await live(tx) if found.provider == provider), None)


async def by_id(tx: AsyncConnection, account_id: str) -> ProviderAccount:
    """One that is on record, retired or not."""
    query = select(provider_accounts).where(provider_accounts.c.id == account_id)
    return account((await tx.execute(query)).one())


async def after(tx: AsyncConnection, made: datetime, limit: int) -> list[tuple[ProviderAccount, bool]]:
    """Accounts of all tenants made after this, oldest first, and whether their tenants have live ones there.

    Needs a system transaction.
    """
    others = provider_accounts.alias()
    served = exists().where(
        others.c.tenant_id == provider_accounts.c.tenant_id,
        others.c.provider == provider_accounts.c.provider,
        others.c.retired_at.is_(None),
    )
    rows = await tx.execute(
        select(provider_accounts, served.label("served"))
        .where(provider_accounts.c.created_at > made)
        .order_by(provider_accounts.c.created_at)
        .limit(limit)
    )
    return [(account(row), row.served) for row in rows]


class Unlocked(NamedTuple):
    account: ProviderAccount
    secrets: Secrets
    credentials: str
    """Tells these secrets from those before and after them, and nothing about them: a hash of the sealed."""


async def unlock(tx: AsyncConnection, vault: Vault, account_id: str, provider: str | None = None) -> Unlocked:
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
    plain = await vault.open(row.data_key, _place(row.id, row.tenant_id), row.secrets)
    return Unlocked(account(row), json.loads(plain), sha256(row.secrets).hexdigest())


async def ahead(tx: AsyncConnection, account_id: str) -> timedelta:
    """How far the clock of an account of play money is ahead of the world's."""
    query = select(provider_accounts.c.clock_ahead_seconds).where(provider_accounts.c.id == account_id)
    return timedelta(seconds=(await tx.execute(query)).scalar_one())


async def pushed(tx: AsyncConnection, account_id: str, ahead_seconds: int) -> bool:
    """Its clock was pushed forward, which it only ever is; False when that was known."""
    moved = await tx.execute(
        update(provider_accounts)
        .where(
            provider_accounts.c.id == account_id,
            provider_accounts.c.clock_ahead_seconds < ahead_seconds,
        )
        .values(clock_ahead_seconds=ahead_seconds)
    )
    return bool(moved.rowcount)


def _place(account_id: str, tenant_id: str) -> str:
    return place(provider_accounts.c.secrets, account_id, tenant_id)


def account(row: Row[Any]) -> ProviderAccount:
    """A row of ``provider_accounts``, its secrets left out."""
    return ProviderAccount(
        id=row.id,
        tenant_id=row.tenant_id,
        provider=row.provider,
        api_base=row.api_base,
        created_at=row.created_at,
    )
