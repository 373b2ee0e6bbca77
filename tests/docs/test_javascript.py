"""The JavaScript of the guide, against a platform that has bad days, and the types made of the API."""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from api.app import build
from domain.signatures import new_secret
from local.ports import any_port
from tests.docs.checks import answers_ours_only
from tests.docs.pages import ROOT, Block, read
from tests.docs.reader import node

PAGE: Final = ROOT / "docs/integration/javascript.md"
GENERATOR: Final = ("openapi-typescript@7.13.0", "typescript@5.9.3")
TOOLS: Final = ROOT / ".bootstrap" / "openapi-typescript"
SECRET: Final = new_secret(b"s" * 32)
Json = dict[str, Any]

needs_node = pytest.mark.skipif(node() is None, reason="needs node 20 or newer")


def sections() -> dict[str, str]:
    """The page's code by the heading it stands under, as a reader would paste it."""
    found: dict[str, str] = {}
    lines = PAGE.read_text().splitlines()
    for item in read(PAGE):
        if isinstance(item, Block) and item.language == "javascript" and not item.hidden:
            above = next(line for line in reversed(lines[: item.line]) if line.startswith("#"))
            found[above.lstrip("# ")] = found.get(above.lstrip("# "), "") + item.code
    return found


@dataclass
class Platform:
    """Answers in turn what a test lays down for a path, then 200; a real server at a port of its own."""

    scripts: dict[str, list[tuple[int, Json]]] = field(default_factory=dict)
    heard: list[tuple[str, str | None]] = field(default_factory=list)
    """Method and path of each request, and its key."""
    url: str = ""

    def count(self, request: str) -> int:
        return sum(heard == request for heard, _ in self.heard)

    @classmethod
    @contextlib.contextmanager
    def listening(cls) -> Iterator["Platform"]:
        platform = cls()
        lock = threading.Lock()

        class Door(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers["content-length"] or 0))
                request = f"{self.command} {self.path}"
                with lock:
                    platform.heard.append((request, self.headers["idempotency-key"]))
                    waiting = platform.scripts.get(request, [])
                    status, body = waiting.pop(0) if waiting else (200, {})
                if request.endswith("/login"):
                    body = {"accessToken": f"token-{len(platform.heard)}", "expiresIn": 86400} | body
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            do_GET = do_POST = answer  # noqa: N815 - http.server's words

            def log_message(self, *_: object) -> None:
                return

        with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
            platform.url = f"http://127.0.0.1:{server.server_port}"
            serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            serving.start()
            try:
                yield platform
            finally:
                server.shutdown()
                serving.join()


def problem(status: int, code: str, *, retryable: bool = False, **facts: str) -> tuple[int, Json]:
    return status, {"code": code, "detail": "…", "status": status, "retryable": retryable} | facts


