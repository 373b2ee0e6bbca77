"""Two readings of time: the real one, and the sandbox's own, which can be pushed forward and never back."""

import time
from datetime import UTC, datetime, timedelta

MICROSECONDS = 1_000_000


def from_microseconds(instant_us: int) -> datetime:
    """Read a stored instant."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=instant_us)


def to_microseconds(instant: datetime) -> int:
    """Turn an instant into what the database keeps: whole microseconds since 1970."""
    return (instant - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


class Clock:
    """What every part of the sandbox asks for the time.

    Deadlines (a session's expiry, a bank's answer, later a renewal) live on ``now``. Instants that other
    computers compare with their own clocks (``created_at``, ``webhook-timestamp``) are ``real``: a sandbox
    pushed a month ahead still signs webhooks that a receiver can accept.
    """

    def __init__(self, advanced: timedelta = timedelta()) -> None:
        """Start with the advance that an earlier run was left with."""
        self.advanced = advanced

    def real(self) -> datetime:
        """Say what a clock on the wall shows, in UTC."""
        return from_microseconds(time.time_ns() // 1000)

    def now(self) -> datetime:
        """Say what the sandbox believes, in UTC."""
        return self.real() + self.advanced

    def advance(self, by: timedelta) -> None:
        """Push the sandbox's time forward."""
        if by < timedelta():
            raise ValueError("the clock only moves forward")
        self.advanced += by
