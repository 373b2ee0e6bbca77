"""Where tenants listen: their webhook endpoints, with the secrets that sign what is sent there.

Locks are taken in one order: an endpoint, its deliveries, the tenant, its sequence of events.
"""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.endpoint import MOST_ENDPOINTS, Endpoint, EndpointStatus
from domain.errors import LimitExceeded, NotFound
from storage import events
from storage.tables import tenants, webhook_endpoints
from storage.vault import Vault, place

_CHANGING = ("url", "events", "description", "status", "disabled_reason", "failing_since", "updated_at")


async def add(tx: AsyncConnection, vault: Vault, endpoint: Endpoint, secret: str) -> None:
    """A new endpoint: it hears of everything from now on. Raises ``LimitExceeded`` when there are enough.

    Nothing is announced meanwhile. So it is clear which events it hears of, and two that come at once are
    both counted.
    """
    # Before the tenant's events are held: whoever unwraps its key may be slow to answer.
    sealed = await vault.seal(await _data_key(tx, endpoint.tenant_id), _place(endpoint, "secret"), secret)
    heard_of = await events.hold(tx, endpoint.tenant_id)
    if len(await find(tx)) >= MOST_ENDPOINTS:
        raise LimitExceeded(f"A tenant has at most {MOST_ENDPOINTS} webhook endpoints.")
    await tx.execute(
        insert(webhook_endpoints).values(
            secret=sealed,
            listens_after=heard_of,
            **endpoint.model_dump(exclude={"sandbox", "previous_until"}),
        )
    )


async def find(tx: AsyncConnection) -> list[Endpoint]:
    """The tenant's endpoints, oldest first."""
    query = _readable().order_by(webhook_endpoints.c.created_at, webhook_endpoints.c.id)
    return [_endpoint(row) for row in await tx.execute(query)]


async def get(
    tx: AsyncConnection, endpoint_id: str, lock: Literal["share", "change"] | None = None
) -> Endpoint:
    """An endpoint; ``lock`` keeps others from changing it until the commit. Raises ``NotFound``."""
    query = _readable().where(webhook_endpoints.c.id == endpoint_id)
    if lock is not None:
        # Never so strong that an event could not be queued meanwhile: that only needs the row to stay.
        query = query.with_for_update(of=webhook_endpoints, read=lock == "share", key_share=lock == "change")
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFound
    return _endpoint(row)


async def change(tx: AsyncConnection, before: Endpoint, after: Endpoint) -> None:
    """Write down what an endpoint, locked for it, has become.

    Nothing is announced while it gets another filter, or is deleted: each event meets the old or the new.
    """
    values: dict[str, Any] = after.model_dump(include={*_CHANGING})
    if after.events != before.events or after.status is EndpointStatus.DELETED:
        values["listens_after"] = await events.hold(tx, after.tenant_id)
    await tx.execute(update(webhook_endpoints).where(webhook_endpoints.c.id == after.id).values(values))


async def rotate(tx: AsyncConnection, vault: Vault, endpoint: Endpoint, secret: str) -> None:
    """A new secret for an endpoint that is locked; the one before it signs as well until ``previous_until``.

    Any older one does not.
    """
    key = await _data_key(tx, endpoint.tenant_id)
    mine = webhook_endpoints.c.id == endpoint.id
    present = (await tx.execute(select(webhook_endpoints.c.secret).where(mine))).scalar_one()
    previous = None
    if endpoint.previous_until is not None:
        plain = await vault.open(key, _place(endpoint, "secret"), present)
        previous = await vault.seal(key, _place(endpoint, "previous_secret"), plain)
    await tx.execute(
        update(webhook_endpoints)
        .where(mine)
        .values(
            secret=await vault.seal(key, _place(endpoint, "secret"), secret),
            previous_secret=previous,
            previous_until=endpoint.previous_until,
            updated_at=endpoint.updated_at,
        )
    )


async def unlock(
    tx: AsyncConnection, vault: Vault, endpoint_id: str, now: datetime
) -> tuple[Endpoint, tuple[str, ...]] | None:
    """An endpoint and the secrets that sign now, newest first; use and drop them. None: it is deleted."""
    query = _readable().where(webhook_endpoints.c.id == endpoint_id)
    secret_columns = (webhook_endpoints.c.secret, webhook_endpoints.c.previous_secret, tenants.c.data_key)
    row = (await tx.execute(query.add_columns(*secret_columns))).one_or_none()
    if row is None:
        return None
    endpoint = _endpoint(row)
    secrets = [await vault.open(row.data_key, _place(endpoint, "secret"), row.secret)]
    if endpoint.previous_until is not None and endpoint.previous_until > now:
        previous = _place(endpoint, "previous_secret")
        secrets.append(await vault.open(row.data_key, previous, row.previous_secret))
    return endpoint, tuple(secrets)


def _readable() -> Select[Any]:
    columns = [webhook_endpoints.c[name] for name in Endpoint.model_fields if name != "sandbox"]
    return (
        select(*columns, tenants.c.sandbox)
        .join(tenants, tenants.c.id == webhook_endpoints.c.tenant_id)
        .where(webhook_endpoints.c.status != EndpointStatus.DELETED)
    )


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(**{name: row._mapping[name] for name in Endpoint.model_fields})  # noqa: SLF001


def _place(endpoint: Endpoint, column: str) -> str:
    return place(webhook_endpoints.c[column], endpoint.id, endpoint.tenant_id)


async def _data_key(tx: AsyncConnection, tenant_id: str) -> bytes:
    """To seal with until the commit: it is not rotated meanwhile."""
    mine = select(tenants.c.data_key).where(tenants.c.id == tenant_id)
    key: bytes = (await tx.execute(mine.with_for_update(read=True))).scalar_one()
    return key
