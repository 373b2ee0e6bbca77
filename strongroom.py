"""What operators do, from the command line, to the keys that stored secrets are sealed with.

Payments go on meanwhile. What was done stays done, and is not done twice.
"""

import getpass
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.progress import Progress

from domain.errors import TemporarilyUnavailable
from installation import open_vault
from local.running import find
from settings import KeySettings, read
from storage import audit, data_keys
from storage.database import Database
from storage.vault import Vault
from terminal import NOT_RUNNING, refuse


@dataclass(frozen=True)
class Room:
    """Where wrapped keys lie, and what can unwrap them."""

    database: Database
    vault: Vault


@dataclass
class Rewrapped:
    done: int = 0
    left: list[str] = field(default_factory=list)
    """Tenants whose keys nothing that is configured here can unwrap."""


async def examined(room: Room) -> tuple[str | None, str | None, Counter[str]]:
    """The key that wraps now, or what is wrong with it; and how many tenants there are under each key."""
    counted = await data_keys.census(room.database, room.vault)
    try:
        return await room.vault.current(), None, counted
    except (PermissionError, TemporarilyUnavailable) as trouble:
        return None, str(trouble), counted


async def rewrap(room: Room, console: Console) -> Rewrapped:
    """Put all tenants' data keys under the key that wraps now, one by one.

    Raises ``PermissionError`` when that key is not to be trusted, and ``TemporarilyUnavailable``.
    """
    current, outcome = await room.vault.current(), Rewrapped()
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("Rewrapping", total=await data_keys.count(room.database))
        async for tenant, data_key in data_keys.every(room.database):
            if room.vault.label(data_key) != current:
                try:
                    outcome.done += await data_keys.rewrap(room.database, room.vault, tenant, data_key)
                except PermissionError:
                    outcome.left.append(tenant)
            progress.advance(bar)
    return outcome


async def rotate(room: Room, tenant: str) -> int:
    """Give a tenant a new data key, and seal all its secrets anew; how many. Raises ``NotFound``."""
    fresh = await room.vault.new_data_key(tenant)
    deed = audit.Deed(
        tenant_id=tenant,
        actor=f"operator:{getpass.getuser()}",
        action="tenant.data_key_rotated",
        resource=tenant,
        at=datetime.now(UTC),
    )
    async with room.database.tenant(tenant) as tx:
        number = await data_keys.rotate(tx, room.vault, tenant, fresh)
        await audit.record(tx, deed)
    return number


@asynccontextmanager
async def open_room() -> AsyncIterator[Room]:
    """The database and the vault of the platform that the environment names, or that runs here."""
    # A program reads what is printed; what goes wrong on the way is said beside it.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = await _settings()
    database = Database(settings.database_url.get_secret_value(), pool_size=2)
    try:
        async with open_vault(settings) as vault:
            yield Room(database, vault)
    finally:
        await database.close()


async def _settings() -> KeySettings:
    """What the environment and secret files say, and for the rest the platform that runs here."""
    if os.environ.get("PAYSAGA_DATABASE_URL") or os.environ.get("PAYSAGA_SECRETS_DIR"):
        return read(KeySettings)
    ready = await find()
    if ready is None:
        refuse(NOT_RUNNING)
    kept = json.loads(Path(ready["auditKeysFile"]).with_name("secrets.json").read_text())
    known: dict[str, Any] = {"database_url": ready["databaseUrl"], "vault_keys": kept["vault_key"]}
    given = {name for name in known if os.environ.get(f"PAYSAGA_{name.upper()}")}
    return KeySettings(**{name: value for name, value in known.items() if name not in given})
