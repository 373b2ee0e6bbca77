"""The line to one account: closed when nobody answers, tried again after a while, and never all ours."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderError,
    ProviderForbidden,
    ProviderRejected,
    ProviderUnavailable,
)
from domain.health import WELL, Health
from domain.tenant import ProviderAccount
from providers.line import (
    AT_ONCE,
    FORGOTTEN,
    LONGEST,
    REFUSED_FOR,
    SHORTEST,
    TROUBLED_AFTER,
    Line,
    Lines,
    with_named_calls,
)


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


# --- Whose line it is -----------------------------------------------------------------------------


def account(name: str) -> ProviderAccount:
    return ProviderAccount(
        id=name, tenant_id="ten_1", provider="sandbox", api_base=None, created_at=datetime.now(UTC)
    )


async def test_each_account_has_a_line_of_its_own() -> None:
    lines = Lines()
    await close(lines.to(account("acc_1"), "a"))
    assert not await call(lines.to(account("acc_1"), "a"))
    assert await call(lines.to(account("acc_2"), "a"))


async def test_new_credentials_are_tried_at_once_and_the_old_line_is_forgotten() -> None:
    lines = Lines()
    await call(lines.to(account("acc_1"), "old"), ProviderAuthFailed())
    assert not await call(lines.to(account("acc_1"), "old"))
    assert await call(lines.to(account("acc_1"), "new"))
    assert [kept.credentials for kept in lines] == ["new"]


# --- Refused credentials --------------------------------------------------------------------------


async def test_refused_credentials_are_not_sent_again_for_a_while_and_then_once(clock: Clock) -> None:
    line = Line(clock)
    assert await call(line, ProviderAuthFailed())
    clock.now += REFUSED_FOR - 0.1
    with pytest.raises(ProviderAuthFailed):
        async with line.call():
            pass
    clock.now += 0.1
    async with line.call():
        # Meanwhile the others are refused, as the last one was.
        assert not await call(line)
    assert await call(line)


async def test_a_trial_that_is_refused_closes_the_line_as_long_again(clock: Clock) -> None:
    line = Line(clock)
    await call(line, ProviderAuthFailed())
    clock.now += REFUSED_FOR
    assert await call(line, ProviderAuthFailed())
    clock.now += REFUSED_FOR - 0.1
    assert not await call(line)


async def test_a_trial_that_nobody_answers_tells_nothing_of_the_credentials(clock: Clock) -> None:
    line = Line(clock)
    await call(line, ProviderAuthFailed())
    clock.now += REFUSED_FOR
    assert await call(line, OutcomeUnknown())
    assert line.condition.state is Health.REFUSED
    with pytest.raises(ProviderAuthFailed):
        async with line.call():
            pass


async def test_other_refusals_say_nothing_against_the_credentials(clock: Clock) -> None:
    line = Line(clock)
    await call(line, ProviderRejected())
    assert await call(line)
    assert line.condition == WELL


async def test_a_right_that_is_missing_stops_no_other_call_and_calls_a_person(clock: Clock) -> None:
    heard: list[Health] = []
    line = Line(clock, alarm=heard.append)
    await call(line, ProviderForbidden())
    assert await call(line)
    assert (line.condition, heard) == (WELL, [Health.REFUSED])


# --- What it tells --------------------------------------------------------------------------------


async def test_its_condition_tells_what_it_has_met_with_since_when_and_in_our_own_words(clock: Clock) -> None:
    line = Line(clock)
    assert line.condition == WELL
    seen = []
    for number in range(1, TROUBLED_AFTER + 1):
        clock.now += 1
        await call(line, OutcomeUnknown("what the company said"))
        seen.append((line.condition.state, line.condition.failures))
        assert seen[-1][1] == number
    assert [state for state, _ in seen] == ["troubled"] * (TROUBLED_AFTER - 1) + ["closed"]
    clock.now += 7
    assert line.condition.lasting == timedelta(seconds=7)
    assert line.condition.last_failure == "The provider did not say"
    assert await call(line)
    assert line.condition == WELL


@pytest.mark.parametrize(
    ("failures", "trouble", "state"),
    [
        (1, OutcomeUnknown(), Health.TROUBLED),
        (TROUBLED_AFTER, OutcomeUnknown(), Health.CLOSED),
        (1, ProviderAuthFailed(), Health.REFUSED),
    ],
)
async def test_what_nobody_has_met_with_again_is_forgotten(
    clock: Clock, failures: int, trouble: ProviderError, state: Health
) -> None:
    line = Line(clock)
    for _ in range(failures):
        await call(line, trouble)
    clock.now += FORGOTTEN[state] - 0.1
    assert line.condition.state is state
    clock.now += 0.1
    assert line.condition == WELL


async def test_a_person_is_called_once_for_each_time_it_closes(clock: Clock) -> None:
    heard: list[Health] = []
    line = Line(clock, alarm=heard.append)
    for _ in range(2):
        await close(line)
        for _ in range(3):
            clock.now += LONGEST
            assert await call(line, OutcomeUnknown())
        clock.now += LONGEST
        assert await call(line)
    assert heard == [Health.CLOSED] * 2


async def test_a_person_is_called_once_for_each_time_the_credentials_are_refused(clock: Clock) -> None:
    heard: list[tuple[str, Health]] = []
    lines = Lines(partial(Line, clock), alarm=lambda account, state: heard.append((account.id, state)))
    line = lines.to(account("acc_1"), "a")
    for _ in range(3):
        await call(line, ProviderAuthFailed())
        clock.now += REFUSED_FOR
    assert heard == [("acc_1", Health.REFUSED)]
    assert await call(line)
    await call(line, ProviderAuthFailed())
    await call(lines.to(account("acc_1"), "b"), ProviderAuthFailed())
    assert heard == [("acc_1", Health.REFUSED)] * 3


# --- What is told of calls ------------------------------------------------------------------------


class Port:
    """What is asked of companies here: two verbs, of which one takes the other to it."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def read(self, trouble: ProviderError | None = None) -> None:
        async with self._line.call():
            if trouble is not None:
                raise trouble

    async def close(self) -> None:
        await self.read()


async def test_each_call_that_is_let_through_is_told_with_the_verb_that_it_is_for(clock: Clock) -> None:
    told: list[tuple[str, str | None, float]] = []

    def heard(verb: str, trouble: BaseException | None, seconds: float) -> None:
        told.append((verb, None if trouble is None else type(trouble).__name__, seconds))

    company = with_named_calls(Port, Port)(Line(clock, troubled_after=1, heard=heard))
    await company.close()
    await company.read()
    with pytest.raises(OutcomeUnknown):
        await company.read(OutcomeUnknown())
    # The line is closed, so nothing was sent.
    with pytest.raises(ProviderUnavailable):
        await company.read()
    assert told == [("close", None, 0.0), ("read", None, 0.0), ("read", "OutcomeUnknown", 0.0)]
