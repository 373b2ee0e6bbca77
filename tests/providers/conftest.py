"""A scripted company for the conformance suite, and an ear on every log while it plays."""

import logging
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from providers.base import PROVIDERS
from tests.providers.case import NAMES, Case, case_of
from tests.providers.discretion import check_discreet
from tests.providers.scripted import Company, opened


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param)


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """The client that ``installation`` makes, in what matters."""
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=15) as client:
        yield client


@pytest.fixture
async def company(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Company]:
    """Whatever a test does with it: no log at any level, and no address called, tells a secret."""
    with caplog.at_level(logging.DEBUG):
        async with opened() as playing:
            yield playing
    # The whole of a record: also what a handler of somebody's might print of it.
    heard = [f"{record.getMessage()} {vars(record)}" for record in caplog.get_records("call")]
    for name in NAMES:
        check_discreet(case_of(name), "\n".join(heard), "a log")
        check_discreet(case_of(name), "\n".join(asked.target for asked in playing.history), "an address")


@pytest.fixture
def unregistered() -> Iterator[None]:
    """Providers made by a test are none afterwards."""
    before = dict(PROVIDERS)
    yield
    PROVIDERS.clear()
    PROVIDERS.update(before)
