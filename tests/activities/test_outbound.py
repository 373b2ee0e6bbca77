"""Whatever a tenant's name resolves to, no connection is opened to an address that is not public."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpcore
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from activities.outbound import (
    MAX_ANSWER_BYTES,
    AddressRefused,
    GuardedBackend,
    guarded_client,
    read_capped,
    screen,
)
from domain.errors import ValidationFailed
from tests.hostile import hangs, receiving
from tests.house import eventually

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Trap:
    """A server on this machine that counts who came, and gives a canned answer."""

    def __init__(self, answer: bytes = ANSWER, tls: ssl.SSLContext | None = None) -> None:
        self.answer, self.tls = answer, tls
        self.connections, self.requests = 0, b""
        self.visits: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self.open_door, "127.0.0.1", 0, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await asyncio.wait_for(asyncio.gather(*self.visits), 5)

    def open_door(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.visits.append(asyncio.create_task(self.visit(reader, writer)))

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A caller may hang up whenever it likes.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            self.requests += await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answer)
            await writer.drain()
            await reader.read()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            writer.close()
            await writer.wait_closed()


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    async with Trap() as trap:
        yield trap


class Dialled(httpcore.AnyIOBackend):
    """Writes down every address that is really connected to, and sends it to ``port`` of this machine."""

    def __init__(self, port: int | None = None) -> None:
        self.addresses: list[str] = []
        self.port = port

    async def connect_tcp(
        self,
        host: str,
        port: int,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        self.addresses.append(host)
        if self.port is None:
            raise httpcore.ConnectError
        return await super().connect_tcp("127.0.0.1", self.port, timeout, local_address, socket_options)


class Resolver(GuardedBackend):
    """Answers each look-up with the next of ``answers``, then with the last one for ever."""

    def __init__(self, *answers: list[str], development: bool = False, inner: Dialled | None = None) -> None:
        super().__init__(development=development, inner=inner)
        self.answers, self.asked = list(answers), 0

    async def look_up(self, host: str, port: int) -> list[str]:  # noqa: ARG002
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


HOSTS_OF_THIS_MACHINE = [
    "127.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "2130706433", "017700000001", "0x7f000001", "0177.0.0.1",
    "0177.0.0.01", "0x7f.0.0.1", "0x7f.1", "0x7F.0X1", "127.0.0.0x1", "127.0.0.01", "0", "0.0.0.0", "0x0",
    "00.0.0.0",
    "127.0.0.2", "127.255.255.254", "localhost", "LOCALHOST", "localhost.", "127。0。0。1", "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]",
]  # fmt: skip
HOSTS_NEARBY = [
    "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "100.100.100.200", "100.64.0.1", "10.0.0.1", "10.1", "172.16.0.1", "192.168.0.1", "192.168.257",
    "168.63.129.16",
    "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "[fe80::1]", "[ff02::1]", "[fc00::1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "[2001:0:0:0:0:0:80ff:fffe]", "[2001:db8::1]", "[3fff::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS_OF_THIS_MACHINE + HOSTS_NEARBY)
async def test_a_hostile_spelling_opens_no_connection(host: str, trap: Trap) -> None:
    dialled = Dialled(trap.port)
    guard = GuardedBackend(development=False, inner=dialled)
    async with guarded_client(development=False, backend=guard) as client:
        # Some spellings are not even an address to this machine's resolver.
        with pytest.raises((AddressRefused, httpx.ConnectError, httpx.InvalidURL)):
            await client.post(f"http://{host}:{trap.port}/")
    assert (dialled.addresses, trap.connections) == ([], 0)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["2606:4700:4700::1111", "::1"], ["fe80::1%lo"], ["10.0.0.1"]],
    ids=str,
)
async def test_one_bad_address_refuses_the_whole_name(addresses: list[str], trap: Trap) -> None:
    async with guarded_client(development=False, backend=Resolver(addresses)) as client:
        with pytest.raises(AddressRefused):
            await client.post(f"http://hook.example.com:{trap.port}/")
    assert trap.connections == 0


async def test_a_name_that_changes_its_mind_after_the_look_up_gains_nothing(trap: Trap) -> None:
    dialled = Dialled()
    resolver = Resolver(["8.8.8.8"], ["127.0.0.1"], inner=dialled)
    async with guarded_client(development=False, backend=resolver) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post(f"http://hook.example.com:{trap.port}/")
        assert (dialled.addresses, resolver.asked) == (["8.8.8.8"], 1)
        with pytest.raises(AddressRefused):
            await client.post(f"http://hook.example.com:{trap.port}/")
    assert (dialled.addresses, trap.connections) == (["8.8.8.8"], 0)


async def test_every_public_address_is_tried_in_turn() -> None:
    dialled = Dialled()
    async with guarded_client(
        development=False, backend=Resolver(["8.8.8.8", "1.1.1.1"], inner=dialled)
    ) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post("https://hook.example.com/")
    assert dialled.addresses == ["8.8.8.8", "1.1.1.1"]


async def test_an_unknown_name_is_a_connection_error_like_any_other() -> None:
    async with guarded_client(development=False) as client:
        for host in ("no-such-host.invalid", "a" * 64 + ".example"):
            with pytest.raises((httpx.ConnectError, httpx.InvalidURL)):
                await client.post(f"https://{host}/")


async def test_a_resolver_that_hangs_is_a_time_out() -> None:
    class Hanging(GuardedBackend):
        async def look_up(self, host: str, port: int) -> list[str]:  # noqa: ARG002
            await asyncio.sleep(60)
            return []

    async with guarded_client(development=False, backend=Hanging(development=False)) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.post("https://hook.example.com/", timeout=0.05)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST"])
async def test_development_may_call_this_very_machine(host: str, trap: Trap) -> None:
    async with guarded_client(development=True) as client:
        assert (await client.post(f"http://{host}:{trap.port}/")).text == "ok"


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "127.0.0.2", "0.0.0.0", "[::ffff:127.0.0.1]", "10.0.0.1"]
)
async def test_development_relaxes_nothing_else(host: str, trap: Trap) -> None:
    async with guarded_client(development=True) as client:
        with pytest.raises(AddressRefused):
            await client.post(f"http://{host}:{trap.port}/")
    assert trap.connections == 0


@pytest.mark.parametrize(("name", "address"), [("hook.example.com", "127.0.0.1"), ("localhost", "10.0.0.1")])
async def test_in_development_only_a_local_name_may_mean_only_this_machine(name: str, address: str) -> None:
    dialled = Dialled()
    resolver = Resolver([address], development=True, inner=dialled)
    async with guarded_client(development=True, backend=resolver) as client:
        with pytest.raises(AddressRefused):
            await client.post(f"http://{name}/")
    assert dialled.addresses == []


async def test_a_redirect_is_an_answer_not_an_order(trap: Trap) -> None:
    redirect = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{trap.port}/\r\nContent-Length: 0\r\n\r\n"
    async with Trap(redirect.encode()) as door, guarded_client(development=True) as client:
        assert (await client.post(f"http://localhost:{door.port}/")).status_code == 302
    assert (door.connections, trap.connections) == (1, 0)


async def test_proxies_of_the_environment_are_not_asked(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
    async with guarded_client(development=False) as client:
        with pytest.raises(AddressRefused):
            await client.post("http://10.0.0.1/")
    assert trap.connections == 0


async def test_a_unix_socket_is_never_opened() -> None:
    with pytest.raises(AddressRefused):
        await GuardedBackend(development=True).connect_unix_socket("/tmp/x")  # noqa: S108


async def test_the_connection_goes_to_the_address_but_sni_and_host_keep_the_name(tmp_path: Path) -> None:
    server_tls, client_tls, seen = certificate("hook.example.com", tmp_path)
    async with Trap(tls=server_tls) as server:
        dialled = Dialled(server.port)
        resolver = Resolver(["93.184.215.14"], inner=dialled)
        async with guarded_client(development=False, backend=resolver) as client:
            client._transport._pool._ssl_context = client_tls  # type: ignore[attr-defined]
            answer = await client.post(f"https://hook.example.com:{server.port}/x")
    assert (answer.text, seen, dialled.addresses) == ("ok", ["hook.example.com"], ["93.184.215.14"])
    assert f"Host: hook.example.com:{server.port}\r\n".encode() in server.requests
    assert b"Accept-Encoding: identity\r\n" in server.requests


def certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, list[str | None]]:
    """A server's and a client's TLS for ``name``, and the names that clients asked for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(secret + pem)
    server_tls, seen = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), list[str | None]()
    server_tls.load_cert_chain(file)
    server_tls.sni_callback = lambda _socket, asked, _context: seen.append(asked)
    return server_tls, ssl.create_default_context(cadata=pem.decode()), seen


