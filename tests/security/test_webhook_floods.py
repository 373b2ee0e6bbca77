"""Floods at the doors for payment companies: bounded in memory and time, and nobody else waits for them."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from api.edge import MAX_WEBHOOK_BYTES
from api.patience import BODY_SECONDS, HEAD_SECONDS, MOST_OWING
from tests.house import House, Tenant, eventually
from tests.stories.company import Company, speaking_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

FLOOD = 2_000
AT_ONCE = 100
MIB = 2**20
# What an interpreter's memory may grow by when it is busy for the first time.
GROWTH = 96 * MIB
# On a machine that has much else to do.
SLACK = 20


def memory(house: House) -> int:
    return int(psutil.Process(house.pid("api")).memory_info().rss)


async def posted(http: httpx.AsyncClient, path: str, body: bytes, headers: dict[str, str]) -> int:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    try:
        content = pieces() if len(body) > 65_536 else body
        return (await http.post(path, content=content, headers=headers)).status_code
    except httpx.TransportError:
        return 0


async def flooded(house: House, path: str, body: bytes, headers: dict[str, str], number: int) -> Counter[int]:
    """So many requests, AT_ONCE at the same time; what was answered."""
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    statuses: Counter[int] = Counter()
    left = iter(range(number))
    async with httpx.AsyncClient(
        base_url=house.ready["apiUrl"], trust_env=False, timeout=60, limits=limits
    ) as http:

        async def hand() -> None:
            for _ in left:
                statuses[await posted(http, path, body, headers)] += 1

        await asyncio.gather(*(hand() for _ in range(AT_ONCE)))
    return statuses


async def written(tenant: Tenant) -> dict[str, int]:
    """How many rows the tenant has of what a webhook could leave behind."""
    (found,) = await tenant.rows(
        "SELECT (SELECT count(*) FROM inbox) AS inbox, (SELECT count(*) FROM audit_records"
        " WHERE action = 'webhook.receive') AS refused, (SELECT count(*) FROM events) AS events"
    )
    return found


@pytest.mark.parametrize("kind", ["unsigned", "forged", "for nobody", "unsigned and large"])
async def test_payments_go_on_beside_a_flood_and_nothing_of_it_stays(house: House, kind: str) -> None:
    victim, shop = await house.tenant(), await house.tenant()
    company = await speaking_for(victim)
    forged = company.signed(b"{}") | {"webhook-signature": "v1," + "A" * 43 + "="}
    path = f"/v1/billing/webhooks/sandbox/{company.account}"
    way, body, headers, status = {
        "unsigned": (path, b"{}", {}, 400),
        "forged": (path, b"{}", forged, 401),
        "for nobody": (path[:-5] + "00000", b"{}", forged, 404),
        "unsigned and large": (path, b"x" * MAX_WEBHOOK_BYTES, {}, 400),
    }[kind]
    await flooded_lightly(house, way, body, headers)
    before, had = memory(house), await written(victim)
    number = FLOOD if len(body) < MIB // 8 else FLOOD // 10
    flood = asyncio.create_task(flooded(house, way, body, headers, number))
    paid = 0
    while not flood.done():
        await shop.paid()
        paid += 1
    answered = await flood
    print(kind, "paid:", paid, "grew:", (memory(house) - before) // MIB, "MiB", answered)  # noqa: T201
    # On a slow machine some may be told to come again, as anybody is.
    assert answered.keys() <= {status, 503}
    assert answered[status] > number * 0.9
    assert paid > 0
    assert memory(house) - before < GROWTH
    now = await written(victim)
    assert now["refused"] - had["refused"] <= (FLOOD // 100 if kind == "forged" else 0)
    assert now | {"refused": 0} == had | {"refused": 0}


async def flooded_lightly(house: House, path: str, body: bytes, headers: dict[str, str]) -> None:
    """So that what is made once, with the first of them, is there."""
    async with httpx.AsyncClient(base_url=house.ready["apiUrl"], trust_env=False, timeout=60) as http:
        await asyncio.gather(*(posted(http, path, body, headers) for _ in range(AT_ONCE)))


async def test_a_chunked_body_without_end_is_cut_at_the_limit(house: House, tenant: Tenant) -> None:
    company, before = await speaking_for(tenant), memory(house)
    path = f"/v1/billing/webhooks/sandbox/{company.account}"
    body = b"x" * (4 * MIB)
    async with httpx.AsyncClient(base_url=house.ready["apiUrl"], trust_env=False, timeout=60) as http:
        statuses = await asyncio.gather(*(posted(http, path, body, {}) for _ in range(50)))
    assert {*statuses} <= {413, 0}
    assert 413 in statuses
    assert memory(house) - before < GROWTH


HEAD = b"POST /v1/billing/webhooks/sandbox/%s HTTP/1.1\r\nHost: x\r\n"


class Slow:
    """A caller that sends a byte a second."""

    def __init__(self) -> None:
        self.lasted = 0.0
        self.answer = b""

    async def call(self, house: House, begun: bytes) -> None:
        where = urlsplit(house.ready["apiUrl"])
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        began = time.monotonic()
        writer.write(begun)
        dripping = asyncio.create_task(self._drip(writer))
        with contextlib.suppress(ConnectionError):
            self.answer = await reader.read()
        self.lasted = time.monotonic() - began
        dripping.cancel()
        writer.transport.abort()

    @staticmethod
    async def _drip(writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(1)
                writer.write(b"a")
                await writer.drain()


async def crowd(house: House, begun: bytes, number: int) -> list[Slow]:
    """Many of them, each until it is shown out."""
    callers = [Slow() for _ in range(number)]
    await asyncio.gather(*(caller.call(house, begun) for caller in callers))
    return callers


@pytest.mark.parametrize("part", ["head", "body"])
async def test_slow_senders_are_shown_out_and_keep_nobody_waiting(
    house: House, tenant: Tenant, part: str
) -> None:
    company: Company = await speaking_for(await house.tenant())
    head = HEAD % company.account.encode()
    begun, patience = {
        "head": (head + b"X: ", HEAD_SECONDS),
        "body": (head + b"Content-Length: 100000\r\n\r\n", BODY_SECONDS),
    }[part]
    before = memory(house)
    slow = asyncio.create_task(crowd(house, begun, 2 * MOST_OWING))
    slowest = 0.0
    while not slow.done():
        asked = time.monotonic()
        assert (await house.http.get("/livez")).status_code == 200
        slowest = max(slowest, time.monotonic() - asked)
        await tenant.paid()
    callers = await slow
    lasted = [caller.lasted for caller in callers]
    print(part, f"{min(lasted):.1f} to {max(lasted):.1f} s, livez within {slowest:.2f} s")  # noqa: T201
    assert max(lasted) < patience + SLACK
    assert memory(house) - before < GROWTH
    if part == "body":
        assert any(caller.answer.startswith(b"HTTP/1.1 408 ") for caller in callers)

    async def files() -> bool | None:
        return psutil.Process(house.pid("api")).num_fds() < MOST_OWING or None

    await eventually(files)
