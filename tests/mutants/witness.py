"""A pytest plugin: writes down how each test ended, and whether by an assertion of its own.

A test that cannot be imported, whose house does not start, or that merely takes too long shows nothing.
"""

import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest

import domain


def pytest_sessionstart() -> None:
    """The tree under test is the one we stand in, whatever else is installed."""
    found = Path(domain.__path__[0]).resolve()
    if found.parent != Path.cwd().resolve():
        raise pytest.UsageError(f"the code under test would be {found}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    line: dict[str, object] = {"test": item.nodeid, "when": report.when, "outcome": report.outcome}
    if report.failed and call.excinfo is not None:
        line |= {
            "asserted": report.when == "call" and is_assertion(call.excinfo.value),
            # Its first words tell a test that took too long from one that broke.
            "error": f"{call.excinfo.typename}: {call.excinfo.value}".splitlines()[0][:120],
        }
    with Path(os.environ["PAYSAGA_WITNESS"]).open("a") as file:
        file.write(json.dumps(line) + "\n")
    return report


def is_assertion(error: BaseException) -> bool:
    if isinstance(error, pytest.fail.Exception):
        # So does pytest-timeout fail a test that hangs.
        return not str(error).startswith("Timeout")
    # `(only,) = found` is how our tests say that there is one.
    one = isinstance(error, ValueError) and "values to unpack" in str(error)
    return one or isinstance(error, AssertionError)
