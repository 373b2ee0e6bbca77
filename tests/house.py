"""The driver: what tests say to a running house, so that a test reads as a story."""

import asyncio
import base64
import json
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from domain.event_data import is_described
from providers.sandbox import ready_made
from workflows.payloads import data_converter

CARD = "4242424242424242"
DECLINED = "4000000000000002"
ENDED = ("SUCCEEDED", "FAILED", "EXPIRED", "CANCELLED")

# Stories ask thousands of times within seconds, all from one address; that this is limited, others tell.
UNHURRIED = {
    f"PAYSAGA_{of}_RATE": "1000000/second" for of in ("TENANT", "LOGIN", "FAILED_LOGIN", "PUBLIC", "FORGERY")
}

Json = dict[str, Any]


@dataclass(frozen=True)
class House:
    """A running platform, spoken to as the outside speaks to it."""

    ready: Json
    http: httpx.AsyncClient
    data_dir: Path
    idle: dict[str, list[asyncpg.Connection]] | None = None
    """By role, connections that nobody uses now: thousands are asked for, and each costs a log-in. None:
    they are closed at once."""

    @property
    def admin(self) -> dict[str, str]:
        return {"X-Admin-Key": self.ready["adminKey"]}

    async def tenant(self, webhook_url: str | None = None, **facts: Any) -> "Tenant":
        """A fresh tenant, logged in."""
        wish = {"name": "Story", "contactEmail": "story@example.com", "sandbox": True} | facts
        if webhook_url is not None:
            wish["webhookUrl"] = webhook_url
        answer = await self.http.post("/v1/tenants/register", json=wish, headers=self.admin)
        assert answer.status_code == 201, answer.text
        tenant = Tenant(self, answer.json())
        tenant.token = await tenant.login()
        return tenant

    async def control(self, method: str, path: str, body: Json | None = None, **query: str) -> Any:
        """The sandbox company's back door."""
        async with httpx.AsyncClient(base_url=self.ready["sandboxControlUrl"], trust_env=False) as http:
            answer = await http.request(method, f"/_control/{path}", json=body, params=query)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def fault(self, operation: str, when: str, fault: str, **more: Any) -> None:
        """Have something go wrong at the payment company."""
        await self.control("POST", "faults", {"operation": operation, "when": when, "fault": fault} | more)

    async def ledger(self, payment: Json) -> Any:
        """What really happened at the payment company: the truth that tests compare ours with."""
        return await self.control("GET", "ledger", reference=payment["id"])

    @property
    def payload_keys(self) -> list[bytes]:
        """What opens what Temporal keeps of this house; none where it is plain."""
        return [base64.b64decode(key) for key in self.ready.get("payloadKeys", "").split(",") if key]

    async def temporal(self) -> Client:
        return await Client.connect(
            self.ready["temporalAddress"],
            namespace=self.ready["namespace"],
            data_converter=data_converter(self.payload_keys),
        )

    def pid(self, part: str) -> int:
        return int(Path(self.ready["pidFiles"][part]).read_text().split()[0])

    async def kill(self, part: str) -> None:
        """kill -9, and wait until its supervisor has started another."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGKILL)

        async def replaced() -> bool | None:
            return None if self.pid(part) == pid else True

        await eventually(replaced)

    async def recovered(self, within: float = 30) -> None:
        """Wait until payments can be taken and finished."""

        async def serves() -> bool | None:
            try:
                return (await self.http.get("/readyz")).is_success or None
            except httpx.TransportError:
                return None

        await eventually(serves, within)

    def database_url(self, role: str = "paysaga_runtime", database: str = "paysaga") -> str:
        """Where the database is: for the application, the schema's owner or the superuser (postgres)."""
        url = httpx.URL(self.ready["databaseUrl"]).copy_with(path=f"/{database}")
        if role != "paysaga_runtime":
            secret = {"paysaga_owner": "owner_password", "postgres": "superuser_password"}[role]
            password = json.loads((self.data_dir / "secrets.json").read_text())[secret]
            url = url.copy_with(username=role, password=password)
        return str(url)

    @asynccontextmanager
    async def database(self, *, role: str = "paysaga_runtime") -> AsyncIterator[asyncpg.Connection]:
        """A connection of our own, as the application's role, the owner of the schema or the superuser."""
        kept = [] if self.idle is None else self.idle.setdefault(role, [])
        connection = await _as_new(kept) or await asyncpg.connect(self.database_url(role))
        try:
            yield connection
        finally:
            if self.idle is None or connection.is_in_transaction():
                await connection.close()
            else:
                kept.append(connection)


