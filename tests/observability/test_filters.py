"""The filters of docs/operations/temporal-ui.md: Temporal takes them, and they find what they should."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.house import House, Receiver, Tenant, eventually
from tests.reliability.operator import paysaga
from tests.stories.test_approvals import careful, waiting
from tests.stories.test_refunds import paid, refund
from workflows import policies

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "temporal-ui.md"
FILTERS = dict(re.findall(r"^\| (.+?) \| `(\w+ (?:=|IS).+?)` \|$", PAGE.read_text(), re.MULTILINE))
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def asked(which: str, tenant: str = "ten_1", reference: str = "cs_1") -> str:
    """The page's filter, with our tenant and the present time."""
    ours = FILTERS[which].replace("ten_…", tenant).replace("cs_…", reference)
    return TIME.sub(f"{datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}", ours)


def test_the_page_has_filters_and_they_use_our_attributes() -> None:
    assert len(FILTERS) == 13
    known = {
        *("WorkflowType", "ExecutionStatus", "StartTime", "TemporalReportedProblems"),
        *(key.name for key in vars(policies).values() if hasattr(key, "indexed_value_type")),
    }
    used = {name for each in FILTERS.values() for name in re.findall(r"(\w+) (?:=|<|>=|IS)", each)}
    assert used <= known


@pytest.mark.parametrize("which", FILTERS)
async def test_temporal_takes_the_filter(house: House, which: str) -> None:
    assert (await (await house.temporal()).count_workflows(asked(which))).count >= 0


# --- Each finds what it should, and what is well is not found --------------------------------------


async def stuck(tenant: Tenant) -> str:
    await tenant.fault("webhook.send", "webhook", "lost", count=10)
    await tenant.fault("checkout.read", "before", "status:503", count=1000)
    await tenant.fault("checkout.close", "before", "refuse", count=1000)
    payment = await tenant.open(expiresInSeconds=180)
    await tenant.eventually(payment, "UNKNOWN")
    return tenant.workflow_id(payment)


async def other_money(tenant: Tenant) -> str:
    await tenant.fault("checkout.pay", "answer", "wrongAmount")
    payment = await tenant.open()
    await tenant.pay(payment)
    await tenant.eventually(payment, "REVIEW")
    return tenant.workflow_id(payment)


async def under_review(tenant: Tenant) -> str:
    payment = (await other_money(tenant)).rpartition(":")[2]
    code, printed = await paysaga("payments", "accept", payment, house=tenant.house)
    assert code == 0, printed
    (approval,) = {*re.findall(r"apr_\w{26}", printed)}
    return f"review:{tenant.id}:{approval}"


async def waits_for_a_payer(tenant: Tenant) -> str:
    return tenant.workflow_id(await tenant.open())


async def large(tenant: Tenant) -> str:
    return tenant.workflow_id(await tenant.open(amount=100_000_000))


async def unconfirmed(tenant: Tenant) -> str:
    payment = await paid(tenant)
    await tenant.fault("refund.create", "before", "status:503", count=1000)
    await tenant.fault("refund.read", "before", "status:503", count=1000)
    return f"refund:{tenant.id}:{(await refund(tenant, payment))['id']}"


async def disputed(tenant: Tenant) -> str:
    return f"dispute:{tenant.id}:sandbox:{(await tenant.disputed(await tenant.paid()))['id']}"


async def ended_by_hand(tenant: Tenant) -> str:
    found = await waits_for_a_payer(tenant)
    await (await tenant.house.temporal()).get_workflow_handle(found).terminate("by hand")
    return found


SITUATIONS: dict[str, Callable[[Tenant], Awaitable[str]]] = {
    "payments of a tenant are stuck: their time is up, and they still run": stuck,
    "payments nobody can account for": stuck,
    "payments came to other money than ordered": other_money,
    "payments of a company are open": waits_for_a_payer,
    "payments are large": large,
    "refunds the company has not confirmed for a while": unconfirmed,
    "answers to money under review are waited for": under_review,
    "disputes are open": disputed,
    "workflows were ended by hand": ended_by_hand,
}


async def found_by(client: Client, query: str, tenant: Tenant) -> list[str]:
    """What the list shows of this tenant: it is others' house, too."""
    return [found.id async for found in client.list_workflows(query) if f":{tenant.id}:" in found.id]


async def only_finds(which: str, tenant: Tenant, expected: str) -> None:
    client = await tenant.house.temporal()

    async def look() -> bool | None:
        return await found_by(client, asked(which, tenant.id), tenant) == [expected] or None

    await eventually(look)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("which", SITUATIONS)
async def test_a_filter_finds_what_it_is_for(tenant: Tenant, which: str) -> None:
    planted = await SITUATIONS[which](tenant)
    await only_finds(which, tenant, planted)


@pytest.mark.slow
async def test_a_payment_is_found_by_the_name_a_company_has_for_it(tenant: Tenant) -> None:
    one, _other = await tenant.open(), await tenant.open()
    query = asked("payment a company speaks of", reference=one["providerReference"])
    client = await tenant.house.temporal()

    async def look() -> bool | None:
        return await found_by(client, query, tenant) == [tenant.workflow_id(one)] or None

    await eventually(look)


@pytest.mark.slow
async def test_a_courier_that_retries_is_found_until_it_got_through(house: House, receiver: Receiver) -> None:
    receiver.answers = [500] * 4
    tenant = await house.tenant(receiver.url)
    await tenant.open()
    (endpoint,) = await tenant.rows("SELECT id FROM webhook_endpoints")
    await only_finds("couriers try again and again", tenant, f"courier:{tenant.id}:{endpoint['id']}")


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_refund_is_found_for_as_long_as_it_waits_for_an_approver(house: House) -> None:
    tenant, approver = await careful(house)
    asked_for, approval = await waiting(tenant)
    which = "refunds wait for an approver"
    await only_finds(which, tenant, f"refund:{tenant.id}:{asked_for['id']}")
    await approver.call("POST", f"/v1/approvals/{approval['id']}/approve")
    client = await house.temporal()

    async def gone() -> bool | None:
        return await found_by(client, asked(which), tenant) == [] or None

    await eventually(gone)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_workflow_whose_tasks_fail_is_found(house: House, tenant: Tenant) -> None:
    client = await house.temporal()
    nobodys = f"nobodys:{tenant.id}:1"
    # A worker that does not know a workflow fails its tasks, as one with a bug does.
    await client.start_workflow("Nobodys", id=nobodys, task_queue=policies.QUEUE)
    which = "workflows fail their tasks"
    async with asyncio.timeout(200):
        while await found_by(client, asked(which), tenant) != [nobodys]:
            # After five failures in a row, with longer and longer pauses.
            await asyncio.sleep(2)
    await client.get_workflow_handle(nobodys).terminate()
