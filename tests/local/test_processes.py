"""Processes are kept running, stopped in order, and never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from local import processes
from local.processes import AlreadyRunning, Part, PartFailed, Supervisor, claimed, until

pytestmark = pytest.mark.timeout(60)

# Notes its end in a file, so that the order of the ends can be seen.
POLITE = """
import signal, sys, time
from pathlib import Path
def end(*_):
    with open(sys.argv[1], "a") as file: file.write(sys.argv[2] + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""


class House:
    """A supervisor in a folder of its own, and what it told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data dir"
        self.ends = folder / "ends"
        self.news: list[str] = []
        self.supervisor = Supervisor(self.folder, self.news.append)

    async def run(self, name: str, script: str = POLITE, *, patience: float = 5.0) -> None:
        async def ready() -> bool:
            return "up" in self.supervisor.log_file(name).read_text()

        command = (sys.executable, "-I", "-S", "-c", script, str(self.ends), name)
        stop = ((signal.SIGTERM, patience),)
        await self.supervisor.start(Part(name, command, ready=ready, stop=stop), within=20)

    def pid(self, name: str) -> int:
        return int(self.supervisor.pid_file(name).read_text().split()[0])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    with claimed(house.folder):
        async with house.supervisor:
            yield house


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_parts_are_stopped_in_reverse_order(tmp_path: Path) -> None:
    house = House(tmp_path)
    with claimed(house.folder):
        async with house.supervisor:
            for name in ("first", "second", "third"):
                await house.run(name)
            pids = [house.pid(name) for name in ("first", "second", "third")]
    assert house.ends.read_text().split() == ["third", "second", "first"]
    assert all(map(is_gone, pids))
    assert not list((house.folder / "run").iterdir())


async def test_one_that_dies_is_started_again_under_a_new_pid(house: House) -> None:
    await house.run("part")
    before = house.pid("part")
    os.kill(before, signal.SIGKILL)
    assert await until(lambda: house.pid("part") != before, 5)
    assert psutil.Process(house.pid("part")).is_running()
    assert house.news == ["part ended with code -9; next start in 0.2 s"]


async def test_restarts_back_off(house: House) -> None:
    async def ready() -> bool:
        return True

    log = house.supervisor.log_file("brief")
    command = (sys.executable, "-I", "-S", "-c", "print('here')")
    await house.supervisor.start(Part("brief", command, ready=ready))
    assert await until(lambda: len(house.news) == 4, 20)
    assert [news.rpartition(" in ")[2] for news in house.news] == ["0.2 s", "0.4 s", "0.8 s", "1.6 s"]
    assert log.read_text().count("here") == 4


async def test_what_it_started_itself_does_not_outlive_it(house: House) -> None:
    script = (
        "import subprocess, sys; print('up', subprocess.Popen(['sleep', '600']).pid, flush=True); input()"
    )
    command = (sys.executable, "-c", script)
    with pytest.raises(PartFailed):
        await house.supervisor.run(Part("parent", command))
    grandchild = int(house.supervisor.log_file("parent").read_text().split()[1])
    assert await until(lambda: is_gone(grandchild), 5)


async def test_one_that_dies_before_it_is_ready_fails_at_once_and_shows_why(house: House) -> None:
    async def never() -> bool:
        return False

    command = (sys.executable, "-I", "-S", "-c", "raise SystemExit('the port is taken')")
    for _ in range(2):
        with pytest.raises(PartFailed, match="ended before it was ready") as failure:
            await house.supervisor.start(Part("hopeless", command, ready=never))
        assert failure.value.last_lines == ["the port is taken"]


async def test_one_that_is_never_ready_fails_in_time(house: House) -> None:
    async def never() -> bool:
        return False

    command = (sys.executable, "-I", "-S", "-c", POLITE, str(house.ends), "slow")
    with pytest.raises(PartFailed, match="was not ready after 1 s"):
        await house.supervisor.start(Part("slow", command, ready=never), within=1)


async def test_a_program_that_is_missing_is_named(house: House) -> None:
    with pytest.raises(PartFailed) as failure:
        await house.supervisor.run(Part("missing", ("/no/such/program",)))
    assert failure.value.last_lines == ["/no/such/program: No such file or directory"]


async def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    house = House(tmp_path)
    with claimed(house.folder):
        async with house.supervisor:
            await house.run("stubborn", STUBBORN, patience=0.5)
            pid = house.pid("stubborn")
            asked = time.monotonic()
    assert is_gone(pid)
    assert time.monotonic() - asked < 2


async def test_a_second_platform_is_refused_the_directory(house: House) -> None:
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"), claimed(house.folder):
        pass


async def test_a_log_that_grew_too_large_is_put_aside(house: House, tmp_path: Path) -> None:
    log = house.supervisor.log_file("part")
    log.write_bytes(b"x" * (processes.LARGEST_LOG + 1))
    await house.run("part")
    assert log.read_text() == "up\n"
    assert (tmp_path / "data dir" / "logs" / "part.log.1").stat().st_size > processes.LARGEST_LOG


ORPHANING = """
import asyncio, sys
from pathlib import Path
from local.processes import Part, Supervisor, claimed
async def main():
    with claimed(Path(sys.argv[1])):
        async with Supervisor(Path(sys.argv[1]), print) as supervisor:
            command = (sys.executable, "-I", "-S", "-c", *sys.argv[2:])
            await supervisor.start(Part("part", command))
            print("up", flush=True)
            await asyncio.sleep(600)
asyncio.run(main())
"""


def orphan(data_dir: Path, *script: str) -> int:
    """Run a supervisor with one part, kill it as nothing can prevent, and answer the part's pid."""
    command = [sys.executable, "-c", ORPHANING, str(data_dir), *script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        wait_for(lambda: "up" in (data_dir / "logs" / "part.log").read_text())
        parent.kill()
    return int((data_dir / "run" / "part.pid").read_text().split()[0])


def wait_for(condition: Callable[[], bool]) -> None:
    assert asyncio.run(until(condition, 5))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_children_of_a_killed_parent_are_told_to_stop(tmp_path: Path) -> None:
    pid = orphan(tmp_path / "data", POLITE, str(tmp_path / "ends"), "part")
    wait_for(lambda: is_gone(pid))
    assert (tmp_path / "ends").read_text() == "part\n"


@pytest.mark.slow
def test_what_a_killed_parent_left_running_is_ended_by_the_next_start(tmp_path: Path) -> None:
    pid = orphan(tmp_path / "data", STUBBORN)
    assert not is_gone(pid)

    async def start_again() -> None:
        with claimed(tmp_path / "data"):
            async with Supervisor(tmp_path / "data", print):
                assert is_gone(pid)

    asyncio.run(start_again())


def test_a_stranger_who_has_the_old_pid_by_now_is_left_alone(tmp_path: Path) -> None:
    with claimed(tmp_path):
        pass
    (tmp_path / "run" / "part.pid").write_text(f"{os.getpid()}\n{time.time() - 86400}\n")

    async def start() -> None:
        with claimed(tmp_path):
            async with Supervisor(tmp_path, print):
                pass

    asyncio.run(start())
    assert not (tmp_path / "run" / "part.pid").exists()
