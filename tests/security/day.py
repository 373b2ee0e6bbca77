"""A day in the life of a platform: all its secrets are used, most are misplaced, and much goes wrong.

It ends with a second start, from which on Temporal gets only what is sealed: so its store has seen both.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev import Platform
from domain.text import holds_card_number
from tests.house import Delivery, House, Json, Receiver, Tenant, eventually, refused, sandbox_keys, sealed
from tests.security.canaries import Canary, Recorder
from tests.security.person import FIREFOX, Person
from tests.stories.company import Company
from tests.stories.tenancy import CREDENTIALS, LOGIN, ME, PROVIDERS, REGISTER
from tests.stories.test_refunds import ask

MAIL: Final = "payer's e-mail"
# However much else the machine has to do.
AT_LAST: Final = 180.0
# Refusing the key comes last: after that nobody is asked anything for a while.
_TALKS: Final = (500, 400, 401)


@dataclass
class Day:
    house: House
    recorder: Recorder
    canaries: list[Canary] = field(default_factory=list)
    mail: str = field(default_factory=lambda: f"payer-{secrets.token_hex(8)}@mail.example")
    payments: list[str] = field(default_factory=list)
    proofs: list[Path] = field(default_factory=list)
    delivered: list[Delivery] = field(default_factory=list)

    def keep(self, kind: str, secret: str) -> str:
        known = Canary(kind, secret)
        if known not in self.canaries:
            self.canaries.append(known)
        return secret


@asynccontextmanager
async def lived(folder: Path, port_base: int) -> AsyncIterator[Day]:
    """A house of its own, which says all it can say, at the end of its day."""
    recorder, told = Recorder(), {"PAYSAGA_LOG_LEVEL": "DEBUG"}
    async with Receiver.listening() as receiver:
        async with _running(Platform(folder, port_base, time_scale=60, settings=told), recorder) as house:
            day = Day(house, recorder, delivered=receiver.received)
            _keys_of_the_house(day)
            day.keep(MAIL, day.mail)
            tenant, company = await _opens(day, receiver)
            await _sells(day, tenant)
            await _is_troubled(day, tenant, company)
            await _meets_a_talkative_company(day, tenant)
            await _breaks(day, tenant)
            await _looks_around(day, tenant)
        again = Platform(folder, port_base, time_scale=60, settings=told, seal_payloads=True)
        async with _running(again, recorder) as house:
            day.house = house
            _keys_of_the_house(day)
            tenant = replace(tenant, house=house)
            day.keep("access token", await _log_in(tenant))
            await _pays(day, tenant)
            await _signs_in(day, tenant)
            yield day


@asynccontextmanager
async def _running(platform: Platform, recorder: Recorder) -> AsyncIterator[House]:
    async with platform, _hearing(platform.ready["apiUrl"], recorder) as http:
        yield House(platform.ready, http, platform.data_dir)


def _hearing(url: str, recorder: Recorder, **headers: str) -> httpx.AsyncClient:
    heard = {"response": [recorder.hear]}
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, event_hooks=heard, headers=headers)


def _keys_of_the_house(day: Day) -> None:
    known = json.loads((day.house.data_dir / "secrets.json").read_text())
    for name, secret in known.items():
        if isinstance(secret, str) and secret:
            day.keep(name.replace("_", " "), secret)
    day.keep("app secret", known["tenant"]["appSecret"])


# --- Morning ----------------------------------------------------------------------------------------


async def _opens(day: Day, receiver: Receiver) -> tuple[Tenant, Company]:
    tenant = await day.house.tenant(receiver.url)
    # However slow the machine is: no payment ends by itself.
    tenant.usual = {"provider": "sandbox", "expiresInSeconds": 86_400}
    day.keep("app secret", tenant.registered["appSecret"])
    day.keep("endpoint secret", tenant.registered["webhookSecret"])
    day.keep("access token", tenant.token)
    account = await tenant.account()
    webhook_secret, api_key = sandbox_keys(day.house, account)
    day.keep("provider webhook secret", webhook_secret)
    day.keep("provider API key", api_key)
    made = await tenant.call("POST", CREDENTIALS, json={"name": "second", "role": "operator"})
    day.keep("app secret", made.json()["appSecret"])
    wish = {"url": receiver.url, "description": "second"}
    endpoint = (await tenant.call("POST", "/v1/webhook-endpoints", json=wish)).json()
    day.keep("endpoint secret", endpoint["secret"])
    # Beside the company's own words: whoever had it silent would wait for a payment for ever.
    return tenant, Company(day.house, account, webhook_secret)


async def _open(day: Day, tenant: Tenant) -> Json:
    answer = await tenant.create(customerEmail=day.mail, entitlements=[{"feature": "pro"}])
    assert answer.status_code in {201, 202}, answer.text
    day.keep("checkout token", answer.json()["checkoutToken"])
    day.payments.append(answer.json()["id"])
    found = await tenant.eventually(answer.json(), "PROVIDER_PENDING", AT_LAST)
    return found | {"checkoutToken": answer.json()["checkoutToken"]}


async def _pays(day: Day, tenant: Tenant) -> Json:
    payment = await _open(day, tenant)
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED", AT_LAST)
    return payment


async def _sells(day: Day, tenant: Tenant) -> None:
    """What goes well: money comes, a part goes back, it is disputed, and told of."""
    payment = await _pays(day, tenant)
    await day.house.http.get(f"/v1/payments/{payment['id']}", params={"token": payment["checkoutToken"]})
    await day.house.http.get(f"/pay/{payment['id']}", params={"token": payment["checkoutToken"]})
    assert (await ask(tenant, payment, amount=1000)).status_code == 202
    await tenant.disputed(payment)


# --- Noon: what is refused --------------------------------------------------------------------------


def card() -> str:
    """A number that passes for a card's."""
    while True:
        number = f"400000{secrets.randbelow(10**10):010}"
        if holds_card_number(number):
            return number


