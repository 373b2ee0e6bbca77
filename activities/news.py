"""What a provider tells beside payments: of customers' ways of paying, and of the clock of play money.

Taken down on our own rows in the webhook's transaction; whoever leads the subscriptions concerned is woken
afterwards, and finds it there should that fail.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.world import World, alert
from domain.billing import SubscriptionStatus
from domain.errors import NotFound
from domain.standing import SubscriptionRef
from domain.subscription import BillingNews, ClockObservation, CustomerObservation
from domain.tenant import ProviderAccount
from domain.verdicts import OTHER_MODE
from storage import accounts, customers, subscriptions, tenants


async def hear(
    world: World, tx: AsyncConnection, account: ProviderAccount, said: BillingNews
) -> list[SubscriptionRef]:
    """Take a word down; names the subscriptions that it may move. Safe to repeat."""
    if isinstance(said, CustomerObservation):
        return await _customer(world, tx, account, said)
    if isinstance(said, ClockObservation):
        return await _clock(world, tx, account, said)
    # Of subscriptions that a company runs ``activities.mirror`` hears.
    return []


async def _customer(
    world: World, tx: AsyncConnection, account: ProviderAccount, said: CustomerObservation
) -> list[SubscriptionRef]:
    """A way of paying was left, replaced or taken away. Somebody we do not know is nobody's affair here."""
    known = await customers.by_reference(tx, account.id, said.reference)
    if known is None:
        return []
    tenant = await tenants.get(tx, account.tenant_id)
    if said.sandbox not in {None, tenant.sandbox}:
        alert("event_of_other_mode", tenant_id=tenant.id, why=OTHER_MODE, event=said.cause_id)
        return []
    moved = await subscriptions.method_changed(tx, known.id)
    if said.setup_id is not None:
        moved += await _set_up(world, tx, known, said.setup_id)
    return moved


async def _set_up(
    world: World, tx: AsyncConnection, payer: customers.Payer, setup_id: str
) -> list[SubscriptionRef]:
    """The page that was opened for a trial is completed: it begins."""
    try:
        sub = await subscriptions.get(tx, setup_id, lock=True)
    except NotFound:
        return []
    begins = sub.status is SubscriptionStatus.INCOMPLETE and sub.set_up_at is None
    if sub.customer_id != payer.id or not begins:
        return []
    now = sub.time(world.clock(), world.time_scale)
    await subscriptions.save(tx, sub.model_copy(update={"set_up_at": now, "updated_at": now}))
    return [sub.ref]


async def _clock(
    world: World, tx: AsyncConnection, account: ProviderAccount, said: ClockObservation
) -> list[SubscriptionRef]:
    """The clock of play money was pushed forward; names the first of those for which something is due.

    The sweep finds the others. Where money is real, time is that of the world, whoever says otherwise.
    """
    if not (await tenants.get(tx, account.tenant_id)).sandbox:
        alert("event_of_other_mode", tenant_id=account.tenant_id, why=OTHER_MODE, event=said.cause_id)
        return []
    if not await accounts.pushed(tx, account.id, said.ahead_seconds):
        return []
    return await subscriptions.leaderless(tx, world.clock(), world.time_scale, (), 100, account.id)
