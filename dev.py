"""Root 3: the whole platform on one machine, as ``paysaga dev`` and the tests use it.

Everything it knows is in one data directory; with an existing one it goes on where it was.
"""

import asyncio
import base64
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from rich.console import Console
from rich.markup import escape

from local import CannotStart
from local.demo import demo
from local.keys import Tenant, load_or_make, write_private
from local.plan import Plan
from local.ports import choose_ports
from local.postgres import EmbeddedPostgres
from local.processes import Part, PartFailed, Supervisor, claimed
from local.roles import ensure_database
from storage.notary import Notary

PROJECT = Path(__file__).resolve().parent
PARTS = ("postgres", "temporal", "sandbox", "worker", "api")


class Platform:
    """All processes of one data directory, running while it is entered.

    Entering returns when the API accepts payments and raises CannotStart, nothing left behind, if it never
    will. ``ready`` then holds the facts of the ready file, which is written to the data directory and to
    ``ready_file``, and removed on leaving. ``say`` gets the progress in Rich's markup. ``sandbox_url`` is
    where we call the sandbox, when that is not straight to it.
    """

    ready: dict[str, Any]

    def __init__(
        self,
        data_dir: Path | None = None,
        port_base: int = 8000,
        ready_file: Path | None = None,
        *,
        time_scale: float = 1.0,
        sandbox_url: str | None = None,
        log_level: str = "INFO",
        demo_payment: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.data_dir = (data_dir or Path(os.environ.get("PAYSAGA_DATA_DIR") or ".paysaga")).absolute()
        self._port_base = port_base
        self._ready_files = [self.data_dir / "ready.json", *([ready_file.absolute()] if ready_file else [])]
        self._time_scale = time_scale
        self._sandbox_url = sandbox_url
        self._log_level = log_level
        self._demo_payment = demo_payment
        self._say = say
        self._supervisor = Supervisor(self.data_dir, lambda news: say(f"  [yellow]![/] {escape(news)}"))
        self._held = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start everything. Raises CannotStart."""
        async with contextlib.AsyncExitStack() as held:
            held.enter_context(self._claimed())
            keys = load_or_make(self.data_dir / "secrets.json")
            ports = choose_ports(self._port_base, self.data_dir / "ports.json")
            http = await held.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=10))
            how = (self._time_scale, self._sandbox_url, self._log_level)
            plan = Plan(PROJECT, self.data_dir, ports, keys, http, *how)
            postgres = await held.enter_async_context(
                EmbeddedPostgres(
                    self.data_dir / "postgres",
                    ports["postgres"],
                    keys.superuser_password,
                    user=os.environ.get("PAYSAGA_POSTGRES_USER") or "nobody",
                    programs=Path(found) if (found := os.environ.get("PAYSAGA_POSTGRES_BIN")) else None,
                )
            )
            await held.enter_async_context(self._supervisor)
            await self._start(plan, postgres)
            await self._open_shop(plan)
            self._held = held.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything, within 20 s."""
        self._withdraw()
        await self._held.aclose()

    def kill(self) -> None:
        """End everything now; the next start recovers."""
        self._supervisor.kill()
        self._withdraw()

    def pid_file(self, part: str) -> Path:
        """The file whose first line is the pid of a part's process, now and after each restart."""
        return self._supervisor.pid_file(part)

    async def _start(self, plan: Plan, postgres: EmbeddedPostgres) -> None:
        async def database() -> None:
            async with self._timed("postgres", f"127.0.0.1:{plan.ports['postgres']}"):
                await postgres.start(self._supervisor)
                await ensure_database(postgres.connect, plan.keys.owner_password, plan.keys.runtime_password)
            async with self._timed("migrations", "schema is up to date"):
                await self._supervisor.run(plan.migrations())

        await _together(
            database(),
            self._bring_up(plan.temporal(), plan.url("temporalUi")),
            self._bring_up(plan.sandbox(), plan.url("sandbox")),
        )
        await _together(
            self._bring_up(plan.worker(), "carries out the payments"),
            self._bring_up(plan.api(), plan.url("api")),
        )

    async def _open_shop(self, plan: Plan) -> None:
        async with self._timed("demo tenant", "can log in"):
            tenant, is_new = await _demo_tenant(plan, self.data_dir / "secrets.json")
        pid_files = {part: str(self.pid_file(part)) for part in PARTS}
        audit_keys = self.data_dir / "audit-keys.json"
        public = Notary([base64.b64decode(plan.keys.audit_key)]).keyring.jwks
        write_private(audit_keys, json.dumps(public, indent=1) + "\n")
        self.ready = plan.facts(tenant) | {"auditKeysFile": str(audit_keys), "pidFiles": pid_files}
        if is_new and self._demo_payment:
            self._say("\n[bold]The first payment[/]")
            await demo(self.ready, self._say)
        for path in self._ready_files:
            write_private(path, json.dumps(self.ready, indent=1) + "\n")

    async def _bring_up(self, part: Part, where: str) -> None:
        async with self._timed(part.name, where):
            await self._supervisor.start(part)

    @contextlib.asynccontextmanager
    async def _timed(self, name: str, outcome: str) -> AsyncIterator[None]:
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        self._say(f"  [green]✓[/] {name:<12}[dim]{seconds:5.1f} s[/]  {outcome}")

    @contextlib.contextmanager
    def _claimed(self) -> Iterator[None]:
        try:
            claim = contextlib.ExitStack()
            claim.enter_context(claimed(self.data_dir))
        except OSError as error:
            raise CannotStart(f"the data directory {self.data_dir} cannot be used: {error}") from error
        with claim:
            self._withdraw()  # What a killed predecessor announced is not true any more.
            try:
                yield
            finally:
                self._withdraw()

    def _withdraw(self) -> None:
        for path in self._ready_files:
            path.unlink(missing_ok=True)


def run(
    data_dir: Path | None = None,
    port_base: int = 8000,
    ready_file: Path | None = None,
    time_scale: float = 1.0,
) -> int:
    """``paysaga dev``: run until SIGINT or SIGTERM, a second one ends it hard. Returns the exit code."""
    console = Console(highlight=False)

    def say(line: str) -> None:
        # Nobody may be listening any more; that must not keep the platform from being stopped in order.
        with contextlib.suppress(OSError):
            console.print(line, soft_wrap=True)

    platform = Platform(data_dir, port_base, ready_file, time_scale=time_scale, demo_payment=True, say=say)
    return asyncio.run(_run(platform, say))


async def _run(platform: Platform, say: Callable[[str], None]) -> int:
    life = asyncio.create_task(_live(platform, say))
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            platform.kill()
            os._exit(130)
        asked = True
        say("\n[bold]Stopping[/] [dim](once more to stop hard)[/]")
        life.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup the hang-up is ignored, and stays so.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop)
    try:
        await life
    except asyncio.CancelledError:
        say("[bold]Stopped.[/] The data is kept for the next start.")
    except CannotStart as failure:
        _explain(failure, say)
        return 1
    return 0