async def _as_new(kept: list[asyncpg.Connection]) -> asyncpg.Connection | None:
    """One of these with nothing left of what was set on it; None when none of them lives."""
    while kept:
        connection = kept.pop()
        try:
            await connection.execute("RESET ROLE")
            await connection.reset()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            # Its server was killed meanwhile.
            connection.terminate()
        else:
            return connection
    return None


@dataclass
class Tenant:
    """A tenant's backend."""

    house: House
    registered: Json
    token: str = ""
    usual: Json = field(default_factory=dict)
    """What all its orders say."""

    @property
    def id(self) -> str:
        return str(self.registered["id"])

    async def login(self, secret: str | None = None) -> str:
        answer = await self.house.http.post(
            "/v1/tenants/login",
            json={
                "appName": self.registered["appName"],
                "appSecret": secret or self.registered["appSecret"],
            },
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["accessToken"])

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        return await self.house.http.request(method, path, headers=headers, **more)

    async def create(self, key: str | None = None, **order: Any) -> httpx.Response:
        """Ask for a payment; ``order`` overrides an ordinary one."""
        body = {"userId": "user-123", "amount": 1990000, "currency": "HUF"} | self.usual | order
        return await self.call(
            "POST", "/v1/payments", json=body, headers={"Idempotency-Key": key or secrets.token_hex(8)}
        )

    async def open(self, key: str | None = None, **order: Any) -> Json:
        """A payment that waits for its payer."""
        answer = await self.create(key, **order)
        assert answer.status_code in {201, 202}, answer.text
        payment: Json = answer.json()
        if answer.status_code == 202:
            # A machine with much to do has its checkout a moment later.
            found = await self.eventually(payment, "PROVIDER_PENDING")
            payment |= {name: value for name, value in found.items() if name in payment}
        return payment

    async def pay(self, payment: Json, card: str = CARD, action: str = "pay") -> httpx.Response:
        """Be the payer at the hosted checkout."""
        async with httpx.AsyncClient(trust_env=False) as browser:
            return await browser.post(payment["checkoutUrl"], data={"cardNumber": card, "action": action})

    async def get(self, payment: Json | str) -> Json:
        payment_id = payment if isinstance(payment, str) else payment["id"]
        answer = await self.call("GET", f"/v1/payments/{payment_id}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def eventually(self, payment: Json, status: str, within: float = 30) -> Json:
        """The payment, once it has this status. Fails at once when it ended with another."""

        async def look() -> Json | None:
            found = await self.get(payment)
            assert found["status"] in {status, *{"CREATED", "PROVIDER_PENDING", "UNKNOWN"}}, found
            return found if found["status"] == status else None

        ended: Json = await eventually(look, within)
        return ended

    async def account(self) -> str:
        """The id of our account at the sandbox company."""
        answer = await self.call("GET", "/v1/tenants/me/providers")
        return str(answer.json()["data"][0]["accountId"])

    async def fault(self, operation: str, when: str, fault: str, **more: Any) -> None:
        """Have something go wrong at the payment company, for nobody but us."""
        await self.house.fault(operation, when, fault, account=await self.account(), **more)

    async def paid(self, card: str = CARD, **order: Any) -> Json:
        """A payment that has succeeded, its workflow over."""
        payment = await self.open(**order)
        await self.pay(payment, card=card)
        found = await self.eventually(payment, "SUCCEEDED")
        await self.ended(payment)
        return found

    async def disputed(self, payment: Json, **complaint: Any) -> Json:
        """A dispute of this payment, once we know of it."""
        await self.house.control("POST", "disputes", {"reference": payment["id"], **complaint})

        async def heard() -> Json | None:
            answer = await self.call("GET", "/v1/disputes", params={"paymentId": payment["id"]})
            found: list[Json] = answer.json()["data"]
            return found[0] if found else None

        known: Json = await eventually(heard)
        return known

    async def ended(self, payment: Json) -> None:
        """Wait until the payment's workflow is over, not only its row."""
        await whole(self.house, self.workflow_id(payment))

    async def history(self, payment: Json) -> WorkflowHistory:
        client = await self.house.temporal()
        return await client.get_workflow_handle(self.workflow_id(payment)).fetch_history()

    def workflow_id(self, payment: Json) -> str:
        return f"payment:{self.id}:{payment['id']}"

    async def entitled(self, feature: str, user: str = "user-123") -> Json:
        answer = await self.call("GET", "/v1/entitlements/check", params={"userId": user, "feature": feature})
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def use(
        self, feature: str, user: str = "user-123", quantity: int = 1, key: str | None = None
    ) -> httpx.Response:
        """A user takes of what they are entitled to."""
        return await self.call(
            "POST",
            "/v1/entitlements/usage",
            json={"userId": user, "feature": feature, "quantity": quantity},
            headers={"Idempotency-Key": key or secrets.token_hex(8)},
        )

    async def rows(self, query: str, *arguments: Any) -> list[Json]:
        """Our own rows of this tenant."""
        async with self.house.database() as db, db.transaction():
            await db.execute("SELECT set_config('app.tenant_id', $1, true)", self.id)
            return [dict(row) for row in await db.fetch(query, *arguments)]


async def sealed(tenant: Tenant) -> None:
    """Wait until all that is on the tenant's record is sealed."""

    async def look() -> bool | None:
        answer = await tenant.call("GET", "/v1/audit/verify")
        assert answer.status_code == 200, answer.text
        return answer.json()["pending"] == 0 or None

    await eventually(look)


async def whole(house: House, workflow_id: str) -> WorkflowHistory:
    """The history of a workflow, once that is there and has ended."""
    client = await house.temporal()
    workflow = client.get_workflow_handle(workflow_id)

    async def ended() -> WorkflowHistory:
        await workflow.result()
        return await workflow.fetch_history()

    found: WorkflowHistory = await eventually(ended)
    return found


def kinds(history: WorkflowHistory) -> list[str]:
    """What happened in a workflow, event by event."""
    return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events]


