"""The platform takes its ports from a small window, and the same ones again."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from local.ports import NAMES, WINDOW, TooFewPorts, choose_ports, is_free


@pytest.fixture
def base() -> int:
    """The start of a window in which everything is free now, below the ports given to outgoing calls."""
    for candidate in range(22000, 32000, WINDOW):
        if all(map(is_free, range(candidate, candidate + WINDOW))):
            return candidate
    pytest.skip("this machine has no 20 free ports in a row")


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Keeps other programs' ports occupied until the test ends."""
    with ExitStack() as stack:
        yield stack


def listen(port: int, address: str = "127.0.0.1") -> "closing[socket.socket]":
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen()
    return closing(server)


def test_the_first_free_ports_of_the_window_are_taken(base: int, tmp_path: Path) -> None:
    ports = choose_ports(base, tmp_path / "ports.json")
    assert sorted(ports.values()) == list(range(base, base + len(NAMES)))
    assert ports["api"] == base


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_ports_of_other_programs_are_stepped_over(
    base: int, tmp_path: Path, held: ExitStack, address: str
) -> None:
    held.enter_context(listen(base, address))
    held.enter_context(listen(base + 2, address))
    ports = choose_ports(base, tmp_path / "ports.json")
    assert not {base, base + 2} & set(ports.values())
    assert ports["api"] == base + 1


def test_the_ports_of_the_last_start_are_preferred(base: int, tmp_path: Path, held: ExitStack) -> None:
    with listen(base):
        before = choose_ports(base, tmp_path / "ports.json")
    assert choose_ports(base, tmp_path / "ports.json") == before
    held.enter_context(listen(before["postgres"]))
    after = choose_ports(base, tmp_path / "ports.json")
    assert after.pop("postgres") == base
    assert after.items() < before.items()


def test_another_base_means_other_ports(base: int, tmp_path: Path) -> None:
    choose_ports(base, tmp_path / "ports.json")
    ports = choose_ports(base + len(NAMES), tmp_path / "ports.json")
    assert min(ports.values()) == base + len(NAMES)


def test_too_few_free_ports_are_an_error_that_names_a_way_out(
    base: int, tmp_path: Path, held: ExitStack
) -> None:
    for port in range(base + len(NAMES) - 1, base + WINDOW):
        held.enter_context(listen(port))
    with pytest.raises(TooFewPorts, match="--port-base"):
        choose_ports(base, tmp_path / "ports.json")


@pytest.mark.parametrize("memory", ["", "[]", '{"api": "8000"}', '{"api": 1, "postgres": 1}', "{"])
def test_a_damaged_memory_is_no_harm(base: int, tmp_path: Path, memory: str) -> None:
    (tmp_path / "ports.json").write_text(memory)
    ports = choose_ports(base, tmp_path / "ports.json")
    assert json.loads((tmp_path / "ports.json").read_text()) == ports


def test_connections_that_linger_after_a_server_do_not_occupy_its_port(base: int) -> None:
    with listen(base) as server, socket.create_connection(("127.0.0.1", base)):
        accepted, _ = server.accept()
        accepted.close()  # Closing first leaves this end in TIME_WAIT.
    assert is_free(base)
