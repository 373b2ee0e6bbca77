"""HTTP to addresses that tenants chose: only public ones are ever connected to.

A name is resolved once, all its addresses are judged, and the connection goes to a judged address; there is
no second look-up that could answer differently. TLS and the Host header keep the name.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore
import httpx

from domain.addresses import check_webhook_url, is_allowed
from domain.errors import ValidationFailed

MAX_ANSWER_BYTES = 16 * 1024
# A piece costs as much time as its bytes: of chunks of a byte each, 16 KiB would stop the loop for long.
_MOST_PIECES = 100
_CONNECT_SECONDS = 10.0
_POOL_SECONDS = 5.0
_LIMITS = httpx.Limits(max_connections=1_000, max_keepalive_connections=20, keepalive_expiry=5.0)
# A look-up holds its thread until the resolver gives up, and nothing can call it back. Names that tenants
# chose have threads of their own, so that those of payment companies are always looked up at once.
_LOOK_UPS: Final = ThreadPoolExecutor(64, thread_name_prefix="look-up")
_SLOW_LOOK_UPS: Final = ThreadPoolExecutor(64, thread_name_prefix="slow-look-up")

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class AddressRefused(ValidationFailed):
    """The host means an address that is not public. Final for this attempt; nothing was connected to."""


class AnswerTooLong(Exception):
    """More came than is read of one answer, its head included."""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore, to judged addresses only."""

    def __init__(
        self,
        *,
        development: bool,
        inner: httpcore.AsyncNetworkBackend | None = None,
        answer_limit: int | None = None,
        look_ups: Executor = _LOOK_UPS,
    ) -> None:
        """In development a local host may mean this machine. ``inner`` does the connecting.

        With an ``answer_limit``, reading more bytes than that of one answer raises AnswerTooLong.
        """
        self._development = development
        self._inner = inner or httpcore.AnyIOBackend()
        self._answer_limit = answer_limit
        self._look_ups = look_ups
        self._asked: dict[tuple[str, int], asyncio.Future[list[Any]]] = {}

    async def look_up(self, host: str, port: int) -> list[str]:
        """List the addresses ``host`` has now, in the resolver's order; OSError if there is none."""
        name = host, port
        if name not in self._asked:
            # Who asks at the same time shares the answer: a name that hangs holds one thread, not four.
            self._asked[name] = asyncio.get_running_loop().run_in_executor(
                self._look_ups, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
            self._asked[name].add_done_callback(lambda _: self._asked.pop(name))
        found = await asyncio.shield(self._asked[name])
        return list(dict.fromkeys(str(place[0]) for *_, place in found))

    async def judged(self, host: str, port: int) -> list[str]:
        """List the addresses of ``host`` if every one of them may be called; else AddressRefused."""
        addresses = await self.look_up(host, port)
        for address in addresses:
            if not is_allowed(host.lower(), ip_address(address), development=self._development):
                raise AddressRefused("The host has an address that is not public")
        return addresses

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's interface)
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first judged address that answers; ``timeout`` seconds for each step."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self.judged(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name cannot be resolved") from error
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                stream = await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Bounded(stream, self._answer_limit)
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002  (httpcore's interface)
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        socket_options: Iterable[SocketOption] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: a tenant's endpoint is never a file of ours."""
        raise AddressRefused


class _Bounded(httpcore.AsyncNetworkStream):
    """A connection of which no more than ``limit`` bytes are read between two writes.

    h11 works through whatever came at once, however many interim answers or headers that are, and all who
    share the loop would wait for it.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream, limit: int | None) -> None:
        self._inner, self._limit = inner, limit
        self._left = limit

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._left is None:
            return await self._inner.read(max_bytes, timeout)
        if not self._left:
            raise AnswerTooLong
        read = await self._inner.read(min(max_bytes, self._left), timeout)
        self._left -= len(read)
        return read

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._left = self._limit
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            secured = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            # Cancelled in the handshake, httpcore forgets the connection, and the loop would keep it.
            await self._inner.aclose()
            raise
        return _Bounded(secured, self._limit)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport on a pool of our own; httpx itself has no way to hand in a network backend."""

    def __init__(self, backend: GuardedBackend, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=_LIMITS.max_connections,
            max_keepalive_connections=_LIMITS.max_keepalive_connections,
            keepalive_expiry=_LIMITS.keepalive_expiry,
            network_backend=backend,
        )


class Gate:
    """Opens clients for tenants' endpoints. Each has connections of its own, and waits for nobody else's."""

    def __init__(self, *, development: bool) -> None:
        self._development = development
        self._tls = httpx.create_ssl_context(trust_env=False)

    def client(self, *, slow: bool = False) -> httpx.AsyncClient:
        """A guarded client for one endpoint; a slow one's name is looked up beside the other slow ones'."""
        backend = GuardedBackend(
            development=self._development,
            answer_limit=MAX_ANSWER_BYTES,
            look_ups=_SLOW_LOOK_UPS if slow else _LOOK_UPS,
        )
        return guarded_client(development=self._development, backend=backend, tls=self._tls)


def guarded_client(
    *, development: bool, backend: GuardedBackend | None = None, tls: ssl.SSLContext | None = None
) -> httpx.AsyncClient:
    """Make a client that calls public addresses only, follows no redirect and heeds no proxy settings.

    Requests raise AddressRefused beside httpx's own errors. The caller sets a limit to the whole exchange;
    ours only bounds the single steps.
    """
    return httpx.AsyncClient(
        transport=_GuardedTransport(
            backend or GuardedBackend(development=development),
            tls or httpx.create_ssl_context(trust_env=False),
        ),
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(15.0, connect=_CONNECT_SECONDS, pool=_POOL_SECONDS),
        # An answer is read as it comes, so a small one that unpacks to gigabytes is of no use.
        headers={"User-Agent": "Paysaga-Webhooks/1", "Accept-Encoding": "identity"},
    )


async def screen(
    url: str, *, development: bool, pointer: str = "/url", backend: GuardedBackend | None = None
) -> str:
    """Return ``url``, if its text and its present addresses are acceptable; else ValidationFailed.

    For registration. A name that does not resolve yet is accepted: each attempt to call it looks again.
    """
    parts = urlsplit(check_webhook_url(url, development=development, pointer=pointer))
    guard = backend or GuardedBackend(development=development)
    try:
        # TimeoutError is an OSError: a name that takes its time is one that does not resolve yet.
        with contextlib.suppress(OSError, UnicodeError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                await guard.judged(parts.hostname or "", parts.port or 443)
    except AddressRefused as refused:
        raise AddressRefused(errors=((pointer, "the host has an address that is not public"),)) from refused
    return url


async def read_capped(response: httpx.Response, limit: int = MAX_ANSWER_BYTES) -> bytes:
    """Return the first ``limit`` bytes of a streamed answer as they were sent; the rest stays unread.

    Fewer, if they come in crumbs. Call it within ``client.stream(…)``, which closes the connection under an
    unfinished answer.
    """
    read, pieces = b"", 0
    async for piece in response.aiter_raw():
        read, pieces = read + piece, pieces + 1
        if len(read) >= limit or pieces >= _MOST_PIECES:
            break
    return read[:limit]
