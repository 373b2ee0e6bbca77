"""Where a tenant listens: several endpoints, each with its choice of events, and what it missed."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.house import House, Json, Receiver, Tenant, eventually, refused
from tests.stories.tenancy import colleague

ENDPOINTS = "/v1/webhook-endpoints"
FIELDS = {
    *("id", "url", "events", "description", "status", "disabledReason", "failingSince"),
    *("createdAt", "updatedAt", "previousSecretExpiresAt"),
}


async def endpoint(tenant: Tenant, url: str, **wish: Any) -> Json:
    answer = await tenant.call("POST", ENDPOINTS, json={"url": url} | wish)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def asked(tenant: Tenant, method: str, path: str, status: int, **more: Any) -> Any:
    """What is answered to a request that must have this status."""
    answer = await tenant.call(method, path, **more)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def change(tenant: Tenant, made: Json, **wish: Any) -> Json:
    found: Json = await asked(tenant, "PATCH", f"{ENDPOINTS}/{made['id']}", 200, json=wish)
    return found


async def deliveries(tenant: Tenant, made: Json, **wanted: Any) -> list[Json]:
    path = f"{ENDPOINTS}/{made['id']}/deliveries"
    found: list[Json] = (await asked(tenant, "GET", path, 200, params=wanted))["data"]
    return found


async def told(tenant: Tenant, made: Json, *types: str) -> list[Json]:
    """The deliveries of an endpoint, once just these types have arrived there."""

    async def look() -> list[Json] | None:
        found = await deliveries(tenant, made, status="delivered", limit=100)
        return found if sorted(one["eventType"] for one in found) == sorted(types) else None

    found: list[Json] = await eventually(look)
    return found


# --- To have one ----------------------------------------------------------------------------------


async def test_an_endpoint_is_shown_as_it_was_made_and_its_secret_once(tenant: Tenant) -> None:
    made = await endpoint(
        tenant, "http://localhost:9/hook", events=["refund.failed", "payment.failed"], description="Alarms"
    )
    assert made.pop("secret").startswith("whsec_")
    assert made.keys() == FIELDS
    assert made["id"].startswith("whe_")
    assert (made["events"], made["description"]) == (["refund.failed", "payment.failed"], "Alarms")
    assert (made["status"], made["disabledReason"], made["failingSince"]) == ("enabled", None, None)
    assert await asked(tenant, "GET", f"{ENDPOINTS}/{made['id']}", 200) == made
    assert await asked(tenant, "GET", ENDPOINTS, 200) == {"data": [made]}
