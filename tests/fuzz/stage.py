"""One of everything in a running house, so that what is made up at random also meets what is there."""

import secrets
from dataclasses import dataclass

from tests.house import House, Json, Tenant, eventually
from tests.stories.visitor import ENDPOINT, PLAN
from tests.subscriber import Subscriber, plan

ANNA: Json = {"name": "Anna", "address": "6720 Szeged", "taxNumber": "HU87654321"}
# A refund above it waits for a second person.
THRESHOLD = 100_000

Names = dict[str, list[str]]


@dataclass(frozen=True)
class Stage:
    """Who is on it, and the names of what they have, under what the OpenAPI calls such a name."""

    tenant: Tenant
    """An owner, in whose name everything is asked for."""
    spare: Tenant
    """Another, who may lose accounts, settings and freedom without the first one noticing."""
    names: Names


async def set_up(house: House) -> Stage:
    tenant, spare = await house.tenant(), await house.tenant()
    names: Names = {
        "provider": ["sandbox"],
        "tenant_id": [spare.id],
        "account_id": [await tenant.account()],
        "credential_id": [await _made(tenant, "/v1/tenants/me/credentials", name="Eve", role="readonly")],
        "plan_id": [await _made(tenant, "/v1/plans", **PLAN)],
        # It hears of everything, and nobody opens there.
        "endpoint_id": [await _made(tenant, "/v1/webhook-endpoints", url=ENDPOINT["url"])],
        "run_id": [await _made(tenant, "/v1/reconciliation/runs", provider="sandbox")],
    }
    names |= await _money(tenant)
    names |= await _billing(tenant)
    return Stage(tenant, spare, names | await _told(tenant, names["endpoint_id"][0]))


async def _made(tenant: Tenant, path: str, **body: object) -> str:
    answer = await tenant.call("POST", path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


async def _money(tenant: Tenant) -> Names:
    """Payments in several states, a refund that is under way, one that waits for approval, and a dispute."""
    wish = {"refundApprovalThreshold": {"HUF": THRESHOLD}}
    assert (await tenant.call("PATCH", "/v1/tenants/me/settings", json=wish)).is_success
    waiting = await tenant.open(expiresInSeconds=86_400)
    paid, fought = await tenant.paid(), await tenant.paid()
    path = f"/v1/payments/{paid['id']}/refunds"
    refunds = [await _made(tenant, path, amount=amount) for amount in (1000, 2 * THRESHOLD)]
    approvals = (await tenant.call("GET", "/v1/approvals")).json()["data"]
    return {
        "payment_id": [each["id"] for each in (waiting, paid, fought)],
        "token": [waiting["checkoutToken"]],
        "refund_id": refunds,
        "approval_id": [each["id"] for each in approvals],
        "dispute_id": [(await tenant.disputed(fought))["id"]],
    }


async def _billing(tenant: Tenant) -> Names:
    """A subscription that was paid for, its invoice, and what was given back of it."""
    anna, price = Subscriber(tenant, "anna"), (await plan(tenant))["prices"][0]
    await anna.subscribes(price, billTo=ANNA, customerEmail="anna@example.com")
    (invoice,) = await anna.invoices()
    await _made(tenant, f"/v1/payments/{invoice['paymentId']}/refunds", amount=1270)

    async def noted() -> Json | None:
        (found,) = await anna.invoices()
        return found if found["creditNotes"] else None

    noted_down = await eventually(noted)
    return {
        "subscription_id": [anna.id],
        "price_id": [price["id"]],
        "invoice_id": [invoice["id"]],
        "note_id": [noted_down["creditNotes"][0]["id"]],
    }


async def _told(tenant: Tenant, endpoint: str) -> Names:
    """What was told so far."""
    events = (await tenant.call("GET", "/v1/events")).json()["data"]
    deliveries = (await tenant.call("GET", f"/v1/webhook-endpoints/{endpoint}/deliveries")).json()["data"]
    return {
        "event_id": [each["eventId"] for each in events[:3]],
        "delivery_id": [each["id"] for each in deliveries[:3]],
    }
