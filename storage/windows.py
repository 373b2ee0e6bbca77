"""What all processes have counted lately: moving windows, for installations without Redis.

A row holds when the newest entries of one window came in, the newest first. It belongs to no tenant: its key
is a digest that only we can make, and a transaction that acts for a tenant sees none of it. The table is not
logged: a crash of the server empties it, which only means that counting begins anew.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, text

from storage.database import Database
from storage.tables import rate_windows

# The oldest of those that would be one too many decides, as whatever came before it has left earlier.
_ENTER: Final = text("""
    INSERT INTO rate_windows AS kept (key, entered_at, forget_at)
    VALUES (:key, array_fill(CAST(:now AS timestamptz), ARRAY[CAST(:amount AS integer)]), :forget_at)
    ON CONFLICT (key) DO UPDATE SET forget_at = excluded.forget_at,
        entered_at = excluded.entered_at || kept.entered_at[1 : CAST(:others AS integer)]
    WHERE kept.entered_at[CAST(:others AS integer) + 1] IS NULL
        OR kept.entered_at[CAST(:others AS integer) + 1] <= :left_at
    RETURNING true
""")
_LOOK: Final = text("""
    SELECT CAST(extract(epoch FROM min(at)) AS double precision), count(*)
    FROM rate_windows, unnest(entered_at[1 : CAST(:limit AS integer)]) AS at
    WHERE key = :key AND at > :left_at
""")


class Windows:
    """Counts as ``limits.aio.storage.RedisStorage`` does, under the same names."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Enter the window of ``expiry`` seconds so many times, or not at all if ``limit`` were passed.

        One statement.
        """
        now, window = self._clock(), timedelta(seconds=expiry)
        facts = {"key": key, "now": now, "amount": amount, "others": limit - amount}
        facts |= {"left_at": now - window, "forget_at": now + window}
        async with self._database.nobodys() as db:
            return (await db.execute(_ENTER, facts)).scalar() is True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest in the window came in, in seconds since 1970, and how many are in it."""
        now = self._clock()
        facts = {"key": key, "limit": limit, "left_at": now - timedelta(seconds=expiry)}
        async with self._database.nobodys() as db:
            oldest, count = (await db.execute(_LOOK, facts)).one()
        return oldest or now.timestamp(), count


async def forget(database: Database, now: datetime) -> None:
    """Drop what is empty by now."""
    async with database.nobodys() as db:
        await db.execute(delete(rate_windows).where(rate_windows.c.forget_at < now))
