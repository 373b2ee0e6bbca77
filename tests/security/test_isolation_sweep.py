"""Whatever a stranger asks about another tenant's things, the answer is the one about things nobody has.

The questions are made from the OpenAPI of the running house: a route or a parameter that is new fails here
until ``questions`` has been told what may stand in it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx
import pytest

from tests.house import House, Receiver, refused, sealed
from tests.security.goods import Goods, furnished, holdings, stocked, unheard_of
from tests.security.questions import Place, Request, Route, comparable, request, routes
from tests.security.second_house import second_house
from tests.stories.company import speaking_for

# Two tenants with everything take their time on a busy machine.
pytestmark = pytest.mark.timeout(600)

# How many questions are asked at a time.
MOUTHS: Final = 8
# How many statements and tables a sweep comes by, at the least.
ENOUGH, MOST_TABLES = 400, 25
# Its address is known to whoever may send there, and what it says is believed for its signature only.
BY_ADDRESS: Final = "POST /v1/billing/webhooks/{provider}/{account_id}"
TRIED: Final = (
    *("payment", "dispute", "plan", "subscription", "approval", "endpoint", "delivery", "credential"),
    *("deliveries cursor", "price"),
)
# They show nothing of tenants' own.
NOTHING_TO_SHOW: Final = {
    *("GET /livez", "GET /readyz", "GET /metrics", "GET /.well-known/jwks.json", "GET /v1/audit/keys"),
}
# They show sums, which name nobody, or stumble over many rows where one was expected.
NAMELESS: Final = {
    *("GET /v1/audit/verify", "GET /v1/ledger/balances", "GET /v1/reports/summary", "GET /v1/tenants/me"),
    *("GET /v1/billing/status", "GET /v1/entitlements/check", "GET /v1/invoices/{invoice_id}/pdf"),
    "GET /v1/invoices/{invoice_id}/credit-notes/{note_id}/pdf",
    "GET /v1/subscriptions/{subscription_id}/change-preview",
}


@dataclass(frozen=True)
class Stage:
    us: Goods
    them: Goods


@pytest.fixture(scope="module")
async def stage(house: House) -> AsyncIterator[Stage]:
    async with Receiver.listening() as receiver:
        us, them = await asyncio.gather(stocked(house, receiver), stocked(house, receiver))
        yield Stage(us, them)


async def known(house: House) -> list[Route]:
    found, unknown = routes((await house.http.get("/openapi.json")).json())
    assert unknown == [], "say in tests/security/questions.py whether another tenant's name may stand there"
    return found


async def asked(http: httpx.AsyncClient, method: str, what: Request, token: str | None) -> httpx.Response:
    headers = dict(what.headers) | ({} if token is None else {"Authorization": f"Bearer {token}"})
    while True:
        answer = await http.request(method, what.path, params=what.query, headers=headers, json=what.json)
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            return answer
        await asyncio.sleep(float(answer.headers["retry-after"]))


def shown(answer: httpx.Response, them: Goods, sent: Sequence[str] = ()) -> list[str]:
    """What of theirs, beyond what the stranger said, is in an answer."""
    text = answer.content + repr(answer.headers).encode()
    return sorted(each for each in them.hidden.difference(sent) if each.encode() in text)


async def differences(
    house: House, stage: Stage, route: Route, foreign: tuple[Place, ...], role: str
) -> list[str]:
    """How the answer about theirs differs from the one about nobody's; empty if it does not."""
    own, theirs, token = stage.us.names, stage.them.names, stage.us.tokens[role]
    nobodys = {kind: unheard_of(name) for kind, name in theirs.items()}
    answers = []
    for others in (nobodys, theirs):
        what = request(route, foreign, own, others)
        answer = await asked(house.http, route.method, what, token)
        replayed = answer.headers.get("idempotent-replayed")
        answers.append(comparable(answer.status_code, answer.text, replayed, what.sent))
    told = f"{route} as {role} with {[place.name for place in foreign]}"
    found = [f"{told} shows {each}" for each in shown(answer, stage.them, what.sent)]
    if answers[0] != answers[1] and str(route) != BY_ADDRESS:
        found.append(f"{told}: {answers[0]} of nobody's, {answers[1]} of theirs")
    return found + [f"{told}: {answer.status_code}"] * answer.is_server_error


async def overview(house: House, stage: Stage, route: Route, role: str) -> list[str]:
    """What a stranger sees of theirs without naming anything."""
    what = request(route, (), stage.us.names, {})
    answer = await asked(house.http, route.method, what, stage.us.tokens[role])
    # What a stranger tried to change is on its own record, by the name that it said.
    said = [stage.them.names[kind] for kind in TRIED] if route.path == "/v1/audit" else []
    return [f"{route} as {role} shows {each}" for each in shown(answer, stage.them, said)]


