"""How the whole platform stands, read from the database for whoever scrapes this process."""

import asyncio
import time
from typing import Final

import structlog

from activities.world import World
from storage import facts
from storage.facts import Facts

log = structlog.get_logger(__name__)

# Whoever asks within so many seconds is told the same: scrapes must not become a load of their own.
_HOLDS_FOR: Final = 2.0
_PATIENCE: Final = 5.0


class Lookout:
    """What the database says of the whole platform: asked once for all who scrape this process at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._known: Facts | None = None
        self._asked_at = float("-inf")

    async def facts(self, world: World) -> Facts | None:
        """How it stood a moment ago. None: the database does not answer."""
        async with self._turn:
            if time.monotonic() - self._asked_at >= _HOLDS_FOR:
                self._known = await _ask(world)
                self._asked_at = time.monotonic()
            return self._known


async def _ask(world: World) -> Facts | None:
    try:
        async with asyncio.timeout(_PATIENCE), world.database.system(frozen=True) as tx:
            return await facts.gather(tx, world.clock())
    except Exception as error:  # noqa: BLE001 - this process's own figures are wanted just then
        log.warning("facts_unreadable", reason=type(error).__name__)
        return None
