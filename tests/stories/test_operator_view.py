"""What an operator sees of a payment in Temporal's own pages, and what nobody sees there."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle

from tests.house import CARD, DECLINED, House, Json, Receiver, Tenant, eventually, sandbox_keys


@pytest.fixture
async def temporal(house: House) -> Client:
    return await house.temporal()


async def seen(temporal: Client, tenant: Tenant, payment: Json) -> WorkflowExecutionDescription:
    return await temporal.get_workflow_handle(tenant.workflow_id(payment)).describe()


def attributes(seen: WorkflowExecutionDescription) -> dict[str, Any]:
    return {
        name: values[0] for name, values in seen.search_attributes.items() if not name.startswith("Build")
    }


async def details(workflow: WorkflowHandle[Any, Any]) -> str:
    metadata = await workflow.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return str(metadata.current_details)


async def test_a_payment_is_found_by_its_own_name_and_says_what_it_is(
    tenant: Tenant, temporal: Client
) -> None:
    payment = await tenant.open()
    found = await seen(temporal, tenant, payment)
    assert found.id == f"payment:{tenant.id}:{payment['id']}"
    assert found.workflow_type == "Payment"
    assert await found.static_summary() == "19900.00 HUF at sandbox"


async def test_the_attributes_follow_the_payment(tenant: Tenant, temporal: Client) -> None:
    payment = await tenant.open()
    facts = {
        "TenantId": tenant.id,
        "Provider": "sandbox",
        "ProviderReference": payment["providerReference"],
        "Currency": "HUF",
        "AmountMinor": 1990000,
        "DueAt": datetime.fromisoformat(payment["expiresAt"]),
    }
    pending = attributes(await seen(temporal, tenant, payment))
    # The database keeps microseconds, the API tells milliseconds.
    pending["DueAt"] = pending["DueAt"].replace(microsecond=pending["DueAt"].microsecond // 1000 * 1000)
    assert pending == facts | {"PaymentStatus": "PROVIDER_PENDING"}
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await tenant.ended(payment)
    assert attributes(await seen(temporal, tenant, payment))["PaymentStatus"] == "SUCCEEDED"


async def test_payments_are_listed_by_what_became_of_them(tenant: Tenant, temporal: Client) -> None:
    silent, waiting = await tenant.open(expiresInSeconds=180), await tenant.open()
    await tenant.eventually(silent, "EXPIRED")

    async def listed(status: str) -> list[str] | None:
        query = f'PaymentStatus="{status}" and TenantId="{tenant.id}"'
        return [found.id async for found in temporal.list_workflows(query)] or None

    # What is listed lags a moment behind what happens.
    assert await eventually(lambda: listed("EXPIRED")) == [tenant.workflow_id(silent)]
    assert await eventually(lambda: listed("PROVIDER_PENDING")) == [tenant.workflow_id(waiting)]


async def test_the_details_tell_where_a_payment_stands(tenant: Tenant, temporal: Client) -> None:
    payment = await tenant.open()
    workflow = temporal.get_workflow_handle(tenant.workflow_id(payment))
    waiting = await details(workflow)
    assert waiting.startswith("**PROVIDER_PENDING** since 20")
    assert f"19900.00 HUF at sandbox, checkout {payment['providerReference']}" in waiting
    await tenant.pay(payment)
    await tenant.ended(payment)
    assert (await details(workflow)).startswith("**SUCCEEDED** since 20")


async def test_the_details_tell_why_a_payment_failed(tenant: Tenant, temporal: Client) -> None:
    await tenant.fault("checkout.create", "before", "refuse")
    refused = await tenant.create()
    workflow = temporal.get_workflow_handle(tenant.workflow_id({"id": refused.json()["paymentId"]}))
    assert (await details(workflow)).startswith("**FAILED** (provider_misconfigured: sandbox answered 400)")


async def test_each_step_says_what_it_is_for(tenant: Tenant) -> None:
    payment = await tenant.open()
    await tenant.pay(payment)
    await tenant.ended(payment)
    history = await tenant.history(payment)
    steps = {
        event.activity_task_scheduled_event_attributes.activity_type.name: json.loads(
            event.user_metadata.summary.data
        )
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    timers = [
        json.loads(event.user_metadata.summary.data)
        for event in history.events
        if event.HasField("timer_started_event_attributes")
    ]
    assert steps == {
        "open_checkout": "19900.00 HUF",
        "ask": "ask if no webhook comes",
        "settle": "webhook says paid",
    }
    assert [timer[:13] for timer in timers] == ["expires at 20"]


# --- What is not there ----------------------------------------------------------------------------


def texts(part: Any) -> Iterator[str]:
    """All that a history says, its encoded payloads opened."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield name
            yield from texts(value)
        if isinstance(part.get("data"), str):
            yield base64.b64decode(part["data"]).decode()
    elif isinstance(part, list):
        for item in part:
            yield from texts(item)
    else:
        yield str(part)


async def test_nothing_personal_and_no_secret_enters_a_history(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant(receiver.url)
    # A call that fails leaves its error in the history.
    await tenant.fault("checkout.create", "before", "status:500")
    personal: Json = {
        "userId": "jane-doe-77",
        "customerEmail": "jane.doe@example.com",
        "description": "Hair transplant",
        "orderId": "order-of-jane",
        "metadata": {"diagnosis": "alopecia"},
        "successUrl": "https://shop.example/thanks-jane",
        "cancelUrl": "https://shop.example/sorry-jane",
    }
    payment = await tenant.open(**personal)
    await tenant.pay(payment, card=DECLINED)
    await tenant.pay(payment)
    await tenant.ended(payment)
    await receiver.event("payment.succeeded")
    endpoint = (await tenant.rows("SELECT id FROM webhook_endpoints"))[0]["id"]
    courier = (await house.temporal()).get_workflow_handle(f"courier:{tenant.id}:{endpoint}")
    histories = [await tenant.history(payment), await courier.fetch_history()]
    said = "\n".join(text for history in histories for text in texts(history.to_json_dict()))
    assert "sandbox answered 500" in said
    assert payment["providerReference"] in said
    secrets = [
        *sandbox_keys(house, await tenant.account()),
        tenant.registered["appSecret"],
        tenant.registered["webhookSecret"],
        tenant.token,
        payment["checkoutToken"],
    ]
    private = ["jane", "Hair transplant", "diagnosis", "alopecia", CARD, DECLINED, receiver.url]
    assert [word for word in private + secrets if word in said] == []
