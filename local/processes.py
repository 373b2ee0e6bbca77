"""Child processes that are kept running: started when ready, restarted when they die, stopped in order.

Children have a session of their own, so Ctrl-C in the terminal reaches only their parent, which stops them
one after the other. If the parent is killed, Linux signals them, and the next start ends whatever is left.
"""

import asyncio
import contextlib
import fcntl
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

from local import CannotStart, leash

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between a death and the next start: doubling from the first to the longest."""
STEADY_AFTER = 30.0
"""Seconds of life after which a death counts as the first again."""
SAME_BIRTH = 3.0
"""Seconds that two notes of one birth may differ; two processes with one pid are born further apart."""
STOP_WITHIN = 19.0
"""Seconds in which all parts are stopped, whatever they do."""
LARGEST_LOG = 5_000_000
LAST_LINES = 15
GLANCE = 0.02


class PartFailed(CannotStart):
    """A part could not start: which, why, and where its log is; ``said`` counts from this start."""

    def __init__(self, name: str, reason: str, log: Path, said: bytes) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.log = log
        self.last_lines = said.decode(errors="replace").splitlines()[-LAST_LINES:]


class AlreadyRunning(CannotStart):
    """Another platform holds the data directory."""


async def always() -> bool:
    """A probe for a part that is ready as soon as it runs."""
    return True


async def nothing() -> None:
    """A preparation for a part that needs none."""


@dataclass(frozen=True)
class Part:
    """One process to run. ``stop`` lists signals and the seconds to wait after each, before SIGKILL."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    folder: Path = Path("/")
    ready: Callable[[], Awaitable[bool]] = always
    before: Callable[[], Awaitable[None]] = nothing
    """Awaited before each start, the first and every later one."""
    stop: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 2.0),)
    identity: tuple[int, int] | None = None
    """User and group to run as; None: as we do."""
    descriptors: tuple[int, ...] = ()
    """Open files it inherits, with their numbers."""


