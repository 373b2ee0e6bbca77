"""Pages at a provider where a subscriber leaves a way of paying, or sees to what is kept.

Nothing is taken there and nothing of ours depends on the answer, so they are asked for while the caller
waits: with the same key the same page comes back, and whoever gets no answer asks again.
"""

from typing import Final

from activities.opening import ensure_customer
from activities.world import World
from domain.errors import OutcomeUnknown, ProviderConflict, ProviderKeyReused, TemporarilyUnavailable
from domain.subscription import SetupOrder
from storage.customers import Payer

_AGAIN_IN: Final = 5


async def setup(world: World, payer: Payer, wanted: SetupOrder) -> str:
    """Where the payer leaves a way of paying, under our name ``wanted.id``. Safe to repeat.

    Raises ``ProviderError`` when the provider does not give one.
    """
    async with world.database.tenant(payer.tenant_id) as tx:
        _, provider = await world.provider(tx, payer.account_id)
    reference = await ensure_customer(world, provider, payer)
    try:
        return (await provider.open_setup(wanted.model_copy(update={"customer": reference}))).url
    except (OutcomeUnknown, ProviderConflict, ProviderKeyReused) as unclear:
        # Whether there is one matters to nobody but the caller, who asks again with the same key.
        raise TemporarilyUnavailable(retry_after=_AGAIN_IN) from unclear


async def portal(world: World, payer: Payer, return_url: str) -> str:
    """Where the payer sees to cards and the like; each visit has a page of its own."""
    async with world.database.tenant(payer.tenant_id) as tx:
        _, provider = await world.provider(tx, payer.account_id)
    return await provider.portal_url(await ensure_customer(world, provider, payer), return_url)
