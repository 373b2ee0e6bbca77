"""One of everything that a tenant can own, each with a name or a text that nobody else has."""

import asyncio
import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from domain.values import new_id
from storage.tables import metadata
from tests.house import House, Json, Receiver, Tenant, eventually
from tests.stories.tenancy import colleague
from tests.stories.test_reconciliation import done, started
from tests.stories.test_refunds import becomes, refund
from tests.stories.visitor import ENDPOINT, at_rest
from tests.subscriber import Subscriber, plan

ROLES: Final = ("owner", "operator", "approver", "readonly")
# A day of business, which is longer than the test.
LONG: Final = 86_400
# What moves without anybody's deed.
_RESTLESS: Final = {
    *("audit_seals", "audit_checkpoints", "audit_examinations", "payment_tallies"),
    *("provider_health", "reconciliation_sightings"),
}


@dataclass(frozen=True)
class Goods:
    """``names`` holds what a request may name, by its kind; ``texts`` what only its owner may read."""

    tenant: Tenant
    names: Mapping[str, str]
    texts: tuple[str, ...]
    tokens: Mapping[str, str | None] = field(repr=False)

    @property
    def hidden(self) -> set[str]:
        """Whatever must not be read by anybody else."""
        said_by_all = {"userId", "orderId", "feature", "key", "actor"}
        return {*self.texts, *(name for kind, name in self.names.items() if kind not in said_by_all)}


async def furnished(house: House) -> Goods:
    """A tenant with what is had at once; of all else it has names that nobody has either."""
    mark = secrets.token_hex(6)
    tenant = await house.tenant(name=f"name-{mark}", contactEmail=f"mail-{mark}@example.com")
    tenant.usual = {"expiresInSeconds": LONG}
    wish = ENDPOINT | {"description": f"endpoint-{mark}"}
    endpoint = (await tenant.call("POST", "/v1/webhook-endpoints", json=wish)).json()
    names = {
        kind: new_id(kind[:3], datetime.now(UTC))
        for kind in ("refund", "dispute", "approval", "invoice", "note", "run", "delivery", "subscription")
    }
    names |= {kind: f"{kind}-{mark}" for kind in ("key", "userId", "orderId", "feature")}
    sold = await plan(tenant, name=f"plan-{mark}")
    payment = await tenant.open(names["key"], **_order(names, mark))
    names |= {"plan": sold["id"], "price": sold["prices"][0]["id"], "payment": payment["id"]}
    names |= {"account": await tenant.account(), "appName": tenant.registered["appName"]}
    names |= {"endpoint": endpoint["id"], "tenant": tenant.id, "deliveries cursor": names["delivery"]}
    names |= await _on_record(tenant, names)
    tokens: dict[str, str | None] = {"owner": tenant.token, "payer": payment["checkoutToken"], "nobody": None}
    return Goods(tenant, names, _texts(mark), tokens)


async def stocked(house: House, receiver: Receiver) -> Goods:
    """A tenant that has done all that can be done, and rests."""
    mark = secrets.token_hex(6)
    tenant = await house.tenant(name=f"name-{mark}", contactEmail=f"mail-{mark}@example.com")
    tenant.usual = {"expiresInSeconds": LONG}
    colleagues = {"owner": tenant}
    for role in ROLES[1:]:
        colleagues[role] = await colleague(tenant, role)
    wish = {"url": receiver.url, "description": f"endpoint-{mark}"}
    endpoint = (await tenant.call("POST", "/v1/webhook-endpoints", json=wish)).json()
    names: dict[str, str] = {
        "key": f"key-{mark}",
        "userId": f"user-{mark}",
        "orderId": f"order-{mark}",
        "feature": f"feature-{mark}",
        "endpoint": endpoint["id"],
    }
    payment, bought = await asyncio.gather(_paid(tenant, names, mark), _subscribed(tenant, names, mark))
    names |= {"payment": payment["id"]} | bought
    names |= await _given_back(tenant, payment, mark)
    run = await done(tenant, await started(tenant))
    dispute = await tenant.disputed(await tenant.paid(userId=names["userId"]))
    await at_rest(tenant, f"dispute:{tenant.id}:sandbox:{dispute['id']}")
    names |= {"run": run["id"], "dispute": dispute["id"], "tenant": tenant.id}
    names |= {"account": await tenant.account(), "appName": tenant.registered["appName"]}
    await rest(tenant)
    names |= await _on_record(tenant, names)
    delivery = await _first(tenant, f"/v1/webhook-endpoints/{names['endpoint']}/deliveries")
    names |= {"delivery": delivery["id"], "deliveries cursor": delivery["id"]}
    names["entries cursor"] = (await _first(tenant, "/v1/ledger/entries"))["id"]
    tokens: dict[str, str | None] = {role: who.token for role, who in colleagues.items()}
    tokens |= {"payer": payment["checkoutToken"], "nobody": None}
    return Goods(tenant, names, _texts(mark), tokens)