async def _is_troubled(day: Day, tenant: Tenant, company: Company) -> None:
    """Wrong and misplaced secrets, forged words, cards where none may be."""
    number, http = day.keep("card", card()), day.house.http
    app_secret = tenant.registered["appSecret"]
    wrong = app_secret[:-4] + ("0000" if app_secret[-4:] != "0000" else "1111")
    login = {"appName": tenant.registered["appName"], "appSecret": wrong}
    refused(await http.post(LOGIN, json=login), 401, "unauthorized")
    admin = {"X-Admin-Key": day.house.ready["adminKey"] + "x"}
    refused(await http.post(REGISTER, json={}, headers=admin), 401, "unauthorized")
    for each in _misplaced(day, tenant, number):
        answer = await tenant.create(**each)
        assert answer.status_code == 422, answer.text
    for path in (f"/v1/payments/{number}", f"/v1/payments?userId={number}", f"/{number}", f"/pay/{number}"):
        await tenant.call("GET", path)
    for header in ("X-Request-Id", "User-Agent", "Referer", "Cookie", "Origin"):
        await tenant.call("GET", ME, headers={header: number})
    await tenant.call("POST", "/v1/plans", json={"name": number})
    await tenant.call("POST", "/v1/payments", content=f'{{"userId": "{app_secret}'.encode())
    await tenant.call("GET", ME, headers={"Authorization": f"Bearer {tenant.token}x"})
    await company.post(json.dumps({"type": company.secret}).encode(), webhook_signature="v1,bm90aGluZw==")
    await company.post(json.dumps({"type": company.secret, "id": 1}).encode()[:-1], webhook_id=None)


def _misplaced(day: Day, tenant: Tenant, number: str) -> tuple[Json, ...]:
    app_secret = tenant.registered["appSecret"]
    spaced = " ".join(number[at : at + 4] for at in range(0, 16, 4))
    return (
        {"userId": 5, "appSecret": app_secret},
        {"amount": app_secret, "currency": tenant.token},
        {"successUrl": f"javascript:{tenant.token}", "customerEmail": f"{day.mail} {app_secret}"},
        {"userId": number},
        {"orderId": spaced},
        {"description": f"my card is {spaced}"},
        {"metadata": {"k": number}},
        {"metadata": {number: "v"}},
        {"entitlements": [{"feature": number}]},
    )


# --- Afternoon: what goes wrong ---------------------------------------------------------------------


