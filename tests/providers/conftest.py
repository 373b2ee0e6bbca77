"""A scripted company for the conformance suite, and an ear on every log while it plays."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

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


class Ear(logging.Handler):
    """Hears every log at any level, and formats none: pytest's own handlers would take half the time."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(f"{record.getMessage()} {record.args!r} {record.exc_info!r}")


@contextmanager
def listening() -> Iterator[Ear]:
    root, ear = logging.getLogger(), Ear()
    handlers, level = root.handlers, root.level
    root.handlers = [ear]
    root.setLevel(logging.DEBUG)
    try:
        yield ear
    finally:
        root.handlers = handlers
        root.setLevel(level)


@pytest.fixture
async def company() -> AsyncIterator[Company]:
    """Whatever a test does with it: no log at any level, and no address called, tells a secret."""
    with listening() as ear:
        async with opened() as playing:
            yield playing
    for name in NAMES:
        check_discreet(case_of(name), "\n".join(ear.heard), "a log")
        check_discreet(case_of(name), "\n".join(asked.target for asked in playing.history), "an address")


@pytest.fixture
def unregistered() -> Iterator[None]:
    """Providers made by a test are none afterwards."""
    before = dict(PROVIDERS)
    yield
    PROVIDERS.clear()
    PROVIDERS.update(before)
