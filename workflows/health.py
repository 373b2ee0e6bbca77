"""Tells other processes what this one has met with at providers, and forgets what nobody says any more."""

from datetime import datetime, timedelta
from typing import Final

from activities.world import World
from domain.health import Health
from domain.values import new_id
from storage import health

# While there is trouble it is said again so often, well within the minute that it holds for.
_SAID_AGAIN_EVERY: Final = timedelta(seconds=15)
_Words = tuple[str, Health]
"""Under which credentials, and how it is."""


class Witness:
    """One process's voice. While all is well it says nothing, and writes nothing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._name = new_id("wrk", world.clock())
        # Of which accounts it has said what, and when.
        self._said: dict[str, tuple[_Words, datetime]] = {}
        self._forgot_at = world.clock()

    async def share_health(self) -> None:
        """Say what is new of each account, and that trouble goes on."""
        now = self._world.clock()
        for account, credentials, line in self._world.lines:
            condition = line.condition
            words = (credentials, condition.state)
            if self._is_news(account.id, words, now):
                seen = health.Sighting(
                    account=account, credentials=credentials, process=self._name, condition=condition
                )
                async with self._world.database.tenant(account.tenant_id) as tx:
                    await health.tell(tx, seen, now)
                self._said[account.id] = (words, now)
        if now - self._forgot_at >= health.HOLDS_FOR:
            await self._forget(now)
            self._forgot_at = now

    def _is_news(self, account_id: str, words: _Words, now: datetime) -> bool:
        said, said_at = self._said.get(account_id, (None, now))
        if words[1] is Health.OK:
            return said is not None and said[1] is not Health.OK
        return words != said or now - said_at >= _SAID_AGAIN_EVERY

    async def _forget(self, now: datetime) -> None:
        async with self._world.database.system() as tx:
            tenants = await health.outdated(tx, now)
        for tenant_id in tenants:
            async with self._world.database.tenant(tenant_id) as tx:
                await health.forget(tx, now)
