"""What failed is asked again with the same key, for a while, and only where that can do no harm."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from paysaga_client import (
    Conflict,
    IllegalTransition,
    LimitExceeded,
    NetworkError,
    NotFound,
    RateLimited,
    Retry,
    ServerError,
    ServiceUnavailable,
    UnexpectedAnswer,
)
from tests.client.conftest import backend_on
from tests.client.stage import DROP, USE, Answer, Backend, Stage, problem

AWAY = problem(503, "temporarily_unavailable", retryable=True)


@pytest.mark.parametrize(
    "trouble", [DROP, Answer(502, b"<html>", type="text/html"), AWAY, problem(429, "rate_limited")]
)
async def test_a_use_that_was_not_answered_is_asked_for_again_with_its_key(
    stage: Stage, backend: Backend, trouble: Any
) -> None:
    stage.script, stage.usual = [trouble, trouble], Answer(body=USE)
    assert (await backend.use()).used == 1
    assert list(stage.keys.values()) == [3]
    assert len({each.headers["x-request-id"] for each in stage.tries}) == 1
    first, second = backend.watch.pauses
    assert 0.25 <= first <= 0.5 <= second <= 1


async def test_an_answer_that_is_cut_off_is_none(stage: Stage, backend: Backend) -> None:
    cut = Answer(201, b"{", {"Content-Length": "100"})
    stage.script, stage.usual = [cut], Answer(body=USE)
    assert await backend.use()
    assert list(stage.keys.values()) == [2]


async def test_whoever_asks_to_be_left_alone_is(stage: Stage, backend: Backend) -> None:
    stage.script = [problem(429, "rate_limited", Retry_After="7")]
    assert await backend.check()
    assert backend.watch.pauses == [7]


async def test_more_than_our_patience_is_for_the_caller_to_wait(stage: Stage, backend: Backend) -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    stage.script = [problem(429, "rate_limited", Retry_After=in_an_hour)]
    with pytest.raises(RateLimited) as refusal:
        await backend.check()
    assert refusal.value.retry_after is not None
    assert timedelta(minutes=50) < refusal.value.retry_after <= timedelta(hours=1)
    assert backend.watch.pauses == []


async def test_patience_has_an_end(stage: Stage, backend: Backend) -> None:
    stage.usual = AWAY
    with pytest.raises(ServiceUnavailable):
        await backend.check()
    stage.usual = DROP
    with pytest.raises(NetworkError) as lost:
        await backend.check()
    assert (len(stage.tries), lost.value.attempts) == (8, 4)
    assert lost.value.request_id == stage.tries[-1].headers["x-request-id"]


async def test_patience_is_counted_in_time_as_well(stage: Stage, manner: str) -> None:
    stage.usual = problem(503, "temporarily_unavailable", retryable=True, Retry_After="25")
    async with backend_on(stage, manner, retry=Retry(attempts=9, total=timedelta(seconds=60))) as backend:
        with pytest.raises(ServiceUnavailable):
            await backend.check()
        assert backend.watch.pauses == [25, 25]


@pytest.mark.parametrize(
    ("no", "kind"),
    [
        (problem(409, "limit_exceeded"), LimitExceeded),
        (problem(404, "not_found"), NotFound),
        (problem(503, "provider_unavailable"), ServiceUnavailable),
        (problem(500, "internal"), ServerError),
        (Answer(404, b"<html>", type="text/html"), UnexpectedAnswer),
        (Answer(302, b"", {"Location": "/elsewhere"}), UnexpectedAnswer),
    ],
)
async def test_a_no_is_a_no(stage: Stage, backend: Backend, no: Answer, kind: type[Exception]) -> None:
    stage.script = [no]
    with pytest.raises(kind):
        await backend.use()
    assert len(stage.tries) == 1


async def test_a_no_that_says_later_is_asked_again(stage: Stage, backend: Backend) -> None:
    stage.usual = problem(409, "illegal_transition", retryable=True, Retry_After="2")
    with pytest.raises(IllegalTransition) as refusal:
        await backend.do("plans", "create", name="Pro")
    assert isinstance(refusal.value, Conflict)
    assert backend.watch.pauses == [2, 2, 2]


@pytest.mark.parametrize("trouble", [DROP, AWAY])
async def test_what_would_be_done_twice_is_sent_once(stage: Stage, backend: Backend, trouble: Any) -> None:
    stage.usual = trouble
    with pytest.raises((NetworkError, ServiceUnavailable)):
        await backend.do("plans", "create", name="Pro")
    assert len(stage.tries) == 1


async def test_what_was_certainly_not_done_is_sent_again(stage: Stage, backend: Backend) -> None:
    stage.script = [problem(429, "rate_limited")] * 4
    with pytest.raises(RateLimited):
        await backend.do("plans", "create", name="Pro")
    assert len(stage.tries) == 4


async def test_nobody_there_is_nobody_there(stage: Stage, manner: str) -> None:
    stage.url = "http://127.0.0.1:9"
    async with backend_on(stage, manner) as backend:
        with pytest.raises(NetworkError, match="ConnectError"):
            await backend.do("plans", "create", name="Pro")
        assert len(backend.watch.pauses) == 3


async def test_a_removal_whose_answer_was_lost_is_done(stage: Stage, backend: Backend) -> None:
    stage.script = [DROP, problem(404, "not_found")]
    await backend.do("credentials", "revoke", "crd_1")
    stage.script = [problem(404, "not_found")]
    with pytest.raises(NotFound):
        await backend.do("credentials", "revoke", "crd_1")


async def test_one_reference_is_one_key_and_no_reference_is_another_each_time(
    stage: Stage, backend: Backend
) -> None:
    stage.usual = Answer(body=USE)
    for reference in ("job-1", "job-1", "job-2", None, None):
        await backend.use(reference=reference)
    await backend.use(reference="job-1", idempotency_key="mine")
    assert sorted(stage.keys.values()) == [1, 1, 1, 1, 2]
    assert stage.keys["mine"] == 1
