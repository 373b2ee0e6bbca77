"""Forgets what nobody needs any more, slowly: payments go first. What is kept for ever is not named here."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import structlog

from storage import retention
from storage.database import Database

log = structlog.get_logger(__name__)

FORGOTTEN_EVERY: Final = timedelta(hours=6)
# Between two pieces of work, so that a backlog of years takes no disk and no connection for itself.
_REST: Final = 0.05


class Keep(NamedTuple):
    """How long what is not kept for ever stays."""

    provider_bodies: timedelta
    delivery_attempts: timedelta


class _Chore(NamedTuple):
    what: str
    keep: timedelta
    find: Callable[[Any, str, datetime], Awaitable[retention.Piece]]
    forget: Callable[[Any, Sequence[str], datetime], Awaitable[int]]


class Keeper:
    """Of several, each does all: what one has taken away, the next does not find, and nobody waits."""

    def __init__(self, database: Database, clock: Callable[[], datetime], keep: Keep) -> None:
        self._database = database
        self._clock = clock
        self._chores = (
            _Chore("provider_bodies", keep.provider_bodies, retention.old_letters, retention.empty_letters),
            _Chore(
                "delivery_attempts", keep.delivery_attempts, retention.old_attempts, retention.forget_attempts
            ),
        )

    async def forget_old(self) -> dict[str, int]:
        """Go through all there is; how much of each was forgotten. Interrupted, it begins anew."""
        done = {chore.what: await self._go_through(chore) for chore in self._chores}
        if any(done.values()):
            log.info("forgotten", **done)
        return done

    async def _go_through(self, chore: _Chore) -> int:
        before, after, count = self._clock() - chore.keep, "", 0
        while True:
            async with self._database.system() as tx:
                piece = await chore.find(tx, after, before)
            for tenant_id, ids in piece.rows.items():
                async with self._database.tenant(tenant_id) as tx:
                    count += await chore.forget(tx, ids, before)
            if piece.last is None:
                return count
            after = piece.last
            await asyncio.sleep(_REST)
