"""How often somebody may ask: counted for all processes together, before anything else is done for them.

Who asks too often is answered from this process's memory until there is room again, so that a flood costs
no statement.
"""

import asyncio
import hmac
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import floor
from typing import Final, Protocol, TypeVar

import structlog

from api.turns import Turns
from domain.errors import RateLimited, Refusal
from domain.limits import Rate, Scope

log = structlog.get_logger(__name__)

_MOST_REMEMBERED: Final = 10_000
_PATIENCE: Final = timedelta(seconds=2)
# How long this process counts alone before it asks again whether the others can be reached.
_ALONE_FOR: Final = timedelta(seconds=5)
# Whoever has one address of IPv6 has all of these.
_ONE_HOUSEHOLD: Final = 64

Answer = TypeVar("Answer")
Kept = TypeVar("Kept")


class Windows(Protocol):
    """Where processes count together: PostgreSQL (``storage.windows``), or Redis through ``limits``.

    A window of ``expiry`` seconds lets ``limit`` entries in and a further one when the oldest has left.
    """

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Whether so many were let in; else none is."""
        ...

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest entry came in, in seconds since 1970, and how many there are."""
        ...


class OwnWindows:
    """The same, for one process: what is left when the others cannot be reached."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._entered: OrderedDict[str, deque[float]] = OrderedDict()

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now, entered = self._clock().timestamp(), self._in(key, expiry)
        if len(entered) + amount > limit:
            return False
        entered.extend([now] * amount)
        _remember(self._entered, key, entered)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        entered = self._in(key, expiry)
        return (entered[0] if entered else self._clock().timestamp()), min(len(entered), limit)

    def _in(self, key: str, expiry: int) -> deque[float]:
        entered = self._entered.get(key, deque())
        while entered and entered[0] <= self._clock().timestamp() - expiry:
            entered.popleft()
        return entered


@dataclass
class _Held:
    """Tickets of this process: how many it took, how many requests they still let in, and until when."""

    taken: int
    left: int
    until: datetime


class Limits:
    """The rates of one installation, as one of its processes keeps them.

    ``salt`` is the same for all its processes: what is counted is known by a digest alone, as addresses are
    personal. When ``windows`` cannot be reached, the process counts by itself: nobody is turned away for
    that, and whoever guesses at logins may do so that often per process, and no more.
    """

    def __init__(
        self, rates: Mapping[Scope, Rate], windows: Windows, clock: Callable[[], datetime], salt: bytes
    ) -> None:
        self._rates = rates
        self._shared, self._own = windows, OwnWindows(clock)
        self._clock = clock
        self._salt = salt
        self._turns = Turns()
        self._held: OrderedDict[str, _Held] = OrderedDict()
        # By key: until when nobody is let in.
        self._full: OrderedDict[str, datetime] = OrderedDict()
        self._alone_until: datetime | None = None
        self.refused: Counter[Scope] = Counter()
        self.unreachable = 0
        """How often the shared windows did not answer."""

    async def spend(self, scope: Scope, name: str) -> None:
        """Count one. Raises ``RateLimited``."""
        key = self._key(scope, name)
        if self._has_ticket(scope, key):
            return
        # Those who come meanwhile wait for the ticket, and share it.
        async with self._turns.of(key):
            if not self._has_ticket(scope, key):
                await self._take_ticket(scope, key)

    async def check(self, scope: Scope, name: str) -> None:
        """Raise ``RateLimited`` if there is no room for one more. Counts nothing."""
        key, rate = self._key(scope, name), self._rates[scope]
        self._refuse_if_full(scope, key)
        oldest, count = await self._ask(lambda on: on.get_moving_window(key, rate.tickets, rate.seconds))
        if count >= rate.tickets:
            self._close(scope, key, oldest)

    @asynccontextmanager
    async def counting(self, scope: Scope, name: str, *failures: type[Refusal]) -> AsyncIterator[None]:
        """Count each of these failures; who fails too often hears that instead."""
        try:
            yield
        except failures:
            await self.spend(scope, name)
            raise

    def _has_ticket(self, scope: Scope, key: str) -> bool:
        held = self._held.get(key)
        if held is not None and held.left > 0 and self._clock() < held.until:
            held.left -= 1
            return True
        self._refuse_if_full(scope, key)
        return False

    def _refuse_if_full(self, scope: Scope, key: str) -> None:
        until, now = self._full.get(key), self._clock()
        if until is not None and now < until:
            self._refuse(scope, until - now)

    async def _take_ticket(self, scope: Scope, key: str) -> None:
        rate, now = self._rates[scope], self._clock()
        wanted = self._wanted(key, rate, now)
        if await self._enters(key, rate, wanted) or (
            wanted > 1 and await self._enters(key, rate, wanted := 1)
        ):
            left = wanted * rate.ticket - 1
            _remember(self._held, key, _Held(wanted, left, now + rate.ticket_life))
            return
        oldest, there = await self._ask(lambda on: on.get_moving_window(key, rate.tickets, rate.seconds))
        if there < rate.tickets:
            # One has just left.
            self._refuse(scope, timedelta(0))
        self._close(scope, key, oldest)

    async def _enters(self, key: str, rate: Rate, count: int) -> bool:
        return await self._ask(lambda on: on.acquire_entry(key, rate.tickets, rate.seconds, count))

    def _wanted(self, key: str, rate: Rate, now: datetime) -> int:
        """Twice as many tickets as before if they were used up in time; else one, as what is left is lost."""
        held = self._held.get(key)
        if held is None or held.left > 0 or now >= held.until:
            return 1
        return min(2 * held.taken, rate.at_once)

    def _close(self, scope: Scope, key: str, oldest: float) -> None:
        """Nobody is let in until the oldest entry has left: it can only be later, as others enter as well."""
        now = self._clock()
        left = timedelta(seconds=oldest + self._rates[scope].seconds - now.timestamp())
        _remember(self._full, key, now + left)
        self._refuse(scope, left)

    def _refuse(self, scope: Scope, left: timedelta) -> None:
        self.refused[scope] += 1
        # Whole seconds, and rather one too many: after it there is room.
        raise RateLimited(retry_after=max(0, floor(left.total_seconds())) + 1)

    async def _ask(self, question: Callable[[Windows], Awaitable[Answer]]) -> Answer:
        now = self._clock()
        if self._alone_until is None or now >= self._alone_until:
            try:
                async with asyncio.timeout(_PATIENCE.total_seconds()):
                    return await question(self._shared)
            except Exception as error:  # noqa: BLE001 - whatever it was, requests are served all the same
                self._alone_until = self._clock() + _ALONE_FOR
                self.unreachable += 1
                log.warning("limits_counted_alone", reason=type(error).__name__)
        return await question(self._own)

    def _key(self, scope: Scope, name: str) -> str:
        return hmac.digest(self._salt, f"{scope}\x1f{name}".encode(), "sha256").hex()[:32]


def household(address: str) -> str:
    """Who is behind an address: of IPv6, whoever has one has its neighbours."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        mapped = ip.ipv4_mapped
        return str(mapped or ip_network((int(ip), _ONE_HOUSEHOLD), strict=False))
    return str(ip)


def _remember(memory: OrderedDict[str, Kept], key: str, what: Kept) -> None:
    """To forget the oldest only costs a question more."""
    memory[key] = what
    memory.move_to_end(key)
    while len(memory) > _MOST_REMEMBERED:
        memory.popitem(last=False)
