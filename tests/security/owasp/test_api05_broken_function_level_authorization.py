"""OWASP API5:2023. What a route does is for whom it names, however it is spelled and whatever is claimed.

Every route × every role: ``tests/security/test_roles.py``.
"""

import pytest

from tests.house import House, Tenant, refused
from tests.stories.tenancy import CREDENTIALS, REGISTER, SETTINGS, colleague

NEW = {"name": "Mine", "contactEmail": "e@example.com", "sandbox": True}


async def test_a_tenants_token_does_nothing_of_the_platforms(tenant: Tenant, house: House) -> None:
    other = await house.tenant()
    for path, body in (
        (REGISTER, NEW),
        (f"/v1/tenants/{other.id}/suspend", None),
        (f"/v1/tenants/{tenant.id}/resume", None),
    ):
        refused(await tenant.call("POST", path, json=body), 401, "unauthorized")
    assert (await other.create()).is_success


async def test_the_platforms_key_does_nothing_of_a_tenants(house: House) -> None:
    key = house.ready["adminKey"]
    for headers in (house.admin, {"Authorization": f"Bearer {key}"}):
        refused(await house.http.get("/v1/payments", headers=headers), 401, "unauthorized")
    wrong = [key[:-1], key + "x", key.upper(), ""]
    for each in wrong:
        refused(await house.http.post(REGISTER, json=NEW, headers={"X-Admin-Key": each}), 401, "unauthorized")


@pytest.mark.parametrize(
    "header",
    ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"],
)
async def test_no_header_makes_another_request_of_it(tenant: Tenant, header: str) -> None:
    reader = await colleague(tenant, "readonly")
    value = SETTINGS if "URL" in header else "PATCH"
    answer = await reader.call("GET", "/v1/tenants/me", headers={header: value})
    assert answer.json()["id"] == tenant.id
    refused(await reader.call("POST", CREDENTIALS, json={}, headers={header: "GET"}), 403, "forbidden")


@pytest.mark.parametrize("spelling", ["/V1/payments", "//v1/payments", "/v1//payments", "/v1/./payments",
                                      "/v1/payments/", "/v1/payments;x=1", "/v1/%70ayments%2f"])  # fmt: skip
async def test_another_spelling_is_no_way_around(house: House, spelling: str) -> None:
    answer = await house.http.get(spelling)
    assert answer.status_code in {401, 404}, answer.text


async def test_an_approver_does_not_ask_and_an_asker_does_not_approve(tenant: Tenant) -> None:
    await tenant.call("PATCH", SETTINGS, json={"refundApprovalThreshold": {"HUF": 0}})
    approver, reader = await colleague(tenant, "approver"), await colleague(tenant, "readonly")
    payment = await tenant.paid()
    path = f"/v1/payments/{payment['id']}/refunds"
    for person in (approver, reader):
        answer = await person.call("POST", path, json={}, headers={"Idempotency-Key": "k"})
        refused(answer, 403, "forbidden")
    asked = await tenant.call("POST", path, json={}, headers={"Idempotency-Key": "k"})
    assert asked.json()["status"] == "PENDING_APPROVAL"
    (approval,) = (await tenant.call("GET", "/v1/approvals")).json()["data"]
    decide = f"/v1/approvals/{approval['id']}/approve"
    refused(await tenant.call("POST", decide), 403, "four_eyes")
    refused(await reader.call("POST", decide), 403, "forbidden")
    assert (await approver.call("POST", decide)).is_success
