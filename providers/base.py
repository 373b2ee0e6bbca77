"""What we ask of a payment company, and how its failures are sorted.

Subclass ``Provider`` in ``providers/<name>.py`` and the provider exists; nothing is registered by hand.
An adapter translates and nothing more: it keeps no state, touches no database, knows no tenant. It raises
the ``ProviderError``s of ``domain.errors`` and, from ``read_webhook``, signature refusals; nothing else.
"""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum, auto
from hashlib import sha256
from typing import Any, ClassVar, Final

import httpx
from pydantic import BaseModel, ConfigDict

from domain.dispute import DisputeObservation
from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderConflict,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
    ValidationFailed,
)
from domain.evidence import Observation
from domain.payment import PaymentOrder
from domain.reconciliation import Page, Window
from domain.refund import Refund, RefundObservation
from domain.said import Said
from domain.values import Value
from providers.line import Line

PROVIDERS: Final[dict[str, type["Provider"]]] = {}

# How long one call may take, all in all. A step that waits longer holds up the payments behind it.
DEADLINE: Final = timedelta(seconds=10)
# How old an adapter may be when a request leaves. Whoever sleeps over that, its process stopped perhaps, must
# not send any more: somebody else takes over after ``storage.calls.LEASE``, which outlasts both together.
FRESH: Final = timedelta(seconds=12)
# How much longer a checkout may live at a provider than with us, who close it when its time is up.
SPARE: Final = timedelta(minutes=1)
_ANSWER_LIMIT: Final = 1 << 20


class Capability(StrEnum):
    """What a provider can do; asked instead of its name."""

    IDEMPOTENT_WRITES = auto()
    FIND_BY_REFERENCE = auto()
    SESSION_EXPIRE = auto()
    SIGNED_WEBHOOKS = auto()
    WEBHOOK_TIMESTAMP = auto()
    DISPUTES = auto()
    LIST_BY_DATE = auto()
    """Its books can be read: ``list_payments``, ``list_refunds`` and ``list_disputes``."""


class Checkout(Value):
    """A hosted checkout that exists at the provider."""

    reference: str
    url: str


