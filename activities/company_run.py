"""Subscriptions whose schedule the company keeps: begun at its checkout, changed and ended at its word.

Nothing here decides what becomes of one: whatever the company answers is heard as a word of it, in
``activities.mirror``, as its webhooks are.
"""

from typing import Final

from activities import mirror
from activities.billing import Till
from activities.opening import ensure_customer
from activities.world import World
from domain.billing import Schedule, SubscriptionStatus
from domain.changes import Proration
from domain.errors import (
    IllegalTransition,
    OutcomeUnknown,
    ProviderConflict,
    ProviderKeyReused,
    TemporarilyUnavailable,
    ValidationFailed,
)
from domain.standing import Subscription, Terms
from domain.subscription import PlanChange, SubscriptionOrder
from domain.subscription import Proration as Billed
from domain.tenant import TenantSettings
from domain.values import derived_id
from providers.base import Capability, Provider
from storage import customers

_BILLED: Final = {Proration.PRORATE: Billed.AT_ONCE, Proration.NONE: Billed.NONE}
_CHANGEABLE: Final = frozenset(
    {SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE}
)
_AGAIN_IN: Final = 5
_WHAT_OURS_NEEDS: Final = {Capability.METHOD_SETUP, Capability.SAVED_METHODS}


def can_subscribe(provider: type[Provider]) -> bool:
    """Whether somebody can be charged there again and again, by us or by the company."""
    return provider.capabilities >= _WHAT_OURS_NEEDS or Capability.SUBSCRIPTIONS in provider.capabilities


def keeps_schedule(provider: type[Provider], settings: TenantSettings) -> bool:
    """Whether the company runs new subscriptions: it alone can, or both can and the tenant wishes it."""
    if Capability.SUBSCRIPTIONS not in provider.capabilities:
        return False
    ours = provider.capabilities >= _WHAT_OURS_NEEDS
    return not ours or settings.subscription_schedule is Schedule.PROVIDER


async def begin_at_provider(world: World, sub: Subscription, till: Till) -> str:
    """Where the company's checkout is that begins a subscription, whose row is committed already.

    Raises ``ValidationFailed`` when the company has no name for the price, and any ``ProviderError``. Where
    writes have no keys a repetition makes a second checkout: keep the address of the first. One that nobody
    knows of is harmless, as nobody can pay there.
    """
    name = provider_price(sub.terms, sub.provider)
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
    try:
        return (await provider.subscribe(order)).url
    except (OutcomeUnknown, ProviderConflict, ProviderKeyReused) as unclear:
        raise TemporarilyUnavailable(retry_after=_AGAIN_IN) from unclear


def provider_price(terms: Terms, provider: str) -> str:
    """What the company calls the price. Ask before anything of it is written down.

    Raises ``ValidationFailed``.
    """
    name = terms.price.provider_prices.get(provider)
    if name is None:
        raise ValidationFailed(errors=(("/priceId", f"the price has no name at {provider}"),))
    return name


async def cancel(world: World, sub: Subscription, actor: str, *, at_period_end: bool) -> Subscription:
    """Have the company end it, now or with its period; as it then stands. Safe to repeat.

    Raises ``IllegalTransition`` for one that never began, and any ``ProviderError``.
    """
    if sub.status is SubscriptionStatus.CANCELED:
        return sub
    name, provider = await _there(world, sub)
    said = await provider.cancel_subscription(name, world.clock(), at_period_end=at_period_end)
    return await mirror.answered(world, sub, said, actor)


async def change(
    world: World, sub: Subscription, terms: Terms, proration: Proration, actor: str
) -> Subscription:
    """Have the company sell something else from now on; as it then stands. Safe to repeat.

    What that costs the company reckons, and writes the bill. Raises ``IllegalTransition`` where it cannot be
    done there, ``ValidationFailed`` for a price without a name over there, and any ``ProviderError``.
    """
    if sub.status not in _CHANGEABLE:
        raise IllegalTransition(f"A subscription that is {sub.status} cannot be changed.")
    if proration not in _BILLED:
        raise IllegalTransition(f"{sub.provider} keeps this schedule, and changes at once or not at all.")
    price = provider_price(terms, sub.provider)
    key = derived_id("chg", sub.updated_at, sub.id, price, str(terms.quantity), proration)
    wanted = PlanChange(key=key, price=price, quantity=terms.quantity, proration=_BILLED[proration])
    name, provider = await _there(world, sub)
    return await mirror.answered(
        world, sub, await provider.change_subscription(name, wanted, world.clock()), actor
    )


async def pause(world: World, sub: Subscription, actor: str) -> Subscription:  # noqa: ARG001
    """Raises ``IllegalTransition`` unless it pauses already: no company here can be asked to."""
    if sub.status is SubscriptionStatus.PAUSED:
        return sub
    raise IllegalTransition(f"{sub.provider} keeps the schedule of this subscription, and does not pause it.")


async def resume(world: World, sub: Subscription, actor: str) -> Subscription:
    """Take back the wish to end it with its period; as it then stands. Safe to repeat.

    Raises ``IllegalTransition`` for one that does not run, and any ``ProviderError``.
    """
    if sub.status not in _CHANGEABLE:
        raise IllegalTransition(f"A subscription that is {sub.status} goes on at {sub.provider} alone.")
    if not sub.cancel_at_period_end:
        return sub
    name, provider = await _there(world, sub)
    said = await provider.keep_subscription(name, world.clock())
    return await mirror.answered(world, sub, said, actor)


async def _there(world: World, sub: Subscription) -> tuple[str, Provider]:
    """What the company calls it, and the company. Raises ``IllegalTransition`` before its first word."""
    if sub.provider_reference is None:
        raise IllegalTransition(f"{sub.provider} has not said yet that this subscription has begun.")
    async with world.database.tenant(sub.tenant_id) as tx:
        _, provider = await world.provider(tx, sub.account_id)
    return sub.provider_reference, provider
