"""Which loopback ports the platform uses: a small window, the same ones again if they are still free."""

import json
import socket
import sys
from pathlib import Path

from local import CannotStart

WINDOW = 20
"""The platform never uses more than this many ports, counted from its base."""

NAMES = (
    "api",
    "sandbox",
    "sandboxControl",
    "temporal",
    "temporalUi",
    "temporalHttp",
    "temporalMetrics",
    "workerMetrics",
    "workerSdkMetrics",
    "postgres",
)

LOOPBACK = "127.0.0.1"


class TooFewPorts(CannotStart):
    """Other programs hold so much of the window that the platform does not fit in."""


def choose_ports(base: int, memory: Path) -> dict[str, int]:
    """A free port for each name, from ``base`` to ``base + 19``, remembered in the file ``memory``.

    Ports in use at the last start are preferred while they are in the window and free. Raises TooFewPorts.
    """
    window = range(base, min(base + WINDOW, 65536))
    remembered = {name: port for name, port in _remembered(memory).items() if port in window}
    chosen = {name: port for name, port in remembered.items() if is_free(port)}
    free = (port for port in window if port not in chosen.values() and is_free(port))
    for name in NAMES:
        if name not in chosen:
            port = next(free, None)
            if port is None:
                raise TooFewPorts(
                    f"{len(NAMES)} free ports are needed between {window.start} and {window.stop - 1}; "
                    "other programs hold too many of them. Choose another window: --port-base 18000"
                )
            chosen[name] = port
    memory.write_text(json.dumps(chosen, indent=1) + "\n")
    return chosen


def any_port() -> int:
    """A loopback port nobody uses at this moment."""
    with socket.socket() as asking:
        asking.bind((LOOPBACK, 0))
        return int(asking.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    if sys.platform == "darwin":
        # There a loopback listener may share its port with one on all addresses, and would hide it.
        with socket.socket() as caller:
            if caller.connect_ex((LOOPBACK, port)) == 0:
                return False
    with socket.socket() as server:
        # Servers set it, too: connections of the last run that linger in TIME_WAIT do not count.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((LOOPBACK, port))
            server.listen()
        except OSError:
            return False
    return True


def _remembered(memory: Path) -> dict[str, int]:
    try:
        ports = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(ports, dict):
        return {}
    known = {name: port for name, port in ports.items() if name in NAMES and type(port) is int}
    return known if len(set(known.values())) == len(known) else {}