async def _live(platform: Platform, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    say(f"[bold]Paysaga[/] starts in {escape(str(platform.data_dir))}")
    async with platform:
        say(f"\n[bold green]Ready[/] after {time.monotonic() - began:.1f} s")
        _show_around(platform, say)
        await asyncio.Event().wait()


def _show_around(platform: Platform, say: Callable[[str], None]) -> None:
    ready = platform.ready
    api = ready["apiUrl"]
    say(
        f"""
  API            {api}          [dim]docs: {api}/docs[/]
  Temporal UI    {ready["temporalUiUrl"]}/namespaces/{ready["namespace"]}/workflows
  Sandbox        {ready["sandboxUrl"]}          [dim]control: {ready["sandboxControlUrl"]}[/]
  PostgreSQL     {escape(ready["databaseUrl"])}
  Logs           {escape(str(platform.data_dir / "logs"))}
  Admin key      {escape(ready["adminKey"])}

[bold]Log in as the demo tenant and create a payment[/] [dim](pay at its checkoutUrl: 4242 4242 4242 4242)[/]
"""
    )
    say(escape(_script(ready)))
    say("\n[bold]Stop[/] with Ctrl-C.")


def _script(ready: Mapping[str, Any]) -> str:
    """Commands for a shell, to be pasted as they are."""
    log_in = json.dumps({name: ready["tenant"][name] for name in ("appName", "appSecret")})
    order = json.dumps({"userId": "user-123", "amount": 1990000, "currency": "HUF"})
    return rf"""  API={ready["apiUrl"]}
  TOKEN=$(curl -s $API/v1/tenants/login -H 'Content-Type: application/json' \
    -d '{log_in}' | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
  curl -s $API/v1/payments -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: $(date +%s)" \
    -H 'Content-Type: application/json' -d '{order}'"""


def _explain(failure: CannotStart, say: Callable[[str], None]) -> None:
    say(f"\n[bold red]Paysaga cannot start:[/] {escape(str(failure))}")
    if isinstance(failure, PartFailed):
        for line in failure.last_lines:
            say(f"  [dim]{escape(line)}[/]")
        say(
            f"The whole log: {escape(str(failure.log))}\n"
            "Nothing was left running, and the data is kept. Once the cause is gone, start again; "
            "to start afresh instead, choose another --data-dir."
        )


async def _together(*steps: Coroutine[Any, Any, None]) -> None:
    """Take steps at the same time; the first failure ends the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _demo_tenant(plan: Plan, memory: Path) -> tuple[Tenant, bool]:
    """The demo tenant remembered, if it can still log in, or a new one; and whether it is new."""
    tenants = f"{plan.url('api')}/v1/tenants"
    admin = {"X-Admin-Key": plan.keys.admin_key}
    order = {"name": "Demo shop", "contactEmail": "demo@example.com", "sandbox": True}
    try:
        known = plan.keys.tenant
        if known is not None:
            login = {"appName": known.appName, "appSecret": known.appSecret}
            if (await plan.http.post(f"{tenants}/login", json=login)).is_success:
                return known, False
        answer = await plan.http.post(f"{tenants}/register", headers=admin, json=order)
    except httpx.HTTPError as error:
        raise CannotStart(f"the API does not answer: {error!r}") from error
    if answer.status_code != httpx.codes.CREATED:
        raise CannotStart(f"the demo tenant was not registered: {answer.status_code} {answer.text[:300]}")
    made = answer.json()
    tenant = Tenant(made["id"], made["appName"], made["appSecret"])
    plan.keys.with_tenant(tenant).save(memory)
    return tenant, True
