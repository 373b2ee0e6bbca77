"""The services of docker-compose.yml as plain processes: their commands and settings, in the image's files.

Only addresses are others: there are no networks of containers here, so each listens at a port of its own.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from local.plan import inherited
from local.ports import LOOPBACK, any_port
from local.postgres import EmbeddedPostgres
from local.processes import Part, Supervisor, claimed
from tests.deploy.compose import composed, environment, image_files
from tests.docs.pages import ROOT
from tests.house import Json

# Without `site`, packages installed "editable" are not found: they would be this checkout, and not the image.
PYTHON: Final = (sys.executable, "-S")
LISTENING: Final = (
    "postgres",
    "temporal",
    "api-1",
    "api-2",
    "worker-1",
    "worker-2",
    "sandbox",
    "control",
    "proxy",
)
# Seconds until a service is well; a machine that does much else besides takes most of them.
_PATIENCE: Final = 150


@dataclass
class Installation:
    """An installation whose ground is laid; its services are started by those who want them."""

    folder: Path
    http: httpx.AsyncClient
    ports: dict[str, int] = field(default_factory=lambda: {name: any_port() for name in LISTENING})

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def image(self) -> Path:
        return self.folder / "image"

    @property
    def services(self) -> dict[str, Any]:
        services: dict[str, Any] = composed(self.variables)["services"]
        return services

    @property
    def variables(self) -> dict[str, str]:
        """What the operator's copy of deploy/example.env would say."""
        return {
            "PAYSAGA_PUBLIC_URL": "https://pay.example.com",
            "PAYSAGA_SANDBOX_URL": "http://sandbox:8090",
            "SANDBOX_PUBLIC_URL": self.url("sandbox"),
        }

    def url(self, service: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[service]}"

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text().strip()

    def told(self, service: str) -> dict[str, str]:
        """A container's environment, with the addresses of here."""
        said = environment(self.services[service], self.variables)
        here = {
            "PAYSAGA_SECRETS_DIR": str(self._mounted(service)),
            "PAYSAGA_TEMPORAL_ADDRESS": f"{LOOPBACK}:{self.ports['temporal']}",
            "PAYSAGA_SANDBOX_URL": self.url("sandbox"),
            "PAYSAGA_HOST": LOOPBACK,
            "PAYSAGA_METRICS_HOST": LOOPBACK,
            "PAYSAGA_METRICS_PORT": str(self.ports.get(service, 0)),
            "PAYSAGA_AUDIT_CHECKPOINTS_FILE": str(self.folder / "checkpoints.jsonl"),
            "PAYSAGA_HISTORIES_DIR": str(self.folder / "histories"),
            "SANDBOX_PLATFORM_KEY_FILE": str(self.secrets / "paysaga_sandbox_platform_key"),
            "SANDBOX_DATA_DIR": str(self.folder / "sandbox"),
        }
        said = {name: here.get(name, value) for name, value in said.items()}
        if service.startswith("api"):
            said["PAYSAGA_PORT"] = str(self.ports[service])
        if service == "sandbox":
            said |= {
                "SANDBOX_PORT": str(self.ports["sandbox"]),
                "SANDBOX_CONTROL_PORT": str(self.ports["control"]),
            }
        return inherited() | {"PYTHONPATH": sysconfig.get_path("purelib")} | said

    def command(self, service: str) -> tuple[str, ...]:
        addresses = {
            "0.0.0.0": LOOPBACK,
            "http://proxy:8000": self.url("api-2"),
        }
        words = list(self.services[service]["command"])
        for there, here in addresses.items():
            words = [word.replace(there, here) for word in words]
        assert words[0] == "python"
        return (*PYTHON, *words[1:])

    def part(self, service: str) -> Part:
        return Part(
            name=service,
            command=self.command(service),
            environment=self.told(service),
            folder=self.image,
            ready=self._looks_well(service),
            stop=((signal.SIGTERM, 10.0),),
        )

    def run(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        """`docker compose exec SERVICE …`, or the service's own command."""
        command = (*PYTHON, *words) if words else self.command(service)
        return subprocess.run(
            command, cwd=self.image, env=self.told(service), capture_output=True, text=True, check=False
        )

    async def answers(self, url: str) -> bool:
        try:
            return (await self.http.get(url)).is_success
        except httpx.HTTPError:
            return False

    def _mounted(self, service: str) -> Path:
        """What the service finds in /run/secrets."""
        folder = self.folder / "mounted" / service
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.services[service].get("secrets", []):
            text = self.secret(name).replace("@postgres:5432/", f"@{LOOPBACK}:{self.ports['postgres']}/")
            (folder / name).write_text(text)
        return folder

    def _looks_well(self, service: str) -> Callable[[], Awaitable[bool]]:
        """As the container's health check looks: at the same page."""
        check = self.services[service]["healthcheck"]["test"][-1]
        path = check.partition("'http://127.0.0.1:")[2].partition("'")[0].partition("/")[2]

        return lambda: self.answers(f"{self.url(service)}/{path}")


@asynccontextmanager
async def laid(folder: Path) -> AsyncIterator[Installation]:
    """Secrets, roles, schemas and namespace as the jobs make them; the sandbox company runs."""
    # One for all: to make one takes longer than to ask.
    async with (
        httpx.AsyncClient(trust_env=False, timeout=20) as http,
        _laid(Installation(folder, http)) as it,
    ):
        yield it


@asynccontextmanager
async def _laid(it: Installation) -> AsyncIterator[Installation]:
    _make_secrets(it)
    for place in image_files():
        (it.image / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / place, it.image / place)
    postgres = EmbeddedPostgres(
        it.folder / "ground" / "postgres", it.ports["postgres"], it.secret("postgres_password")
    )
    async with AsyncExitStack() as held:
        held.enter_context(claimed(it.folder / "ground"))
        await held.enter_async_context(postgres)
        ground = await held.enter_async_context(Supervisor(it.folder / "ground", print))
        await postgres.start(ground)
        _make_roles(it, postgres)
        await ground.start(_temporal(it), _PATIENCE)
        _make_namespace(it)
        _make_namespace(it)
        migrated = it.run("migrate")
        assert migrated.returncode == 0, migrated.stderr
        await ground.start(it.part("sandbox"), _PATIENCE)
        yield it


@asynccontextmanager
async def running(it: Installation, *services: str) -> AsyncIterator[None]:
    """These services, started in this order, each when the one before it is well."""
    home = it.folder / "-".join(services)
    with claimed(home):
        async with Supervisor(home, print) as supervisor:
            for service in services:
                await supervisor.start(it.part(service), _PATIENCE)
            yield


def _make_secrets(it: Installation) -> None:
    subprocess.run(["sh", ROOT / "deploy/secrets.sh", it.secrets, "sandbox"], check=True, capture_output=True)


def _make_roles(it: Installation, postgres: EmbeddedPostgres) -> None:
    secrets = {"SECRETS_DIR": str(it.secrets), "PGPASSWORD": it.secret("postgres_password")}
    psql = (postgres._binaries.folder / "psql", "-h", LOOPBACK, "-p", str(it.ports["postgres"]))
    options = ("-U", "postgres", "--no-password", "--no-psqlrc", "-v", "ON_ERROR_STOP=1")
    made = subprocess.run(
        (*psql, *options, "-f", ROOT / "deploy/postgres/roles.sql", "postgres"),
        env={"PATH": os.defpath, **secrets},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


def _temporal(it: Installation) -> Part:
    """The development server in the place of the real one: the same interface, and the settings of ours."""
    settings = yaml.safe_load((ROOT / "deploy/temporal/dynamicconfig.yaml").read_text())
    program = Path(sys.executable).parent / "temporal"
    http = any_port()

    return Part(
        name="temporal",
        command=(
            *(
                str(program),
                "server",
                "start-dev",
                "--headless",
                "--disable-config-file",
                "--disable-config-env",
            ),
            *(f"--ip={LOOPBACK}", f"--port={it.ports['temporal']}", f"--http-port={http}"),
            *(f"--metrics-port={any_port()}", "--log-level=warn"),
            *(
                f"--dynamic-config-value={key}={str(value[0]['value']).lower()}"
                for key, value in settings.items()
            ),
        ),
        environment=inherited(),
        folder=it.folder,
        ready=lambda: it.answers(f"http://{LOOPBACK}:{http}/api/v1/namespaces/default"),
    )


def _make_namespace(it: Installation) -> None:
    said = environment(it.services["temporal-namespace"], {})
    made = subprocess.run(
        ["sh", ROOT / "deploy/temporal/namespace.sh"],
        env=inherited()
        | said
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TEMPORAL_ADDRESS": f"{LOOPBACK}:{it.ports['temporal']}",
            "HOME": str(it.folder),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


@dataclass(frozen=True)
class Visitor:
    """A tenant who comes through one of the APIs, then through the other."""

    it: Installation

    async def registered(self, api: str) -> Json:
        return await self._asked(
            api,
            "/v1/tenants/register",
            {"name": "Shop", "contactEmail": "shop@example.com", "sandbox": True},
            {"X-Admin-Key": self.it.secret("paysaga_admin_key")},
        )

    async def logged_in(self, api: str, tenant: Json) -> dict[str, str]:
        login = {name: tenant[name] for name in ("appName", "appSecret")}
        answer = await self._asked(api, "/v1/tenants/login", login, {})
        return {"Authorization": f"Bearer {answer['accessToken']}"}

    async def opened(self, api: str, token: dict[str, str], key: str) -> Json:
        order = {"userId": "user-1", "amount": 1990000, "currency": "HUF"}
        return await self._asked(api, "/v1/payments", order, token | {"Idempotency-Key": key})

    async def pays(self, payment: Json) -> None:
        form = {"cardNumber": "4242424242424242", "action": "pay"}
        await self.it.http.post(payment["checkoutUrl"], data=form)

    async def found(self, api: str, token: dict[str, str], payment: Json) -> Json:
        answer = await self.it.http.get(f"{self.it.url(api)}/v1/payments/{payment['id']}", headers=token)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def _asked(self, api: str, path: str, body: Json, headers: dict[str, str]) -> Json:
        answer = await self.it.http.post(f"{self.it.url(api)}{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return dict(answer.json())
