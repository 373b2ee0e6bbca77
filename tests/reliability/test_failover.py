"""Another provider has its turn only when the first has certainly made nothing; one checkout can be paid."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from activities.opening import open_checkout
from activities.reconciliation import keeps_lists
from activities.world import World
from domain.errors import (
    NeverOpened,
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderConflict,
    ProviderDeclined,
    ProviderError,
    ProviderForbidden,
    ProviderKeyReused,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
    ProviderUnsupported,
)
from domain.money import Money
from domain.payment import Payment, PaymentOrder, PaymentStatus
from domain.tenant import ProviderAccount
from domain.values import new_id
from providers.base import PROVIDERS, Checkout
from providers.line import TROUBLED_AFTER
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

    async def opens_an_account_of(self, provider: str) -> None:
        """Where everything else is as it is at the sandbox company."""
        house = self.tenant.house
        platform_key = json.loads((house.data_dir / "secrets.json").read_text())["sandbox_platform_key"]
        now = datetime.now(UTC)
        account = ProviderAccount(
            id=new_id("acc", now),
            tenant_id=self.tenant.id,
            provider=provider,
            api_base=house.ready["sandboxUrl"],
            created_at=now,
        )
        async with self.world.database.tenant(self.tenant.id) as tx:
            await accounts.put(tx, self.world.vault, account, ready_made(platform_key, account.id))

    async def order(self, provider: str = "sandbox", alternatives: tuple[str, ...] = ("mirror",)) -> Payment:
        """A payment for this company, or else the second; no worker of the house begins it."""
        now = datetime.now(UTC)
        async with self.world.database.tenant(self.tenant.id) as tx:
            first = next(one for one in await accounts.live(tx) if one.provider == provider)
            order = PaymentOrder(
                payment_id=new_id("pay", now),
                tenant_id=self.tenant.id,
                idempotency_key=new_id("key", now),
                digest="d",
                user_id="user-123",
                money=Money(amount_minor=1_990_000, currency="HUF"),
                provider=provider,
                alternatives=alternatives,
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
    shop = Shop(tenant, replace(world, api_bases={"sandbox": house.ready["sandboxUrl"]}))
    await shop.opens_an_account_of(mirror.name)
    return shop


async def account_of(shop: Shop, provider: str = "sandbox") -> str:
    (row,) = await shop.tenant.rows("SELECT id FROM provider_accounts WHERE provider = $1", provider)
    return str(row["id"])


async def fault(shop: Shop, when: str, what: str, operation: str = "checkout.create") -> None:
    """Something goes wrong at the first company."""
    await shop.tenant.house.fault(operation, when, what, account=await account_of(shop))


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


async def test_a_company_whose_line_is_closed_is_followed_by_the_next_unasked(shop: Shop) -> None:
    nowhere = replace(shop.world, api_bases={**shop.world.api_bases, "sandbox": NOBODY})
    for _ in range(TROUBLED_AFTER):
        await open_checkout(nowhere, (await shop.order()).ref)
    # From here on it could be reached, but nobody tries.
    payment = await shop.order()
    assert (await open_checkout(shop.world, payment.ref)).status is PaymentStatus.PROVIDER_PENDING
    assert (await shop.tenant.get(payment.id))["provider"] == "mirror"
    sent = await shop.tenant.house.control("GET", "requests", reference=payment.id)
    assert {request["account"] for request in sent["data"]} == {await account_of(shop, "mirror")}


async def test_a_company_that_refused_the_credentials_is_followed_by_the_next_unasked(shop: Shop) -> None:
    await fault(shop, "before", "status:401")
    for _ in range(2):
        payment = await shop.order()
        await open_checkout(shop.world, payment.ref)
        assert (await shop.tenant.get(payment.id))["provider"] == "mirror"
    sent = await shop.tenant.house.control("GET", "requests", reference=payment.id)
    assert {request["account"] for request in sent["data"]} == {await account_of(shop, "mirror")}


NOT_CREATED = (
    ProviderRejected,
    ProviderAuthFailed,
    ProviderForbidden,
    ProviderDeclined,
    ProviderNotFound,
    ProviderUnsupported,
    ProviderUnavailable,
)
NOT_KNOWN = (OutcomeUnknown, ProviderKeyReused, ProviderConflict)


def test_every_error_of_a_provider_is_one_or_the_other() -> None:
    def kinds(kind: type[ProviderError]) -> set[type[ProviderError]]:
        # An adapter may have a kind of its own, of one of these.
        known = (each for each in kind.__subclasses__() if each.__module__ == ProviderError.__module__)
        return {kind}.union(*map(kinds, known))

    # What we say of a payment that is over is no provider's word.
    assert kinds(ProviderError) - {ProviderError, NeverOpened} == {*NOT_CREATED, *NOT_KNOWN}


@pytest.fixture
async def moods(shop: Shop) -> AsyncIterator[list[type[ProviderError]]]:
    """What the company "moody" answers, one after the other: the last of them first."""
    moods: list[type[ProviderError]] = []

    class Moody(Sandbox):
        name = "moody"

        async def open_checkout(self, order: PaymentOrder, customer: str | None = None) -> Checkout:
            mood = moods.pop() if moods else None
            if mood is not None and mood in NOT_CREATED:
                raise mood
            made = await super().open_checkout(order, customer)
            if mood is not None:
                raise mood
            return made

    await shop.opens_an_account_of(Moody.name)
    yield moods
    del PROVIDERS[Moody.name]


@pytest.mark.parametrize("no", NOT_CREATED)
async def test_the_next_has_its_turn_after_every_definite_no(
    shop: Shop, moods: list[type[ProviderError]], no: type[ProviderError]
) -> None:
    moods.append(no)
    payment = await shop.order("moody")
    assert (await open_checkout(shop.world, payment.ref)).provider == "mirror"
    assert await shop.payable(payment) == 1


@pytest.mark.parametrize("silence", NOT_KNOWN)
async def test_the_next_has_no_turn_while_nobody_knows_whether_there_is_a_checkout(
    shop: Shop, moods: list[type[ProviderError]], silence: type[ProviderError]
) -> None:
    moods.append(silence)
    payment = await shop.order("moody")
    with pytest.raises(OutcomeUnknown):
        await open_checkout(shop.world, payment.ref)
    assert (await open_checkout(shop.world, payment.ref)).provider == "moody"
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


async def test_without_its_adapter_a_payment_turns_to_the_next_or_waits(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await shop.order("sandbox"), await shop.order("mirror", alternatives=())
    monkeypatch.delitem(PROVIDERS, "sandbox")
    assert (await open_checkout(shop.world, one.ref)).provider == "mirror"
    monkeypatch.delitem(PROVIDERS, "mirror")
    with pytest.raises(ProviderUnavailable):
        await open_checkout(shop.world, other.ref)
    assert (await shop.tenant.get(other.id))["status"] == "CREATED"
    async with shop.world.database.tenant(shop.tenant.id) as tx:
        assert not any(keeps_lists(account) for account in await accounts.live(tx))


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