@dataclass
class _Child:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    keeper: asyncio.Task[None] | None = None
    was_ready: bool = False
    log_start: int = 0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def patience(self) -> float:
        return sum(seconds for _, seconds in self.part.stop)

    def kill_group(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


@contextlib.contextmanager
def claimed(data_dir: Path) -> Iterator[None]:
    """Hold a data directory for ourselves, making it if need be. Raises AlreadyRunning."""
    for folder in (data_dir, data_dir / "logs", data_dir / "run"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunning(
                f"a platform is already running on {data_dir} (process {lock.read().strip()}). "
                "Stop it first, or choose another directory with --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


class Supervisor:
    """Keeps the parts of one claimed data directory running, from ``async with`` to its end."""

    def __init__(self, data_dir: Path, tell: Callable[[str], None]) -> None:
        self._data_dir = data_dir
        self._tell = tell
        self._children: list[_Child] = []

    async def __aenter__(self) -> Self:
        """End what a killed predecessor left running."""
        await end_processes(list(_leftovers(self._data_dir / "run")), ((signal.SIGTERM, 5.0),))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the parts, last started first. Time that one leaves unused, the next may use."""
        deadline = time.monotonic() + min(STOP_WITHIN, sum(child.patience for child in self._children))
        while self._children:
            child = self._children[-1]
            for_the_others = sum(each.patience for each in self._children[:-1])
            await self._end(child, deadline - for_the_others)
            self._children.remove(child)

    def pid_file(self, name: str) -> Path:
        """Where the pid of a part is written; its first line is the pid of the running process."""
        return self._data_dir / "run" / f"{name}.pid"

    def log_file(self, name: str) -> Path:
        """Where a part's standard output and error go."""
        return self._data_dir / "logs" / f"{name}.log"

    async def start(self, part: Part, within: float = 60.0) -> None:
        """Start a part for good and wait until it is ready. Raises PartFailed if it dies or is too slow."""
        child = _Child(part)
        self._children.append(child)
        child.keeper = asyncio.create_task(self._keep(child), name=part.name)
        deadline = time.monotonic() + within
        while not (child.alive and await part.ready()):
            if child.keeper.done():
                child.keeper.result()
                raise self._failure(child, "ended before it was ready")
            if time.monotonic() > deadline:
                raise self._failure(child, f"was not ready after {within:.0f} s")
            await asyncio.sleep(GLANCE)
        child.was_ready = True

    async def run(self, part: Part) -> None:
        """Run a part to its end. Raises PartFailed unless it ends well."""
        child = _Child(part)
        self._children.append(child)
        code = await self._live(child)
        self._children.remove(child)
        self._forget(child)
        if code != 0:
            raise self._failure(child, "failed")

    def kill(self) -> None:
        """End every part now, without waiting for what it was doing."""
        for child in reversed(self._children):
            child.kill_group()
            self.pid_file(child.part.name).unlink(missing_ok=True)

    async def _keep(self, child: _Child) -> None:
        pause = FIRST_PAUSE
        while True:
            born = time.monotonic()
            try:
                end = f"ended with code {await self._live(child)}"
            except OSError as error:
                end = f"could not be started ({error.strerror})"
            if not child.was_ready:
                return
            if time.monotonic() - born > STEADY_AFTER:
                pause = FIRST_PAUSE
            self._tell(f"{child.part.name} {end}; next start in {pause:.1f} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _live(self, child: _Child) -> int | None:
        await self._spawn(child)
        await until(lambda: not child.alive, math.inf)
        child.kill_group()
        return child.process.returncode if child.process else None

    async def _spawn(self, child: _Child) -> None:
        part = child.part
        await part.before()
        with _open_log(self.log_file(part.name)) as log:
            child.log_start = log.tell()
            child.process = subprocess.Popen(  # noqa: ASYNC220 - a few milliseconds, and no await to be cancelled in
                _leashed(part),
                env=dict(part.environment),
                cwd=part.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=part.descriptors,
            )
        _note(self.pid_file(part.name), child.process.pid)

    async def _end(self, child: _Child, deadline: float) -> None:
        if child.keeper is not None:
            child.keeper.cancel()
            await asyncio.wait([child.keeper])
        for_later_signals = child.patience
        for number, seconds in child.part.stop:
            for_later_signals -= seconds
            if child.alive and child.process is not None:
                child.process.send_signal(number)
                await until(lambda: not child.alive, deadline - for_later_signals - time.monotonic())
        child.kill_group()
        if child.process is not None:
            child.process.wait()
        self._forget(child)

    def _failure(self, child: _Child, reason: str) -> PartFailed:
        log = self.log_file(child.part.name)
        return PartFailed(child.part.name, reason, log, log.read_bytes()[child.log_start :])

    def _forget(self, child: _Child) -> None:
        self.pid_file(child.part.name).unlink(missing_ok=True)


async def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition, looking again and again; False if it did not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(GLANCE)
    return True


async def end_processes(
    processes: list[psutil.Process], signals: tuple[tuple[signal.Signals, float], ...]
) -> None:
    """End processes that are not our children: each signal in turn, then SIGKILL."""
    for number, seconds in (*signals, (signal.SIGKILL, 2.0)):
        for process in filter(_runs, processes):
            # Refuses by itself when the pid belongs to a newer process by now.
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        if await until(lambda: not any(map(_runs, processes)), seconds):
            return


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _leashed(part: Part) -> list[str]:
    identity = "-" if part.identity is None else "{}:{}".format(*part.identity)
    first = str(int(part.stop[0][0]))
    return [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), first, identity, *part.command]


def _note(pid_file: Path, pid: int) -> None:
    # With the time of birth, since a pid alone may belong to somebody else after a crash.
    born = ""
    with contextlib.suppress(psutil.Error):
        born = f"{psutil.Process(pid).create_time()}\n"
    draft = pid_file.with_suffix(".new")
    draft.write_text(f"{pid}\n{born}")
    draft.replace(pid_file)


def _leftovers(run: Path) -> Iterator[psutil.Process]:
    for pid_file in run.glob("*.pid"):
        with contextlib.suppress(ValueError, psutil.Error):
            pid, born = pid_file.read_text().split()
            process = psutil.Process(int(pid))
            if abs(process.create_time() - float(born)) < SAME_BIRTH:
                yield process
        pid_file.unlink()


def _open_log(path: Path) -> IO[bytes]:
    if path.exists() and path.stat().st_size > LARGEST_LOG:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")
