"""Subscriptions whose schedule the company keeps: begun at its checkout, changed and ended at its word.

Nothing here decides what becomes of one: whatever the company answers is heard as a word of it, in
``activities.mirror``, as its webhooks are.
"""

from typing import Final

from activities.billing import Till
from activities.opening import ensure_customer
from activities.world import World
from domain.billing import Schedule
from domain.errors import ValidationFailed
from domain.lifecycle import Subscription
from domain.subscription import SubscriptionOrder
from domain.tenant import TenantSettings
from providers.base import Capability, Checkout, Provider
from storage import customers

_WHAT_OURS_NEEDS: Final = {Capability.METHOD_SETUP, Capability.SAVED_METHODS}


def keeps_schedule(provider: Provider, settings: TenantSettings) -> bool:
    """Whether the company runs new subscriptions: it alone can, or both can and the tenant wishes it."""
    if Capability.SUBSCRIPTIONS not in provider.capabilities:
        return False
    ours = provider.capabilities >= _WHAT_OURS_NEEDS
    return not ours or settings.subscription_schedule is Schedule.PROVIDER


async def begin_at_provider(world: World, sub: Subscription, till: Till) -> Checkout:
    """The company's checkout that begins a subscription, whose row is committed already.

    Raises ``ValidationFailed`` when the company has no name for the price, and any ``ProviderError``. Where
    writes have no keys a repetition makes a second checkout: keep the address of the first.
    """
    name = provider_price(sub)
    async with world.database.tenant(sub.tenant_id) as tx:
        payer = await customers.get(tx, sub.customer_id)
        _, provider = await world.provider(tx, sub.account_id)
    order = SubscriptionOrder(
        subscription_id=sub.id,
        customer=await ensure_customer(world, provider, payer),
        price=name,
        quantity=sub.terms.quantity,
        trial_days=sub.terms.price.trial_days,
        success_url=till.success_url,
        cancel_url=till.cancel_url,
        expires_at=till.expires_at,
    )
    return await provider.subscribe(order)


def provider_price(sub: Subscription) -> str:
    """What the company calls the price. Ask before the subscription is written down.

    Raises ``ValidationFailed``.
    """
    name = sub.terms.price.provider_prices.get(sub.provider)
    if name is None:
        raise ValidationFailed(errors=(("/priceId", f"the price has no name at {sub.provider}"),))
    return name
