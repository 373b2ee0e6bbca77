"""How well provider accounts can be used: what each process has met with, and what all of them say together.

A row means trouble; who has met with none says nothing. It holds for a minute unless it is said again, and
for the credentials it was met with: of new ones nobody knows anything yet.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, case, delete, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.health import Condition, Health
from domain.tenant import ProviderAccount
from domain.values import Value
from storage import accounts
from storage.tables import provider_accounts, provider_health

HOLDS_FOR: Final = timedelta(minutes=1)


class Sighting(Value):
    """What a process says of an account, under its credentials of that time."""

    account: ProviderAccount
    credentials: str
    process: str
    condition: Condition


class Standing(Value):
    """How an account that takes new payments stands: by the worst that any process says of it now."""

    account: ProviderAccount
    state: Health
    since: datetime | None
    last_failure: str | None


async def tell(tx: AsyncConnection, seen: Sighting, now: datetime) -> None:
    """Put on record what this process says now, instead of what it said before. Safe to repeat."""
    if seen.condition.state is Health.OK:
        mine = (provider_health.c.account_id == seen.account.id) & (provider_health.c.process == seen.process)
        await tx.execute(delete(provider_health).where(mine))
        return
    facts = {
        "credentials": seen.credentials,
        "state": seen.condition.state,
        "failures": seen.condition.failures,
        "last_failure": seen.condition.last_failure or "",
        "since": now - seen.condition.lasting,
        "seen_at": now,
    }
    row = upsert(provider_health).values(
        account_id=seen.account.id, process=seen.process, tenant_id=seen.account.tenant_id, **facts
    )
    await tx.execute(row.on_conflict_do_update(index_elements=["account_id", "process"], set_=facts))


async def outdated(tx: AsyncConnection, now: datetime) -> list[str]:
    """Tenants of whose accounts something was not said again in time; needs a system transaction."""
    tenants = select(provider_health.c.tenant_id).where(provider_health.c.seen_at < now - HOLDS_FOR)
    return list((await tx.execute(tenants.distinct())).scalars())


async def forget(tx: AsyncConnection, now: datetime) -> None:
    """What was not said again in time: whoever said it is gone, killed perhaps before taking it back."""
    await tx.execute(delete(provider_health).where(provider_health.c.seen_at < now - HOLDS_FOR))


async def standings(tx: AsyncConnection, now: datetime) -> list[Standing]:
    """Every account that takes new payments: one tenant's, or all of them in a system transaction."""
    worst = _worst(now).subquery()
    rows = await tx.execute(select(worst).order_by(worst.c.tenant_id, worst.c.created_at))
    return [
        Standing(
            account=accounts.account(row),
            state=Health(row.state),
            since=row.since,
            last_failure=row.last_failure,
        )
        for row in rows
    ]


async def census(tx: AsyncConnection, now: datetime) -> dict[tuple[str, Health], int]:
    """How many of them there are by ``(provider, state)``; needs a system transaction."""
    worst = _worst(now).subquery()
    rows = await tx.execute(
        select(worst.c.provider, worst.c.state, func.count().label("accounts")).group_by(
            worst.c.provider, worst.c.state
        )
    )
    return {(row.provider, Health(row.state)): row.accounts for row in rows}


def _worst(now: datetime) -> Select[Any]:
    """A row for each live account, with the worst that is said of it and still holds."""
    of, said = provider_accounts.c, provider_health.c
    badness = case({state: rank for rank, state in enumerate(Health)}, value=said.state, else_=0)
    holds = (
        (said.account_id == of.id)
        & (said.seen_at >= now - HOLDS_FOR)
        & (said.credentials == func.encode(func.sha256(of.secrets), "hex"))
    )
    return (
        select(
            of.id,
            of.tenant_id,
            of.provider,
            of.api_base,
            of.created_at,
            func.coalesce(said.state, Health.OK).label("state"),
            said.since,
            func.nullif(said.last_failure, "").label("last_failure"),
        )
        .select_from(provider_accounts.outerjoin(provider_health, holds))
        .where(of.retired_at.is_(None))
        .ext(distinct_on(of.id))
        # The worst, and of several as bad the one that began first.
        .order_by(of.id, badness.desc(), said.since)
    )
