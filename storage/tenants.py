"""Tenants and the credentials that may log in for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound
from domain.tenant import Credential, LatePolicy, ProviderAccount, Role, Tenant, TenantSettings
from domain.values import Value
from storage import accounts, console_sessions
from storage.tables import credentials, provider_accounts, tenants


async def add(tx: AsyncConnection, tenant: Tenant, data_key: bytes) -> None:
    facts = tenant.model_dump(mode="json", include={"settings"})
    await tx.execute(
        insert(tenants).values(data_key=data_key, **facts, **tenant.model_dump(exclude={"settings"}))
    )


async def get(tx: AsyncConnection, tenant_id: str) -> Tenant:
    row = (await tx.execute(select(tenants).where(tenants.c.id == tenant_id))).one_or_none()
    if row is None:
        raise NotFound
    return _tenant(row)


async def by_app_name(tx: AsyncConnection, app_name: str) -> Tenant | None:
    """Whose app this is; needs a system transaction, as nobody is logged in yet."""
    row = (await tx.execute(select(tenants).where(tenants.c.app_name == app_name))).one_or_none()
    return None if row is None else _tenant(row)


async def search(tx: AsyncConnection, words: str, before: str | None, limit: int) -> list[Tenant]:
    """Tenants whose name, app, address or id holds these words, newest first; needs a system transaction.

    ``before`` is the id of the last one seen.
    """
    query = select(tenants)
    if words:
        columns = (tenants.c.name, tenants.c.app_name, tenants.c.organization, tenants.c.contact_email)
        holds = [column.icontains(words, autoescape=True) for column in columns]
        query = query.where(or_(tenants.c.id == words, *holds))
    if before is not None:
        query = query.where(tenants.c.id < before)
    return [_tenant(row) for row in await tx.execute(query.order_by(tenants.c.id.desc()).limit(limit))]


async def names(tx: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """What these tenants are called, by id. Needs a system transaction."""
    rows = await tx.execute(select(tenants.c.id, tenants.c.name).where(tenants.c.id.in_(ids)))
    return {row.id: row.name for row in rows}


class Terms(Value):
    """Under which terms a tenant may take a payment now."""

    suspended: bool
    sandbox: bool
    settings: TenantSettings
    accounts: Sequence[ProviderAccount]
    """Those that take new payments, the oldest first."""


async def terms(tx: AsyncConnection, tenant_id: str) -> Terms:
    """What holds for a new payment of this tenant."""
    rows = (
        await tx.execute(
            select(tenants.c.suspended, tenants.c.sandbox, tenants.c.settings, provider_accounts)
            .outerjoin(
                provider_accounts,
                (provider_accounts.c.tenant_id == tenants.c.id) & provider_accounts.c.retired_at.is_(None),
            )
            .where(tenants.c.id == tenant_id)
            .order_by(provider_accounts.c.created_at)
        )
    ).all()
    if not rows:
        raise NotFound
    return Terms(
        suspended=rows[0].suspended,
        sandbox=rows[0].sandbox,
        settings=TenantSettings(**rows[0].settings),
        accounts=[accounts.account(row) for row in rows if row.id is not None],
    )


async def late_policy(tx: AsyncConnection, tenant_id: str) -> LatePolicy:
    """What this tenant wants done with late money."""
    query = select(tenants.c.settings).where(tenants.c.id == tenant_id)
    return TenantSettings(**(await tx.execute(query)).scalar_one()).late_payment


async def suspend(tx: AsyncConnection, tenant_id: str, *, suspended: bool) -> Tenant:
    row = (
        await tx.execute(
            update(tenants).where(tenants.c.id == tenant_id).values(suspended=suspended).returning(tenants)
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    return _tenant(row)


async def choose(tx: AsyncConnection, tenant_id: str, settings: TenantSettings) -> None:
    await tx.execute(
        update(tenants).where(tenants.c.id == tenant_id).values(settings=settings.model_dump(mode="json"))
    )


def _tenant(row: Row[Any]) -> Tenant:
    facts = {name: row._mapping[name] for name in Tenant.model_fields}  # noqa: SLF001
    return Tenant(**(facts | {"settings": TenantSettings(**row.settings)}))


# --- Credentials ----------------------------------------------------------------------------------


class Lock(Value):
    """What a secret is checked against. Hashes only; the secret itself is nowhere."""

    credential: Credential
    hashes: Sequence[str]


async def add_credential(
    tx: AsyncConnection, credential: Credential, secret_hash: str, now: datetime
) -> None:
    await tx.execute(
        insert(credentials).values(
            id=credential.id,
            tenant_id=credential.tenant_id,
            name=credential.name,
            role=credential.role,
            secret_hash=secret_hash,
            created_at=now,
        )
    )


async def lock(tx: AsyncConnection, credential_id: str, now: datetime) -> Lock | None:
    """A credential and the hashes it can be opened with now: one, or two while it is being rotated."""
    row = (await tx.execute(select(credentials).where(credentials.c.id == credential_id))).one_or_none()
    if row is None:
        return None
    hashes = [row.secret_hash]
    if row.previous_hash is not None and row.previous_until > now:
        hashes.append(row.previous_hash)
    return Lock(credential=_credential(row), hashes=hashes)


async def list_credentials(tx: AsyncConnection) -> list[Credential]:
    rows = await tx.execute(
        select(credentials).where(credentials.c.revoked_at.is_(None)).order_by(credentials.c.created_at)
    )
    return [_credential(row) for row in rows]


async def rotate(
    tx: AsyncConnection, credential_id: str, secret_hash: str, previous_until: datetime
) -> Credential:
    """A new secret; the one before it works until ``previous_until``, any older one not at all.

    People who signed in with it have to sign in anew at once.
    """
    row = (
        await tx.execute(
            update(credentials)
            .where(credentials.c.id == credential_id, credentials.c.revoked_at.is_(None))
            .values(
                previous_hash=credentials.c.secret_hash,
                previous_until=previous_until,
                secret_hash=secret_hash,
            )
            .returning(credentials)
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    await console_sessions.end_all(tx, credential_id)
    return _credential(row)


async def revoke(tx: AsyncConnection, credential_id: str, now: datetime) -> None:
    """No login from now on; sessions end, and tokens out there die with the next check of their version."""
    revoked = await tx.execute(
        update(credentials)
        .where(credentials.c.id == credential_id, credentials.c.revoked_at.is_(None))
        .values(revoked_at=now, version=credentials.c.version + 1)
    )
    if not revoked.rowcount:
        raise NotFound
    await console_sessions.end_all(tx, credential_id)


def _credential(row: Row[Any]) -> Credential:
    return Credential(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        role=Role(row.role),
        version=row.version,
        revoked=row.revoked_at is not None,
    )
