"""The house's HTTP face once more, in the test's own process: one of its two walls can be taken away."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from api.deps import House as Inside
from serve import application
from settings import Settings
from tests.conftest import TIME_SCALE
from tests.house import House

BEYOND: Final = "paysagabeyond"
# As storage.ownership writes it, and as SQL by hand does.
_FILTER: Final = re.compile(r"\b((?:\w+\.)?tenant_id|tenants\.id) = (\$\d+(?:::VARCHAR)?)")


@dataclass
class Removed:
    """How many filters were made to hold for every row."""

    statements: int = 0
    tables: set[str] = field(default_factory=set)

    def rewrite(self, _c: object, _cursor: object, sql: str, parameters: Any, *_: object) -> tuple[str, Any]:
        # The parameter stays in use: how many there are is fixed.
        rewritten, times = _FILTER.subn(r"(\1 = \2 OR true)", sql)
        if times:
            self.statements += 1
            self.tables.update(column for column, _ in _FILTER.findall(sql))
        return rewritten, parameters


def settings_of(house: House, database_url: str) -> Settings:
    """What the house's own processes were started with, but for the database."""
    keys = json.loads((house.data_dir / "secrets.json").read_text())
    told: dict[str, Any] = {
        "env": "development",
        "database_url": database_url,
        "temporal_address": house.ready["temporalAddress"],
        "temporal_namespace": house.ready["namespace"],
        "public_url": house.ready["apiUrl"],
        "admin_key": keys["admin_key"],
        "signing_keys": keys["signing_key"],
        "audit_keys": keys["audit_key"],
        "vault_keys": keys["vault_key"],
        "sandbox_url": house.ready["sandboxUrl"],
        "sandbox_platform_key": keys["sandbox_platform_key"],
        "time_scale": TIME_SCALE,
    }
    return Settings(**told)


@asynccontextmanager
async def second_house(
    house: House, *, filters: bool = True, row_security: bool = True
) -> AsyncIterator[tuple[House, Removed]]:
    """The same house, entered by another door. Its worker, which nobody enters, keeps both walls."""
    removed = Removed()
    async with beyond(house) as unbound:
        app = application(settings_of(house, house.database_url() if row_security else unbound))
        async with app.router.lifespan_context(app):
            inside: Inside = app.state.house
            if not filters:
                event.listen(
                    _engine(inside).sync_engine, "before_cursor_execute", removed.rewrite, retval=True
                )
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url=house.ready["apiUrl"], timeout=60
            ) as http:
                yield replace(house, http=http), removed


def _engine(inside: Inside) -> AsyncEngine:
    return inside.world.database._engine


@asynccontextmanager
async def beyond(house: House) -> AsyncIterator[str]:
    """A role that may do what the runtime role may, and that row-level security does not bind."""
    url = httpx.URL(house.database_url())
    async with house.database(role="postgres") as superuser:
        quoted = await superuser.fetchval("SELECT quote_literal($1)", url.password)
        await superuser.execute(f"CREATE ROLE {BEYOND} LOGIN BYPASSRLS PASSWORD {quoted}")
        try:
            await superuser.execute(f"GRANT paysaga_runtime TO {BEYOND}")
            await superuser.execute(f"GRANT paysaga_system TO {BEYOND} WITH INHERIT FALSE, SET TRUE")
            yield str(url.copy_with(username=BEYOND, password=url.password))
        finally:
            await superuser.execute(f"DROP OWNED BY {BEYOND}")
            await superuser.execute(f"DROP ROLE {BEYOND}")
