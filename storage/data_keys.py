"""Tenants' data keys as they lie in their rows: which key wrapped each, wrapping them anew, and new ones.

All of it goes on beside payments. Whoever seals holds the tenant's row, so nothing is sealed with a key that
is on its way out.
"""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

from sqlalchemy import Column, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound
from storage.database import Database
from storage.tables import metadata, tenants, webhook_endpoints
from storage.vault import Vault, place

_PAGE: Final = 500


async def count(database: Database) -> int:
    """How many tenants there are."""
    async with database.system() as tx:
        return int((await tx.execute(select(func.count()).select_from(tenants))).scalar_one())


async def every(database: Database) -> AsyncIterator[tuple[str, bytes]]:
    """Each tenant and its wrapped data key, in no transaction: read a page at a time."""
    after = ""
    while True:
        page = select(tenants.c.id, tenants.c.data_key).where(tenants.c.id > after)
        async with database.system() as tx:
            rows = (await tx.execute(page.order_by(tenants.c.id).limit(_PAGE))).all()
        for row in rows:
            yield row.id, row.data_key
        if len(rows) < _PAGE:
            return
        after = rows[-1].id


async def census(database: Database, vault: Vault) -> Counter[str]:
    """How many data keys each key has wrapped, by its label."""
    return Counter([vault.label(data_key) async for _, data_key in every(database)])


async def rewrap(database: Database, vault: Vault, tenant_id: str, data_key: bytes) -> bool:
    """Put a data key under the current key; the key itself stays, and so does all it has sealed.

    False: it has changed meanwhile, and whoever changed it used the current key. Raises ``PermissionError``
    for one that cannot be unwrapped, and ``TemporarilyUnavailable``.
    """
    wrapped = await vault.rewrapped(data_key, tenant_id)
    unchanged = update(tenants).where(tenants.c.id == tenant_id, tenants.c.data_key == data_key)
    async with database.tenant(tenant_id) as tx:
        return bool((await tx.execute(unchanged.values(data_key=wrapped))).rowcount)


async def rotate(tx: AsyncConnection, vault: Vault, tenant_id: str, fresh: bytes) -> int:
    """Seal all secrets of a tenant anew under ``fresh``, its new wrapped data key; how many there are.

    Raises ``NotFound``.
    """
    # Before the tenant's row: who gives one of them a new secret holds it, and then the tenant to seal that.
    ours = select(webhook_endpoints.c.id).order_by(webhook_endpoints.c.id)
    await tx.execute(ours.with_for_update(key_share=True))
    mine = select(tenants.c.data_key).where(tenants.c.id == tenant_id).with_for_update(key_share=True)
    old = (await tx.execute(mine)).scalar_one_or_none()
    if old is None:
        raise NotFound
    done = 0
    # What was made before we got hold of the tenant is on record by now.
    for column in sealed_columns():
        id_ = column.table.c.id
        for row in (await tx.execute(select(id_, column).where(column.is_not(None)))).all():
            there = place(column, row.id, tenant_id)
            secret = await vault.seal(fresh, there, await vault.open(old, there, row[1]))
            await tx.execute(update(column.table).where(id_ == row.id).values({column: secret}))
            done += 1
    await tx.execute(update(tenants).where(tenants.c.id == tenant_id).values(data_key=fresh))
    return done


def sealed_columns() -> list[Column[Any]]:
    """Every column that holds what the vault has sealed."""
    return [
        column for table in metadata.sorted_tables for column in table.columns if column.info.get("sealed")
    ]