def refused(answer: httpx.Response, status: int, code: str) -> Json:
    """The problem document of an answer that says no, and says it as every "no" is said."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: Json = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), answer.text
    assert problem.keys() >= {"type", "title", "detail", "retryable", "instance"}, answer.text
    assert problem["instance"] == answer.headers["x-request-id"]
    return problem


async def eventually(look: Callable[[], Any], within: float = 30) -> Any:
    """What ``look`` returns once it is not None; fails when that takes longer than ``within`` seconds.

    A workflow that Temporal does not know is not there yet: our row is committed before it starts.
    """
    deadline, pause = time.monotonic() + within, 0.05
    while True:
        try:
            found = await look()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or time.monotonic() >= deadline:
                raise
            found = None
        if found is not None:
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(pause)
        # Whoever asks all the time slows down what they wait for.
        pause = min(1.3 * pause, 0.25)


@dataclass
class Receiver:
    """A tenant's webhook endpoint: a real HTTP server that remembers and answers as told."""

    url: str = ""
    received: list["Delivery"] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Statuses to answer with, one after the other; then 200."""
    headers: dict[str, str] = field(default_factory=dict)
    """What every answer carries."""
    undescribed: list[Json] = field(default_factory=list)
    """What came that the catalogue of events does not describe: nothing, or the test fails."""
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    """While this is cleared, deliveries are taken and not answered."""
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def event(self, type_: str, within: float = 30) -> "Delivery":
        """The first delivery of an event of this type."""
        async with asyncio.timeout(within), self._arrived:
            while True:
                for delivery in self.received:
                    if delivery.body["type"] == type_:
                        return delivery
                await self._arrived.wait()

    async def count(self, number: int, within: float = 30) -> list["Delivery"]:
        """All deliveries, once there are this many."""
        return await self.until(lambda received: len(received) >= number, within)

    async def until(self, enough: Callable[[list["Delivery"]], bool], within: float = 30) -> list["Delivery"]:
        """All deliveries, once they are enough."""
        async with asyncio.timeout(within), self._arrived:
            await self._arrived.wait_for(lambda: enough(self.received))
            return list(self.received)

    async def _answer(self, request: Request) -> Response:
        delivery = Delivery(dict(request.headers), await request.body())
        # It also serves those who try a line, and send what they like.
        if "webhook-id" in delivery.headers and not is_described(
            delivery.body["type"], delivery.body["data"]
        ):
            self.undescribed.append(delivery.body)
        async with self._arrived:
            self.received.append(delivery)
            self._arrived.notify_all()
        await self.answering.wait()
        return Response(status_code=self.answers.pop(0) if self.answers else 200, headers=self.headers)

    @classmethod
    @asynccontextmanager
    async def listening(cls) -> AsyncIterator[Self]:
        receiver = cls()
        receiver.answering.set()
        app = Starlette(routes=[Route("/hook", receiver._answer, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        receiver.url = f"http://127.0.0.1:{port}/hook"
        try:
            yield receiver
        finally:
            receiver.answering.set()
            server.should_exit = True
            await serving
        assert receiver.undescribed == []


@dataclass(frozen=True)
class Delivery:
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        found: Json = json.loads(self.raw)
        return found


def sandbox_keys(house: House, account_id: str) -> tuple[str, str]:
    """An account's webhook secret and API key, as the payment company knows them."""
    platform_key = json.loads((house.data_dir / "secrets.json").read_text())["sandbox_platform_key"]
    keys = ready_made(platform_key, account_id)
    return keys["webhookSecret"], keys["apiKey"]


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
