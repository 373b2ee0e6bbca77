"""The line to one account at one company: left alone for a while when nobody answers, and never all ours.

A company that is away, or slow, must cost its own payments time and no others. One that does not accept the
account's credentials is left alone, too: many wrong tries look like an attack. No library: the ones at hand
count per function, not per account, and cannot tell the caller when to come back.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Final, NamedTuple, ParamSpec, TypeVar

from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderError,
    ProviderForbidden,
    ProviderRejected,
    ProviderUnavailable,
)
from domain.health import WELL, Condition, Health
from domain.tenant import ProviderAccount

# So many calls in a row must fail before the line is closed, and then for so many seconds: longer each time.
TROUBLED_AFTER: Final = 5
SHORTEST, LONGEST = 2.0, 15.0
# Refused credentials are tried again after so many seconds: perhaps somebody has mended it over there.
REFUSED_FOR: Final = 60.0
# One account may hold so many of a worker's hundred hands; the others stay free for other accounts.
AT_ONCE: Final = 24
# What nobody has met with again for so many seconds says nothing of how things are now.
FORGOTTEN: Final = {Health.TROUBLED: 60.0, Health.CLOSED: 3600.0, Health.REFUSED: 3600.0}


_UNNAMED: Final = "other"
# What the call that is being made is for.
_verb: Final[ContextVar[str]] = ContextVar("verb", default=_UNNAMED)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def with_named_calls(adapter: type[_T], port: type) -> type[_T]:
    """The same class, but what its verbs call is known to be for them; ``port`` says which are verbs."""
    for name, verb in list(vars(adapter).items()):
        if iscoroutinefunction(verb) and not name.startswith("_") and hasattr(port, name):
            setattr(adapter, name, _named(verb))
    return adapter


def _named(verb: Callable[_P, Awaitable[_T]]) -> Callable[_P, Awaitable[_T]]:
    @wraps(verb)
    async def called(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        # Of a verb that takes another to it, the first is what was wanted.
        outer = _verb.get()
        before = _verb.set(verb.__name__ if outer == _UNNAMED else outer)
        try:
            return await verb(*args, **kwargs)
        finally:
            _verb.reset(before)

    return called


class Line:
    """Breaker and bulkhead of one account under its credentials. One process's experience.

    ``alarm`` hears, once per episode, that the line has closed, or that the credentials are refused; and each
    ``alarm`` hears, once per episode, that the line has closed, or that the credentials are refused; and each
    time that they lack a right. ``heard`` is told of each call that was let through: for which verb, what
    came of it instead of an answer, and how many seconds it took.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        troubled_after: int = TROUBLED_AFTER,
        alarm: Callable[[Health], None] = lambda _: None,
        heard: Callable[[str, BaseException | None, float], None] = lambda _verb, _trouble, _seconds: None,
    ) -> None:
        self._clock = clock
        self._heard = heard
        self._troubled_after = troubled_after
        self._alarm = alarm
        self._failures = 0
        self._closed_for = SHORTEST
        self._closed_until = 0.0
        self._in_flight = 0
        self._state, self._since = Health.OK, clock()
        self._failed_at, self._last_failure = 0.0, ""

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Call in here.

        While the line is closed or full raises ``ProviderUnavailable``, and ``ProviderAuthFailed`` while the
        credentials are refused: nothing was sent.
        """
        self._admit()
        self._in_flight += 1
        try:
            with self._timed():
                yield
        except ProviderForbidden:
            # One right is missing: the account's other calls need not wait for it.
            self._answered()
            self._alarm(Health.REFUSED)
            raise
        except ProviderAuthFailed as refused:
            self._refuse(refused)
            raise
        except ProviderRejected:
            # Whoever refuses is there.
            self._answered()
            raise
        except (ProviderUnavailable, OutcomeUnknown) as trouble:
            self._failed(trouble)
            raise
        else:
            self._answered()
        finally:
            self._in_flight -= 1

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began, trouble = self._clock(), None
        try:
            yield
        except BaseException as error:
            trouble = error
            raise
        finally:
            self._heard(_verb.get(), trouble, self._clock() - began)

    @property
    def condition(self) -> Condition:
        """What a call would meet with now, as far as this process knows."""
        quiet_for = self._clock() - self._failed_at
        if self._state is Health.OK or quiet_for >= FORGOTTEN[self._state]:
            return WELL
        return Condition(
            state=self._state,
            failures=self._failures,
            lasting=timedelta(seconds=self._clock() - self._since),
            last_failure=self._last_failure,
        )

    def _admit(self) -> None:
        left = self._closed_until - self._clock()
        if left > 0 and self._state is Health.REFUSED:
            raise ProviderAuthFailed("The provider has just refused this account's credentials.")
        if left > 0:
            raise ProviderUnavailable(
                "The provider did not answer a moment ago; it is left alone.", retry_after=int(left) + 1
            )
        if self._in_flight >= AT_ONCE:
            raise ProviderUnavailable("Too many calls of this account are under way.")
        if self._state in {Health.CLOSED, Health.REFUSED}:
            # One may try whether it is back; the others wait for what it finds.
            self._close()

    def _answered(self) -> None:
        self._failures, self._closed_for, self._closed_until = 0, SHORTEST, 0.0
        self._turn(Health.OK)

    def _refuse(self, refused: ProviderAuthFailed) -> None:
        self._failures, self._closed_for = 0, SHORTEST
        self._met_with(refused, Health.REFUSED)
        self._close()

    def _failed(self, trouble: ProviderUnavailable | OutcomeUnknown) -> None:
        self._failures += 1
        if trouble.retry_after is not None:
            left_alone = min(trouble.retry_after, LONGEST)
            self._closed_until = max(self._closed_until, self._clock() + left_alone)
        if self._state is not Health.REFUSED:
            # Whether the credentials are good again, silence does not say.
            closed = self._failures >= self._troubled_after
            self._met_with(trouble, Health.CLOSED if closed else Health.TROUBLED)
        if self._failures == self._troubled_after:
            self._close()

    def _close(self) -> None:
        if self._state is Health.REFUSED:
            self._closed_until = self._clock() + REFUSED_FOR
            return
        self._closed_until = self._clock() + self._closed_for
        self._closed_for = min(2 * self._closed_for, LONGEST)

    def _met_with(self, trouble: ProviderError, state: Health) -> None:
        # The class's own words: the error's may be the company's.
        self._failed_at, self._last_failure = self._clock(), type(trouble).title
        self._turn(state)

    def _turn(self, state: Health) -> None:
        if state is not self._state:
            self._state, self._since = state, self._clock()
            if state in {Health.CLOSED, Health.REFUSED}:
                self._alarm(state)


def _nobody(_provider: str, _verb: str, _trouble: BaseException | None, _seconds: float) -> None:
    return


class Kept(NamedTuple):
    """A line, and whose it is: an account's, under credentials that are told from others and not shown."""

    account: ProviderAccount
    credentials: str
    line: Line


class Lines:
    """The lines of one process: one for each account, for as long as its credentials stay the same."""

    def __init__(
        self,
        make: Callable[..., Line] = Line,
        *,
        alarm: Callable[[ProviderAccount, Health], None] = lambda _account, _state: None,
        heard: Callable[[str, str, BaseException | None, float], None] = _nobody,
    ) -> None:
        """``heard`` is told as a line is, and of whose company the call was."""
        self._make = make
        self._heard = heard
        self._alarm = alarm
        self._kept: dict[str, Kept] = {}

    def to(self, account: ProviderAccount, credentials: str) -> Line:
        """New credentials are tried at once: nothing is known of them yet."""
        kept = self._kept.get(account.id)
        if kept is None or kept.credentials != credentials:
            line = self._make(
                alarm=partial(self._alarm, account), heard=partial(self._heard, account.provider)
            )
            kept = self._kept[account.id] = Kept(account, credentials, line)
        return kept.line

    def __iter__(self) -> Iterator[Kept]:
        return iter([*self._kept.values()])
