"""When a delivery is tried again, when it is given up, and when its endpoint is: contract § 6."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Final

from domain.endpoint import DisabledReason
from domain.event_data import EndpointDisabledData
from domain.events import Announcement, rfc3339
from domain.values import Value

# After the failure of attempt n, attempt n + 1 follows this much later (Standard Webhooks' schedule).
BACKOFF: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
_JITTER_PERCENT: Final = 20
FAILING_LASTS: Final = timedelta(hours=120)
"""An endpoint that meets nothing but failures for this long is told no more."""
_GONE: Final = 410
_LONGEST_HEADER: Final = 64


class Tried(Value):
    """One attempt to deliver, as it ended."""

    delivery_id: str
    number: int
    begun_at_attempt: int = 0
    """How many attempts there had been when its present schedule began."""
    status: int | None
    """None: there was no answer."""
    retry_after: str | None = None
    at: datetime

    @property
    def delivered(self) -> bool:
        """Only 2xx says so; a redirect does not."""
        return self.status is not None and 200 <= self.status < 300


class Verdict(Value):
    """What an attempt means for its delivery and for its endpoint."""

    next_at: datetime | None
    """When it is tried again. None: it was delivered, or that was the last time."""
    failing_since: datetime | None
    """Since when the endpoint has met nothing but failures."""
    trouble: DisabledReason | None
    """Why nothing more may be sent there."""


def judge(tried: Tried, failing_since: datetime | None, scaled: Callable[[timedelta], timedelta]) -> Verdict:
    """Decide on an attempt; ``scaled`` counts business time as the installation does.

    A delivery that has run out of attempts, or met 410, says nothing of the others: they stay with their
    endpoint, which keeps its backlog.
    """
    if tried.delivered:
        return Verdict(next_at=None, failing_since=None, trouble=None)
    since = failing_since or tried.at
    trouble = None
    if tried.status == _GONE:
        trouble = DisabledReason.GONE
    elif tried.at - since >= scaled(FAILING_LASTS):
        trouble = DisabledReason.FAILING
    pause = backoff(
        tried.delivery_id,
        tried.number,
        begun_at_attempt=tried.begun_at_attempt,
        asked_for=asked_pause(tried.retry_after, tried.at),
    )
    next_at = None if pause is None else tried.at + scaled(pause)
    return Verdict(next_at=next_at, failing_since=since, trouble=trouble)


def backoff(
    delivery_id: str, number: int, *, begun_at_attempt: int = 0, asked_for: timedelta | None = None
) -> timedelta | None:
    """How long after the failure of attempt ``number`` the next follows; None: it was the last.

    The jitter of ±20 % comes from the delivery's own name, so that a repeated step decides alike.
    A receiver's ``Retry-After`` is honoured up to twice the step.
    """
    failures = number - begun_at_attempt
    if failures > len(BACKOFF):
        return None
    step = BACKOFF[failures - 1]
    dice = int.from_bytes(sha256(f"{delivery_id}:{number}".encode()).digest()[:4], "big")
    percent = 100 - _JITTER_PERCENT + dice % (2 * _JITTER_PERCENT + 1)
    jittered = step * percent / 100
    return jittered if asked_for is None else max(jittered, min(asked_for, 2 * step))


def asked_pause(retry_after: str | None, now: datetime) -> timedelta | None:
    """How long a receiver wants to be left alone: seconds, or a date (RFC 9110). None: it does not say."""
    if retry_after is None or len(retry_after) > _LONGEST_HEADER or not retry_after.isascii():
        return None
    if retry_after.isdigit():
        # No number of eight digits is honoured in full; one of sixty would not fit into a timedelta.
        return timedelta(seconds=min(int(retry_after), 10**8))
    try:
        until = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    return max(until.replace(tzinfo=until.tzinfo or UTC) - now, timedelta())


def disabled_announcement(
    endpoint_id: str, url: str, trouble: DisabledReason, failing_since: datetime | None, status: int | None
) -> Announcement:
    """That an endpoint is told no more until somebody enables it; its backlog waits."""
    data = EndpointDisabledData(
        endpoint_id=endpoint_id,
        url=url,
        reason=trouble,
        failing_since=None if failing_since is None else rfc3339(failing_since),
        last_status=status,
    )
    return Announcement(type="endpoint.disabled", payment_id=None, data=data.told())
