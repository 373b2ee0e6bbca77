"""The drill: both stores are gone. A dump of PostgreSQL, the keys and the payment company are all there is.

docs/operations/backup.md describes the same steps for people.
"""

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dev import Platform
from local import binaries
from local.keys import load_or_make
from local.postgres import EmbeddedPostgres
from local.processes import Supervisor, claimed
from local.roles import ensure_database
from tests.house import UNHURRIED, House, Json, Receiver, Tenant, eventually
from tests.reliability.operator import paysaga
from tests.reliability.test_rebuild import LONG, SHORT, ends, order
from tests.reliability.test_unknown import unknown
from tests.stories.tenancy import colleague
from tests.stories.test_reconciliation import differences, reconciled
from tests.subscriber import Subscriber, plan

pytestmark = [pytest.mark.timeout(540), pytest.mark.slow]

EACH = 2
# A card that is kept, and declined with the next charge.
DUNNING = "4000000000000341"


def port_base() -> int:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 80 + 20 * number


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[House]:
    """A house in this folder, which in the end is cut off from its power."""
    platform = Platform(folder, port_base(), time_scale=60, settings=UNHURRIED, say=print)
    async with (
        platform,
        httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=15) as http,
    ):
        try:
            yield House(platform.ready, http, folder)
        finally:
            platform.kill()


async def tool(name: str, house_url: str, *words: str) -> None:
    """One of PostgreSQL's own programs, as whom the address names."""
    address = urlsplit(house_url)
    programs = (await asyncio.to_thread(binaries.find, None)).folder
    process = await asyncio.create_subprocess_exec(
        *(str(programs / name), "--host", str(address.hostname), "--port", str(address.port)),
        *("--username", str(address.username), "--dbname", "paysaga", "--no-password", *words),
        env={"PATH": os.defpath, "PGPASSWORD": str(address.password)},
        stderr=asyncio.subprocess.PIPE,
    )
    said = (await process.communicate())[1].decode()
    assert process.returncode == 0, said


async def readers_address(house: House) -> str:
    """A role that may read all and change nothing: neither owner nor application sees past the policies."""
    async with house.database(role="postgres") as db:
        await db.execute("CREATE ROLE paysaga_backup LOGIN BYPASSRLS PASSWORD 'a-copy'")
        await db.execute(
            "GRANT pg_read_all_data TO paysaga_backup; GRANT CONNECT ON DATABASE paysaga TO paysaga_backup"
        )
        await db.execute("ALTER ROLE paysaga_backup SET default_transaction_read_only = on")
    return str(httpx.URL(house.database_url()).copy_with(username="paysaga_backup", password="a-copy"))


async def restore(folder: Path, old: House, dump: Path, tenant: Tenant) -> int:
    """A folder with the keys, the company's own memory, and what the dump knows. Temporal is empty.

    Tells how many events of the tenant the dump holds.
    """
    folder.mkdir(mode=0o700)
    for name in ("secrets.json", "ports.json"):
        shutil.copy(old.data_dir / name, folder / name)
    shutil.move(old.data_dir / "sandbox", folder / "sandbox")
    for store in ("postgres", "temporal"):
        shutil.rmtree(old.data_dir / store)
    url = old.database_url("postgres")
    keys = load_or_make(folder / "secrets.json")
    with claimed(folder):
        supervisor = Supervisor(folder, print)
        port = urlsplit(url).port
        assert port is not None
        server = EmbeddedPostgres(folder / "postgres", port, keys.superuser_password)
        async with server, supervisor:
            await server.start(supervisor)
            await ensure_database(server.connect, keys.owner_password, keys.runtime_password)
            await tool("pg_restore", url, "--exit-on-error", "--single-transaction", str(dump))
            database = await server.connect("paysaga")
            held = await database.fetchval("SELECT last FROM event_sequences WHERE tenant_id = $1", tenant.id)
            await database.close()
            return int(held)


@dataclass
class Day:
    """What was going on when the stores were lost."""

    tenant: Tenant
    anna: Subscriber
    paid: list[Json]
    waiting: list[Json]
    expiring: list[Json]
    unknown: Json
    unsure: Json
    """A refund whose answer was lost."""
    asked: Json
    """A refund that waits for a second person."""


async def ask_refund(tenant: Tenant, payment: Json, **body: int) -> Json:
    answer = await tenant.call(
        "POST",
        f"/v1/payments/{payment['id']}/refunds",
        json=body,
        headers={"Idempotency-Key": secrets.token_hex(8)},
    )
    assert answer.status_code == 202, answer.text
    found: Json = answer.json()
    return found