async def test_a_handshake_that_is_broken_off_leaves_no_connection_behind() -> None:
    """httpcore closes it on errors only; a caller that gives up is none."""
    async with receiving(hangs) as silent:
        stream = await GuardedBackend(development=True).connect_tcp("127.0.0.1", silent.port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await stream.start_tls(ssl.create_default_context(), "localhost")

        async def left() -> bool | None:
            return (silent.visits, silent.at_once) == (1, 0) or None

        await eventually(left)


async def test_names_that_are_asked_for_at_once_are_looked_up_once() -> None:
    backend = GuardedBackend(development=True)
    asking = [asyncio.create_task(backend.look_up("localhost", 1)) for _ in range(4)]
    await asyncio.sleep(0)
    assert len(backend._asked) == 1
    answers = await asyncio.gather(*asking)
    assert answers == [answers[0]] * 4 != [[]] * 4
    # Nothing is remembered: the next one looks again.
    assert backend._asked == {}


async def test_an_endless_answer_is_read_to_the_cap_and_dropped() -> None:
    flood = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2**26
    async with (
        Trap(flood) as server,
        guarded_client(development=True) as client,
        client.stream("POST", f"http://localhost:{server.port}/") as answer,
    ):
        assert await read_capped(answer) == b"x" * MAX_ANSWER_BYTES
        assert answer.num_bytes_downloaded < 2**18


async def test_a_short_answer_is_read_whole_and_not_unpacked(trap: Trap) -> None:
    trap.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw"
    async with (
        guarded_client(development=True) as client,
        client.stream("POST", f"http://localhost:{trap.port}/") as answer,
    ):
        assert await read_capped(answer) == b"raw"


async def test_registration_refuses_what_a_call_would_refuse() -> None:
    url = "https://hook.example.com/x"
    assert await screen(url, development=False, backend=Resolver(["8.8.8.8"])) == url
    with pytest.raises(AddressRefused) as refused:
        await screen(url, development=False, pointer="/webhookUrl", backend=Resolver(["8.8.8.8", "10.0.0.1"]))
    assert refused.value.errors[0][0] == "/webhookUrl"
    with pytest.raises(ValidationFailed):
        await screen("http://hook.example.com/", development=True)


async def test_registration_accepts_a_name_that_is_not_there_yet() -> None:
    url = "https://no-such-host.invalid-tld/"
    assert await screen(url, development=False, backend=Absent(development=False)) == url


class Absent(GuardedBackend):
    async def look_up(self, host: str, port: int) -> list[str]:  # noqa: ARG002
        raise OSError
