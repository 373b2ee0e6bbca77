"""When a request is sent again, and when that would be wrong.

What has a key, or does the same when done twice, is repeated after a lost answer or a 5xx. Everything else is
repeated only when it was certainly not carried out: no connection was made, or it was refused before anything
was done.
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import httpx

from paysaga_client.wire import problem_of, retry_after

_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_OF_OUR_MAKING: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True)
class Retry:
    """How patient a client is. ``Retry(attempts=1)`` never repeats anything."""

    attempts: int = 4
    first_delay: timedelta = timedelta(milliseconds=500)
    """Doubled after each failure; up to half of it is left to chance, so that clients do not come back
    together."""
    longest_delay: timedelta = timedelta(seconds=8)
    total: timedelta = timedelta(seconds=60)
    """No try begins later than this after the first one, whatever a ``Retry-After`` says."""

    def pause(self, failures: int, asked_for: timedelta | None) -> timedelta:
        step = min(self.first_delay * 2.0 ** (failures - 1), self.longest_delay)
        jittered = step * random.uniform(0.5, 1)  # noqa: S311 - no secret # nosec B311
        return jittered if asked_for is None else max(jittered, asked_for)

    def pause_after(
        self,
        outcome: httpx.Response | httpx.RequestError,
        failures: int,
        elapsed: timedelta,
        *,
        repeatable: bool,
    ) -> timedelta | None:
        """How long to wait before the next try; None when this outcome stands."""
        if failures >= self.attempts or not may_repeat(outcome, repeatable=repeatable):
            return None
        asked_for = retry_after(outcome) if isinstance(outcome, httpx.Response) else None
        pause = self.pause(failures, asked_for)
        return pause if elapsed + pause <= self.total else None


def may_repeat(outcome: httpx.Response | httpx.RequestError, *, repeatable: bool) -> bool:
    """Whether sending the same again may help, and can do no harm."""
    if isinstance(outcome, httpx.RequestError):
        may = repeatable or isinstance(outcome, _NEVER_SENT)
        return may and not isinstance(outcome, _OF_OUR_MAKING)
    if outcome.status_code == 429:
        return True
    problem = problem_of(outcome)
    helps = outcome.status_code >= 500 if problem is None else problem.get("retryable") is True
    # What was refused with 4xx was not carried out.
    return helps and (repeatable or outcome.status_code < 500)
