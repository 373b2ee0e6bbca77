"""The proxy loses answers and nothing else."""

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.chaos.proxy import PASS, Fate, Proxy, Way
from tests.house import Receiver

RESET, CLOSE = Fate(Way.RESET), Fate(Way.CLOSE)


@asynccontextmanager
async def line(receiver: Receiver, *fates: Fate) -> AsyncIterator[tuple[Proxy, httpx.AsyncClient]]:
    """A caller of this receiver, over a proxy that has these fates in store, and then none."""
    server = httpx.URL(receiver.url)
    proxy = Proxy(itertools.chain(fates, itertools.repeat(PASS)), server_port=server.port or 0)
    limits = httpx.Limits(max_connections=1)
    async with (
        proxy.listening(),
        httpx.AsyncClient(base_url=proxy.url, trust_env=False, limits=limits) as caller,
    ):
        yield proxy, caller


async def test_what_goes_in_comes_out_on_one_connection(receiver: Receiver) -> None:
    bodies = [b"", b"x", b"large" * 100_000]
    async with line(receiver) as (proxy, caller):
        for body in bodies:
            assert (await caller.post("/hook", content=body)).status_code == 200
        assert (proxy.connections, proxy.seen[Way.PASS], proxy.cut) == (1, 3, [])
    assert [delivery.raw for delivery in receiver.received] == bodies


@pytest.mark.parametrize("way", [Way.RESET, Way.CLOSE])
async def test_an_answer_is_lost_after_its_request_has_gone_through(receiver: Receiver, way: Way) -> None:
    async with line(receiver, Fate(way)) as (proxy, caller):
        with pytest.raises(httpx.TransportError):
            await caller.post("/hook", content=b"first")
        assert proxy.cut == ["POST /hook"]
    assert [delivery.raw for delivery in receiver.received] == [b"first"]


async def test_on_a_line_in_use_only_the_answer_in_question_is_lost(receiver: Receiver) -> None:
    async with line(receiver, PASS, RESET, PASS) as (proxy, caller):
        assert (await caller.post("/hook", content=b"first")).is_success
        with pytest.raises(httpx.TransportError):
            await caller.post("/hook", content=b"second")
        assert (await caller.post("/hook", content=b"third")).is_success
        assert (proxy.connections, len(proxy.cut)) == (2, 1)
    assert [delivery.raw for delivery in receiver.received] == [b"first", b"second", b"third"]


@pytest.mark.parametrize(("fate", "ends"), [(RESET, "reset"), (CLOSE, "closed")])
async def test_not_a_byte_of_a_lost_answer_arrives(receiver: Receiver, fate: Fate, ends: str) -> None:
    async with line(receiver, fate) as (proxy, _):
        heard = await said_to(proxy.port, b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    assert heard == (b"", ends)


async def test_a_request_that_comes_in_pieces_is_carried_whole(receiver: Receiver) -> None:
    pieces = [b"POST /hook HT", b"TP/1.1\r\nhost: x\r\ncontent-le", b"ngth: 6\r\n\r\nfi", b"rst!"]
    async with line(receiver, CLOSE) as (proxy, _):
        await said_to(proxy.port, *pieces)
    assert [delivery.raw for delivery in receiver.received] == [b"first!"]


async def test_an_answer_may_only_be_late(receiver: Receiver) -> None:
    async with line(receiver, Fate(Way.DELAY, 0.3)) as (proxy, caller):
        began = time.monotonic()
        assert (await caller.post("/hook")).is_success
        assert time.monotonic() - began >= 0.3
        assert (proxy.seen[Way.DELAY], proxy.cut) == (1, [])


async def test_where_no_server_is_nobody_answers() -> None:
    proxy = Proxy(itertools.repeat(PASS), server_port=nobody())
    async with proxy.listening(), httpx.AsyncClient(base_url=proxy.url, trust_env=False) as caller:
        with pytest.raises(httpx.TransportError):
            await caller.get("/")


async def test_a_body_of_unsaid_length_is_refused_rather_than_misread(receiver: Receiver) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"

    async with line(receiver) as (_, caller):
        with pytest.raises(httpx.TransportError):
            await caller.post("/hook", content=pieces())
    assert receiver.received == []


async def said_to(port: int, *pieces: bytes) -> tuple[bytes, str]:
    """What a server says to these bytes until the end of the connection, and which end that was."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.02)
        return await reader.read(), "closed"
    except ConnectionResetError:
        return b"", "reset"
    finally:
        writer.close()


def nobody() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
