"""A driver for the sandbox: starts the real process, talks HTTP to it, receives its webhooks over HTTP."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

ROOT = Path(__file__).resolve().parents[2]
PLATFORM_KEY = "a-platform-key-for-tests-only"
TIME_SCALE = 20
GOOD_CARD = "4242424242424242"
# Everything here is plain HTTP, but each httpx client would load the certificates anew.
NO_TLS = ssl.create_default_context()
Json = dict[str, Any]


def free_port() -> int:
    """Ask the system for a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Letter:
    """One webhook as it arrived."""

    headers: dict[str, str]
    body: bytes
    path: str = ""

    @property
    def event(self) -> Json:
        """Read the body."""
        event: Json = json.loads(self.body)
        return event


@dataclass
class Mailbox:
    """Receives webhooks at any path that ends in ``/{account}``; answers as scripted, else 200."""

    letters: dict[str, list[Letter]] = field(default_factory=dict)
    answers: dict[str, list[int]] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    """By account, or by account and type: how many seconds each letter takes to be read."""
    port: int = 0

    def url(self, account: str) -> str:
        """Name the address of an account's mailbox."""
        return f"http://127.0.0.1:{self.port}/{account}"

    def types(self, account: str) -> list[str]:
        """List what an account was told, in order of arrival."""
        return [letter.event["type"] for letter in self.letters.get(account, [])]

    @contextmanager
    def open(self) -> Iterator["Mailbox"]:
        """Listen until the block ends."""
        mailbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Keep the letter and answer."""
                account = self.path.rpartition("/")[2]
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the sender died in the middle of it
                headers = {name.lower(): value for name, value in self.headers.items()}
                letter = Letter(headers, body, self.path)
                time.sleep(
                    mailbox.slow.get(f"{account} {letter.event['type']}", mailbox.slow.get(account, 0))
                )
                mailbox.letters.setdefault(account, []).append(letter)
                script = mailbox.answers.get(account)
                self.send_response(script.pop(0) if script else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Be quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


@dataclass
class Company:
    """One sandbox process and how to reach it."""

    data_dir: Path
    mailbox: Mailbox
    port: int = field(default_factory=free_port)
    control_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    webhook_path: str = "{provider}/{account}"

    @property
    def url(self) -> str:
        """Name the public port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def control_url(self) -> str:
        """Name the control port."""
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def log(self) -> str:
        """Read everything the processes wrote."""
        return (self.data_dir / "log").read_text()

    def start(self) -> None:
        """Start the process and wait until both ports are ready."""
        command = [sys.executable, "-m", "sandbox", "--port", str(self.port)]
        command += ["--control-port", str(self.control_port), "--data-dir", str(self.data_dir)]
        command += ["--webhook-url", self.mailbox.url(self.webhook_path), "--time-scale", str(TIME_SCALE)]
        environment = {**os.environ, "SANDBOX_PLATFORM_KEY": PLATFORM_KEY}
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log)
        deadline = time.monotonic() + 10
        for url in (self.url, self.control_url):
            while not _is_live(url):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError(self.log)
                time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send a signal and return how many seconds the process took to go."""
        if self.process is None:
            return 0
        started = time.monotonic()
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        self.process.wait(10)
        return time.monotonic() - started

    @contextmanager
    def running(self) -> Iterator["Company"]:
        """Run until the block ends."""
        self.start()
        try:
            yield self
        finally:
            self.end()

    async def control(self, method: str, path: str, **options: Any) -> Json:
        """Call the control port."""
        async with httpx.AsyncClient(base_url=self.control_url, timeout=10, verify=NO_TLS) as client:
            answer = await client.request(method, f"/_control/{path}", **options)
        assert answer.is_success, answer.text
        shown: Json = answer.json()
        return shown

    async def fault(self, operation: str, when: str, fault: str, **rule: Any) -> str:
        """Make something go wrong."""
        body = {"operation": operation, "when": when, "fault": fault, **rule}
        identity: str = (await self.control("POST", "faults", json=body))["id"]
        return identity


def _is_live(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=2, verify=NO_TLS).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@dataclass
class Shop:
    """A merchant with an account of its own and one payment reference."""

    company: Company
    client: httpx.AsyncClient
    account: str
    secret: str
    reference: str = field(default_factory=lambda: f"pay_{uuid4().hex}")

    def order(self, **changes: Any) -> Json:
        """Write what a new session is asked with."""
        return {"reference": self.reference, "amount": 1990000, "currency": "HUF", **changes}

    async def ask(self, key: str | None = None, **changes: Any) -> httpx.Response:
        """Ask for a session, whatever comes back."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post("/v1/checkout_sessions", json=self.order(**changes), headers=headers)

    async def open(self, **changes: Any) -> Json:
        """Open a session."""
        answer = await self.ask(**changes)
        assert answer.status_code == 201, answer.text
        session: Json = answer.json()
        return session

    async def act(self, session: Json, **fields: str) -> httpx.Response:
        """Do something on the session's page."""
        return await self.client.post(f"/pay/{session['id']}", data=fields)

    async def pay(self, session: Json, number: str = GOOD_CARD) -> httpx.Response:
        """Pay as a payer does."""
        return await self.act(session, cardNumber=number, action="pay")

    async def paid(self, number: str = GOOD_CARD) -> Json:
        """Open a session, pay it and return it."""
        session = await self.open()
        assert (await self.pay(session, number)).status_code == 200
        return await self.read(session)

    async def get(self, path: str, **query: Any) -> Json:
        """Read something."""
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    async def read(self, session: Json) -> Json:
        """Read the session again."""
        return await self.get(f"/v1/checkout_sessions/{session['id']}")

    async def refund(self, session: Json, **order: Any) -> httpx.Response:
        """Ask for a refund."""
        body = {"payment": session["payment"], "reference": f"ref_{uuid4().hex}", **order}
        return await self.client.post("/v1/refunds", json=body)

    async def ledger(self) -> Json:
        """Read the truth about this shop's reference."""
        return await self.company.control("GET", "ledger", params={"reference": self.reference})

    async def fault(self, operation: str, when: str, fault: str, **rule: Any) -> str:
        """Make something go wrong for this shop only."""
        return await self.company.fault(operation, when, fault, account=self.account, **rule)

    @property
    def letters(self) -> list[Letter]:
        """List the webhooks that arrived."""
        return self.company.mailbox.letters.get(self.account, [])

    def told(self) -> list[str]:
        """List the types of the webhooks that arrived."""
        return self.company.mailbox.types(self.account)

    async def hears(self, *types: str) -> None:
        """Wait until exactly these webhooks arrived, in any order."""
        await eventually(lambda: sorted(self.told()) == sorted(types), lambda: f"heard {self.told()}")

    async def hears_at_least_once(self, *types: str) -> None:
        """Wait until these webhooks arrived; a process killed while sending sends again."""
        await eventually(lambda: set(self.told()) == set(types), lambda: f"heard {self.told()}")


async def eventually(
    holds: Callable[[], bool], otherwise: Callable[[], str] = lambda: "", within: float = 8
) -> None:
    """Wait until something holds; fail when it does not come true in time."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        await asyncio.sleep(0.02)
