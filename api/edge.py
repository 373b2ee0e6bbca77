"""The outermost layer of the HTTP interface: what holds for every request whatever its route.

Each gets an id, a bounded body, a readable path, an answer even to a bug, safe headers and one line of log.
Plain ASGI, because ``BaseHTTPMiddleware`` breaks context variables and streaming.
"""

import asyncio
import re
import secrets
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from prometheus_client import CollectorRegistry
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.affairs import Affair
from api.measures import Requests
from api.patience import BODY_SECONDS
from api.problems import respond
from domain.errors import BadRequest, BodyTooLarge, NotFound, Refusal, RequestTimeout
from domain.text import holds_card_number

MAX_BODY_BYTES = 64 * 1024
MAX_WEBHOOK_BYTES = 256 * 1024
WEBHOOK_PATH = "/v1/billing/webhooks/"
# Many payloads of a workflow at once, and sealed ones are longer.
CODEC_PATH = "/codec/"
# How much of too large a body is read, unheeded, so that its sender gets to read the answer.
LINGER_BYTES = 16 * 1024 * 1024
LINGER_SECONDS = 2
MAX_PATH_CHARACTERS = 1024
MAX_QUERY_BYTES = 8192
# What the server bounds is only what has come without an end; a head that comes at once it takes whole.
MAX_HEADER_BYTES = 32 * 1024

_CLIENT_CLOSED_REQUEST = 499  # nginx's word for a caller that did not wait; only ever in our log
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_CONTENT_LENGTH = re.compile(r"[0-9]{1,18}")
# U+FFFD is what a server makes of bytes that are not UTF-8.
_UNREADABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffd]")
_UNREADABLE_IN_QUERY = re.compile("[\x00-\x08\x0b-\x1f\x7f]")

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# For what no page is made of: a browser that is shown it all the same runs nothing and frames nothing.
# Pages bring a policy of their own, and what other sites may load says so itself.
_UNLESS_SAID = {
    "Content-Security-Policy": NOTHING,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PRIVATE = ("/v1/", "/pay/", "/console")
_UNUSED = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "microphone", "usb")
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in (*_UNUSED, "payment")),
}

_log = structlog.get_logger(__name__)


