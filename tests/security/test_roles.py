"""Each route under /v1 has one kind of protection, and each role may do what this page says: generated from
the running platform's own description of itself, so that a route nobody thought of fails here."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import httpx
import pytest
from fastapi.routing import APIRoute

import api
import console
from domain.tenant import MAY_ADMINISTER, MAY_TRADE, Role
from tests.house import House, Json, Tenant, refused
from tests.stories.tenancy import colleague
from tests.stories.visitor import DOORS, Visitor

# --- What protects which route --------------------------------------------------------------------

PLATFORM = {
    "POST /v1/tenants/register",
    "POST /v1/tenants/{tenant_id}/suspend",
    "POST /v1/tenants/{tenant_id}/resume",
}
"""The admin key."""
SIGNED = {"POST /v1/billing/webhooks/{provider}/{account_id}"}
"""A provider's signature."""
PUBLIC = {"POST /v1/tenants/login"}
PAYERS = {"GET /v1/payments/{payment_id}"}
"""A token of the tenant's, or of this payment's."""
ADMINISTER = {
    "PATCH /v1/tenants/me/settings",
    "POST /v1/tenants/me/credentials",
    "POST /v1/tenants/me/credentials/{credential_id}/rotate",
    "DELETE /v1/tenants/me/credentials/{credential_id}",
    "PUT /v1/tenants/me/providers/{provider}",
    "DELETE /v1/tenants/me/providers/{provider}",
    "POST /v1/webhook-endpoints",
    "PATCH /v1/webhook-endpoints/{endpoint_id}",
    "DELETE /v1/webhook-endpoints/{endpoint_id}",
    "POST /v1/webhook-endpoints/{endpoint_id}/rotate-secret",
}
DECIDE = {"POST /v1/approvals/{approval_id}/approve", "POST /v1/approvals/{approval_id}/reject"}
"""Who may, depends on the approval, and on who asked: tests/stories/test_approvals.py."""


@dataclass(frozen=True)
class Way:
    """A route, as the platform describes it."""

    method: str
    path: str
    security: list[dict[str, list[str]]]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def roles(self) -> frozenset[Role]:
        """Who may go this way. What is not said above is reading, or the daily business."""
        if self.method == "GET" or self.name in DECIDE:
            return frozenset(Role)
        return MAY_ADMINISTER if self.name in ADMINISTER else MAY_TRADE

    def to(self, **names: str) -> str:
        """The path to what has these names, and to nothing where there is none."""
        parts = (part.strip("{}") if part.startswith("{") else None for part in self.path.split("/"))
        words = (
            names.get(part, "none") if part else word
            for part, word in zip(parts, self.path.split("/"), strict=True)
        )
        return "/".join(words)


@pytest.fixture(scope="module")
async def ways(house: House) -> list[Way]:
    paths: dict[str, Json] = (await house.http.get("/openapi.json")).json()["paths"]
    return [
        Way(method.upper(), path, operation.get("security", []))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if path.startswith("/v1")
    ]


@pytest.fixture(scope="module")
def tenants_ways(ways: list[Way]) -> list[Way]:
    return [way for way in ways if way.name not in PLATFORM | SIGNED | PUBLIC]


def routes() -> Iterator[str]:
    """Every route that some module of ours has, whether the description shows it or not."""
    for package in (api, console):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            router = getattr(importlib.import_module(module.name), "router", None)
            for route in router.routes if router else ():
                if isinstance(route, APIRoute) and route.path.startswith("/v1"):
                    yield from (f"{method} {route.path}" for method in route.methods or ())


def test_no_route_is_left_out_of_the_description(ways: list[Way]) -> None:
    described = [way.name for way in ways]
    assert sorted(described) == sorted(routes())
    assert {*chain(PLATFORM, SIGNED, PUBLIC, PAYERS, ADMINISTER, DECIDE)} <= {*described}


def test_every_route_declares_the_one_thing_that_opens_it(ways: list[Way]) -> None:
    for way in ways:
        declared = {scheme: scopes for each in way.security for scheme, scopes in each.items()}
        if way.name in PUBLIC | SIGNED:
            assert declared == {}, way
        elif way.name in PLATFORM:
            assert declared == {"APIKeyHeader": []}, way
        else:
            named = [] if way.roles == frozenset(Role) else sorted(way.roles)
            assert declared == {"HTTPBearer": named}, way


