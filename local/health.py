"""What keeps a platform from running on this machine, and what to do about it."""

import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from local import CannotStart, binaries
from local.ports import LOOPBACK, NAMES
from local.running import find

_LEAST_FREE_GIB = 1


@dataclass(frozen=True)
class Complaint:
    """One thing looked at; the remedy matters only when it is not well."""

    subject: str
    well: bool
    detail: str
    remedy: str = ""


async def examine() -> list[Complaint]:
    """Look at the machine, and at the platform that runs on it, if one does."""
    folder = Path(os.environ.get("PAYSAGA_DATA_DIR") or ".paysaga").absolute()
    return [_python(), _temporal(), _postgres(), _folder(folder), _space(folder), *await _platform()]


def _python() -> Complaint:
    version = ".".join(map(str, sys.version_info[:3]))
    return Complaint("Python", sys.version_info >= (3, 11), version, "Install Python 3.11 or newer.")


def _temporal() -> Complaint:
    program = Path(sys.executable).parent / "temporal"
    return Complaint("Temporal's server", program.exists(), str(program), "Run `make bootstrap`.")


def _postgres() -> Complaint:
    named = os.environ.get("PAYSAGA_POSTGRES_BIN")
    try:
        found = binaries.find(None, Path(named) if named else None)
    except CannotStart as reason:
        return Complaint("PostgreSQL", well=False, detail=str(reason), remedy="Run `make clean bootstrap`.")
    return Complaint("PostgreSQL", well=True, detail=str(found.folder))


def _folder(folder: Path) -> Complaint:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    well = os.access(place, os.W_OK)
    return Complaint("Data directory", well, str(folder), f"Make {place} writable, or set PAYSAGA_DATA_DIR.")


def _space(folder: Path) -> Complaint:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free / 2**30
    return Complaint(
        "Disk space",
        free > _LEAST_FREE_GIB,
        f"{free:.1f} GiB free",
        f"Free {_LEAST_FREE_GIB} GiB at {place}.",
    )


async def _platform() -> list[Complaint]:
    ready = await find()
    if ready is None:
        return [_ports()]
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        answer = await http.get(f"{ready['apiUrl']}/readyz")
    missing = ", ".join(answer.json().get("missing", []))
    return [
        Complaint(
            "Running platform",
            answer.is_success,
            f"{ready['apiUrl']} is ready" if answer.is_success else f"{ready['apiUrl']} waits for: {missing}",
            "Look into the logs folder of its data directory.",
        )
    ]


def _ports() -> Complaint:
    free = sum(_is_free(port) for port in range(8000, 8020))
    return Complaint(
        "Ports 8000 to 8019",
        free >= len(NAMES),
        f"{free} are free",
        "Choose others with `paysaga dev --port-base`.",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
