"""Which version of the schema a database has, and how to bring it up to date."""

import time
from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger(__name__)

# PostgreSQL's word for a lock that was not to be had in time.
_NO_LOCK: Final = "55P03"
_PAUSES: Final = (2, 4, 8, *[15] * 39)
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade(owner_url: str) -> None:
    """Run every migration this database has not seen, as the schema's owner. Safe to repeat, and at once.

    One that cannot have a table, because somebody holds it, lets the others through who wait for it, and
    tries again, for ten minutes. What was done before it stays done.
    """
    for pause in (*_PAUSES, None):
        try:
            return command.upgrade(_config(owner_url), "head")
        except DBAPIError as error:
            if pause is None or getattr(error.orig, "sqlstate", None) != _NO_LOCK:
                raise
        log.warning("migration_waits", reason="somebody holds a table", again_in_seconds=pause)
        time.sleep(pause)
    return None


async def is_current(tx: AsyncConnection) -> bool:
    """Whether the database has the migrations this code was written for.

    It may have newer ones, of a release that is being rolled out: what is added there does no harm here
    (docs/operations/migrations.md).
    """
    present = (await tx.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    return present is not None and present not in _EARLIER


def _config(owner_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = make_url(owner_url).set(drivername="postgresql+asyncpg")
    return config


_KNOWN: Final = [script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()]
# The newest comes first.
_EARLIER: Final = frozenset(_KNOWN[1:])
