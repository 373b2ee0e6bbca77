"""With sealed payloads the platform works as ever, and Temporal's store tells ids and search terms only."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    WorkflowExecutionStatus,
    WorkflowHistory,
)
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from activities.reconciliation import Books
from dev import Platform
from tests.house import House, Json, Tenant, b64, eventually, whole
from tests.reliability.operator import paysaga
from tests.stories.test_orders import BANK_REFUSES
from workflows import reconciliation, schedules
from workflows.payloads import data_converter, key_id
from workflows.payment import PaymentWorkflow

PROGRAM: Final = Path(sys.executable).parent / "temporal"
SUM: Final = "12345.67 HUF"
USER: Final = "anna-of-kecskemet"
SEALED: Final = "binary/encrypted"
USUAL: Final = "19900.00 HUF"
NEW: Final = bytes(31) + b"\x02"

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]


@pytest.fixture(scope="module")
async def sealed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house of its own, whose Temporal keeps nothing it can read."""
    async with at(tmp_path_factory.mktemp("sealed"), seal_payloads=True) as house:
        yield house


@asynccontextmanager
async def at(folder: Path, *, seal_payloads: bool) -> AsyncIterator[House]:
    """The house whose data are here, for as long as it is entered."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 80 + 20 * number
    platform = Platform(folder, base, time_scale=60, say=print, seal_payloads=seal_payloads)
    async with (
        platform,
        httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=15) as http,
    ):
        yield House(platform.ready, http, folder)


@pytest.fixture(scope="module")
async def business(sealed: House) -> tuple[Tenant, Json, Json]:
    """A payment that was paid and given back, and one that the bank refused, both over."""
    tenant = await sealed.tenant()
    paid = await tenant.paid(amount=1_234_567, userId=USER, orderId="annas-order")
    key = {"Idempotency-Key": "back"}
    answer = await tenant.call("POST", f"/v1/payments/{paid['id']}/refunds", json={}, headers=key)
    assert answer.status_code == 202, answer.text
    await whole(sealed, f"refund:{tenant.id}:{answer.json()['id']}")
    failed = await tenant.open(amount=1_234_567, userId=USER)
    await tenant.pay(failed, card=BANK_REFUSES)
    await tenant.eventually(failed, "FAILED")
    await tenant.ended(failed)
    return tenant, paid, failed


async def kept(house: House, tenant: Tenant) -> list[WorkflowHistory]:
    """Every history of a tenant's, as Temporal keeps it."""
    client = await house.temporal()
    return [
        await client.get_workflow_handle(each.id, run_id=each.run_id).fetch_history()
        async for each in client.list_workflows()
        if tenant.id in each.id
    ]


def parts(history: WorkflowHistory | Any) -> Iterator[Json]:
    """All objects in a history, but those that it can be searched by."""
    part = history.to_json_dict() if isinstance(history, WorkflowHistory) else history
    if isinstance(part, dict):
        yield part
        part = [each for name, each in part.items() if name != "searchAttributes"]
    for each in part if isinstance(part, list) else []:
        yield from parts(each)


def payloads(history: WorkflowHistory | Json) -> list[Json]:
    return [part for part in parts(history) if "encoding" in part.get("metadata", {})]


async def opened(house: House, history: WorkflowHistory) -> str:
    """What the codec endpoint shows an operator of a history."""
    by = house.admin | {"X-Namespace": house.ready["namespace"]}
    answer = await house.http.post("/codec/decode", json={"payloads": payloads(history)}, headers=by)
    assert answer.status_code == 200, answer.text
    return said(answer.json()["payloads"])


def said(payloads: list[Json]) -> str:
    return "\n".join(base64.b64decode(each.get("data", "")).decode(errors="replace") for each in payloads)


