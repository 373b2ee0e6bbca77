"""Events that cannot take effect, whatever is tried: back into the inbox, so that they hold up nothing."""

from collections.abc import Awaitable
from typing import TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError
from temporalio.service import RPCError

from activities.world import World, alert
from domain.dispute import DisputeRef
from domain.errors import Poisonous
from domain.payment import PaymentRef
from storage import inbox

T = TypeVar("T")


async def or_back(
    world: World, ref: PaymentRef | DisputeRef, inbox_id: str | None, effect: Awaitable[T]
) -> T:
    """The effect of an event. Raises ``Poisonous`` when it has none, the event being back in the inbox.

    What may pass by itself is raised as it is, for the step to be tried again; so is all that did not come
    from the inbox.
    """
    try:
        return await effect
    except Exception as error:
        if inbox_id is None or _passes(error):
            raise
        why = type(error).__name__
    async with world.database.tenant(ref.tenant_id) as tx:
        dead = await inbox.stumbled(tx, inbox_id, why, world.clock())
    if dead:
        alert("event_dead", inbox_id=inbox_id, payment_id=ref.payment_id)
    raise Poisonous(f"{why} while an event was settled")


def _passes(error: Exception) -> bool:
    """Whether trying again may help: a database that is away, or another transaction that was in the way."""
    if isinstance(error, IntegrityError):
        return False
    if isinstance(error, DBAPIError):
        cause = getattr(error.orig, "__cause__", None)
        return not isinstance(cause, asyncpg.DataError | asyncpg.SyntaxOrAccessError)
    # Temporal may be away when all is written, and somebody is to be told.
    return isinstance(error, OSError | TimeoutError | asyncpg.PostgresConnectionError | RPCError)
