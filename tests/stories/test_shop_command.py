"""``paysaga demo --shop``, seen from a shell."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from typer.testing import CliRunner

import cli
from local import CannotStart
from local.ports import is_free
from local.processes import PartFailed
from local.shop import example_shop
from tests.house import House

PROJECT = Path(__file__).parents[2]


@contextmanager
def demo_shop(house: House) -> Iterator[tuple[psutil.Popen, list[str]]]:
    """The command, once it says that the shop is open, and what it printed until then."""
    process = psutil.Popen(
        [sys.executable, "-m", "cli", "demo", "--shop"],
        cwd=PROJECT,
        env=os.environ | {"COLUMNS": "200", "PAYSAGA_DATA_DIR": str(house.data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "Ctrl-C" in line:
                break
        yield process, printed
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.wait()


def test_the_command_tells_of_the_shop() -> None:
    told = CliRunner().invoke(cli.app, ["demo", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert "--shop" in told.output


async def test_without_a_checkout_it_says_what_is_missing(house: House, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=re.escape(str(tmp_path / "examples"))):
        async with example_shop(house.ready, tmp_path, print):
            pass


@pytest.mark.slow
async def test_a_shop_that_breaks_says_how_and_is_gone(house: House, tmp_path: Path) -> None:
    (tmp_path / "client/paysaga_client").mkdir(parents=True)
    (tmp_path / "examples/shop").mkdir(parents=True)
    (tmp_path / "examples/shop/shop.py").write_text("raise SystemExit('no shop today')\n")
    with pytest.raises(PartFailed) as failure:
        async with example_shop(house.ready, tmp_path, print):
            pass
    assert "no shop today" in failure.value.last_lines
    assert not failure.value.log.exists()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_it_opens_beside_a_running_platform_and_leaves_nothing_behind(house: House) -> None:
    with demo_shop(house) as (process, printed):
        found = re.search(r"Open (http://127\.0\.0\.1:(\d+))", "".join(printed))
        assert found, printed
        assert "Who are you?" in httpx.get(found[1], trust_env=False, timeout=30).text
        children = process.children(recursive=True)
        folder = next(Path(path) for path in _told(children, "SHOP_DATA"))
        assert folder.exists()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(30) == 0, rest
    assert "The shop is closed" in rest
    assert children
    assert not any(child.is_running() for child in children)
    assert not folder.parent.exists()
    assert is_free(int(found[2]))


def _told(processes: list[psutil.Process], name: str) -> Iterator[str]:
    for process in processes:
        if value := process.environ().get(name):
            yield value
