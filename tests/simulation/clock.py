"""Time, processes and their deaths: a small Temporal whose every chance is drawn from one seed.

A step is a generator that yields wherever its process might die, or sleep through its time while a successor
takes over. Temporal's own promises are kept: a workflow's state survives, an attempt that was given up for
dead is followed by another, and what the first one still does is done behind everybody's back.
"""

from collections import defaultdict
from collections.abc import Callable, Generator
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import Any, Final

from temporalio.workflow import ActivityConfig

from domain.errors import Refusal

Step = Generator[str | float, None, Any]
"""Yields the name of a point where it may be interrupted, or the seconds that it waits for somebody."""

# More events than any history needs to come to rest.
TOO_MANY: Final = 20_000
# Payments are asked about for thirty days; a refund for ever, once a day.
_AT_REST_AFTER: Final = 40 * 86_400.0
_SHORTEST_SLEEP, _SLEEPS_SPAN = 8.0, 150.0


class Breach(AssertionError):
    """A promise is broken."""


class Clock:
    """The agenda of one history: what happens next, and when."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.now = 0.0
        self.stormy_until = 0.0
        """From then on nothing fails any more."""
        self.dies, self.sleeps, self.pace = 0.0, 0.0, 0.1
        self.met: defaultdict[str, int] = defaultdict(int)
        """How often each kind of thing happened: what is never met is never tested."""
        self.trace: list[str] | None = None
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._number += 1
        heappush(self._agenda, (when, self._number, what))

    def after(self, delay: float, what: Callable[[], None]) -> None:
        self._number += 1
        heappush(self._agenda, (self.now + delay, self._number, what))

    def run(self) -> None:
        """Let everything happen until nothing is left to do, or the same daily question is."""
        agenda = self._agenda
        end = self.stormy_until + _AT_REST_AFTER
        for _ in range(TOO_MANY):
            if not agenda or agenda[0][0] > end:
                return
            self.now, _, what = heappop(agenda)
            what()
        raise Breach("it does not come to rest")

    def tell(self, what: str, *who: object) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now:12.3f}  {what:<34} {' '.join(map(str, who))}")

    def chance(self, probability: float) -> bool:
        """Whether a fault strikes; never once the storm is over."""
        return self.now < self.stormy_until and self.dice.random() < probability

    def fate(self) -> float | None:
        """How long a step takes from here to its next point; None: its process dies here."""
        drawn = self.dice.random()
        if self.now < self.stormy_until:
            if drawn < self.dies:
                return None
            if drawn < self.dies + self.sleeps:
                # A nap from which one may still go on, or a sleep over all that was one's own to do.
                slept = self.dice.random()
                return 24 * slept if drawn * 1e6 % 2 < 1 else float(_SHORTEST_SLEEP * _SLEEPS_SPAN**slept)
        return drawn * self.pace


class Attempt:
    """One process at one step."""

    __slots__ = ("clock", "ends_at", "name", "owner", "started_at", "step", "watched")

    def __init__(self, clock: Clock, name: str, ends_at: float, owner: "Activity | None" = None) -> None:
        self.clock, self.name, self.owner, self.ends_at = clock, name, owner, ends_at
        self.started_at = clock.now
        self.watched = False

    def begin(self, step: Step) -> None:
        self.step = step
        self.go_on()

    def go_on(self) -> None:
        clock = self.clock
        try:
            point = next(self.step)
        except StopIteration as end:
            if self.owner is not None:
                self.owner.returned(self, end.value)
            return
        except Refusal as refusal:
            clock.tell(f"{self.name} fails", type(refusal).__name__, refusal)
            if self.owner is not None:
                self.owner.raised(self, refusal)
            return
        delay = point if isinstance(point, float) else clock.fate()
        if delay is None:
            clock.tell(f"{self.name} dies", point)
            clock.met[f"{self.name} died {point}"] += 1
        if (delay is None or clock.now + delay > self.ends_at) and not self.watched and self.owner:
            self.watched = True
            clock.at(self.ends_at, self._given_up)
        if delay is not None:
            clock.after(delay, self.go_on)

    def _given_up(self) -> None:
        if self.owner is not None:
            self.owner.given_up(self)


class Activity:
    """What Temporal makes of a step: attempts, one after the other, until one answers or patience is over."""

    def __init__(
        self,
        clock: Clock,
        name: str,
        make: Callable[["Activity"], Step],
        policy: ActivityConfig,
        then: Callable[[], None],
        *,
        within: float = inf,
    ) -> None:
        self._clock, self.name, self._make, self._then = clock, name, make, then
        retries = policy["retry_policy"]
        timeout = policy["start_to_close_timeout"]
        assert retries is not None
        assert retries.maximum_interval is not None
        assert timeout is not None
        self._pause = retries.initial_interval.total_seconds()
        self._longest_pause = retries.maximum_interval.total_seconds()
        self._timeout = timeout.total_seconds()
        self.scheduled_at = clock.now
        self._deadline = clock.now + within
        self.number = 0
        self.started_at = clock.now
        self.over = self.failed = False
        self.result: Any = None
        self._current: Attempt | None = None
        if within != inf:
            clock.at(self._deadline, self._out_of_time)
        clock.after(clock.dice.random() * 0.05, self._begin)

    def cancel(self) -> None:
        """Nobody waits for it any more. An attempt that is under way does not notice."""
        self.over = True

    def _begin(self) -> None:
        if self.over:
            return
        clock = self._clock
        self.number += 1
        self.started_at = clock.now
        ends_at = min(clock.now + self._timeout, self._deadline)
        self._current = Attempt(clock, self.name, ends_at, self)
        self._current.begin(self._make(self))

    def returned(self, attempt: Attempt, result: Any) -> None:
        if self.over or attempt is not self._current:
            self._clock.met[f"{self.name} finished by a zombie"] += 1
            return
        self._end(result, failed=False)

    def raised(self, attempt: Attempt, refusal: Refusal) -> None:
        if self.over or attempt is not self._current:
            return
        if refusal.retryable:
            self._again(refusal.retry_after)
        else:
            self._end(None, failed=True)

    def given_up(self, attempt: Attempt) -> None:
        if not self.over and attempt is self._current:
            self._current = None
            self._again(None)

    def _again(self, after: int | None) -> None:
        pause = min(self._pause * 2 ** min(self.number - 1, 20), self._longest_pause)
        if after is not None:
            pause = float(after)
        self._current = None
        if self._clock.now + pause < self._deadline:
            self._clock.after(pause, self._begin)
        else:
            self._end(None, failed=True)

    def _out_of_time(self) -> None:
        if not self.over:
            self._end(None, failed=True)

    def _end(self, result: Any, *, failed: bool) -> None:
        self.over, self.result, self.failed = True, result, failed
        self._then()


class Process:
    """A workflow's code: it never dies half-way, and sleeps until it is poked or its time comes."""

    def __init__(self, clock: Clock, main: Generator[float | None, None, None]) -> None:
        self._clock, self._main = clock, main
        self.alive, self.completed = True, False
        self._poked = False
        self._timer: float | None = None

    def poke(self) -> None:
        if self.alive and not self._poked:
            self._poked = True
            self._clock.after(self._clock.dice.random() * 0.02, self._go_on)

    def _go_on(self) -> None:
        self._poked = False
        if not self.alive:
            return
        try:
            until = next(self._main)
        except StopIteration:
            self.alive, self.completed = False, True
            return
        if until is not None and until != self._timer:
            self._timer = until
            self._clock.at(until, self.poke)
