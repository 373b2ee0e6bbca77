"""OWASP API3:2023. Nobody writes or reads a member that is not theirs to write or to read."""

from typing import Any

import pytest

from tests.house import House, Json, Receiver, Tenant, refused
from tests.stories.tenancy import CREDENTIALS, ME, PROVIDERS, SETTINGS, keys
from tests.subscriber import plan

_OURS: dict[str, Any] = {
    "status": "SUCCEEDED",
    "tenantId": "ten_" + 26 * "0",
    "id": "pay_" + 26 * "0",
    "amountCaptured": 1990000,
    "amountRefunded": 0,
    "sandbox": False,
    "providerReference": "cs_1",
    "checkoutUrl": "https://evil.example/",
    "createdAt": "2020-01-01T00:00:00Z",
    "refundStatus": "FULL",
    "late": False,
    "tenant_id": "ten_1",
    "user_id": "user-1",
}


@pytest.fixture(scope="module")
async def tenant(house: House) -> Tenant:
    """One for all: nothing here takes effect."""
    return await house.tenant()


@pytest.mark.parametrize("member", list(_OURS))
async def test_an_order_may_not_say_what_is_ours_to_say(tenant: Tenant, member: str) -> None:
    refused(await tenant.create(**{member: _OURS[member]}), 422, "validation_failed")
    assert await tenant.rows("SELECT FROM payments WHERE metadata->>'margin' IS NULL") == []


@pytest.mark.parametrize(
    "member", ["sandbox", "status", "suspended", "name", "appName", "organization", "role"]
)
async def test_settings_do_not_reach_beyond_the_settings(tenant: Tenant, member: str) -> None:
    before = (await tenant.call("GET", ME)).json()
    refused(await tenant.call("PATCH", SETTINGS, json={member: True}), 422, "validation_failed")
    assert (await tenant.call("GET", ME)).json() == before


async def test_a_price_that_was_published_keeps_its_amount(tenant: Tenant) -> None:
    made = await plan(tenant)
    price = made["prices"][0]
    for change in ({"prices": [price | {"amount": 1}]}, {"amount": 1}, {"id": "pln_" + 26 * "0"}):
        answer = await tenant.call("PATCH", f"/v1/plans/{made['id']}", json=change)
        assert answer.status_code in {409, 422}, (change, answer.text)
    found = (await tenant.call("GET", f"/v1/plans/{made['id']}")).json()
    assert found["prices"][0]["amount"] == price["amount"]


async def test_nothing_that_is_read_holds_a_secret(house: House) -> None:
    async with Receiver.listening() as receiver:
        tenant = await house.tenant(receiver.url)
        own = await keys(tenant)
        assert (await tenant.call("PUT", f"{PROVIDERS}/sandbox", json=own)).is_success
        secrets = [tenant.registered["appSecret"], tenant.registered["webhookSecret"]]
        secrets += own["credentials"].values()
        for path in (ME, CREDENTIALS, PROVIDERS, "/v1/webhook-endpoints", "/v1/audit", "/v1/events?after=0"):
            text = (await tenant.call("GET", path)).text
            assert [secret for secret in secrets if secret in text or secret[6:] in text] == [], path


async def test_a_payer_reads_the_payment_and_nothing_of_the_shop(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(metadata={"margin": "41 percent"}, customerEmail="jane@example.com")
    path = f"/v1/payments/{payment['id']}"
    seen: Json = (await house.http.get(path, params={"token": payment["checkoutToken"]})).json()
    assert seen["id"] == payment["id"]
    assert "checkoutToken" not in seen
    assert tenant.registered["appName"] not in str(seen)
