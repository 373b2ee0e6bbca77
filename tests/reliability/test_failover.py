"""Another provider has its turn only when the first has certainly made nothing; one checkout can be paid."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from activities.opening import open_checkout
from activities.world import World
from domain.errors import OutcomeUnknown, ProviderUnavailable
from domain.money import Money
from domain.payment import Payment, PaymentOrder, PaymentStatus
from domain.tenant import ProviderAccount
from domain.values import new_id
from providers.base import PROVIDERS
from providers.sandbox import Sandbox, ready_made
from storage import accounts, payments
from tests.house import House, Json, Tenant, refused
from tests.world import AHEAD

NOBODY = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Shop:
    """A tenant with accounts at two companies, and a worker's hands in the test's own."""

    tenant: Tenant
    world: World

    async def order(self) -> Payment:
        """A payment for the first company, or else the second; no worker of the house begins it."""
        now = datetime.now(UTC)
        async with self.world.database.tenant(self.tenant.id) as tx:
            first = next(one for one in await accounts.live(tx) if one.provider == "sandbox")
            order = PaymentOrder(
                payment_id=new_id("pay", now),
                tenant_id=self.tenant.id,
                idempotency_key=new_id("key", now),
                digest="d",
                user_id="user-123",
                money=Money(amount_minor=1_990_000, currency="HUF"),
                provider="sandbox",
                alternatives=("mirror",),
                sandbox=True,
                created_at=now + AHEAD,
                expires_at=now + timedelta(hours=1),
            )
            payment, _ = await payments.place(tx, order, first.id)
        return payment

    async def payable(self, payment: Payment) -> int:
        """How many checkouts of it could be paid, at both companies together."""
        truth = await self.tenant.house.ledger({"id": payment.id})
        return [session["status"] for session in truth["sessions"]].count("open")

    async def attempts(self, payment: Payment) -> list[Json]:
        return await self.tenant.rows(
            "SELECT provider, state FROM checkouts WHERE payment_id = $1 ORDER BY state", payment.id
        )


@pytest.fixture
def mirror() -> Iterator[type[Sandbox]]:
    """A second payment company, as far as we can tell."""

    class Mirror(Sandbox):
        name = "mirror"

    yield Mirror
    del PROVIDERS["mirror"]


@pytest.fixture
async def shop(house: House, tenant: Tenant, world: World, mirror: type[Sandbox]) -> Shop:
    both = replace(
        world, api_bases={"sandbox": house.ready["sandboxUrl"], mirror.name: house.ready["sandboxUrl"]}
    )
    platform_key = json.loads((house.data_dir / "secrets.json").read_text())["sandbox_platform_key"]
    now = datetime.now(UTC)
    account = ProviderAccount(
        id=new_id("acc", now), tenant_id=tenant.id, provider=mirror.name, api_base=None, created_at=now
    )
    async with world.database.tenant(tenant.id) as tx:
        await accounts.put(tx, world.vault, account, ready_made(platform_key, account.id))
    return Shop(tenant, both)


async def first_account(shop: Shop) -> str:
    (row,) = await shop.tenant.rows("SELECT id FROM provider_accounts WHERE provider = 'sandbox'")
    return str(row["id"])


async def fault(shop: Shop, when: str, what: str, operation: str = "checkout.create") -> None:
    """Something goes wrong at the first company."""
    await shop.tenant.house.fault(operation, when, what, account=await first_account(shop))


@pytest.mark.parametrize("what", ["refuse", "status:401", "status:429"])
async def test_a_company_that_says_no_is_followed_by_the_next(shop: Shop, what: str) -> None:
    await fault(shop, "before", what)
    payment = await shop.order()
    progress = await open_checkout(shop.world, payment.ref)
    assert progress.status is PaymentStatus.PROVIDER_PENDING
    assert (await shop.tenant.get(payment.id))["provider"] == "mirror"
    states = [tuple(attempt.values()) for attempt in await shop.attempts(payment)]
    assert states == [("sandbox", "ABSENT"), ("mirror", "OPEN")]
    assert await shop.payable(payment) == 1


async def test_a_company_that_cannot_be_reached_is_followed_by_the_next(shop: Shop) -> None:
    nowhere = replace(shop.world, api_bases={**shop.world.api_bases, "sandbox": NOBODY})
    payment = await shop.order()
    assert (await open_checkout(nowhere, payment.ref)).status is PaymentStatus.PROVIDER_PENDING
    assert (await shop.tenant.get(payment.id))["provider"] == "mirror"
    assert await shop.payable(payment) == 1


@pytest.mark.parametrize("what", ["reset", "status:500", "truncate"])
async def test_a_company_whose_answer_was_lost_keeps_its_turn(shop: Shop, what: str) -> None:
    await fault(shop, "after", what)
    payment = await shop.order()
    with pytest.raises(OutcomeUnknown):
        await open_checkout(shop.world, payment.ref)
    assert (await open_checkout(shop.world, payment.ref)).status is PaymentStatus.PROVIDER_PENDING
    assert (await shop.tenant.get(payment.id))["provider"] == "sandbox"
    assert await shop.payable(payment) == 1


async def test_a_company_that_may_have_made_one_and_is_away_now_keeps_its_turn(shop: Shop) -> None:
    await fault(shop, "after", "reset")
    await fault(shop, "before", "status:503", "checkout.find")
    payment = await shop.order()
    with pytest.raises(OutcomeUnknown):
        await open_checkout(shop.world, payment.ref)
    with pytest.raises(ProviderUnavailable):
        await open_checkout(shop.world, payment.ref)
    assert (await shop.tenant.get(payment.id))["provider"] == "sandbox"
    assert await shop.payable(payment) == 1


async def test_the_database_holds_one_payable_checkout_of_a_payment(tenant: Tenant, house: House) -> None:
    payment = await tenant.open()
    copied = """
        INSERT INTO checkouts (id, tenant_id, payment_id, account_id, provider, state)
        SELECT 'chk_second', tenant_id, payment_id, account_id, provider, 'OPEN' FROM checkouts
        WHERE payment_id = $1
    """
    async with house.database(role="postgres") as db:
        with pytest.raises(asyncpg.UniqueViolationError, match="one_payable_checkout_per_payment"):
            await db.execute(copied, payment["id"])


@pytest.mark.parametrize("order", [["elsewhere"], ["sandbox", "sandbox"], "sandbox", None])
async def test_an_order_of_providers_names_accounts_each_once(tenant: Tenant, order: object) -> None:
    answer = await tenant.call("PATCH", "/v1/tenants/me/settings", json={"providerOrder": order})
    refused(answer, 422, "validation_failed")
    answer = await tenant.call("PATCH", "/v1/tenants/me/settings", json={"providerOrder": ["sandbox"]})
    assert answer.json()["providerOrder"] == ["sandbox"]
