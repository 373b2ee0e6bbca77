"""Which version of the schema a database has, and how to bring it up to date."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade(owner_url: str) -> None:
    """Run every migration this database has not seen, as the schema's owner. Safe to repeat, and at once."""
    command.upgrade(_config(owner_url), "head")


async def is_current(tx: AsyncConnection) -> bool:
    """Whether the database has exactly the migrations this code was written for."""
    present = await tx.execute(text("SELECT version_num FROM alembic_version"))
    return present.scalar() == _HEAD


def _config(owner_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = make_url(owner_url).set(drivername="postgresql+asyncpg")
    return config


_HEAD: Final = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