async def show(house: House, workflow_id: str, *options: str) -> str:
    """What Temporal's command line shows of a workflow's history, base64 undone; or what it complains of."""
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAM), "workflow", "show", "--workflow-id", workflow_id, "--output", "json"),
        *("--address", house.ready["temporalAddress"], "--namespace", house.ready["namespace"]),
        *("--disable-config-file", "--disable-config-env", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return said(payloads(json.loads(printed))) if process.returncode == 0 else printed.decode()


# --- What Temporal has ----------------------------------------------------------------------------


async def test_every_payload_is_sealed_and_no_failure_speaks(
    sealed: House, business: tuple[Tenant, Json, Json]
) -> None:
    tenant, _, _ = business
    histories = await kept(sealed, tenant)
    assert {history.workflow_id.partition(":")[0] for history in histories} >= {"payment", "refund"}
    for history in histories:
        encodings = {base64.b64decode(each["metadata"]["encoding"]).decode() for each in payloads(history)}
        assert encodings == {SEALED}, history.workflow_id
        failures = [part for part in parts(history) if "message" in part]
        assert {part["message"] for part in failures} <= {"Encoded failure"}
        assert not any("stackTrace" in part for part in failures)


async def test_nothing_of_an_order_lies_in_temporals_files(
    sealed: House, business: tuple[Tenant, Json, Json]
) -> None:
    tenant, paid, _ = business
    stored = b"".join(file.read_bytes() for file in (sealed.data_dir / "temporal").iterdir())
    # That it would be found, if it were there.
    assert tenant.workflow_id(paid).encode() in stored
    for word in SUM, USER, "annas-order", "/pay/", "amount_minor", "checkout_url", "Traceback":
        assert word.encode() not in stored, word


# --- What operators have --------------------------------------------------------------------------


async def test_the_codec_endpoint_shows_an_operator_all_of_it(
    sealed: House, business: tuple[Tenant, Json, Json]
) -> None:
    tenant, paid, failed = business
    told = await opened(sealed, await tenant.history(paid))
    assert all(word in told for word in (SUM, "amount_minor", paid["id"], "SUCCEEDED"))
    assert "FAILED" in await opened(sealed, await tenant.history(failed))


async def test_temporals_command_line_shows_it_with_the_key_and_not_without(
    sealed: House, business: tuple[Tenant, Json, Json]
) -> None:
    tenant, paid, _ = business
    endpoint = ("--codec-endpoint", f"{sealed.ready['apiUrl']}/codec")
    shown = await show(
        *(sealed, tenant.workflow_id(paid), *endpoint, "--codec-auth", f"Bearer {sealed.ready['adminKey']}")
    )
    assert SUM in shown
    assert "SUCCEEDED" in shown
    for options in ((), (*endpoint, "--codec-auth", f"Bearer {tenant.token}")):
        assert SUM not in await show(sealed, tenant.workflow_id(paid), *options)


async def test_the_ui_knows_where_payloads_are_opened(sealed: House) -> None:
    async with httpx.AsyncClient(trust_env=False) as browser:
        told = (await browser.get(f"{sealed.ready['temporalUiUrl']}/api/v1/settings")).json()
    assert told["Codec"]["Endpoint"] == f"{sealed.ready['apiUrl']}/codec"
    asking = {"Origin": sealed.ready["temporalUiUrl"], "Access-Control-Request-Method": "POST"}
    may = await sealed.http.options("/codec/decode", headers=asking)
    assert may.headers["Access-Control-Allow-Origin"] == sealed.ready["temporalUiUrl"]


async def test_a_payment_waits_for_a_key_that_is_missing_and_an_operator_can_start_it_again(
    sealed: House,
) -> None:
    tenant = await sealed.tenant()
    payment = await tenant.open()
    client = await sealed.temporal()
    workflow = client.get_workflow_handle(tenant.workflow_id(payment))
    forged = await data_converter([bytes(32)]).encode(["the money is here"])
    await client.workflow_service.signal_workflow_execution(
        SignalWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow.id),
            signal_name="provider_reported",
            input=Payloads(payloads=forged),
        )
    )

    async def refusal() -> str | None:
        for event in (await workflow.fetch_history()).events:
            if event.HasField("workflow_task_failed_event_attributes"):
                failure = event.workflow_task_failed_event_attributes.failure
                return str(await client.data_converter.decode_failure(failure))
        return None

    assert f"key {key_id(bytes(32))}, which is not configured" in await eventually(refusal)
    assert (await workflow.describe()).status is WorkflowExecutionStatus.RUNNING
    await workflow.terminate("told to by a test")
    code, printed = await paysaga("rebuild", house=sealed)
    assert code == 0, printed
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await tenant.ended(payment)
    history = await tenant.history(payment)
    assert {base64.b64decode(each["metadata"]["encoding"]).decode() for each in payloads(history)} == {SEALED}


