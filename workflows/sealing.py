"""Has every record of the audit trail sealed within seconds, and checkpoints kept outside of the database."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from activities.world import World
from domain.chain import Checkpoint
from storage import sealing

log = structlog.get_logger(__name__)

SEALED_EVERY: Final = timedelta(seconds=3)
_TENANTS: Final = 200


class Sealer:
    """Knows up to which record all are sealed. Several may run; they take turns at each tenant."""

    def __init__(self, world: World, checkpoints_file: Path | None) -> None:
        self._world = world
        self._file = checkpoints_file
        # Everything up to this id was on disk when we last looked, and has been sealed, or never will be.
        self._done = 0

    async def seal_trails(self) -> None:
        """One round. The first one looks at every record there is; whoever comes too late has the next."""
        now = self._world.clock()
        async with self._world.database.system() as tx:
            landed = await sealing.landed_id(tx, now)
            tenants = await sealing.waiting(tx, self._done, _TENANTS)
        failed = [tenant_id for tenant_id in tenants if not await self._sealed(tenant_id)]
        if not failed and len(tenants) < _TENANTS:
            self._done = max(self._done, landed)

    async def _sealed(self, tenant_id: str) -> bool:
        try:
            await self._seal(tenant_id)
        except Exception as error:  # noqa: BLE001 - one tenant's trouble is no other's; the next round tries again
            log.warning("sealing_postponed", tenant_id=tenant_id, reason=type(error).__name__)
            self._world.measures.stumbled("seal_trails")
            return False
        return True

    async def _seal(self, tenant_id: str) -> None:
        while True:
            async with self._world.database.tenant(tenant_id) as tx:
                point = await sealing.seal(tx, self._world.notary, tenant_id, self._world.clock())
            if point is None:
                return
            # After the commit: what is said here, the database holds, or somebody took it away.
            self._export(point)
            if point.number - point.first + 1 < sealing.BATCH:
                return

    def _export(self, point: Checkpoint) -> None:
        log.info(
            "audit_checkpoint", tenant_id=point.tenant_id, number=point.number, digest=point.digest.hex()
        )
        if self._file is None:
            return
        line = json.dumps(point.document, sort_keys=True) + "\n"
        try:
            # One write, so that two workers' lines do not mix.
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            log.error("audit_checkpoint_not_exported", reason=type(error).__name__)  # noqa: TRY400
