"""OWASP API7:2023. No wish of a tenant makes us call an address inside.

All hostile addresses, rebinding, redirects and the trap that counts connections:
``tests/security/test_outbound_attacks.py``.
"""

import pytest

from tests.house import House, Tenant, refused
from tests.stories.tenancy import PROVIDERS, keys

INSIDE = (
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://metadata.google.internal/",
    "http://10.0.0.1/",
    "http://0x7f000001:7233/",
    "gopher://127.0.0.1:5432/_x",
    "file:///etc/passwd",
    "http://127.0.0.1@evil.example/",
)


@pytest.fixture(scope="module")
async def tenant(house: House) -> Tenant:
    """One for all: nothing here takes effect."""
    return await house.tenant()


@pytest.mark.parametrize("url", INSIDE)
async def test_no_endpoint_lies_inside(tenant: Tenant, url: str) -> None:
    refused(await tenant.call("POST", "/v1/webhook-endpoints", json={"url": url}), 422, "validation_failed")


@pytest.mark.parametrize("url", INSIDE)
async def test_no_company_lies_inside(tenant: Tenant, url: str) -> None:
    own = await keys(tenant)
    answer = await tenant.call("PUT", f"{PROVIDERS}/sandbox", json=own | {"apiBase": url})
    refused(answer, 422, "validation_failed")


async def test_an_endpoint_does_not_move_inside_later(tenant: Tenant) -> None:
    body = {"url": "http://localhost:9/hook", "events": ["reconciliation.mismatch"]}
    made = (await tenant.call("POST", "/v1/webhook-endpoints", json=body)).json()
    path = f"/v1/webhook-endpoints/{made['id']}"
    refused(await tenant.call("PATCH", path, json={"url": INSIDE[0]}), 422, "validation_failed")
    assert (await tenant.call("GET", path)).json()["url"] == body["url"]
