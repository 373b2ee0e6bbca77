"""Payments under a Temporal of a test's own: the house's database and payment company, and all its steps.

Our own Temporal never hears of them: their rows are placed without the API, and no webhook tells of them.
"""

import json
from datetime import UTC, datetime, timedelta

from activities.world import World
from domain.events import payment_announcement
from domain.money import Money
from domain.payment import Payment, PaymentOrder
from domain.values import new_id
from settings import Settings
from storage import accounts, payments
from tests.house import House, Tenant


def settings(house: House) -> Settings:
    """As the house's own worker has them, but with minutes as long as they are."""
    secrets = json.loads((house.data_dir / "secrets.json").read_text())
    return Settings(
        env="development",
        database_url=house.ready["databaseUrl"],
        admin_key=secrets["admin_key"],
        signing_keys=secrets["signing_key"],
        vault_keys=secrets["vault_key"],
        sandbox_url=house.ready["sandboxUrl"],
        time_scale=1,
    )


async def place(world: World, tenant: Tenant, life: timedelta) -> Payment:
    """An order on record, of which no webhook will tell."""
    now = datetime.now(UTC)
    async with world.database.tenant(tenant.id) as tx:
        account = (await accounts.live(tx))[0]
        order = PaymentOrder(
            payment_id=new_id("pay", now),
            tenant_id=tenant.id,
            idempotency_key=new_id("key", now),
            digest="d",
            user_id="user-123",
            money=Money(amount_minor=1_990_000, currency="HUF"),
            provider=account.provider,
            sandbox=True,
            # Our own sweep starts no orders that come from the future.
            created_at=now + timedelta(minutes=5),
            expires_at=now + life,
        )
        payment, _ = await payments.place(tx, order, account.id)
        cause = payments.Cause(id="order", type="payment.created", actor="test", at=now)
        await payments.record_change(tx, payment, cause, [payment_announcement(payment)])
    await tenant.house.fault("webhook.send", "webhook", "lost", reference=payment.id, count=1_000)
    return payment
