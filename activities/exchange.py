"""One webhook out and what came back: bounded in time and in size, whatever the receiver is up to."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from activities.outbound import AddressRefused, AnswerTooLong, read_capped

PATIENCE_SECONDS: Final = 15
"""For the whole of it: look-up, connection, handshake, request and answer."""
_KEPT_BYTES: Final = 2 * 1024
_KEPT_HEADERS: Final = ("content-type", "retry-after", "location", "server")
_KEPT_OF_A_HEADER: Final = 512
_WORDS: Final[Mapping[type[Exception], str]] = {
    AddressRefused: "the host has an address that is not public; nothing was sent",
    AnswerTooLong: "the head of the answer is too long",
    httpx.ConnectTimeout: "no connection in time",
    httpx.ConnectError: "no connection",
    httpx.RemoteProtocolError: "what came is no answer of HTTP, or only a part of one",
    httpx.TimeoutException: f"no answer within {PATIENCE_SECONDS} s",
}


@dataclass(frozen=True)
class Exchange:
    """What came back, the beginning of it, or why nothing did. Somebody else's text: not for our logs."""

    status: int | None
    """None: there was no answer, or no whole one."""
    error: str | None
    headers: dict[str, str] | None
    body: bytes | None
    retry_after: str | None
    seconds: float


async def exchange(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], content: bytes
) -> Exchange:
    """Post ``content``; never raises for what a receiver does, and never takes longer than patience has."""
    clock = asyncio.get_running_loop().time
    began = clock()
    status, error, seen, body = None, None, None, None
    try:
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            client.stream("POST", url, headers=headers, content=content) as answer,
        ):
            seen = answer
            body = await _beginning(answer)
            status = answer.status_code
    except TimeoutError:
        error = f"no answer within {PATIENCE_SECONDS} s"
    except (AddressRefused, AnswerTooLong, httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
        error = _told(failure)
    if error is not None and seen is not None:
        error = f"the answer ({seen.status_code}) did not end: {error}"
    return Exchange(
        status=status,
        error=error,
        headers=None if seen is None else _kept(seen.headers),
        body=body,
        retry_after=None if seen is None else seen.headers.get("retry-after"),
        seconds=clock() - began,
    )


async def _beginning(answer: httpx.Response) -> bytes:
    try:
        return (await read_capped(answer))[:_KEPT_BYTES]
    except AnswerTooLong:
        # Written in tiny pieces it has more bytes than it says; its head has said what matters.
        return b""


def _kept(headers: httpx.Headers) -> dict[str, str]:
    return {
        name: headers[name].encode()[:_KEPT_OF_A_HEADER].decode(errors="ignore")
        for name in _KEPT_HEADERS
        if name in headers
    }


def _told(failure: Exception) -> str:
    """What went wrong, in words for whoever reads the log of deliveries."""
    cause = failure.__cause__
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(failure, httpx.ConnectError) and cause is not None:
        return f"no TLS: {getattr(cause, 'verify_message', None) or cause.reason or 'it failed'}"[:255]
    unknown = f"the connection broke ({type(failure).__name__})"
    return next((words for kind, words in _WORDS.items() if isinstance(failure, kind)), unknown)