def shop(code: str, then: str, folder: Path, platform: Platform) -> list[Any]:
    """What the page's ``code`` and ``then`` what a test adds print, as JSON a line."""
    # Who waits for a second in the page need not do so here.
    program = code.replace('from "node:timers/promises"', 'from "./timers.mjs"') + then
    (folder / "timers.mjs").write_text("export const setTimeout = async () => {};")
    (folder / "shop.mjs").write_text(program)
    env = {"API": platform.url, "APP_NAME": "shop", "APP_SECRET": "pss", "WEBHOOK_SECRET": SECRET}
    done = subprocess.run(
        [node() or "node", "shop.mjs"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def calling() -> str:
    page = sections()
    return page["JavaScript"] + page["Call the API"]


@needs_node
def test_many_requests_at_once_share_one_log_in(tmp_path: Path) -> None:
    with Platform.listening() as platform:
        many = 'await Promise.all(Array.from({ length: 20 }, () => call("GET", "/v1/tenants/me")));'
        shop(calling(), many, tmp_path, platform)
    assert platform.count("POST /v1/tenants/login") == 1
    assert platform.count("GET /v1/tenants/me") == 20


@needs_node
def test_a_token_that_is_refused_is_replaced_once(tmp_path: Path) -> None:
    with Platform.listening() as platform:
        expired, revoked = problem(401, "token_expired"), problem(401, "unauthorized")
        platform.scripts["GET /v1/tenants/me"] = [expired, (200, {"id": "ten_1"}), revoked, revoked]
        asks = 'console.log(JSON.stringify((await call("GET", "/v1/tenants/me")).id));'
        gives_up = 'await call("GET", "/v1/tenants/me").catch((e) => console.log(JSON.stringify(e.code)));'
        assert shop(calling(), asks + gives_up, tmp_path, platform) == ["ten_1", "unauthorized"]
    assert platform.count("POST /v1/tenants/login") == 3


@needs_node
def test_what_may_be_repeated_is_repeated_under_its_key_and_nothing_else(tmp_path: Path) -> None:
    busy = problem(503, "temporarily_unavailable", retryable=True)
    with Platform.listening() as platform:
        platform.scripts["POST /v1/payments"] = [busy, busy, (201, {"id": "pay_1"})]
        platform.scripts["POST /v1/plans"] = [problem(422, "validation_failed")]
        twice = 'await call("POST", "/v1/payments", { key: "order-1-1", body: {} });'
        once = (
            'await call("POST", "/v1/plans", { body: {} }).catch((e) => console.log(JSON.stringify(e.code)));'
        )
        assert shop(calling(), twice + once, tmp_path, platform) == ["validation_failed"]
    assert [key for heard, key in platform.heard if heard == "POST /v1/payments"] == ["order-1-1"] * 3
    assert platform.count("POST /v1/plans") == 1


@needs_node
def test_a_checkout_that_is_late_is_waited_for_and_an_open_order_is_met(tmp_path: Path) -> None:
    late = {"id": "pay_1", "status": "CREATED", "checkoutUrl": None}
    there = late | {"status": "PROVIDER_PENDING", "checkoutUrl": "https://pay.example.com/1"}
    with Platform.listening() as platform:
        again = problem(409, "order_has_open_payment", paymentId="pay_1")
        platform.scripts["POST /v1/payments"] = [(202, late), again]
        platform.scripts["GET /v1/payments/pay_1"] = [(200, late), (200, there), (200, there)]
        page = sections()
        code = calling() + page["Create a payment"] + page["Handle a refusal"]
        quoted = code.replace("console.log(", "((said) => console.log(JSON.stringify(said)))(")
        assert shop(quoted, "", tmp_path, platform) == [there["checkoutUrl"]] * 2
    assert [key for heard, key in platform.heard if heard == "POST /v1/payments"] == [
        "order-456-1",
        "order-456-2",
    ]


@needs_node
def test_the_server_takes_what_is_ours_and_nothing_else(tmp_path: Path) -> None:
    page, port = sections(), any_port()
    code = page["JavaScript"] + page["Verify a webhook"].replace("9000", str(port))
    (tmp_path / "shop.mjs").write_text(code + 'server.on("listening", () => console.log("ready"));')
    command = [node() or "node", "shop.mjs"]
    env = {"WEBHOOK_SECRET": SECRET}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE) as serving:
        try:
            assert serving.stdout is not None
            assert serving.stdout.readline() == b"ready\n"
            answers_ours_only(f"http://127.0.0.1:{port}/webhooks", SECRET)
        finally:
            serving.kill()


# --- Types ----------------------------------------------------------------------------------------

USES: Final = """
/** @type {NewPayment} */
export const order = { userId: "user-123", amount: 1990000, currency: "HUF", entitlements: [] };

// @ts-expect-error: an amount is a number
/** @type {NewPayment} */ export const words = { userId: "user-123", amount: "1990000", currency: "HUF" };

/** @param {Payment} payment @returns {string | null} */
export const address = (payment) => (payment.status === "PROVIDER_PENDING" ? payment.checkoutUrl : null);

/** @param {Problem} problem @returns {string} */
export const reason = (problem) => problem.code;

/** @type {undefined extends Problem["errors"] ? true : never} */
export const leftOut = true;
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_node
def test_types_are_made_of_the_api_and_say_what_the_page_says(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    tools = _tools(pytestconfig)
    app = build(_nobody_lives_here, public_url="http://127.0.0.1:8000", development=True)
    (tmp_path / "paysaga.json").write_text(json.dumps(app.openapi()))
    (tmp_path / "shop.js").write_text(sections()["TypeScript"] + USES)
    _run([str(tools / "openapi-typescript"), "paysaga.json", "-o", "paysaga.d.ts"], tmp_path)
    strict = [
        "--strict",
        "--noEmit",
        "--allowJs",
        "--checkJs",
        "--target",
        "es2022",
        "--moduleResolution",
        "bundler",
    ]
    _run([str(tools / "tsc"), *strict, "--module", "esnext", "shop.js", "paysaga.d.ts"], tmp_path)


def _nobody_lives_here() -> NoReturn:
    raise AssertionError


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _tools(config: pytest.Config) -> Path:
    """The generator and a compiler, installed once; some 30 MB."""
    commands = TOOLS / "node_modules" / ".bin"
    if commands.exists():
        return commands
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("openapi-typescript is not here, and npm neither")
    TOOLS.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TOOLS.parent, prefix="openapi-typescript-") as folder:
        (Path(folder) / "package.json").write_text('{"private": true}')
        _say(config, f"Installing {GENERATOR[0]} into {TOOLS.relative_to(ROOT)}.")
        options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
        done = subprocess.run(
            [npm, "install", *options, *GENERATOR],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"{GENERATOR[0]} cannot be installed. npm says: {done.stderr[-400:]}")
        # Somebody else may have been quicker.
        with contextlib.suppress(OSError):
            shutil.copytree(folder, TOOLS, symlinks=True)
    return commands


def _say(config: pytest.Config, line: str) -> None:
    """At once, not when the test is over."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with contextlib.nullcontext() if capture is None else capture.global_and_fixture_disabled():
        sys.stderr.write(f"\n{line}\n")