@asynccontextmanager
async def _echoing() -> AsyncIterator[tuple[str, set[int]]]:
    """A payment company that repeats in its refusals whatever it was told, the key first."""

    async def answer(request: Request) -> Response:
        key = request.headers.get("authorization", "")
        said = {"message": f"Invalid API Key provided: {key}", "code": key, "type": "invalid_request_error"}
        status = next((each for each in _TALKS if each not in given), _TALKS[-1])
        given.add(status)
        body = {"error": said | {"param": (await request.body()).decode()}}
        return JSONResponse(body, status, headers={"x-echo": key, "request-id": key})

    given: set[int] = set()
    app = Starlette(routes=[Route("/{rest:path}", answer, methods=["GET", "POST", "DELETE"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", given
    finally:
        server.should_exit = True
        await serving


async def _meets_a_talkative_company(day: Day, tenant: Tenant) -> None:
    key = day.keep("provider API key", f"sk_test_{secrets.token_hex(20)}")
    secret = day.keep("provider webhook secret", f"whsec_{secrets.token_hex(20)}")
    async with _echoing() as (company, given):
        account = {"credentials": {"apiKey": key, "webhookSecret": secret}, "apiBase": company}
        answer = await tenant.call("PUT", f"{PROVIDERS}/stripe", json=account)
        assert answer.status_code == 200, answer.text
        unknown = account | {"credentials": {"apiKey": key, "x": secret}}
        assert (await tenant.call("PUT", f"{PROVIDERS}/stripe", json=unknown)).status_code == 422

        async def said_it_all() -> bool | None:
            order: Json = {"provider": "stripe", "currency": "EUR", "amount": 1000, "customerEmail": day.mail}
            answer = await tenant.create(**order)
            assert answer.status_code in {201, 202, 422, 502, 503}, answer.text
            if "checkoutToken" in answer.json():
                day.keep("checkout token", answer.json()["checkoutToken"])
            return given == {*_TALKS} or None

        await eventually(said_it_all, AT_LAST)


async def _breaks(day: Day, tenant: Tenant) -> None:
    """What nobody foresaw: a table is gone, a provider is away, the API dies with all it knows."""
    async with day.house.database(role="postgres") as db:
        await db.execute("ALTER TABLE payment_events RENAME TO lost")
        try:
            answer = await tenant.create(customerEmail=day.mail)
            assert answer.status_code == 500, answer.text
            await tenant.call("GET", f"/v1/payments/{day.payments[0]}")
        finally:
            await db.execute("ALTER TABLE lost RENAME TO payment_events")
    await tenant.fault("checkout.create", "before", "reset")
    await tenant.pay(await _open(day, tenant), action="close")
    await day.house.kill("api")
    await day.house.recovered(AT_LAST)
    day.keep("access token", await _log_in(tenant))
    await _pays(day, tenant)


async def _log_in(tenant: Tenant) -> str:
    tenant.token = await tenant.login()
    return tenant.token


# --- Evening: what can be looked at -----------------------------------------------------------------


async def _looks_around(day: Day, tenant: Tenant) -> None:
    """Everything that lists or shows, as the tenant asks for it."""
    paths = ["payments", "refunds", "disputes", "events", "webhook-endpoints", "ledger/entries", "plans"]
    paths += ["audit", "audit/verify", "audit/keys", "entitlements?userId=user-123", "reports/summary"]
    paths += ["tenants/me", "tenants/me/credentials", "tenants/me/providers", "approvals", "invoices"]
    for path in paths:
        await tenant.call("GET", f"/v1/{path}")
    for endpoint in (await tenant.call("GET", "/v1/webhook-endpoints")).json()["data"]:
        shown = f"/v1/webhook-endpoints/{endpoint['id']}"
        assert (await tenant.call("GET", shown)).status_code == httpx.codes.OK
        answer = await tenant.call("GET", f"{shown}/deliveries")
        assert answer.status_code == httpx.codes.OK
    await sealed(tenant)
    for payment in day.payments[:1]:
        answer = await tenant.call("GET", f"/v1/payments/{payment}/proof")
        assert answer.status_code == httpx.codes.OK, answer.text
        bundle = day.house.data_dir.with_name(f"{payment}.json")
        await asyncio.to_thread(bundle.write_bytes, answer.content)
        day.proofs.append(bundle)


async def _signs_in(day: Day, tenant: Tenant) -> None:
    """People with browsers: one of the tenant's, and the platform's operator."""
    for as_operator in (False, True):
        async with _hearing(
            day.house.ready["apiUrl"], day.recorder, **{"User-Agent": FIREFOX, "Accept": "text/html"}
        ) as http:
            person = Person(day.house, http)
            who = person.sign_in_as_operator() if as_operator else person.sign_in(tenant)
            assert (await who).status_code == httpx.codes.SEE_OTHER
            day.keep("session cookie", person.cookie)
            day.keep("form token", await person.form_token())
            await http.post("/console/logout", data={"form_token": "A" * 43}, headers=person.ours)
            await http.get("/console/nowhere")
            assert await person.is_in()
