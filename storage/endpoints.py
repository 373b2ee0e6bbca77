"""Where tenants listen: their webhook endpoints, with the secrets that sign what is sent there."""

from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.values import Value
from storage.tables import tenants, webhook_endpoints
from storage.vault import Vault, place


class Endpoint(Value):
    """Where a tenant listens. ``secret`` is in the clear only in memory."""

    id: str
    tenant_id: str
    url: str
    enabled: bool
    sandbox: bool


async def add(tx: AsyncConnection, vault: Vault, endpoint: Endpoint, secret: str, now: datetime) -> None:
    sealed = vault.seal(
        await _data_key(tx, endpoint.tenant_id),
        place("webhook_endpoints", "secret", endpoint.id, endpoint.tenant_id),
        secret,
    )
    await tx.execute(
        insert(webhook_endpoints).values(
            id=endpoint.id,
            tenant_id=endpoint.tenant_id,
            url=endpoint.url,
            secret=sealed,
            created_at=now,
            updated_at=now,
        )
    )


async def get(tx: AsyncConnection, vault: Vault, endpoint_id: str) -> tuple[Endpoint, str] | None:
    """An endpoint and its signing secret; use the secret and drop it."""
    row = (
        await tx.execute(
            select(webhook_endpoints, tenants.c.sandbox, tenants.c.data_key)
            .join(tenants, tenants.c.id == webhook_endpoints.c.tenant_id)
            .where(webhook_endpoints.c.id == endpoint_id)
        )
    ).one_or_none()
    if row is None:
        return None
    found = Endpoint(
        id=row.id,
        tenant_id=row.tenant_id,
        url=row.url,
        enabled=row.status == "enabled",
        sandbox=row.sandbox,
    )
    where = place("webhook_endpoints", "secret", row.id, row.tenant_id)
    return found, vault.open(row.data_key, where, row.secret)


async def _data_key(tx: AsyncConnection, tenant_id: str) -> bytes:
    key: bytes = (await tx.execute(select(tenants.c.data_key).where(tenants.c.id == tenant_id))).scalar_one()
    return key
