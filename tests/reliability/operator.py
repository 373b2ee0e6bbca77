"""The ``paysaga`` command as an operator types it."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.house import House, Tenant
from tests.stories.tenancy import colleague

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


async def decided(tenant: Tenant, choice: str, payment_id: str) -> str:
    """An operator asks for this, and an approver of the tenant lets it happen; who that was."""
    code, printed = await paysaga("payments", choice, payment_id, house=tenant.house)
    assert code == 0, printed
    (approval,) = {*re.findall(r"apr_\w{26}", printed)}
    approver = await colleague(tenant, "approver")
    answer = await approver.call("POST", f"/v1/approvals/{approval}/approve")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["decidedBy"])


def cried_out(house: House, alert: str, about: str) -> bool:
    """Whether the worker or the API called a person about this."""
    for part in ("worker", "api"):
        log = (house.data_dir / "logs" / f"{part}.log").read_text()
        if any(f'"alert": "{alert}"' in line and about in line for line in log.splitlines()):
            return True
    return False