def _texts(mark: str) -> tuple[str, ...]:
    kinds = ("name", "mail", "endpoint", "about", "meta", "plan", "reason", "successful")
    return tuple(f"{what}-{mark}" for what in kinds)


def _order(names: Mapping[str, str], mark: str) -> Json:
    return {
        "userId": names["userId"],
        "orderId": names["orderId"],
        "description": f"about-{mark}",
        "metadata": {"canary": f"meta-{mark}"},
        "customerEmail": f"mail-{mark}@example.com",
        "successUrl": f"https://shop.example/successful-{mark}",
        "entitlements": [{"feature": names["feature"], "quantity": 1}],
    }


async def _paid(tenant: Tenant, names: Mapping[str, str], mark: str) -> Json:
    payment = await tenant.open(names["key"], **_order(names, mark))
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    return payment


async def _subscribed(tenant: Tenant, names: Mapping[str, str], mark: str) -> dict[str, str]:
    """A subscription that was paid for, and a part of it given back: that leaves a credit note."""
    user = Subscriber(tenant, names["userId"])
    sold = await plan(tenant, name=f"plan-{mark}")
    price = sold["prices"][0]
    await user.subscribes(price)
    (invoice,) = await user.invoices()
    await becomes(tenant, await refund(tenant, {"id": invoice["paymentId"]}, amount=1000), "SUCCEEDED")

    async def noted() -> str | None:
        (found,) = await user.invoices()
        whole = (await tenant.call("GET", f"/v1/invoices/{found['id']}")).json()
        return whole["creditNotes"][0]["id"] if whole["creditNotes"] else None

    return {
        "plan": sold["id"],
        "price": price["id"],
        "subscription": user.id,
        "invoice": invoice["id"],
        "note": await eventually(noted),
    }


async def _given_back(tenant: Tenant, payment: Json, mark: str) -> dict[str, str]:
    """A refund that waits for somebody's approval."""
    await tenant.call("PATCH", "/v1/tenants/me/settings", json={"refundApprovalThreshold": {"HUF": 1000}})
    asked = await refund(tenant, payment, amount=2000, reason=f"reason-{mark}")
    (approval,) = (await tenant.call("GET", "/v1/approvals")).json()["data"]
    return {"refund": asked["id"], "approval": approval["id"]}


async def _first(tenant: Tenant, path: str, **query: str) -> Json:
    answer = await tenant.call("GET", path, params=query)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()["data"][-1]
    return found


async def _on_record(tenant: Tenant, names: Mapping[str, str]) -> dict[str, str]:
    first = partial(_first, tenant)
    record, credential = await first("/v1/audit"), await first("/v1/tenants/me/credentials")
    paid = await tenant.get(names["payment"])
    place = base64.urlsafe_b64encode(f"{paid['createdAt'].replace('Z', '+00:00')} {paid['id']}".encode())
    return {
        "event": (await first("/v1/events", after="0"))["eventId"],
        "credential": credential["id"],
        "actor": f"owner:owner:{credential['id']}",
        "payments cursor": place.decode(),
        "entries cursor": "len_1",
        "audit cursor": record["id"],
    }


async def rest(tenant: Tenant) -> None:
    """Wait until nothing of this tenant is under way."""

    async def look() -> bool | None:
        (row,) = await tenant.rows("""
            SELECT (SELECT count(*) FROM deliveries WHERE state = 'PENDING')
                + (SELECT count(*) FROM inbox WHERE state = 'RECEIVED') AS waiting
        """)
        return row["waiting"] == 0 or None

    await eventually(look)


async def holdings(tenant: Tenant) -> dict[str, str]:
    """All that this tenant has, by table, as text. That somebody was refused may be added to its record."""
    found = {}
    for table in sorted({*metadata.tables} - _RESTLESS):
        but = " WHERE result <> 'refused'" if table == "audit_records" else ""
        rows = await tenant.rows(f"SELECT to_jsonb(t)::text AS row FROM {table} t{but} ORDER BY 1")  # noqa: S608
        found[table] = json.dumps([row["row"] for row in rows])
    return found


def unheard_of(name: str) -> str:
    """A name of the same make that nobody has."""
    prefix, _, rest_ = name.partition("_")
    if rest_.isdigit():
        return name
    if len(rest_) == 26:
        return f"{prefix}_{rest_[:10]}{'0' * 15}z"
    try:
        place = base64.urlsafe_b64decode(name.encode()).decode().split(" ")
        return base64.urlsafe_b64encode(f"{place[0]} {unheard_of(place[1])}".encode()).decode()
    except (ValueError, IndexError):
        known: Any = name[:-6]
        return f"{known}000000"
