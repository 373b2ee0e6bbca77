"""The client logs in once, keeps its token fresh, and never shows the secret."""

import asyncio
import logging
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from paysaga_client import AsyncPaysaga, Paysaga, PaysagaError, Retry, TokenExpired, Unauthorized
from tests.client.conftest import TLS, backend_on
from tests.client.stage import DROP, SECRET, Backend, Stage, problem


async def test_a_hundred_tasks_share_one_login(stage: Stage) -> None:
    stage.login_takes = 0.05
    async with backend_on(stage, "asynchronous") as backend:
        answers = await asyncio.gather(*(backend.check() for _ in range(100)))
    assert (len(answers), stage.logins) == (100, 1)


async def test_fifty_threads_share_one_login(stage: Stage) -> None:
    stage.login_takes = 0.05
    with (
        ThreadPoolExecutor(50) as pool,
        httpx.Client(trust_env=False, verify=TLS) as http,
        Paysaga(stage.url, "story", SECRET, http_client=http) as client,
    ):
        check = client.entitlements.check
        asked = [asyncio.get_running_loop().run_in_executor(pool, check, "pro", "u") for _ in range(50)]
        answers = await asyncio.gather(*asked)
    assert (len(answers), stage.logins) == (50, 1)


@pytest.mark.parametrize(("life", "before"), [(3600, 60), (100, 10)])
async def test_a_token_is_replaced_before_its_time_is_up(
    stage: Stage, backend: Backend, life: int, before: int
) -> None:
    stage.token_life = life
    await backend.check()
    backend.watch.now += life - before - 1
    await backend.check()
    assert stage.logins == 1
    backend.watch.now += 2
    await backend.check()
    assert stage.logins == 2


async def test_a_token_that_is_refused_is_replaced_once_for_all_who_held_it(
    stage: Stage, backend: Backend
) -> None:
    await backend.check()
    stage.void = {"token-1"}
    await asyncio.gather(*(backend.check() for _ in range(20)))
    assert stage.logins == 2


async def test_a_request_that_no_token_is_good_for_ends(stage: Stage, backend: Backend) -> None:
    stage.usual = problem(401, "token_expired")
    with pytest.raises(TokenExpired):
        await backend.check()
    assert (stage.logins, len(stage.tries)) == (2, 2)


async def test_a_repeat_after_a_new_login_has_the_same_key(stage: Stage, backend: Backend) -> None:
    stage.usual = problem(401, "token_expired")
    with pytest.raises(TokenExpired):
        await backend.use()
    assert list(stage.keys.values()) == [2]


async def test_a_login_that_is_refused_is_told_to_all_who_waited_for_it(stage: Stage, manner: str) -> None:
    stage.login_takes = 0.1
    async with backend_on(stage, manner, secret="pss_of-somebody-else") as backend:
        answers = await asyncio.gather(*(backend.check() for _ in range(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unauthorized}
    # A thread may come when the login is over already; it tries for itself.
    assert stage.logins == 1 or manner == "synchronous"
    assert stage.tries == []


async def test_after_a_failure_the_next_request_tries_again(stage: Stage, backend: Backend) -> None:
    stage.login_script = [problem(401, "unauthorized")]
    with pytest.raises(Unauthorized):
        await backend.check()
    assert await backend.check()


async def test_a_login_without_an_answer_is_repeated(stage: Stage, backend: Backend) -> None:
    stage.login_script = [DROP, problem(503, "temporarily_unavailable", retryable=True)]
    assert await backend.check()
    assert (stage.logins, len(backend.watch.pauses)) == (3, 2)


@pytest.mark.parametrize("ends", [DROP, problem(401, "unauthorized"), problem(500, "internal")])
async def test_the_secret_and_the_token_are_shown_nowhere(
    stage: Stage, manner: str, ends: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stage.login_script = [ends] * 2
    shown = [repr(Paysaga(stage.url, "story", SECRET))]
    async with backend_on(stage, manner, retry=Retry(attempts=2)) as backend:
        shown += [repr(backend.client), *all_of(await failure(backend))]
        stage.login_script, stage.usual = [], ends
        shown += all_of(await failure(backend))
    assert stage.logins > 1
    assert SECRET not in "".join(shown) + caplog.text
    assert "token-" not in "".join(shown) + caplog.text


async def failure(backend: Backend) -> PaysagaError:
    with pytest.raises(PaysagaError) as failed:
        await backend.use()
    return failed.value


def all_of(error: BaseException | None) -> Iterator[str]:
    """What an error tracker could show: all it says and holds, every variable on its way through us."""
    while error is not None:
        yield repr(error) + str(vars(error))
        if isinstance(error, httpx.RequestError):
            yield str(error.request.headers.raw) + error.request.content.decode()
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        yield from (str(frame.locals) for frame in told.stack if "paysaga_client" in frame.filename)
        error = error.__cause__ or error.__context__


async def test_a_client_closes_what_is_its_own(stage: Stage) -> None:
    async with AsyncPaysaga(stage.url, "story", SECRET) as client:
        assert await client.entitlements.check("pro", "u")
    with pytest.raises(RuntimeError):
        await client.entitlements.check("pro", "u")
    theirs = httpx.AsyncClient(trust_env=False, verify=TLS)
    async with AsyncPaysaga(stage.url, "story", SECRET, http_client=theirs) as client:
        pass
    assert not theirs.is_closed
    await theirs.aclose()
