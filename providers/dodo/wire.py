"""Dodo's official SDK on our wire: it writes the requests, and no more of it is used.

Its retries are off. Its models are passed over, which judge nothing; what Dodo answers is read as it stands
on the wire, and what the wire raises comes out as it was. Lists are paged here: the SDK's own way from page 0
leads to page 2. It is imported when it is first used: it takes as long as all of SQLAlchemy, and most
commands and installations never need it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import httpx
from pydantic import SecretStr

from domain.errors import OutcomeUnknown, ProviderRejected
from providers.wire import Request, Wire

if TYPE_CHECKING:
    from dodopayments import AsyncDodoPayments

# A list is looked through so far, and no farther: what is not found then may be there all the same.
PAGES: Final = 20
PER_PAGE: Final = 100

Thing = Mapping[str, Any]


class _Raw(Protocol):
    async def json(self) -> object: ...


Call = Awaitable[_Raw]


class _OurWire(httpx.AsyncBaseTransport):
    """Where the SDK sends through. It never holds the key, and of its headers none goes on.

    Some of them tell of this machine, and an environment variable can add any.
    """

    def __init__(self, wire: Wire, key: SecretStr) -> None:
        self._wire = wire
        self._key = key

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._key.get_secret_value()}", "Accept": "application/json"}
        if request.content:
            headers["Content-Type"] = "application/json"
        sent = Request(request.method, str(request.url), headers, request.content or None)
        answer = await self._wire.send(sent)
        return httpx.Response(answer.status, content=answer.body, request=request)


def client(wire: Wire, home: str, key: SecretStr) -> "AsyncDodoPayments":
    """Some tenths of a millisecond; each call then costs one or two."""
    from dodopayments import AsyncDodoPayments  # noqa: PLC0415

    return AsyncDodoPayments(
        # The wire puts the real one in: what the SDK does not know it cannot log.
        bearer_token="-",  # noqa: S106
        webhook_key="-",
        base_url=home,
        max_retries=0,
        http_client=httpx.AsyncClient(transport=_OurWire(wire, key), trust_env=False),
    )


async def answered(call: Call) -> Thing:
    """The JSON object that Dodo answered with. Raises what the wire raised."""
    from dodopayments import APIConnectionError  # noqa: PLC0415

    try:
        answer = await call
    except APIConnectionError as wrapped:
        trouble = wrapped.__cause__ or wrapped
    except (ValueError, httpx.InvalidURL):
        # An id that no address can carry, or text that no encoding can; nothing was sent.
        raise ProviderRejected("dodo: this makes no valid request") from None
    else:
        return cast("Thing", await answer.json())
    raise trouble


async def items(call: Call) -> list[Any]:
    """A page of a list; its entries are as they are."""
    found = (await answered(call)).get("items")
    if not isinstance(found, list):
        raise OutcomeUnknown("dodo: the answer is no list")
    return found


async def every(ask: Callable[[int], Call]) -> AsyncIterator[Thing]:
    """All entries of a list, whose pages of ``PER_PAGE`` are asked for by number."""
    for number in range(PAGES):
        found = await items(ask(number))
        for entry in found:
            if not isinstance(entry, dict):
                raise OutcomeUnknown("dodo: an entry of a list cannot be read")
            yield entry
        if len(found) < PER_PAGE:
            return
    raise OutcomeUnknown("dodo: there are more than can be looked through")
