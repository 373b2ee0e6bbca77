"""The line to one account: closed when nobody answers, tried again after a while, and never all ours."""

from dataclasses import dataclass

import pytest

from domain.errors import OutcomeUnknown, ProviderError, ProviderRejected, ProviderUnavailable
from providers.line import AT_ONCE, LONGEST, SHORTEST, TROUBLED_AFTER, Line, Lines


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def call(line: Line, trouble: ProviderError | None = None) -> bool:
    """Whether the call was let through, however it ended."""
    through = False
    try:
        async with line.call():
            through = True
            if trouble is not None:
                raise trouble
    except ProviderError:
        pass
    return through


async def close(line: Line) -> None:
    for _ in range(TROUBLED_AFTER):
        await call(line, OutcomeUnknown())


async def test_it_closes_after_so_many_failures_in_a_row_and_says_when_to_come_back(clock: Clock) -> None:
    line = Line(clock)
    await close(line)
    with pytest.raises(ProviderUnavailable) as closed:
        async with line.call():
            pass
    assert closed.value.retry_after == int(SHORTEST) + 1


async def test_an_answer_in_between_keeps_it_open(clock: Clock) -> None:
    line = Line(clock)
    for _ in range(3):
        for _ in range(TROUBLED_AFTER - 1):
            await call(line, ProviderUnavailable())
        # Whoever refuses is there.
        assert await call(line, ProviderRejected())
    assert await call(line)


async def test_one_call_tries_whether_it_is_back_and_the_others_wait_for_what_it_finds(clock: Clock) -> None:
    line = Line(clock)
    await close(line)
    clock.now += SHORTEST
    async with line.call():
        assert not await call(line)
    assert await call(line)


async def test_it_stays_closed_longer_each_time_up_to_a_limit(clock: Clock) -> None:
    line = Line(clock)
    await close(line)
    pauses = []
    for _ in range(6):
        began = clock.now
        while not await call(line, OutcomeUnknown()):
            clock.now += 0.5
        pauses.append(clock.now - began)
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST


async def test_who_asks_to_be_left_alone_is_left_alone(clock: Clock) -> None:
    line = Line(clock)
    await call(line, ProviderUnavailable(retry_after=7))
    assert not await call(line)
    clock.now += 7
    assert await call(line)


async def test_an_account_holds_so_many_calls_at_once_and_no_more() -> None:
    line = Line()
    calls = [line.call() for _ in range(AT_ONCE)]
    for one in calls:
        await one.__aenter__()
    assert not await call(line)
    await calls.pop().__aexit__(None, None, None)
    assert await call(line)
    for one in calls:
        await one.__aexit__(None, None, None)


async def test_each_account_has_a_line_of_its_own() -> None:
    lines = Lines()
    await close(lines.to("acc_1"))
    assert not await call(lines.to("acc_1"))
    assert await call(lines.to("acc_2"))
