"""The plan's time. On a slow machine a run takes longer; it must not get harder with every kill."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

# A house that is down for longer is waited for: orders and kills come in slow motion.
_SOON: Final = 10.0
_SLOW_MOTION: Final = 0.2
_GLANCE: Final = 0.1


@dataclass
class PlanClock:
    """Seconds of the plan. They pass slowly from a while after a kill until the house sells again."""

    watch: Callable[[], float] = time.monotonic
    slowed_for: float = 0
    """Seconds on the watch that passed slowly."""
    _now: float = 0
    _seen_at: float = field(init=False)
    _down_since: float | None = None
    _killed_at: float = 0

    def __post_init__(self) -> None:
        self._seen_at = self.watch()

    @property
    def now(self) -> float:
        seen_at, self._seen_at = self._seen_at, self.watch()
        passed = self._seen_at - seen_at
        if self._down_since is not None and self._seen_at - self._down_since > _SOON:
            self.slowed_for += passed
            passed *= _SLOW_MOTION
        self._now += passed
        return self._now

    async def until(self, moment: float) -> None:
        while (left := moment - self.now) > 0:
            await asyncio.sleep(min(left, _GLANCE))

    def killed(self) -> None:
        """Something was killed just now."""
        self._killed_at = self.watch()
        self._down_since = self._down_since or self._killed_at

    def sold(self, begun_at: float) -> None:
        """A sale that began then, by the watch, has succeeded."""
        if begun_at > self._killed_at:
            self._down_since = None