async def begin(house: House, receiver: Receiver) -> Day:
    """Something of everything."""
    tenant, silent = await house.tenant(webhook_url=receiver.url), await house.tenant()
    anna = Subscriber(tenant, "anna")
    await anna.subscribes((await plan(tenant))["prices"][0], DUNNING)
    await anna.time_passes(31)
    paid = [await tenant.paid() for _ in range(EACH)]
    nobody_says = await unknown(silent)
    nobody_says["tenant"] = silent
    await tenant.fault("refund.create", "after", "reset", count=2)
    unsure = await ask_refund(tenant, paid[0])
    await tenant.call("PATCH", "/v1/tenants/me/settings", json={"refundApprovalThreshold": {"HUF": 0}})
    asked = await ask_refund(tenant, paid[1])
    assert asked["status"] == "PENDING_APPROVAL"
    await anna.becomes("past_due")
    # From here on its receiver is down: what is announced is due, and stays so.
    receiver.answers = [503] * 10_000
    return Day(
        tenant,
        anna,
        paid,
        waiting=[await order(tenant, LONG) for _ in range(2 * EACH)],
        expiring=[await order(tenant, SHORT) for _ in range(EACH)],
        unknown=nobody_says,
        unsure=unsure,
        asked=asked,
    )


async def go_on(tenant: Tenant) -> None:
    """Customers do not wait for a backup."""
    while True:
        await tenant.paid()


def ids(receiver: Receiver, up_to: int) -> dict[int, set[str]]:
    """Under which ids each of the tenant's first events was sent."""
    found: dict[int, set[str]] = {}
    for sent in receiver.received:
        if sent.body["sequence"] <= up_to:
            found.setdefault(sent.body["sequence"], set()).add(sent.headers["webhook-id"])
    return found


async def test_a_dump_and_the_keys_bring_everything_back(tmp_path: Path) -> None:
    dump = tmp_path / "paysaga.dump"
    async with Receiver.listening() as receiver:
        async with running(tmp_path / "before") as house:
            day = await begin(house, receiver)
            customers = asyncio.create_task(go_on(day.tenant))
            reader = await readers_address(house)
            began = time.monotonic()
            await tool("pg_dump", reader, "--format", "custom", "--file", str(dump))
            backed_up = time.monotonic() - began
            customers.cancel()
            with suppress(asyncio.CancelledError):
                await customers
            # What happens now is in no backup: money arrives, and somebody pays who had not even ordered.
            for payment in day.waiting[:EACH]:
                await day.tenant.pay(payment)
                await day.tenant.eventually(payment, "SUCCEEDED")
            unborn = await day.tenant.paid()
        began = time.monotonic()
        held = await restore(tmp_path / "after", house, dump, day.tenant)
        async with running(tmp_path / "after") as house:
            code, printed = await paysaga("rebuild", house=house)
            assert code == 0, printed
            print(  # noqa: T201
                f"dumped in {backed_up:.1f} s, {dump.stat().st_size} bytes;"
                f" taking payments {time.monotonic() - began:.1f} s after the loss"
            )
            await _all_is_well(house, day, receiver, unborn, held)
            exported = tmp_path / "before" / "audit-checkpoints.jsonl"
            code, printed = await paysaga("audit", "verify", "--checkpoints", str(exported), house=house)
            assert code == 1, "that this is an older state is plain to whoever kept the checkpoints"


async def _all_is_well(house: House, day: Day, receiver: Receiver, unborn: Json, held: int) -> None:
    day.tenant = tenant = replace(day.tenant, house=house)
    day.anna.tenant = tenant
    await house.control("DELETE", "faults")
    receiver.answers.clear()
    # Open payments end as they should: also those whose webhook came after the backup.
    for payment in day.waiting[EACH:]:
        await tenant.pay(payment)
    assert {(await ends(tenant, each))["status"] for each in day.waiting} == {"SUCCEEDED"}
    assert {(await ends(tenant, each))["status"] for each in day.expiring} == {"EXPIRED"}
    silent = replace(day.unknown.pop("tenant"), house=house)
    assert (await ends(silent, day.unknown))["status"] == "EXPIRED"
    assert (await ends(tenant, day.paid[0]))["refundStatus"] == "FULL"
    approver = await colleague(tenant, "approver")
    await approver.call("POST", f"/v1/approvals/{day.asked['approvalId']}/approve")
    assert (await ends(tenant, day.paid[1]))["refundStatus"] == "FULL"
    await day.anna.portal()
    await day.anna.becomes("active")
    # The company is the witness: nothing was charged twice, nothing given back twice.
    for payment in [*day.waiting, *day.paid]:
        truth = await house.ledger(payment)
        assert (len(truth["sessions"]), len(truth["captures"])) == (1, 1)
        assert len(truth["refunds"]) == (payment in day.paid[:2])
    # Money of a payment that nobody here has heard of is found by comparing books.
    assert (await tenant.call("GET", f"/v1/payments/{unborn['id']}")).status_code == 404
    found = differences(await reconciled(tenant))
    assert [each["class"] for each in found if unborn["id"] in str(each)] == ["unknown_reference"]
    # All are told everything, and what was told before is told under the name it had.
    (counted,) = await tenant.rows("SELECT last FROM event_sequences")
    await eventually(lambda: _heard(receiver, {*range(1, counted["last"] + 1)}), 60)
    assert all(len(names) == 1 for names in ids(receiver, held).values())
    code, printed = await paysaga("verify", house=house)
    assert code == 0, printed


async def _heard(receiver: Receiver, sequences: set[int]) -> bool | None:
    return sequences <= {one.body["sequence"] for one in receiver.received} or None
