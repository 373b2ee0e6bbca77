"""Turns to take: requests of this process that would all wait for one row wait here, without a connection.

The row's lock decides, also between processes. This only keeps the pool free for everybody else meanwhile.
"""

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """A lock for each name that somebody waits for now; who comes first is served first."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = WeakValueDictionary()

    def of(self, *name: str) -> asyncio.Lock:
        """To be held for as long as the transaction lasts."""
        return self._locks.setdefault(name, asyncio.Lock())