class Secrets(BaseModel):
    """What opens an account. Subclasses name the fields; wire names are camelCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Provider(ABC):
    name: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]
    Secrets: ClassVar[type[Secrets]]
    api_base: ClassVar[str | None] = None
    """Where the company's API is, unless an account or the settings say otherwise."""

    def __init_subclass__(cls) -> None:
        PROVIDERS[cls.name] = cls

    def __init__(
        self, http: httpx.AsyncClient, api_base: str, secrets: Mapping[str, str], line: Line
    ) -> None:
        """An adapter is made for use here and now: it sends nothing once it is older than ``FRESH``."""
        self._http = http
        self._base = api_base.rstrip("/")
        self._secrets = self.Secrets.model_validate(secrets)
        self._line = line
        self._stale_at = time.monotonic() + FRESH.total_seconds()

    @abstractmethod
    async def open_checkout(self, order: PaymentOrder) -> Checkout:
        """Create the hosted checkout. The payment id is the operation key: safe to repeat."""

    @abstractmethod
    async def read_checkout(self, reference: str, now: datetime) -> Observation:
        """What the provider says of this checkout now."""

    @abstractmethod
    async def close_checkout(self, reference: str, now: datetime) -> Observation:
        """Ask the provider to take no more money here, and say what became of it. Safe to repeat."""

    @abstractmethod
    async def find_checkout(self, payment_id: str, now: datetime) -> Observation:
        """The same, by our reference: for a checkout whose creation nobody can account for.

        The word is ABSENT only when the provider positively knows none. Says where it can be paid.
        """

    @abstractmethod
    async def refund(self, refund: Refund, now: datetime) -> RefundObservation:
        """Give money back. The refund's id is the operation key, and our reference over there.

        Raises ``ProviderRejected`` when it definitely was not applied.
        """

    @abstractmethod
    async def find_refund(self, refund: Refund, now: datetime) -> RefundObservation:
        """What is said of this refund, by our reference; ABSENT only when it is positively not known."""

    @abstractmethod
    async def read_dispute(self, reference: str, now: datetime) -> DisputeObservation:
        """What the provider says of one of its disputes. Raises ``ProviderNotFound`` when it knows none."""

    @abstractmethod
    async def answer_dispute(
        self, reference: str, facts: Mapping[str, Any], now: datetime, *, submit: bool
    ) -> DisputeObservation:
        """Lay our facts beside a dispute, in place of what lies there; ``submit`` hands it in for good.

        Safe to repeat. Raises ``ProviderRejected`` when nothing can be handed in any more.
        """

    @abstractmethod
    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Said]:
        """Verify the raw bytes, then translate; pure.

        Raises ``SignatureMissing`` or ``SignatureInvalid`` before anything is parsed, and
        ``UnreadableEvent`` when an authentic body cannot be read.
        """

    async def list_payments(self, window: Window, cursor: str | None, now: datetime) -> Page:
        """A page of what they captured in this time, oldest first; what cannot be read is in it as that.

        These three are for providers with ``LIST_BY_DATE``; the others refuse.
        """
        raise self._keeps_no_lists(window, cursor, now)

    async def list_refunds(self, window: Window, cursor: str | None, now: datetime) -> Page:
        raise self._keeps_no_lists(window, cursor, now)

    async def list_disputes(self, window: Window, cursor: str | None, now: datetime) -> Page:
        raise self._keeps_no_lists(window, cursor, now)

    def _keeps_no_lists(self, *_: object) -> ProviderRejected:
        return ProviderRejected(f"{self.name} does not list what it did")

    async def _call(
        self, method: str, path: str, *, headers: Mapping[str, str], payload: object = None
    ) -> Mapping[str, Any]:
        """One HTTP call with its failures already sorted. Anything but GET counts as a write."""
        async with self._line.call():
            return await self._exchange(method, path, headers, payload)

    async def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], payload: object
    ) -> Mapping[str, Any]:
        lost = ProviderUnavailable if method == "GET" else OutcomeUnknown
        try:
            async with asyncio.timeout(DEADLINE.total_seconds()):
                request = self._http.build_request(
                    method,
                    self._base + path,
                    # What unpacks to gigabytes must not reach us, whoever answers.
                    headers={**headers, "Accept-Encoding": "identity"},
                    content=None if payload is None else json.dumps(payload),
                    extensions={"trace": self._last_look},
                )
                answer = await self._http.send(request, stream=True)
                body = await _read(answer)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ProviderUnavailable(f"{self.name} cannot be reached") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            # It never left: a key or an address that no request can carry.
            raise ProviderRejected(f"{self.name}: the account's settings make no valid request") from error
        except (httpx.TransportError, TimeoutError) as error:
            raise lost(f"{self.name} did not answer in time") from error
        except ValidationFailed as error:
            # The guard of outbound addresses: nothing was connected to.
            raise ProviderUnavailable(f"{self.name} has an address we do not call") from error
        return self._sorted(answer.status_code, answer.headers, body, lost)

    async def _last_look(self, event: str, _info: Mapping[str, Any]) -> None:
        """Called by httpcore as it goes; the last time just before the first byte leaves."""
        if event.endswith("send_request_headers.started") and time.monotonic() > self._stale_at:
            raise ProviderUnavailable(f"{self.name} was not called: whoever wanted to had slept too long")

    def _sorted(
        self,
        status: int,
        headers: httpx.Headers,
        body: bytes | None,
        lost: type[ProviderUnavailable | OutcomeUnknown],
    ) -> Mapping[str, Any]:
        said = f"{self.name} answered {status}"
        if status in _NOT_NOW:
            raise ProviderUnavailable(said, retry_after=_seconds(headers.get("retry-after")))
        if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
            raise lost(said)
        if status in _REFUSALS:
            raise _REFUSALS[status](said)
        if status >= 300:
            raise ProviderRejected(said)
        try:
            read = None if body is None else json.loads(body)
        except (ValueError, RecursionError) as error:
            raise lost(f"{said}, but not in JSON") from error
        if not isinstance(read, dict):
            raise lost(f"{said}, but not with an object")
        return read


_REFUSALS: Final[Mapping[int, type[ProviderRejected]]] = {
    401: ProviderAuthFailed,
    403: ProviderAuthFailed,
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


def _seconds(header: str | None) -> int | None:
    return int(header) if header is not None and header.isascii() and header.isdigit() else None


def evidence(body: bytes) -> str:
    """What is kept of a provider's words: their SHA-256."""
    return sha256(body).hexdigest()