async def swept(house: House, stage: Stage, roles: Iterable[str], *, reads_only: bool = False) -> list[str]:
    """Everything that came to light. What is only read comes first: what is written shows there later."""
    found: list[str] = []
    mouths = asyncio.Semaphore(MOUTHS)

    async def one(route: Route, foreign: tuple[Place, ...] | None, role: str) -> None:
        async with mouths:
            look = overview(house, stage, route, role) if foreign is None else None
            found.extend(await (look or differences(house, stage, route, foreign or (), role)))

    all_of_them = await known(house)
    for reading in (True, False)[: 1 if reads_only else 2]:
        async with asyncio.TaskGroup() as group:
            for route in (each for each in all_of_them if (each.method == "GET") == reading):
                for role in roles:
                    if reading:
                        group.create_task(one(route, None, role))
                    for foreign in route.variants():
                        group.create_task(one(route, foreign, role))
    return sorted(found)


async def nothing_comes_to_light(house: House, stage: Stage, roles: Iterable[str]) -> None:
    # What is sealed meanwhile would read differently a moment later.
    for one in (stage.us, stage.them):
        await sealed(one.tenant)
    before = await holdings(stage.them.tenant)
    found = await swept(house, stage, roles)
    assert not found, "\n".join(found)
    after = await holdings(stage.them.tenant)
    assert {table: rows for table, rows in after.items() if rows != before[table]} == {}


async def test_what_a_young_tenant_has_looks_like_what_nobody_has(house: House) -> None:
    """The sweep in short: of everything that is there at once, asked for by whoever may do most."""
    us, them = await asyncio.gather(furnished(house), furnished(house))
    await nothing_comes_to_light(house, Stage(us, them), ("owner",))


@pytest.mark.slow
async def test_another_tenants_things_look_like_things_nobody_has(house: House, stage: Stage) -> None:
    await nothing_comes_to_light(house, stage, ("owner", "approver"))


@pytest.mark.slow
async def test_nor_does_any_other_role_learn_of_them(house: House, stage: Stage) -> None:
    await nothing_comes_to_light(house, stage, ("operator", "readonly", "payer", "nobody"))


@pytest.mark.slow
async def test_row_security_alone_shows_nothing(house: House, stage: Stage) -> None:
    async with second_house(house, filters=False) as (elsewhere, removed):
        await nothing_comes_to_light(elsewhere, stage, ("owner", "approver", "payer"))
        assert removed.statements > ENOUGH
        assert len(removed.tables) > MOST_TABLES


@pytest.mark.slow
async def test_the_filters_alone_show_nothing(house: House, stage: Stage) -> None:
    async with second_house(house, row_security=False) as (elsewhere, _):
        await nothing_comes_to_light(elsewhere, stage, ("owner", "approver", "payer"))


@pytest.mark.slow
async def test_without_either_the_sweep_finds_what_leaks(house: House, stage: Stage) -> None:
    async with second_house(house, filters=False, row_security=False) as (elsewhere, _):
        found = await swept(elsewhere, stage, ("readonly",), reads_only=True)
    leaking = {line.partition(" as ")[0] for line in found if not line.endswith(": 500")}
    safe = {str(route) for route in await known(house) if route.method == "GET"} - leaking
    assert safe <= NOTHING_TO_SHOW | NAMELESS, safe - NOTHING_TO_SHOW - NAMELESS


@pytest.mark.slow
async def test_a_payers_token_opens_one_payment(house: House, stage: Stage) -> None:
    token = str(stage.us.tokens["payer"])
    own, theirs = stage.us.names["payment"], stage.them.names["payment"]
    for path in ("/v1/payments/{}", "/pay/{}"):
        answers = []
        for payment in (unheard_of(theirs), theirs):
            answer = await house.http.get(path.format(payment), params={"token": token})
            assert answer.status_code == httpx.codes.NOT_FOUND
            assert shown(answer, stage.them, (theirs,)) == []
            text = answer.text.replace(answer.headers["x-request-id"], "")
            answers.append(comparable(answer.status_code, text, None, (payment,)))
        assert answers[0] == answers[1]
        assert (await house.http.get(path.format(own), params={"token": token})).status_code == httpx.codes.OK
    answer = await house.http.get("/v1/payments", headers={"Authorization": f"Bearer {token}"})
    refused(answer, 401, "unauthorized")


@pytest.mark.slow
async def test_a_companys_word_for_one_account_is_not_believed_for_another(
    house: House, stage: Stage
) -> None:
    """The address of a webhook may be known; what is sent there counts for the secret of that account."""
    theirs = stage.them.names["account"]
    before = await holdings(stage.them.tenant)
    body = json.dumps({"id": "evt_forged", "type": "checkout.paid", "data": {}}).encode()
    headers = (await speaking_for(stage.us.tenant)).signed(body)
    for account, status in ((theirs, 401), (unheard_of(theirs), 404)):
        answer = await house.http.post(
            f"/v1/billing/webhooks/sandbox/{account}", content=body, headers=headers
        )
        assert answer.status_code == status, answer.text
        assert shown(answer, stage.them, (theirs,)) == []
    assert await holdings(stage.them.tenant) == before
