"""One account's way over HTTP to its company: within a deadline, while it is fresh, every failure sorted.

An adapter's SDK sends through here too, its own retries off. What comes back is a JSON object that the
company answered with 2xx, or one of the ``ProviderError``s of ``domain.errors``, which say whether it was
applied.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

import httpx
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderConflict,
    ProviderDeclined,
    ProviderError,
    ProviderForbidden,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
    ValidationFailed,
)
from providers.line import Line

# How long one call may take, all in all. A step that waits longer holds up the payments behind it.
DEADLINE: Final = timedelta(seconds=10)
# How old an adapter may be when a request leaves. Whoever sleeps over that, its process stopped perhaps, must
# not send any more: somebody else takes over after ``storage.calls.LEASE``, which outlasts both together.
FRESH: Final = timedelta(seconds=12)
_ANSWER_LIMIT: Final = 1 << 20
_W3C: Final = TraceContextTextMapPropagator()
_Lost = type[ProviderUnavailable | OutcomeUnknown]

Said = Mapping[str, Any]
Verdict = Callable[[int, Said], ProviderError | None]
"""What a company means by a refusal, where its status alone does not tell; None leaves it to the status."""


class Request(NamedTuple):
    """One call. Anything but GET counts as a write."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str | bytes | None = None


class Answer(NamedTuple):
    """A 2xx whose body is a JSON object: ``said`` as it was read, ``body`` as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    said: Said


class Wire:
    """For use here and now: it sends nothing once it is older than ``FRESH``."""

    def __init__(self, company: str, http: httpx.AsyncClient, line: Line, verdict: Verdict) -> None:
        self._company = company
        self._http = http
        self._line = line
        self._verdict = verdict
        self._stale_at = time.monotonic() + FRESH.total_seconds()

    async def send(self, request: Request) -> Answer:
        """Raises ``ProviderUnavailable`` when nothing was sent, ``OutcomeUnknown`` when a write may be."""
        told = {"paysaga.provider": self._company, "http.request.method": request.method}
        with trace.get_tracer("paysaga.providers").start_as_current_span(
            f"{request.method} {self._company}", kind=SpanKind.CLIENT, attributes=told
        ):
            async with self._line.call():
                return await self._exchange(request)

    async def _exchange(self, request: Request) -> Answer:
        lost: _Lost = ProviderUnavailable if request.method == "GET" else OutcomeUnknown
        try:
            async with asyncio.timeout(DEADLINE.total_seconds()):
                answer = await self._http.send(self._built(request), stream=True)
                body = await _read(answer)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ProviderUnavailable(f"{self._company} cannot be reached") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError):
            # It never left: a key or an address that no request can carry. The cause would show the key.
            raise ProviderRejected(f"{self._company}: the account's settings make no valid request") from None
        except (httpx.TransportError, TimeoutError) as error:
            raise lost(f"{self._company} did not answer in time") from error
        except ValidationFailed as error:
            # The guard of outbound addresses: nothing was connected to.
            raise ProviderUnavailable(f"{self._company} has an address we do not call") from error
        return self._sorted(answer, body, lost)

    def _built(self, request: Request) -> httpx.Request:
        # Which trace it is, and nothing else of it: baggage could say what is none of their business.
        named: dict[str, str] = {}
        _W3C.inject(named)
        return self._http.build_request(
            request.method,
            request.url,
            # What unpacks to gigabytes must not reach us, whoever answers.
            headers={**named, **request.headers, "Accept-Encoding": "identity"},
            content=request.body,
            extensions={"trace": self._last_look},
        )

    async def _last_look(self, event: str, _info: Mapping[str, Any]) -> None:
        """Called by httpcore as it goes; the last time just before the first byte leaves."""
        if event.endswith("send_request_headers.started") and time.monotonic() > self._stale_at:
            raise ProviderUnavailable(f"{self._company} was not called: whoever wanted to had slept too long")

    def _sorted(self, answer: httpx.Response, body: bytes | None, lost: _Lost) -> Answer:
        status = answer.status_code
        trace.get_current_span().set_attribute("http.response.status_code", status)
        told = f"{self._company} answered {status}"
        if status in _NOT_NOW:
            raise ProviderUnavailable(told, retry_after=_seconds(answer.headers.get("retry-after")))
        if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
            raise lost(told)
        said = _object(body)
        if status >= 300:
            raise self._verdict(status, said or {}) or _REFUSALS.get(status, ProviderRejected)(told)
        if body is None or said is None:
            raise lost(f"{told}, but not with a JSON object")
        return Answer(status, answer.headers, body, said)


_REFUSALS: Final[Mapping[int, type[ProviderRejected]]] = {
    401: ProviderAuthFailed,
    402: ProviderDeclined,
    403: ProviderForbidden,
    404: ProviderNotFound,
    409: ProviderConflict,
}


# Refused before anything happened: too many calls, or too early.
_NOT_NOW: Final = frozenset({425, 429})


async def _read(answer: httpx.Response) -> bytes | None:
    """The answer's body as it was sent; None when it is packed, or larger than any we expect."""
    try:
        body = b""
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > _ANSWER_LIMIT:
                return None
        return None if answer.headers.get("content-encoding", "identity") != "identity" else body
    finally:
        await answer.aclose()


def _object(body: bytes | None) -> Said | None:
    try:
        read = None if body is None else json.loads(body)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _seconds(header: str | None) -> int | None:
    return int(header) if header is not None and header.isascii() and header.isdigit() else None
