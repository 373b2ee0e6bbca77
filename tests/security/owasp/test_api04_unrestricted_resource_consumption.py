"""OWASP API4:2023. Every list, body, text and wish has an end, and it is refused, not cut off in silence.

How often: ``tests/security/test_limits.py``; hostile bodies in numbers: ``test_hostile_input.py``; floods of
webhooks: ``test_webhook_floods.py``.
"""

import pytest

from tests.house import House, Tenant, refused


@pytest.fixture(scope="module")
async def tenant(house: House) -> Tenant:
    """One for all: nothing here takes effect."""
    return await house.tenant()


LISTS = (
    *("/v1/payments", "/v1/refunds", "/v1/disputes", "/v1/approvals", "/v1/audit", "/v1/invoices"),
    *("/v1/subscriptions", "/v1/plans", "/v1/events?after=0", "/v1/ledger/entries"),
)


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_has_a_most(tenant: Tenant, path: str) -> None:
    joint = "&" if "?" in path else "?"
    for limit in ("0", "-1", "1000000", "9" * 30, "1e3", "ten"):
        refused(await tenant.call("GET", f"{path}{joint}limit={limit}"), 422, "validation_failed")


@pytest.mark.parametrize("offset", ["-1", "9" * 30, "1.5"])
async def test_an_offset_has_bounds(tenant: Tenant, offset: str) -> None:
    refused(await tenant.call("GET", f"/v1/payments?offset={offset}"), 422, "validation_failed")


async def test_a_body_nests_only_so_deep_and_holds_only_so_much(tenant: Tenant) -> None:
    deep = '{"metadata":' + '{"a":' * 40 + "1" + "}" * 41
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    answer = await tenant.call("POST", "/v1/payments", content=deep, headers=headers)
    assert answer.status_code in {400, 422}
    refused(await tenant.create(metadata={f"k{n}": "v" for n in range(51)}), 422, "validation_failed")
    refused(await tenant.create(metadata={"k": "v" * 501}), 422, "validation_failed")
    refused(await tenant.create(entitlements=[{"feature": "f"}] * 21), 422, "validation_failed")
    refused(await tenant.create(description="d" * 501), 422, "validation_failed")


async def test_a_file_covers_a_bounded_time(tenant: Tenant) -> None:
    forever = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T00:00:00Z"}
    for path in ("/v1/reports/payments.csv", "/v1/reports/summary"):
        refused(await tenant.call("GET", path, params=forever), 422, "validation_failed")


async def test_a_plan_has_only_so_many_prices_and_features(tenant: Tenant) -> None:
    price = {"amount": 1000, "currency": "HUF", "interval": "month"}
    for more in ({"prices": [price] * 1000}, {"features": [{"feature": f"f{n}"} for n in range(1000)]}):
        answer = await tenant.call("POST", "/v1/plans", json={"name": "Big", "prices": [price]} | more)
        refused(answer, 422, "validation_failed")


async def test_a_deadline_is_never_far(tenant: Tenant) -> None:
    refused(await tenant.create(expiresInSeconds=10**9), 422, "validation_failed")
