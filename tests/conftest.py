"""The house the stories happen in: started once, real through and through."""

import os
import tempfile
from collections.abc import AsyncIterator
from itertools import chain
from pathlib import Path

import asyncpg
import httpx
import pytest

from dev import Platform
from tests.docs.pages import left_out
from tests.house import UNHURRIED, House, Receiver, Tenant

# A minute of business takes a second.
TIME_SCALE = 60


@pytest.fixture(scope="session")
async def house() -> AsyncIterator[House]:
    """Each of pytest's processes has a house of its own, at ports of its own."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    port_base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 20 * number
    with tempfile.TemporaryDirectory(prefix="paysaga tests ") as folder:
        platform = Platform(
            Path(folder),
            port_base,
            time_scale=TIME_SCALE,
            settings=UNHURRIED,
            say=print,
        )
        async with (
            platform,
            httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=15) as http,
        ):
            idle: dict[str, list[asyncpg.Connection]] = {}
            yield House(platform.ready, http, Path(folder), idle)
            for connection in chain(*idle.values()):
                await connection.close()


@pytest.fixture
async def tenant(house: House) -> Tenant:
    return await house.tenant()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.listening() as listening:
        yield listening


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Beside the tests that are skipped: blocks of the documents that no reader runs, and why."""
    reports = [report for each in terminalreporter.stats.values() for report in each]
    if any("tests/docs/test_pages.py" in getattr(report, "nodeid", "") for report in reports):
        skipped = left_out()
        terminalreporter.write_sep("=", f"{len(skipped)} blocks of the documents are not run")
        for block in skipped:
            terminalreporter.write_line(f"{block.place}: {block.skipped}")
