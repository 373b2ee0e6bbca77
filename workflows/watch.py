"""Looks where nobody asks it to: at workflows that make no progress, and at what was done to audit trails."""

from datetime import timedelta
from typing import Final

import structlog
from temporalio.client import Client

from activities.world import World, alert
from storage import examinations

log = structlog.get_logger(__name__)

# Visibility answers ten questions a second for a whole namespace; these leave it to others.
PROBLEMS_COUNTED_EVERY: Final = timedelta(seconds=15)
_IN_TROUBLE: Final = "ExecutionStatus = 'Running' AND TemporalReportedProblems IS NOT NULL"
# Some trails a round, a thousand records each: a few hundredths of a second's work for each.
TRAILS_EXAMINED_EVERY: Final = timedelta(seconds=10)
_TRAILS: Final = 10


class Watch:
    """One worker's part. Several may watch; at each trail they take turns."""

    def __init__(self, world: World, temporal: Client) -> None:
        self._world = world
        self._temporal = temporal

    async def count_problems(self) -> None:
        """How many open workflows Temporal reports problems of: their tasks fail, again and again."""
        found = await self._temporal.count_workflows(_IN_TROUBLE, rpc_timeout=timedelta(seconds=5))
        self._world.measures.in_trouble(found.count)

    async def examine_trails(self) -> None:
        """Take the trails that nobody has looked at for longest a stretch further."""
        async with self._world.database.system() as tx:
            tenants = await examinations.due(tx, self._world.clock(), _TRAILS)
        for tenant_id in tenants:
            try:
                await self._examine(tenant_id)
            except Exception as error:  # noqa: BLE001 - one tenant's trouble is no other's; its turn comes again
                log.warning("examination_postponed", tenant_id=tenant_id, reason=type(error).__name__)
                self._world.measures.stumbled("examine_trails")

    async def _examine(self, tenant_id: str) -> None:
        trusted = self._world.notary.keyring.trusts
        async with self._world.database.tenant(tenant_id, frozen=True) as tx:
            looked = await examinations.go_on(tx, tenant_id, trusted, self._world.clock())
        if looked is not None and looked.news:
            alert("audit_trail_broken", tenant_id=tenant_id, breaches=looked.breaches)
