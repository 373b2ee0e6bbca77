"""Plans and prices in PostgreSQL. A price is written once, and marked when another takes its place."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalog import MOST_LISTED, Feature, Offer, Plan, Price
from domain.errors import NotFound
from domain.money import Money
from storage.tables import plans, prices


async def add(tx: AsyncConnection, plan: Plan) -> None:
    await tx.execute(insert(plans).values(_facts(plan)))
    await _add_prices(tx, plan, plan.prices, plan.created_at)


async def get(tx: AsyncConnection, plan_id: str, *, lock: bool = False) -> Plan:
    """Raises ``NotFound``; another tenant's plan looks exactly like none.

    ``lock`` keeps everybody else from changing it, or its prices, until the transaction ends.
    """
    query = select(plans).where(plans.c.id == plan_id)
    row = (await tx.execute(query.with_for_update(key_share=True) if lock else query)).one_or_none()
    if row is None:
        raise NotFound
    return (await _with_prices(tx, [row]))[0]


async def find(tx: AsyncConnection, limit: int, offset: int, *, active: bool | None = None) -> list[Plan]:
    """The tenant's plans, newest first, perhaps only those that are active, or are not."""
    query = select(plans).order_by(plans.c.created_at.desc(), plans.c.id.desc())
    if active is not None:
        query = query.where(plans.c.active == active)
    return await _with_prices(tx, (await tx.execute(query.limit(limit).offset(offset))).all())


async def listed(tx: AsyncConnection, plan_ids: Sequence[str] | None) -> list[Plan]:
    """The active plans among these, in this order, or all of them, the oldest first; at most ``MOST_LISTED``.

    They hold the prices on offer only.
    """
    query = select(plans).where(plans.c.active).order_by(plans.c.created_at, plans.c.id)
    if plan_ids is not None:
        query = query.where(plans.c.id.in_(plan_ids))
    rows = (await tx.execute(query.limit(MOST_LISTED))).all()
    if plan_ids is not None:
        rows = sorted(rows, key=lambda row: plan_ids.index(row.id))
    return await _with_prices(tx, rows, offered=True)


async def offer(tx: AsyncConnection, price_id: str) -> Offer:
    """A price, superseded or not, with its plan as that is now. Raises ``NotFound``.

    Ask ``Offer.offered`` before somebody new gets it.
    """
    row = (await tx.execute(select(prices.c.plan_id).where(prices.c.id == price_id))).one_or_none()
    if row is None:
        raise NotFound
    plan = await get(tx, row.plan_id)
    return Offer(plan=plan, price=next(price for price in plan.prices if price.id == price_id))


async def offers(tx: AsyncConnection, price_ids: Sequence[str]) -> dict[str, Offer]:
    """The same for several that are there, by the price's id; their plans hold these prices only."""
    rows = (await tx.execute(select(prices).where(prices.c.id.in_(price_ids)))).all()
    of_plans = select(plans).where(plans.c.id.in_({row.plan_id for row in rows}))
    known = {row.id: row for row in await tx.execute(of_plans)}
    return {row.id: Offer(plan=_plan(known[row.plan_id], [_price(row)]), price=_price(row)) for row in rows}


async def sold_as(tx: AsyncConnection, provider: str, name: str) -> list[Offer]:
    """What a company that runs schedules calls so: what is on offer first, and the newest before older."""
    query = (
        select(prices.c.id)
        .where(prices.c.provider_prices[provider].astext == name)
        .order_by(prices.c.superseded_at.is_not(None), prices.c.created_at.desc(), prices.c.id)
    )
    found = (await tx.execute(query)).scalars().all()
    known = await offers(tx, found)
    return [known[price_id] for price_id in found]


def prices_of(plan_id: str) -> Select[Any]:
    """The ids of all prices a plan ever had, for another query to use."""
    return select(prices.c.id).where(prices.c.plan_id == plan_id)


async def change(tx: AsyncConnection, before: Plan, after: Plan) -> None:
    """Make of a plan that is locked what it shall be from ``after.updated_at`` on."""
    await tx.execute(update(plans).where(plans.c.id == before.id).values(_facts(after)))
    known = {price.id for price in before.prices}
    gone = {price.id for price in before.offered} - {price.id for price in after.offered}
    # First they make room: of each kind one is offered.
    await tx.execute(
        update(prices)
        .where(prices.c.id.in_(gone), prices.c.superseded_at.is_(None))
        .values(superseded_at=after.updated_at)
    )
    new = [price for price in after.prices if price.id not in known]
    await _add_prices(tx, after, new, after.updated_at)


async def _add_prices(tx: AsyncConnection, plan: Plan, new: Sequence[Price], now: datetime) -> None:
    if not new:
        return
    of_plan = {"plan_id": plan.id, "tenant_id": plan.tenant_id, "created_at": now}
    first = len(plan.prices) - len(new) + 1
    await tx.execute(
        insert(prices),
        [
            price.model_dump(exclude={"money"}) | price.money.model_dump() | of_plan | {"number": number}
            for number, price in enumerate(new, first)
        ],
    )


def _facts(plan: Plan) -> dict[str, Any]:
    return plan.model_dump(exclude={"prices"})


async def _with_prices(tx: AsyncConnection, rows: Sequence[Row[Any]], *, offered: bool = False) -> list[Plan]:
    mine = select(prices).where(prices.c.plan_id.in_([row.id for row in rows])).order_by(prices.c.number)
    if offered:
        mine = mine.where(prices.c.superseded_at.is_(None))
    by_plan: dict[str, list[Price]] = {row.id: [] for row in rows}
    for row in await tx.execute(mine):
        by_plan[row.plan_id].append(_price(row))
    return [_plan(row, by_plan[row.id]) for row in rows]


def _plan(row: Row[Any], its_prices: Sequence[Price]) -> Plan:
    facts = {name: value for name, value in row._mapping.items() if name in Plan.model_fields}  # noqa: SLF001
    features = tuple(Feature(**each) for each in row.features)
    return Plan(**(facts | {"features": features, "prices": tuple(its_prices)}))


def _price(row: Row[Any]) -> Price:
    facts = {name: value for name, value in row._mapping.items() if name in Price.model_fields}  # noqa: SLF001
    return Price(money=Money(amount_minor=row.amount_minor, currency=row.currency), **facts)
