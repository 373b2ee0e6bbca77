"""What each process of the platform is told: its command, its settings, and how to see that it is ready."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from local import roles
from local.keys import Keys, Tenant
from local.ports import LOOPBACK
from local.processes import Part

NAMESPACE = "paysaga"
SEARCH_ATTRIBUTES = (
    "TenantId=Keyword",
    "PaymentStatus=Keyword",
    "Provider=Keyword",
    "ProviderReference=Keyword",
    "Currency=Keyword",
    "AmountMinor=Int",
    "DueAt=Datetime",
)
DYNAMIC_CONFIG = (
    "limit.maxIDLength=255",
    "matching.enableFairness=true",
    # For more tasks than one machine has. With one, tenants' turns are exact, and no task is handed on.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)
# Write-ahead logging makes the dev server about four times as fast; a power cut may cost the last moments.
SQLITE_PRAGMAS = ("journal_mode=wal", "synchronous=1")


@dataclass(frozen=True)
class Plan:
    """One platform's parts and addresses. ``project`` is the folder that holds our modules."""

    project: Path
    data_dir: Path
    ports: dict[str, int]
    keys: Keys
    http: httpx.AsyncClient
    time_scale: float = 1.0
    sandbox_url: str | None = None
    """Where API and worker call the sandbox; None: where it is."""
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further ones of API and worker, and others than the usual."""

    def url(self, port: str) -> str:
        """The base address of one of the servers."""
        return f"http://{LOOPBACK}:{self.ports[port]}"

    def database_url(self, role: str, password: str) -> str:
        """How a role reaches the database."""
        server = f"{LOOPBACK}:{self.ports['postgres']}"
        return f"postgresql://{role}:{quote(password, safe='')}@{server}/{roles.DATABASE}"

    @property
    def audit_checkpoints(self) -> Path:
        """Where the worker keeps what it signed of the audit trails."""
        return self.data_dir / "audit-checkpoints.jsonl"

    @property
    def temporal_address(self) -> str:
        """Where Temporal's clients connect."""
        return f"{LOOPBACK}:{self.ports['temporal']}"

    def temporal(self) -> Part:
        """Temporal's development server, with its user interface and a durable store."""
        store = self.data_dir / "temporal"
        store.mkdir(exist_ok=True)
        program = Path(sys.executable).parent / "temporal"
        options = {
            "ip": LOOPBACK,
            "ui-ip": LOOPBACK,
            "port": self.ports["temporal"],
            "ui-port": self.ports["temporalUi"],
            "http-port": self.ports["temporalHttp"],
            "metrics-port": self.ports["temporalMetrics"],
            "db-filename": store / "temporal.db",
            "namespace": NAMESPACE,
            "log-level": "warn",
        }
        lists = {
            "sqlite-pragma": SQLITE_PRAGMAS,
            "search-attribute": SEARCH_ATTRIBUTES,
            "dynamic-config-value": DYNAMIC_CONFIG,
        }
        if self.keys.payload_keys:
            options["ui-codec-endpoint"] = f"{self.url('api')}/codec"
        return Part(
            name="temporal",
            command=(
                *(str(program), "server", "start-dev", "--ui-disable-news-fetch"),
                *("--disable-config-file", "--disable-config-env"),
                *(f"--{name}={value}" for name, value in options.items()),
                *(f"--{name}={value}" for name, values in lists.items() for value in values),
            ),
            environment=inherited(),
            folder=store,
            stop=((signal.SIGTERM, 1.5),),
            ready=lambda: self._answers(f"{self.url('temporalHttp')}/api/v1/namespaces/{NAMESPACE}"),
        )

    def sandbox(self) -> Part:
        """The pretend payment company."""

        async def ready() -> bool:
            pay, control = self.url("sandbox"), self.url("sandboxControl")
            return await self._answers(f"{pay}/livez") and await self._answers(f"{control}/livez")

        return Part(
            name="sandbox",
            command=(
                *_python("sandbox"),
                *("--port", str(self.ports["sandbox"])),
                *("--control-port", str(self.ports["sandboxControl"])),
                *("--data-dir", str(self.data_dir / "sandbox")),
                # The sandbox fills in the company it plays, and the account.
                *("--webhook-url", f"{self.url('api')}/v1/billing/webhooks/{{provider}}/{{account}}"),
                *("--time-scale", f"{self.time_scale:g}"),
            ),
            environment=inherited() | {"SANDBOX_PLATFORM_KEY": self.keys.sandbox_platform_key},
            folder=self.project,
            ready=ready,
            stop=((signal.SIGTERM, 0.5),),
        )

    def migrations(self) -> Part:
        """Bring the schema up to date, then end."""
        return self._ours("migrate", "cli", "migrate")

    def worker(self) -> Part:
        """The Temporal worker. Only the API can tell that it is there."""
        # Long enough to finish the steps it is at.
        return self._ours("worker", "worker", patience=7.0)

    def api(self) -> Part:
        """The API, which is ready when everything behind it is."""
        return self._ours("api", "serve")

    def facts(self, tenant: Tenant) -> dict[str, Any]:
        """The ready file's content: where everything is and how to log in."""
        sealed = {"payloadKeys": self.keys.payload_keys} if self.keys.payload_keys else {}
        return sealed | {
            "apiUrl": self.url("api"),
            # Until there is a console, the API's own pages are the place to look around.
            "consoleUrl": f"{self.url('api')}/console",
            "workerMetricsUrl": f"{self.url('workerMetrics')}/metrics",
            "temporalUiUrl": self.url("temporalUi"),
            "temporalAddress": self.temporal_address,
            "namespace": NAMESPACE,
            "databaseUrl": self.database_url(roles.RUNTIME, self.keys.runtime_password),
            "sandboxUrl": self.url("sandbox"),
            "sandboxControlUrl": self.url("sandboxControl"),
            "adminKey": self.keys.admin_key,
            "auditCheckpointsFile": str(self.audit_checkpoints),
            "tenant": {"id": tenant.id, "appName": tenant.appName, "appSecret": tenant.appSecret},
        }

    def _ours(self, name: str, *module: str, patience: float = 3.0) -> Part:
        return Part(
            name=name,
            command=_python(*module),
            environment=inherited() | self._settings() | dict(self.settings),
            folder=self.project,
            ready=lambda: self._answers(f"{self.url('api')}/readyz"),
            stop=((signal.SIGTERM, patience),),
        )

    def _settings(self) -> dict[str, str]:
        return {
            "PAYSAGA_ENV": "development",
            "PAYSAGA_DATABASE_URL": self.database_url(roles.RUNTIME, self.keys.runtime_password),
            "PAYSAGA_MIGRATION_DATABASE_URL": self.database_url(roles.OWNER, self.keys.owner_password),
            "PAYSAGA_TEMPORAL_ADDRESS": self.temporal_address,
            "PAYSAGA_TEMPORAL_NAMESPACE": NAMESPACE,
            "PAYSAGA_HOST": LOOPBACK,
            "PAYSAGA_PORT": str(self.ports["api"]),
            "PAYSAGA_PUBLIC_URL": self.url("api"),
            "PAYSAGA_METRICS_PORT": str(self.ports["workerMetrics"]),
            "PAYSAGA_SDK_METRICS_PORT": str(self.ports["workerSdkMetrics"]),
            "PAYSAGA_ADMIN_KEY": self.keys.admin_key,
            "PAYSAGA_SIGNING_KEYS": self.keys.signing_key,
            "PAYSAGA_AUDIT_KEYS": self.keys.audit_key,
            "PAYSAGA_AUDIT_CHECKPOINTS_FILE": str(self.audit_checkpoints),
            "PAYSAGA_VAULT_KEYS": self.keys.vault_key,
            "PAYSAGA_PAYLOAD_KEYS": self.keys.payload_keys,
            "PAYSAGA_TEMPORAL_UI_URL": self.url("temporalUi"),
            "PAYSAGA_SANDBOX_URL": self.sandbox_url or self.url("sandbox"),
            "PAYSAGA_SANDBOX_PLATFORM_KEY": self.keys.sandbox_platform_key,
            "PAYSAGA_TIME_SCALE": f"{self.time_scale:g}",
            **self.settings,
        }

    async def _answers(self, url: str) -> bool:
        try:
            return (await self.http.get(url, timeout=1)).is_success
        except httpx.HTTPError:
            return False


def inherited() -> dict[str, str]:
    """The caller's environment without settings meant for some other platform."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PAYSAGA_")}
    ours["PYTHONUNBUFFERED"] = "1"
    for name in ("NO_PROXY", "no_proxy"):
        # The parts talk to each other over loopback, which no proxy can reach.
        ours[name] = ",".join(filter(None, (ours.get(name), LOOPBACK, "localhost")))
    return ours


def _python(*module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *module)
