"""What the ``paysaga`` command promises, seen from a shell."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.house import House, Tenant, eventually
from tests.stories.test_disputes import decided, stands
from tests.stories.test_refunds import becomes, refund

PAYSAGA = [sys.executable, "-m", "cli"]
PROJECT = Path(__file__).parents[2]


async def paysaga(*words: str, house: House | None = None, **environment: str) -> tuple[int, str]:
    """Run a command against a house; its exit code and what it printed."""
    if house is not None:
        environment["PAYSAGA_DATA_DIR"] = str(house.data_dir)
    process = await asyncio.create_subprocess_exec(
        *PAYSAGA,
        *words,
        cwd=PROJECT,
        env=os.environ | {"COLUMNS": "200"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


@asynccontextmanager
async def platform(folder: Path, port_base: int) -> AsyncIterator[tuple[psutil.Process, dict[str, Any]]]:
    """``paysaga dev`` as its own process, once it says that it is ready; killed hard if it does not end."""
    ready_file = folder / "ready file.json"
    process = psutil.Popen(
        [
            *PAYSAGA,
            "dev",
            "--data-dir",
            folder / "data",
            "--port-base",
            str(port_base),
            "--ready-file",
            ready_file,
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:

        async def announced() -> Any:
            assert process.poll() is None, "it ended before it was ready"
            return json.loads(ready_file.read_text()) if ready_file.exists() else None

        yield process, await eventually(announced, within=60)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(20)


async def test_the_demo_carries_one_payment_from_login_to_delivered_webhook(house: House) -> None:
    code, printed = await paysaga("demo", house=house)
    assert code == 0, printed
    assert "the tenant's own server is told, signed" in printed


async def test_verify_finds_nothing_wrong_with_sound_payments(house: House, tenant: Tenant) -> None:
    paid, refunded, disputed, won = [await tenant.paid(entitlements=[{"feature": "pro"}]) for _ in range(4)]
    await becomes(tenant, await refund(tenant, refunded, amount=490000), "SUCCEEDED")
    await tenant.disputed(disputed)
    await tenant.disputed(won)
    await decided(house, won, "won")
    await stands(tenant, won, "WON")
    _, printed = await paysaga("verify", "--json", house=house)
    report = json.loads(printed)
    # Other stories share this house, and some of them plant what is not sound.
    for payment in (paid, refunded, disputed, won):
        assert payment["id"] not in printed
    assert tenant.id not in printed
    outcomes = {check["promise"].split()[0]: check["outcome"] for check in report["checks"]}
    assert list(outcomes) == [f"I{number}" for number in range(1, 11)]


@pytest.mark.slow
async def test_verify_finds_a_right_that_nobody_paid_for(house: House, tenant: Tenant) -> None:
    payment = await tenant.open()
    async with house.database() as db, db.transaction():
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", tenant.id)
        await db.execute(
            "INSERT INTO entitlements (id, tenant_id, user_id, feature, quantity, payment_id, valid_from)"
            " VALUES ('ent_planted', $1, 'user-123', 'pro', 1, $2, now())",
            tenant.id,
            payment["id"],
        )
    try:
        code, printed = await paysaga("verify", "--json", house=house)
        assert code == 1
        assert "ent_planted" in printed
    finally:
        # Paid after all: what was planted becomes true, and the house is sound again for the others.
        async with house.database(role="paysaga_owner") as db, db.transaction():
            await db.execute("SELECT set_config('app.tenant_id', $1, true)", tenant.id)
            await db.execute("ALTER TABLE entitlements NO FORCE ROW LEVEL SECURITY")
            await db.execute("DELETE FROM entitlements WHERE id = 'ent_planted'")
            await db.execute("ALTER TABLE entitlements FORCE ROW LEVEL SECURITY")


@pytest.mark.slow
async def test_a_payment_is_shown_with_all_that_followed_from_it(house: House, tenant: Tenant) -> None:
    payment = await tenant.open(entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    code, printed = await paysaga("payments", "show", payment["id"], "--json", house=house)
    shown = json.loads(printed)
    assert (code, shown["payment"]["status"], shown["money"]) == (0, "SUCCEEDED", "19900.00 HUF")
    assert [len(rows) for rows in shown["tables"].values()] == [3, 1, 1, 2, 1, 0, 0, 0, 4, 0, 3]
    code, printed = await paysaga("payments", "show", payment["id"], house=house)
    assert "provider_receivable" in printed
    assert (await paysaga("payments", "show", "pay_unknown", house=house))[0] == 2


async def test_the_doctor_finds_this_machine_well(house: House) -> None:
    code, printed = await paysaga("doctor", "--json", house=house)
    assert (code, json.loads(printed)["ok"]) == (0, True), printed


async def test_a_command_without_a_platform_says_how_to_get_one(tmp_path: Path) -> None:
    code, printed = await paysaga("verify", PAYSAGA_DATA_DIR=str(tmp_path))
    assert code == 2
    assert "paysaga dev" in printed


@pytest.mark.timeout(120)
@pytest.mark.slow
async def test_a_platform_starts_anywhere_stops_cleanly_and_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "a path with spaces"
    folder.mkdir()
    async with platform(folder, 19100) as (process, first), httpx.AsyncClient(trust_env=False) as http:
        children = process.children(recursive=True)
        assert (await http.get(f"{first['apiUrl']}/readyz")).json() == {"ready": True, "missing": []}
        ports = [httpx.URL(url).port or 0 for name, url in first.items() if name.endswith("Url")]
        assert all(19100 <= port < 19120 for port in ports)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not (folder / "ready file.json").exists()
    async with platform(folder, 19100) as (_, second):
        assert second["tenant"] == first["tenant"]


@pytest.mark.timeout(120)
@pytest.mark.slow
async def test_a_part_that_dies_is_started_again(tmp_path: Path) -> None:
    async with platform(tmp_path, 19140) as (_, ready), httpx.AsyncClient(trust_env=False) as http:
        file = Path(ready["pidFiles"]["api"])
        before = file.read_text().split()[0]
        os.kill(int(before), signal.SIGKILL)

        async def is_back() -> Any:
            try:
                answer = await http.get(f"{ready['apiUrl']}/readyz")
            except httpx.HTTPError:
                return None
            return True if answer.is_success and file.read_text().split()[0] != before else None

        await eventually(is_back)
