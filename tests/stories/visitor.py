"""Somebody who sends what nobody should, and the doors that read what is sent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx

from tests.house import Json, Tenant, eventually, kinds
from tests.subscriber import Subscriber

CANARY = "canary"
ORDER: Json = {"userId": "user-123", "amount": 1990000, "currency": "HUF"}
PLAN: Json = {
    "name": "Pro",
    "description": "For teams",
    "tier": "pro",
    "active": True,
    "features": [{"feature": "reports", "limit": 100}],
    "prices": [{"amount": 499000, "currency": "HUF", "interval": "month"}],
}
# It hears of nothing that happens here.
ENDPOINT: Json = {
    "url": "http://localhost:9/hook",
    "events": ["reconciliation.mismatch"],
    "description": "Alarms",
}
KEYS = {"apiKey": "sk_sandbox_x", "webhookSecret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}


@dataclass(frozen=True)
class Door:
    """A route that reads a body, and a body it would take."""

    method: str
    path: str
    good: Json


PORTAL = {
    "mode": "portal",
    "userId": "u",
    "successUrl": "https://shop.example/",
    "cancelUrl": "https://shop.example/",
    "customerEmail": "a@b.hu",
    "billTo": {"name": "Anna", "taxNumber": "HU12345678"},
}
DOORS = {
    "register": Door(
        "POST", "/v1/tenants/register", {"name": "Shop", "contactEmail": "a@b.hu", "sandbox": True}
    ),
    "login": Door("POST", "/v1/tenants/login", {"appName": "app", "appSecret": "secret"}),
    "settings": Door("PATCH", "/v1/tenants/me/settings", {"checkoutExpiresInSeconds": 900}),
    "credential": Door("POST", "/v1/tenants/me/credentials", {"name": "Eve", "role": "readonly"}),
    "rotation": Door("POST", "/v1/tenants/me/credentials/{credential_id}/rotate", {"overlapSeconds": 60}),
    "provider": Door("PUT", "/v1/tenants/me/providers/{provider}", {"credentials": KEYS}),
    "payment": Door("POST", "/v1/payments", ORDER),
    "refund": Door("POST", "/v1/payments/{payment_id}/refunds", {"amount": 1000}),
    "review": Door("POST", "/v1/payments/{payment_id}/review", {"decision": "accept"}),
    "reconciliation": Door("POST", "/v1/reconciliation/runs", {"provider": "sandbox"}),
    "plan": Door("POST", "/v1/plans", PLAN),
    "session": Door("POST", "/v1/billing/session", PORTAL),
    "plan change": Door("PATCH", "/v1/plans/{plan_id}", PLAN),
    "cancel": Door("POST", "/v1/subscriptions/{subscription_id}/cancel", {"atPeriodEnd": True}),
    "change": Door(
        "POST",
        "/v1/subscriptions/{subscription_id}/change",
        {"quantity": 2, "proration": "next_period"},
    ),
    "usage": Door(
        "POST", "/v1/entitlements/usage", {"userId": "user-123", "feature": "reports", "quantity": 1}
    ),
    "evidence": Door("POST", "/v1/disputes/{dispute_id}/evidence", {"statement": "It was delivered."}),
    "endpoint": Door("POST", "/v1/webhook-endpoints", ENDPOINT),
    "endpoint change": Door("PATCH", "/v1/webhook-endpoints/{endpoint_id}", ENDPOINT | {"status": "enabled"}),
    "secret rotation": Door(
        "POST", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret", {"overlapSeconds": 60}
    ),
    "endpoint test": Door("POST", "/v1/webhook-endpoints/{endpoint_id}/test", {"type": "endpoint.test"}),
    "recovery": Door(
        "POST",
        "/v1/webhook-endpoints/{endpoint_id}/recover",
        {"since": (datetime.now(UTC) - timedelta(days=1)).isoformat()},
    ),
}
# All that a tenant can own.
TABLES = (
    *("tenants", "credentials", "provider_accounts", "webhook_endpoints", "payments", "payment_events"),
    *("events", "entitlements", "ledger_entries", "inbox", "checkouts", "refunds", "disputes", "approvals"),
    *("plans", "prices", "customers", "billing_sessions", "subscriptions", "subscription_events"),
    *("invoices", "credit_notes", "document_numbers", "usage"),
    *("event_sequences", "deliveries", "console_sessions"),
    *("reconciliation_runs", "reconciliation_differences", "reconciliation_sightings"),
)


async def at_rest(tenant: Tenant, workflow_id: str) -> None:
    """Wait until a workflow has nothing to do but wait."""
    workflow = (await tenant.house.temporal()).get_workflow_handle(workflow_id)

    async def waits() -> bool | None:
        return kinds(await workflow.fetch_history())[-1] == "TIMER_STARTED" or None

    await eventually(waits)


@dataclass(frozen=True)
class Visitor:
    """Somebody who may do everything, and sends what nobody should."""

    tenant: Tenant
    credential: str
    payment: str
    dispute: str
    plan: str
    subscription: str
    endpoint: str

    @classmethod
    async def arriving(cls, tenant: Tenant, doors: Iterable[Door] = DOORS.values()) -> Self:
        """With one of everything that these doors need."""
        (owner,) = (await tenant.call("GET", "/v1/tenants/me/credentials")).json()["data"]
        paths = " ".join(door.path for door in doors)
        payment = await tenant.paid() if "{payment_id}" in paths else {"id": ""}
        dispute = {"id": ""}
        if "{dispute_id}" in paths:
            dispute = await tenant.disputed(await tenant.paid())
            await at_rest(tenant, f"dispute:{tenant.id}:sandbox:{dispute['id']}")
        plan = {"id": ""}
        if "{plan_id}" in paths:
            plan = (await tenant.call("POST", "/v1/plans", json=PLAN)).json()
        anna = Subscriber(tenant, "anna")
        if "{subscription_id}" in paths:
            await anna.has_for_nothing()
        endpoint = {"id": ""}
        if "{endpoint_id}" in paths:
            endpoint = (await tenant.call("POST", "/v1/webhook-endpoints", json=ENDPOINT)).json()
        return cls(
            *(tenant, owner["id"], payment["id"], dispute["id"]), *(plan["id"], anna.id, endpoint["id"])
        )

    async def send(self, door: Door, body: Any, **headers: str) -> httpx.Response:
        path = door.path.format(
            credential_id=self.credential,
            provider="sandbox",
            payment_id=self.payment,
            dispute_id=self.dispute,
            plan_id=self.plan,
            subscription_id=self.subscription,
            endpoint_id=self.endpoint,
        )
        passes = self.tenant.house.admin | {"Idempotency-Key": "key", "Content-Type": "application/json"}
        return await self.tenant.call(door.method, path, content=body, headers=passes | headers)

    async def has(self) -> list[object]:
        """Everything this tenant owns, and how many tenants there are."""
        async with self.tenant.house.database() as db, db.transaction():
            await db.execute("SELECT set_config('app.tenant_id', $1, true)", self.tenant.id)
            mine = [await db.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in TABLES]  # noqa: S608
            # That something was refused may be on record; a deed may not.
            mine.append(await db.fetch("SELECT * FROM audit_records WHERE result <> 'refused' ORDER BY 1"))
            await db.execute("SET LOCAL ROLE paysaga_system")
            return [*mine, await db.fetchval("SELECT count(*) FROM tenants")]
