"""A world beside the house's own workers: the same database and company, the steps in the test's hands."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.world import World
from domain.approval import Approval
from domain.events import payment_announcement
from domain.money import Money
from domain.payment import Payment, PaymentOrder
from domain.refund import Origin, Refund
from domain.values import new_id
from installation import open_world
from settings import Settings
from storage import accounts, approvals, payments, refunds
from tests.house import House, Json, Tenant

# Our own sweep starts nothing that comes from the future: what is dated so is left to the test.
AHEAD = timedelta(minutes=5)


def settings_of(house: House) -> Settings:
    """What a worker of this house is told, but that a minute is a minute."""
    secrets = json.loads((house.data_dir / "secrets.json").read_text())
    return Settings(
        env="development",
        database_url=house.ready["databaseUrl"],
        temporal_address=house.ready["temporalAddress"],
        temporal_namespace=house.ready["namespace"],
        admin_key=secrets["admin_key"],
        signing_keys=secrets["signing_key"],
        audit_keys=secrets["audit_key"],
        vault_keys=secrets["vault_key"],
        payload_keys=house.ready.get("payloadKeys", ""),
        sandbox_url=house.ready["sandboxUrl"],
        time_scale=1,
    )


@asynccontextmanager
async def world_of(house: House) -> AsyncIterator[World]:
    """What a worker's steps act in, for a test that takes those steps itself."""
    async with open_world(settings_of(house), await house.temporal()) as world:
        yield world


async def place(world: World, tenant: Tenant, life: timedelta, **facts: Any) -> Payment:
    """An order on record that no worker of the house begins."""
    now = datetime.now(UTC)
    async with world.database.tenant(tenant.id) as tx:
        account = (await accounts.live(tx))[0]
        order = PaymentOrder(
            payment_id=new_id("pay", now),
            tenant_id=tenant.id,
            idempotency_key=facts.pop("key", new_id("key", now)),
            digest=facts.pop("digest", "d"),
            user_id="user-123",
            money=Money(amount_minor=1_990_000, currency="HUF"),
            provider=account.provider,
            sandbox=True,
            created_at=now + AHEAD,
            expires_at=now + life,
            **facts,
        )
        payment, _ = await payments.place(tx, order, account.id)
        cause = payments.Cause(id="order", type="payment.created", actor="test", at=now)
        await payments.record_change(tx, payment, cause, [payment_announcement(payment)])
    return payment


async def reserve(world: World, tenant: Tenant, paid: Json, life: timedelta) -> tuple[Refund, Approval]:
    """All of a payment on its way back, as soon as somebody approves. No worker of the house waits for it."""
    now = datetime.now(UTC)
    (owner,) = await tenant.rows("SELECT id FROM credentials WHERE role = 'owner'")
    wish = refunds.Wish(
        name="all of it",
        money=Money(amount_minor=paid["amount"], currency=paid["currency"]),
        origin=Origin.TENANT,
        reason=None,
        by="test",
        needs_approval=True,
    )
    asker = approvals.Asker(by="test", credential_id=owner["id"], reason=None, until=now + life)
    async with world.database.tenant(tenant.id) as tx:
        payment = await payments.get(tx, paid["id"], lock=True)
        refund = await refunds.request(tx, payment, wish, now + AHEAD)
        return refund, await approvals.ask(tx, refund, asker, now + AHEAD)
