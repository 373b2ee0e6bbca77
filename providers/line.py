"""The line to one account at one company: closed for a while when nobody answers, and never all ours.

A company that is away, or slow, must cost its own payments time and no others. No library: the ones at hand
count per function, not per account, and cannot tell the caller when to come back.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from domain.errors import OutcomeUnknown, ProviderRejected, ProviderUnavailable

# So many calls in a row must fail before the line is closed, and then for so many seconds: longer each time.
TROUBLED_AFTER: Final = 5
SHORTEST, LONGEST = 2.0, 15.0
# One account may hold so many of a worker's hundred hands; the others stay free for other accounts.
AT_ONCE: Final = 24


class Line:
    """Breaker and bulkhead of one account. One process's experience; each worker makes its own."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, troubled_after: int = TROUBLED_AFTER
    ) -> None:
        self._clock = clock
        self._troubled_after = troubled_after
        self._failures = 0
        self._closed_for = SHORTEST
        self._closed_until = 0.0
        self._in_flight = 0

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Call in here. Raises ``ProviderUnavailable``, nothing sent, while the line is closed or full."""
        self._admit()
        self._in_flight += 1
        try:
            yield
        except ProviderRejected:
            # Whoever refuses is there.
            self._answered()
            raise
        except ProviderUnavailable as away:
            self._failed(away.retry_after)
            raise
        except OutcomeUnknown:
            self._failed(None)
            raise
        else:
            self._answered()
        finally:
            self._in_flight -= 1

    def _admit(self) -> None:
        left = self._closed_until - self._clock()
        if left > 0:
            raise ProviderUnavailable(
                "The provider did not answer a moment ago; it is left alone.", retry_after=int(left) + 1
            )
        if self._in_flight >= AT_ONCE:
            raise ProviderUnavailable("Too many calls of this account are under way.")
        if self._failures >= self._troubled_after:
            # One may try whether it is back; the others wait for what it finds.
            self._close()

    def _answered(self) -> None:
        self._failures, self._closed_for, self._closed_until = 0, SHORTEST, 0.0

    def _failed(self, asked_for: int | None) -> None:
        self._failures += 1
        if asked_for is not None:
            self._closed_until = max(self._closed_until, self._clock() + min(asked_for, LONGEST))
        if self._failures == self._troubled_after:
            self._close()

    def _close(self) -> None:
        self._closed_until = self._clock() + self._closed_for
        self._closed_for = min(2 * self._closed_for, LONGEST)


class Lines:
    """The lines of one process, by account."""

    def __init__(self, make: Callable[[], Line] = Line) -> None:
        self._lines: defaultdict[str, Line] = defaultdict(make)

    def to(self, account_id: str) -> Line:
        return self._lines[account_id]