# --- Whoever comes with nothing, or with something else -------------------------------------------


async def test_nobody_gets_in_without_showing_anything(house: House, ways: list[Way]) -> None:
    for way in ways:
        answer = await house.http.request(way.method, way.to())
        if way.name in PUBLIC:
            refused(answer, 422, "validation_failed")
        elif way.name in SIGNED:
            refused(answer, 404, "not_found")
        else:
            refused(answer, 401, "unauthorized")


async def test_what_opens_other_doors_opens_no_tenants(
    house: House, tenant: Tenant, tenants_ways: list[Way]
) -> None:
    """The admin key, and a payer's token wherever one might be looked for."""
    payment = await tenant.open()
    token = payment["checkoutToken"]
    shown = house.admin | {"Authorization": f"Bearer {token}", "Cookie": f"token={token}"}
    for way in tenants_ways:
        path = way.to(payment_id=payment["id"])
        answer = await house.http.request(way.method, path, headers=shown, params={"token": token})
        if way.name in PAYERS:
            assert answer.status_code == 200, way
        else:
            refused(answer, 401, "unauthorized")


async def test_no_tenants_token_opens_the_platforms_doors(tenant: Tenant, ways: list[Way]) -> None:
    platform = [way for way in ways if way.name in PLATFORM]
    for way in platform:
        refused(await tenant.call(way.method, way.to(tenant_id=tenant.id)), 401, "unauthorized")
    assert (await tenant.call("GET", "/v1/tenants/me")).json()["status"] == "active"


# --- Roles ----------------------------------------------------------------------------------------

# What takes long to come by is asked for under a name that nobody has.
SHORT = [
    door for door in DOORS.values() if not {"{dispute_id}", "{subscription_id}"} & {*door.path.split("/")}
]
BODIES = {f"{door.method} {door.path}": door.good for door in DOORS.values()}


@dataclass(frozen=True)
class Staff:
    """A tenant that has something of most kinds, and one person of each role."""

    visitor: Visitor
    people: dict[Role, Tenant]

    async def goes(self, role: Role, way: Way) -> httpx.Response:
        """Somebody goes where they may without doing anything, and where they may not with all it takes."""
        if role in way.roles:
            return await self.people[role].call(way.method, way.to())
        names = {
            "credential_id": self.visitor.credential,
            "provider": "sandbox",
            "payment_id": self.visitor.payment,
            "plan_id": self.visitor.plan,
            "endpoint_id": self.visitor.endpoint,
        }
        key = {"Idempotency-Key": f"{role} {way.name}"}
        return await self.people[role].call(
            way.method, way.to(**names), json=BODIES.get(way.name), headers=key
        )


@pytest.fixture(scope="module")
async def staff(house: House) -> Staff:
    tenant = await house.tenant()
    visitor = await Visitor.arriving(tenant, SHORT)
    return Staff(visitor, {role: await colleague(tenant, role) for role in Role})


@pytest.mark.parametrize("role", Role)
async def test_a_role_may_do_what_it_is_for_and_nothing_else(
    staff: Staff, tenants_ways: list[Way], role: Role
) -> None:
    before = await staff.visitor.has()
    for way in tenants_ways:
        answer = await staff.goes(role, way)
        if role in way.roles:
            assert answer.status_code in {200, 400, 404, 422}, (way, answer.text)
        else:
            refused(answer, 403, "forbidden")
    assert await staff.visitor.has() == before


async def test_a_suspended_tenant_reads_everything_and_starts_no_payment(
    house: House, tenants_ways: list[Way]
) -> None:
    tenant = await house.tenant()
    await house.http.post(f"/v1/tenants/{tenant.id}/suspend", headers=house.admin)
    refused(await tenant.create(), 403, "tenant_suspended")
    tenant.token = await tenant.login()
    for way in tenants_ways:
        if way.method == "GET":
            assert (await tenant.call("GET", way.to())).status_code in {200, 404, 422}, way
