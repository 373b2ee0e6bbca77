"""Going through a whole list, page by page, while it is being asked for."""

from collections.abc import AsyncIterator
from typing import Final, TypeVar

from paysaga_client._async.session import AsyncSession
from paysaga_client.models.base import Named, Page
from paysaga_client.models.outbound import Event
from paysaga_client.wire import Call

T = TypeVar("T")
N = TypeVar("N", bound=Named)
_LIMIT: Final = 100


async def by_cursor(session: AsyncSession, call: Call, page: type[Page[T]]) -> AsyncIterator[T]:
    """All of a list whose pages name the next one: what is added meanwhile is not seen, nothing twice."""
    cursor: str | None = None
    while True:
        found = await session.ask(call.asking(limit=_LIMIT, cursor=cursor), page)
        for each in found.data:
            yield each
        cursor = found.next_cursor
        if cursor is None:
            return


async def by_offset(session: AsyncSession, call: Call, page: type[Page[N]]) -> AsyncIterator[N]:
    """All of a list that is counted from its newest entry. What moves down because of newer ones is seen
    once.

    What leaves the list meanwhile (an approval that is decided, in a list of those that wait) makes room, and
    another may be passed over: collect them first, then change them.
    """
    seen: set[str] = set()
    offset = 0
    while True:
        found = await session.ask(call.asking(limit=_LIMIT, offset=offset), page)
        for each in found.data:
            if each.id not in seen:
                seen.add(each.id)
                yield each
        offset += len(found.data)
        if len(found.data) < _LIMIT:
            return


async def by_sequence(session: AsyncSession, call: Call, after: int) -> AsyncIterator[Event]:
    """All events after this one, oldest first, until there are no more."""
    while True:
        found = await session.ask(call.asking(limit=_LIMIT, after=after), Page[Event])
        for event in found.data:
            yield event
            after = event.sequence
        if len(found.data) < _LIMIT:
            return
