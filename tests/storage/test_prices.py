"""Somebody pays this price: PostgreSQL keeps it as it is, whoever asks."""

# ruff: noqa: S608 - the conditions and columns are our own

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from storage.tables import prices
from tests.house import House, Tenant
from tests.storage.test_guards import above_the_rules
from tests.stories.test_plans import MONTHLY, changed, created

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

DEARER = MONTHLY | {"amount": 599_000}
# Each of its columns, and something else that it might say.
OTHERWISE = {
    "id": "'prc_other'",
    "tenant_id": "'ten_other'",
    "plan_id": "'pln_other'",
    "number": "number + 1",
    "amount_minor": "amount_minor + 1",
    "currency": "'EUR'",
    "interval": "'year'",
    "interval_count": "2",
    "trial_days": "trial_days + 1",
    "per_seat": "NOT per_seat",
    "provider_prices": """'{"dodo": "pdt_other"}'""",
    "created_at": "created_at - interval '1 second'",
}


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    """Whose plan has one price on offer, and one that was superseded."""
    shop = await house.tenant()
    plan = await created(shop, prices=[MONTHLY])
    await changed(shop, plan, prices=[DEARER])
    return shop


@asynccontextmanager
async def as_application(shop: Tenant) -> AsyncIterator["Connection"]:
    """The application's transaction for this tenant. Nothing of it stays."""
    async with shop.house.database() as db:
        transaction = db.transaction()
        await transaction.start()
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", shop.id)
        yield db
        await transaction.rollback()


def test_every_column_of_a_price_is_looked_at() -> None:
    assert OTHERWISE.keys() | {"superseded_at"} == {column.name for column in prices.columns}


@pytest.mark.parametrize("column", OTHERWISE)
async def test_not_even_a_superuser_changes_what_a_price_is(shop: Tenant, column: str) -> None:
    change = f"UPDATE prices SET {column} = {OTHERWISE[column]} WHERE tenant_id = $1"
    async with above_the_rules(shop.house) as db:
        for standing in ("IS NULL", "IS NOT NULL"):
            with pytest.raises(asyncpg.RestrictViolationError, match="a price never changes"):
                async with db.transaction():
                    await db.execute(f"{change} AND superseded_at {standing}", shop.id)
    async with as_application(shop) as db:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(change, shop.id)


async def test_a_price_is_superseded_once_and_for_ever(shop: Tenant) -> None:
    async with above_the_rules(shop.house) as db:
        for change in ("superseded_at + interval '1 second'", "NULL"):
            with pytest.raises(asyncpg.RestrictViolationError, match="a price never changes"):
                async with db.transaction():
                    await db.execute(
                        f"UPDATE prices SET superseded_at = {change}"
                        " WHERE tenant_id = $1 AND superseded_at IS NOT NULL",
                        shop.id,
                    )
        once = "UPDATE prices SET superseded_at = now() WHERE tenant_id = $1 AND superseded_at IS NULL"
        assert await db.execute(once, shop.id) == "UPDATE 1"


@pytest.mark.parametrize("deed", ["DELETE FROM prices", "TRUNCATE prices CASCADE"])
async def test_no_price_is_ever_lost(shop: Tenant, deed: str) -> None:
    async with above_the_rules(shop.house) as db:
        with pytest.raises(asyncpg.RestrictViolationError, match="a price never changes"):
            await db.execute(deed)
    async with as_application(shop) as db:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(deed)


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"number": "7"}, "one_offered_price_per_kind"),
        ({"number": "1", "interval_count": "2"}, "uq_prices_plan_id_number"),
        ({"number": "7", "currency": "'EUR'", "amount_minor": "-1"}, "ck_prices_amount"),
        ({"number": "7", "interval_count": "37"}, "ck_prices_interval"),
        ({"number": "7", "interval": "'year'", "interval_count": "4"}, "ck_prices_interval"),
        ({"number": "7", "interval": "'week'"}, "ck_prices_interval"),
        ({"number": "7", "interval_count": "2", "trial_days": "731"}, "ck_prices_trial_days"),
    ],
)
async def test_a_price_that_cannot_be_is_not_stored(
    shop: Tenant, columns: dict[str, str], constraint: str
) -> None:
    names = [column.name for column in prices.columns]
    values = [{"id": "'prc_other'", **columns}.get(name, name) for name in names]
    async with as_application(shop) as db:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match=f'"{constraint}"'):
            await db.execute(
                f"INSERT INTO prices ({', '.join(names)})"
                f" SELECT {', '.join(values)} FROM prices WHERE superseded_at IS NULL"
            )
