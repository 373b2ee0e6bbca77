"""A resolver in the hands of an attacker, for processes that find this folder on their PYTHONPATH.

Names in the file ``$HOSTILE_NAMES`` have the addresses that stand there at this moment; all others are looked
up as ever. The program itself runs unchanged: this is the network it runs in.
"""

import json
import os
import socket
from pathlib import Path
from typing import Any

_FILE = Path(os.environ["HOSTILE_NAMES"])
_ordinary = socket.getaddrinfo


def _getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
    names = json.loads(_FILE.read_text())
    if host not in names:
        return _ordinary(host, port, *rest, **more)
    with _FILE.with_suffix(".asked").open("a") as asked:
        asked.write(f"{host}\n")
    return [_place(address, port) for address in names[host]]


def _place(address: str, port: int) -> Any:
    family, place = (
        (socket.AF_INET6, (address, port, 0, 0)) if ":" in address else (socket.AF_INET, (address, port))
    )
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place


socket.getaddrinfo = _getaddrinfo
