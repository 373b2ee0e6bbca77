"""A PostgreSQL server of our own in one folder: made on first use, reachable on one loopback port only.

For root, whom PostgreSQL refuses, it runs as another user without any folder being opened to that user.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import psutil

from local import binaries
from local.binaries import Account, Binaries, NoPostgres
from local.processes import SAME_BIRTH, Part, Supervisor, end_processes

SUPERUSER = "postgres"
BUILTIN_LOCALE_SINCE = 17
FAST_THEN_IMMEDIATE = ((signal.SIGINT, 6.0), (signal.SIGQUIT, 1.0))
"""How to stop it: disconnect everybody and checkpoint; failing that at once, to recover at the next start."""

FLAGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """One server and its data. Enter it before the supervisor that runs it, so that it is left after it."""

    def __init__(
        self, folder: Path, port: int, password: str, *, user: str = "nobody", programs: Path | None = None
    ) -> None:
        self._folder = folder
        self._port = port
        self._password = password
        self._user = user
        self._programs = programs
        self._copied = folder.with_name(f"{folder.name}.binaries")
        self._binaries: Binaries
        self._account: Account | None
        self._open = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        """Find the programs and end what a killed predecessor left running. Raises NoPostgres."""
        if self._copied.exists():
            binaries.remove_copy(Path(self._copied.read_text().strip()))
        self._account = binaries.server_account(self._user)
        self._binaries = await asyncio.to_thread(binaries.find, self._account, self._programs)
        if self._binaries.copy is not None:
            self._copied.write_text(f"{self._binaries.copy}\n")
        await self._end_orphans()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was only needed while it ran."""
        self._open.close()
        self._binaries.remove()
        self._copied.unlink(missing_ok=True)

    async def start(self, supervisor: Supervisor) -> None:
        """Have the server run, its data made if there is none. Raises NoPostgres or PartFailed."""
        if not self._folder.exists():
            await self._make_data(supervisor)
        self._check_data()
        place, descriptors = self._open.enter_context(self._reachable(self._folder))
        flags = FLAGS | {"port": str(self._port)}
        if self._binaries.library("pg_stat_statements"):
            flags["shared_preload_libraries"] = "pg_stat_statements"
        await supervisor.start(
            Part(
                name="postgres",
                command=(
                    str(self._binaries.folder / "postgres"),
                    "-D",
                    place,
                    *(word for name, value in flags.items() for word in ("-c", f"{name}={value}")),
                ),
                environment=_environment(),
                ready=self._answers,
                before=self._end_orphans,
                stop=FAST_THEN_IMMEDIATE,
                identity=self._identity,
                descriptors=descriptors,
            )
        )

    async def connect(self, database: str = SUPERUSER) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection of the superuser."""
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self._port,
            user=SUPERUSER,
            password=self._password,
            database=database,
            ssl=False,
            timeout=5,
        )

    @property
    def _identity(self) -> tuple[int, int] | None:
        return None if self._account is None else (self._account.uid, self._account.gid)

    async def _make_data(self, supervisor: Supervisor) -> None:
        # Under another name until it is complete: a start that is killed half-way is simply made again.
        draft = self._folder.with_name(f"{self._folder.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._identity is not None:
            os.chown(draft, *self._identity)
        with self._reachable(draft) as (place, descriptors), self._password_file() as secret:
            await supervisor.run(
                Part(
                    name="initdb",
                    command=(
                        str(self._binaries.folder / "initdb"),
                        f"--pgdata={place}",
                        f"--username={SUPERUSER}",
                        f"--pwfile=/dev/fd/{secret}",
                        "--auth=scram-sha-256",
                        "--encoding=UTF8",
                        "--locale=C",
                        # Sorts and folds the same on every machine, whatever its C library knows.
                        *(("--locale-provider=builtin", "--builtin-locale=C.UTF-8") * self._has_builtin),
                        "--no-sync",
                        "--no-instructions",
                    ),
                    environment=_environment(),
                    identity=self._identity,
                    descriptors=(*descriptors, secret),
                )
            )
        draft.rename(self._folder)

    @property
    def _has_builtin(self) -> bool:
        return self._binaries.major >= BUILTIN_LOCALE_SINCE

    def _check_data(self) -> None:
        major = (self._folder / "PG_VERSION").read_text().strip()
        if major != str(self._binaries.major):
            raise NoPostgres(
                f"{self._folder} was made by PostgreSQL {major}, this is {self._binaries.major}. "
                "Name the old programs in PAYSAGA_POSTGRES_BIN, or start afresh with another --data-dir"
            )
        owner = self._folder.stat().st_uid
        if owner != (self._account.uid if self._account else os.geteuid()):
            raise NoPostgres(
                f"{self._folder} belongs to the user with the number {owner}. Start as you did before "
                "(for root, PostgreSQL runs as PAYSAGA_POSTGRES_USER), or choose another --data-dir"
            )

    @contextlib.contextmanager
    def _reachable(self, folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
        """A path of the folder that the server's user can open, and the descriptors it stands for."""
        if self._account is None or sys.platform != "linux":
            yield str(folder), ()
            return
        # Opened by us, entered by the server through /proc: the folders above stay closed to its user.
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _password_file(self) -> Iterator[int]:
        """A file without a name that holds the superuser's password, for the server's user to read."""
        with tempfile.TemporaryFile() as file:
            file.write(self._password.encode())
            file.seek(0)
            if self._identity is not None:
                os.fchown(file.fileno(), *self._identity)
            yield file.fileno()

    async def _answers(self) -> bool:
        try:
            connection = await self.connect()
        except asyncpg.InvalidPasswordError:
            raise NoPostgres(
                f"the server in {self._folder} was made with another password than the one remembered. "
                "Bring the old secrets.json back, or choose another --data-dir"
            ) from None
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    async def _end_orphans(self) -> None:
        await end_processes(list(_servers_of(self._folder)), FAST_THEN_IMMEDIATE)


def _environment() -> dict[str, str]:
    # None of the caller's PG… variables; messages in English, for the log.
    return {"PATH": os.defpath, "LC_ALL": "C"}


def _servers_of(folder: Path) -> Iterator[psutil.Process]:
    """Processes of a PostgreSQL server on this very folder, the parent first; nobody else's, ever."""
    try:
        noted = (folder / "postmaster.pid").read_text().split("\n")
        postmaster, born = int(noted[0]), int(noted[2])
    except (OSError, ValueError, IndexError):
        return  # A server that stopped as it should removes that file.
    found = [process for process in psutil.process_iter() if _is_postgres(process)]
    for process in found:
        with contextlib.suppress(psutil.Error):
            if process.pid == postmaster and abs(process.create_time() - born) < SAME_BIRTH:
                yield process
    for process in found:
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != postmaster and Path(process.cwd()).samefile(folder):
                yield process


def _is_postgres(process: psutil.Process) -> bool:
    try:
        return process.name() == "postgres"
    except psutil.Error:
        return False
