"""The session of somebody who signed in with a browser: whose it is, and how long it lasts."""

from datetime import datetime, timedelta
from typing import Final

from domain.values import Value

PLATFORM: Final = "platform"
"""In place of a tenant, where a session is the platform operator's. No tenant's id looks like it."""

IDLE: Final = timedelta(minutes=30)
"""A session that nobody used for so long is over."""
LONGEST: Final = timedelta(hours=12)
"""Whoever works longer than this signs in again."""


class Session(Value):
    """What names it is known to the browser only; ``id`` is for lists, and opens nothing."""

    id: str
    tenant_id: str
    credential_id: str | None
    """None: the platform's operator, who has no credential but a key."""
    browser: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime

    def lives(self, now: datetime) -> bool:
        return now < min(self.ends_at, self.seen_at + IDLE)
