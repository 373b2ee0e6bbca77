"""Who is signed in says what they read: a person of a tenant that tenant's rows, the operator everybody's."""

from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncConnection

from api.browsers import Visitor
from api.deps import House


def reading(here: House, who: Visitor) -> AbstractAsyncContextManager[AsyncConnection]:
    """One transaction, in which nothing is written."""
    database = here.world.database
    return database.system() if who.caller is None else database.tenant(who.caller.tenant_id)
