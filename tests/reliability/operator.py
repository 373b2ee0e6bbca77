"""The ``paysaga`` command as an operator types it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.house import House

PROJECT = Path(__file__).parents[2]


async def paysaga(*words: str, house: House) -> tuple[int, str]:
    """Run a command against a house; its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli"),
        *words,
        cwd=PROJECT,
        env=os.environ | {"COLUMNS": "200", "PAYSAGA_DATA_DIR": str(house.data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


def cried_out(house: House, alert: str, about: str) -> bool:
    """Whether the worker or the API called a person about this."""
    for part in ("worker", "api"):
        log = (house.data_dir / "logs" / f"{part}.log").read_text()
        if any(f'"alert": "{alert}"' in line and about in line for line in log.splitlines()):
            return True
    return False
