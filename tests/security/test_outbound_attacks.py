"""Wherever a tenant can name an address, a hostile one is refused, and nothing is ever connected to it.

The trap listens on every address of this machine; whatever is made to call it, in whatever way, is caught.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
import uvicorn

from serve import config
from tests.hostile import heard, receiving
from tests.house import House, Json, Receiver, Tenant, eventually
from tests.security.hosts import ADDRESSES, PORTS, SPELLINGS, THIS_MACHINE
from tests.security.trap import Trap, trap
from tests.world import settings_of

STRIPE: Final[Json] = {"apiKey": "sk_test_1", "webhookSecret": "whsec_" + "A" * 32}
DODO: Final[Json] = STRIPE | {"productId": "pdt_any_amount", "environment": "test_mode"}


@pytest.fixture(name="trap")
async def a_trap() -> AsyncIterator[Trap]:
    async with trap() as set_up:
        yield set_up
        assert set_up.visitors == []


@pytest.fixture
async def production(house: House) -> AsyncIterator[House]:
    """The same house, through an API that runs in production mode."""
    settings = settings_of(house).model_copy(update={"env": "production", "port": 0})
    server = uvicorn.Server(config(settings))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=15) as http:
        yield replace(house, http=http)
    server.should_exit = True
    await serving


async def named(tenant: Tenant, door: str, url: str, endpoint: str = "") -> httpx.Response:
    """Name this address where a tenant, or whoever registers one, may name any."""
    match door:
        case "POST /v1/webhook-endpoints":
            return await tenant.call("POST", "/v1/webhook-endpoints", json={"url": url})
        case "PATCH /v1/webhook-endpoints":
            return await tenant.call("PATCH", f"/v1/webhook-endpoints/{endpoint}", json={"url": url})
        case "POST /v1/tenants/register":
            wish = {"name": "N", "contactEmail": "n@example.com", "sandbox": True, "webhookUrl": url}
            return await tenant.house.http.post("/v1/tenants/register", json=wish, headers=tenant.house.admin)
        case _:
            body = {"credentials": STRIPE, "apiBase": url}
            return await tenant.call("PUT", "/v1/tenants/me/providers/stripe", json=body)


DOORS: Final = {
    "POST /v1/webhook-endpoints": "/url",
    "PATCH /v1/webhook-endpoints": "/url",
    "POST /v1/tenants/register": "/webhookUrl",
    "PUT /v1/tenants/me/providers/stripe": "/apiBase",
}


async def let_in(house: House, door: str, urls: list[str], harmless: str) -> list[str]:
    """Those of the addresses that are not refused as they must be."""
    tenant = await house.tenant()
    endpoint = (await tenant.call("POST", "/v1/webhook-endpoints", json={"url": harmless})).json()["id"]
    wrong = []
    for url in urls:
        answer = await named(tenant, door, url, endpoint)
        said = answer.json()
        refused = (answer.status_code, said.get("code")) == (422, "validation_failed")
        if not refused or [fault["pointer"] for fault in said["errors"]] != [DOORS[door]]:
            wrong.append(f"{url}: {answer.status_code} {answer.text}")
    kept = (await tenant.call("GET", f"/v1/webhook-endpoints/{endpoint}")).json()["url"]
    return wrong if kept == harmless else [*wrong, f"the endpoint is {kept} now"]


def urls_of(hosts: tuple[str, ...], port: int, scheme: str = "https") -> list[str]:
    return [f"{scheme}://{host}:{port}/hook" for host in hosts]


def test_there_are_at_least_41_addresses_and_20_other_spellings() -> None:
    assert len({*ADDRESSES}) == len(ADDRESSES) >= 41
    assert len({*SPELLINGS}) == len(SPELLINGS) >= 20


def hostile(trap: Trap) -> list[str]:
    urls = urls_of((*ADDRESSES, *SPELLINGS, *THIS_MACHINE), trap.port)
    urls += [f"https://8.8.8.8:{port}/hook" for port in PORTS]
    return [
        *urls,
        "http://8.8.8.8/",
        f"http://127.0.0.1:{trap.port}/",
        "file:///etc/passwd",
        "gopher://8.8.8.8/",
    ]


async def test_in_production_no_hostile_address_is_let_in(production: House, trap: Trap) -> None:
    """Each at one of the doors; at all of them is the slow test below."""
    for turn, door in enumerate(DOORS):
        assert await let_in(production, door, hostile(trap)[turn :: len(DOORS)], "https://8.8.8.8/hook") == []


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
async def test_in_production_no_door_lets_any_of_them_in(production: House, trap: Trap, door: str) -> None:
    assert await let_in(production, door, hostile(trap), "https://8.8.8.8/hook") == []


async def test_in_development_only_this_very_machine_is_let_in(house: House, trap: Trap) -> None:
    harmless = f"http://localhost:{trap.port}/hook"
    urls = urls_of((*ADDRESSES, *SPELLINGS), trap.port)
    urls += urls_of((*ADDRESSES[:5], *SPELLINGS[:5], "8.8.8.8"), trap.port, scheme="http")
    assert await let_in(house, "POST /v1/webhook-endpoints", urls, harmless) == []


REDIRECTS: Final = (301, 302, 303, 307, 308)


async def test_a_redirect_leads_nowhere(tenant: Tenant, receiver: Receiver, trap: Trap) -> None:
    there = f"http://127.0.0.1:{trap.port}/"
    receiver.answers = [*REDIRECTS, 200]
    receiver.headers = {
        "Location": there,
        "Refresh": f"0; url={there}",
        "Link": f"<{there}>; rel=preload",
        "Alt-Svc": f'h2="127.0.0.1:{trap.port}"; ma=86400',
        "Content-Location": there,
    }
    made = await tenant.call("POST", "/v1/webhook-endpoints", json={"url": receiver.url})
    path = f"/v1/webhook-endpoints/{made.json()['id']}"
    for _ in range(len(REDIRECTS) + 1):
        assert (await tenant.call("POST", f"{path}/test", json={})).is_success

    async def tried() -> set[int] | None:
        rows = await tenant.rows("SELECT status FROM delivery_attempts")
        found = {row["status"] for row in rows}
        return found if found >= {*REDIRECTS, 200} else None

    await eventually(tried)


@pytest.mark.parametrize(("provider", "credentials"), [("stripe", STRIPE), ("dodo", DODO)])
async def test_a_company_that_redirects_us_is_not_followed(
    tenant: Tenant, trap: Trap, provider: str, credentials: Json
) -> None:
    """At the address that a tenant gave for it."""

    async def redirects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        there = f"http://127.0.0.1:{trap.port}/"
        writer.write(f"HTTP/1.1 307 X\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    async with receiving(redirects) as company:
        body = {"credentials": credentials, "apiBase": f"http://127.0.0.1:{company.port}"}
        made = await tenant.call("PUT", f"/v1/tenants/me/providers/{provider}", json=body)
        assert made.status_code == 200, made.text
        urls = {"successUrl": "https://shop.example/thanks", "cancelUrl": "https://shop.example/cart"}
        answer = await tenant.create(provider=provider, **urls)
        assert answer.status_code in {202, 502, 503}, answer.text

        async def asked() -> bool | None:
            return company.visits > 0 or None

        await eventually(asked)


async def test_addresses_for_browsers_are_never_called_by_us(tenant: Tenant, trap: Trap) -> None:
    there = f"http://127.0.0.1:{trap.port}/"
    markup = f'<img src="{there}"><link rel=stylesheet href={there}>![x]({there}) {there}'
    kept = await tenant.call("PATCH", "/v1/tenants/me/settings", json={"pricingCheckoutUrl": there})
    assert kept.status_code in {200, 422}
    payment = await tenant.paid(
        successUrl=there, cancelUrl=there, description=markup, metadata={"url": there, "html": markup}
    )
    page = await tenant.house.http.get(
        f"/pay/{payment['id']}", params={"token": payment.get("checkoutToken")}
    )
    assert page.status_code < 500
    assert (await tenant.call("GET", f"/v1/payments/{payment['id']}/proof")).status_code < 500


def token(**header: Any) -> str:
    """A token that says where its own key is to be had."""
    parts = ({"alg": "EdDSA", "typ": "at+jwt"} | header, {"sub": "ten_x"})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "A" * 86])


async def test_no_header_makes_us_call_anybody(house: House, trap: Trap) -> None:
    there = f"http://127.0.0.1:{trap.port}/"
    for header in ({"jku": there}, {"x5u": there}, {"jku": there, "kid": there}, {"iss": there}):
        headers = {"Authorization": f"Bearer {token(**header)}", "X-Forwarded-Host": there, "Referer": there}
        answer = await house.http.get("/v1/tenants/me", headers=headers | {"Host": f"127.0.0.1:{trap.port}"})
        assert answer.status_code == 401
        assert there not in answer.text