# --- Keys -----------------------------------------------------------------------------------------


async def test_a_sealed_history_replays_with_its_key_and_is_refused_by_name_without(
    sealed: House, business: tuple[Tenant, Json, Json]
) -> None:
    tenant, paid, failed = business
    for payment in paid, failed:
        history = await tenant.history(payment)
        await replay(history, sealed.payload_keys)
        with pytest.raises(RuntimeError, match=f"key {key_id(sealed.payload_keys[0])}, which is not"):
            await replay(history, [])


async def replay(history: WorkflowHistory, keys: list[bytes]) -> None:
    await Replayer(
        workflows=[PaymentWorkflow],
        data_converter=data_converter(keys),
        workflow_runner=UnsandboxedWorkflowRunner(),
    ).replay_workflow(history)


@pytest.mark.timeout(600)
async def test_a_payment_of_before_there_were_keys_and_one_of_the_key_before_are_paid_under_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAYSAGA_PAYLOAD_KEYS", raising=False)
    async with at(tmp_path, seal_payloads=False) as house:
        tenant = await house.tenant()
        plain = await tenant.open(expiresInSeconds=86_400)
        assert USUAL in said(payloads(await tenant.history(plain)))
    async with at(tmp_path, seal_payloads=True) as house:
        tenant = Tenant(house, tenant.registered)
        tenant.token = await tenant.login()
        (old,) = house.payload_keys
        first = await tenant.open(expiresInSeconds=86_400)
        assert names(await tenant.history(first)) == {key_id(old)}
    monkeypatch.setenv("PAYSAGA_PAYLOAD_KEYS", b64(NEW))
    async with at(tmp_path, seal_payloads=False) as house:
        assert house.payload_keys == [NEW, old]
        tenant = Tenant(house, tenant.registered)
        tenant.token = await tenant.login()
        for payment, keys in (plain, {"", key_id(NEW)}), (first, {key_id(old), key_id(NEW)}):
            await tenant.pay(payment)
            await tenant.eventually(payment, "SUCCEEDED")
            await tenant.ended(payment)
            assert names(await tenant.history(payment)) == keys


def names(history: WorkflowHistory) -> set[str]:
    """The keys that a history's payloads are sealed with; one that is plain has none."""
    return {base64.b64decode(each["metadata"].get("key-id", "")).decode() for each in payloads(history)}


async def test_a_schedule_is_sealed_anew_when_the_key_is_another(sealed: House) -> None:
    books, daily = Books(tenant_id="ten_of_nobody", provider="sandbox"), timedelta(days=1)
    old = bytes(31) + b"\x01"

    async def kept_under(*keys: bytes) -> tuple[str, Any]:
        client = await Client.connect(
            sealed.ready["temporalAddress"],
            namespace=sealed.ready["namespace"],
            data_converter=data_converter(keys),
        )
        await schedules.keep(client, books, daily)
        found = await client.get_schedule_handle(reconciliation.schedule_id(books)).describe()
        action = found.schedule.action
        assert isinstance(action, ScheduleActionStartWorkflow)
        (given,) = action.args
        assert isinstance(given, Payload)
        return given.metadata["key-id"].decode(), found.schedule.spec

    try:
        name, spec = await kept_under(old)
        assert name == key_id(old)
        assert await kept_under(NEW, old) == (key_id(NEW), spec)
    finally:
        await schedules.drop(await sealed.temporal(), books)