class Edge:
    """Wraps a whole application that ``api.problems`` is installed on: ``app.add_middleware(Edge, …)``."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        requests: Requests | None = None,
        development: bool = False,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """HSTS is left out in development, where browsers meet us over plain HTTP."""
        self._requests = requests or Requests(CollectorRegistry())
        self._app = app
        self._development = development
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other protocols pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._body_seconds, development=self._development)
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            try:
                await exchange.serve(self._app)
            finally:
                exchange.log()
                exchange.measure(self._requests)


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, body_seconds: float, *, development: bool
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._development = development
        self._started_at = time.perf_counter()
        self._headers = Headers(scope=scope)
        self._limit = (
            MAX_WEBHOOK_BYTES if scope["path"].startswith((WEBHOOK_PATH, CODEC_PATH)) else MAX_BODY_BYTES
        )
        self._received = 0
        self._whole, self._due_at = False, asyncio.get_running_loop().time() + body_seconds
        self._refused: Refusal | None = None
        self.status: int | None = None
        offered = self._headers.get("x-request-id", "")
        # It is kept with all that the request leads to: a name, and no place for a card's digits.
        fit = _REQUEST_ID.fullmatch(offered) and not holds_card_number(offered)
        self.request_id = offered if fit else secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def serve(self, app: ASGIApp) -> None:
        """Let ``app`` answer, unless the request is unfit, too large or too slow, or ``app`` fails."""
        try:
            self._check()
            await app(self._scope, self.receive, self.send)
        except ClientDisconnect:
            self.status = self.status or _CLIENT_CLOSED_REQUEST
        except Exception as error:
            if self.status is not None:
                raise  # The answer is on its way: only cutting the connection can tell the caller.
            await self._respond(error)

    def _check(self) -> None:
        path, query = self._scope["path"], self._scope["query_string"]
        if len(path) > MAX_PATH_CHARACTERS or _UNREADABLE.search(path) or self._hides_a_slash():
            raise NotFound
        if len(query) > MAX_QUERY_BYTES or not _is_readable(query):
            raise BadRequest("The query cannot be read")
        if sum(len(name) + len(value) for name, value in self._headers.raw) > MAX_HEADER_BYTES:
            raise BadRequest("The header is too large")
        declared = self._headers.getlist("content-length")
        if not declared:
            return
        if len(declared) > 1 or not _CONTENT_LENGTH.fullmatch(declared[0]):
            raise BadRequest("The Content-Length cannot be read")
        if int(declared[0]) > self._limit:
            raise self._too_large()

    def _hides_a_slash(self) -> bool:
        """Whether the path has one that only we would see: who guards paths before us reads it as a name."""
        return b"%2f" in self._scope.get("raw_path", b"").lower()

    async def receive(self) -> Message:
        """Hand on the next piece of the body, and count: a declared length proves nothing.

        The whole body has one deadline: a byte a second is no reason to wait for the next.
        """
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._due_at):
                message = await self._receive()
        except TimeoutError:
            self._refused = RequestTimeout()
            raise self._refused from None
        self._received += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._received > self._limit:
            raise self._too_large()
        return message

    def _too_large(self) -> Refusal:
        self._refused = BodyTooLarge(f"At most {self._limit} bytes are accepted here")
        return self._refused

    async def send(self, message: Message) -> None:
        """Hand on a piece of the answer, headers completed; too large a body has only one answer."""
        if self._refused is not None and self.status is None:
            # Some framework code takes the exception for a parse error and answers in its own words.
            raise self._refused
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._complete(MutableHeaders(scope=message))
        await self._send(message)

    async def _respond(self, error: Exception) -> None:
        response = respond(Request(self._scope), self._refused or error)
        if self._refused is None:
            await response(self._scope, self._receive, self.send)
            return
        response.headers["Connection"] = "close"  # The rest of the body is not going to be heard.
        self._refused = None
        await response(self._scope, self._receive, self._send_and_linger)

    async def _send_and_linger(self, message: Message) -> None:
        """Send the whole answer, then wait with closing: bytes nobody read would make TCP take it back."""
        if message["type"] == "http.response.body":
            await self.send({**message, "more_body": True})
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._swallow()
            message = {"type": "http.response.body"}
        await self.send(message)

    async def _swallow(self) -> None:
        swallowed, more = 0, True
        while more and swallowed < LINGER_BYTES:
            message = await self._receive()
            swallowed += len(message.get("body", b""))
            more = message.get("more_body", False)

    def _complete(self, headers: MutableHeaders) -> None:
        headers["X-Request-Id"] = self.request_id
        headers.update(_ALWAYS)
        for name, value in _UNLESS_SAID.items():
            headers.setdefault(name, value)
        if self._scope["path"].startswith(_PRIVATE):
            headers.setdefault("Cache-Control", "no-store")
        if not self._development:
            headers["Strict-Transport-Security"] = "max-age=31536000"

    def log(self) -> None:
        """One line, without what callers wrote: no query, no body, and of the path only the template.

        Who called is told by our ids; names are the tenant's own words.
        """
        known = self._scope["state"]
        affair: Affair | None = known.get("affair")
        facts: dict[str, Any] = {"code": code} if (code := known.get("problem_code")) else {}
        if affair is not None:
            facts |= {"tenant": affair.tenant_id, "credential": affair.credential_id}
        _log.info(
            "request",
            method=self._scope["method"],
            route=_route(self._scope),
            status=self.status or _CLIENT_CLOSED_REQUEST,
            duration_ms=round((time.perf_counter() - self._started_at) * 1000, 1),
            **facts,
        )

    def measure(self, requests: Requests) -> None:
        """Tell how it went to whoever counts."""
        seconds, status = time.perf_counter() - self._started_at, self.status or _CLIENT_CLOSED_REQUEST
        method, path, known = self._scope["method"], self._scope["path"], self._scope["state"]
        requests.answered(method, _route(self._scope), status, seconds)
        if method == "POST" and path.startswith(WEBHOOK_PATH):
            provider = path.removeprefix(WEBHOOK_PATH).partition("/")[0]
            code, duplicate = known.get("problem_code"), known.get("known_already", False)
            requests.told(provider, (status, code), seconds, duplicate=duplicate)


def _is_readable(query: bytes) -> bool:
    try:
        return not _UNREADABLE_IN_QUERY.search(unquote_to_bytes(query).decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _route(scope: MutableMapping[str, Any]) -> str | None:
    """Find the template of the route that matched.

    A route inside an included router does not know its prefix; FastAPI keeps the whole in its own scope.
    """
    included = scope.get("fastapi", {}).get("effective_route_context")
    path: str | None = getattr(included or scope.get("route"), "path", None)
    return path
