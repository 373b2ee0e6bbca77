"""Nobody has the console do something in somebody's name: no other site, no other session, no address."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from console.guard import ConsoleRoute, FormRoute, place
from tests.console.payers import Read
from tests.house import House, Json, Tenant
from tests.security.person import Person, form_token, routes

READING = {"GET", "HEAD"}
CHANGING = sorted(
    str(route.path)
    for route in routes()
    if str(route.path).startswith("/console") and {*(route.methods or ())} - READING
)
AT_THE_DOOR = (
    *("/console/login", "/console/login/operator", "/console/logout"),
    *("/console/sessions/end-others", "/console/sessions/{session_id}/end"),
)
# What browsers say of a form on a page that is not ours.
FOREIGN: dict[str, Json] = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "another site, in an old browser": {"Origin": "https://evil.example"},
    "a neighbour on our domain": {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-site"},
    "a page without an origin": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "the same, in an old browser": {"Origin": "null"},
    "no origin at all": {},
    "another port": {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
    "our name with more behind": {"Origin": "{ours}.evil.example"},
    "our name in front of an at": {"Origin": "{ours}@evil.example"},
    "contradictions": {"Origin": "{ours}", "Sec-Fetch-Site": "cross-site"},
    "more contradictions": {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    "an address typed in": {"Sec-Fetch-Site": "none"},
}


@pytest.fixture
async def anna(house: House, tenant: Tenant) -> AsyncIterator[Person]:
    """Signed in."""
    async with Person.arriving(house) as anna:
        await anna.sign_in(tenant)
        yield anna


@pytest.fixture
async def eve(house: House) -> AsyncIterator[Person]:
    async with Person.arriving(house) as eve:
        yield eve


async def standing(tenant: Tenant) -> list[Any]:
    return await tenant.rows("SELECT id, ends_at FROM console_sessions ORDER BY id")


def each_with_some(cases: list[Json]) -> Iterator[tuple[str, Json]]:
    """The guard is one, so all is tried where it began, and at every other form something else."""
    for number, path in enumerate(CHANGING):
        for case in cases if path in AT_THE_DOOR else [cases[number % len(cases)]]:
            yield path, case


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "Nothing has changed" in Read(answer.text).text


def filled(path: str, session: str) -> str:
    return path.replace("{session_id}", session)


def who(tenant: Tenant) -> dict[str, str]:
    return {"app_name": tenant.registered["appName"], "app_secret": tenant.registered["appSecret"]}


def spelt(person: Person, headers: Json) -> dict[str, str]:
    return {name: value.format(ours=person.house.ready["apiUrl"]) for name, value in headers.items()}


def test_the_console_has_forms() -> None:
    assert {*AT_THE_DOOR} <= {*CHANGING}


def test_no_form_of_the_console_goes_without_the_guard() -> None:
    for route in routes():
        if str(route.path) in CHANGING:
            guarded = FormRoute if str(route.path).startswith("/console/login") else ConsoleRoute
            assert isinstance(route.original_route, guarded), route.path


async def test_a_form_on_anybody_elses_page_does_nothing(anna: Person, eve: Person, tenant: Tenant) -> None:
    """Even with the right token, which nobody else can know."""
    await eve.sign_in(tenant)
    other = (await eve.sessions())[-1]
    before, token = await standing(tenant), await anna.form_token()
    form = {"form_token": token, "admin_key": anna.house.ready["adminKey"]} | who(tenant)
    for path, headers in each_with_some([*FOREIGN.values()]):
        refused(await anna.http.post(filled(path, other), data=form, headers=spelt(anna, headers)))
    assert await standing(tenant) == before


async def test_a_form_without_its_own_sessions_token_does_nothing(
    anna: Person, eve: Person, tenant: Tenant
) -> None:
    await eve.sign_in(tenant)
    mine, theirs, (other, *_) = await anna.form_token(), await eve.form_token(), await eve.sessions()
    before = await standing(tenant)
    missing: tuple[Json, ...] = (
        *({}, {"form_token": ""}, {"form_token": theirs}, {"form_token": mine[:-1]}, {"token": mine}),
        *({"form_token": mine + "A"}, {"form_token": "ő\0"}, {"form_token": mine.swapcase()}),
    )
    for path, form in each_with_some([*missing]):
        if not path.startswith("/console/login"):
            refused(await anna.http.post(filled(path, other), data=form, headers=anna.ours))
    for path in AT_THE_DOOR:
        if not path.startswith("/console/login"):
            # Neither the address nor a file nor JSON is where a form has its token.
            address = filled(path, other) + f"?form_token={mine}"
            refused(await anna.http.post(address, headers=anna.ours))
            refused(await anna.http.post(address, json={"form_token": mine}, headers=anna.ours))
            file = {"form_token": ("token.txt", mine)}
            refused(await anna.http.post(filled(path, other), files=file, headers=anna.ours))
    assert await standing(tenant) == before


async def test_a_token_ends_with_its_session(anna: Person, tenant: Tenant) -> None:
    token = await anna.form_token()
    await anna.sign_in(tenant)
    refused(await anna.http.post("/console/logout", data={"form_token": token}, headers=anna.ours))
    assert await anna.is_in()


async def test_nobody_is_signed_in_from_another_site(eve: Person, tenant: Tenant) -> None:
    """Login CSRF: a victim who works in the attacker's session unawares."""
    for headers in FOREIGN.values():
        refused(await eve.http.post("/console/login", data=who(tenant), headers=spelt(eve, headers)))
    assert not eve.cookie


async def test_a_button_that_is_pressed_twice_does_its_work_once(anna: Person) -> None:
    form = {"form_token": await anna.form_token()}
    for _ in range(2):
        answer = await anna.http.post("/console/logout", data=form, headers=anna.ours)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")


async def test_to_look_changes_nothing(anna: Person, tenant: Tenant) -> None:
    (session,) = await anna.sessions()
    before = await standing(tenant)
    token = await anna.form_token()
    for path in CHANGING:
        for method in sorted(READING):
            await anna.http.request(method, f"{filled(path, session)}?form_token={token}")
    assert await standing(tenant) == before
    assert await anna.is_in()


async def test_a_refused_form_is_on_the_tenants_record(anna: Person, tenant: Tenant) -> None:
    refused(await anna.http.post("/console/logout", headers=anna.ours))
    (row,) = await tenant.rows(
        "SELECT action, failure FROM audit_records WHERE result = 'refused' AND action LIKE '%sign%'"
    )
    assert tuple(row.values()) == ("console.sign_out", "forbidden")


# --- Where somebody was going ---------------------------------------------------------------------

ELSEWHERE = [
    *("https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example"),
    *("/console@evil.example", "/console//evil.example", "/console/\\evil.example", "/console\\evil.example"),
    *("javascript:alert(1)", "data:text/html,x", "/console\r\nX: y", "/console\t", "/%2f%2fevil.example"),
    *("/console/%2e%2e/docs", "/console/..", "/console/../docs", "/consoles", "/docs", "/pay/x", ""),
    *("http:evil.example", "/%5cevil.example", " /console", "/console/\u2215evil", "console", "/console/#x"),
    *("/\t/evil.example", "https:/console", "/console?next=//evil.example/\\"),
]


def test_a_place_of_the_console_is_spelt_in_one_way() -> None:
    for wanted in ELSEWHERE:
        assert place(wanted) == "/console", wanted
    for wanted in ("/console", "/console/payments/pay_1", "/console?lang=hu", "/console/a?b=%2F&c=1"):
        assert place(wanted) == wanted


async def test_nobody_is_led_to_another_place_by_signing_in(eve: Person, tenant: Tenant) -> None:
    for wanted in ("https://evil.example", "//evil.example", "/\\evil.example", "/%2f%2fevil.example"):
        shown = await eve.http.get("/console/login", params={"next": wanted})
        assert shown.status_code == 200
        assert "evil" not in shown.text
        answer = await eve.sign_in(tenant, wanted=wanted)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console")
        answer = await eve.http.get("/console/login", params={"next": wanted})
        assert (answer.status_code, answer.headers["location"]) == (303, "/console")
        eve.http.cookies.clear()


async def test_who_followed_a_link_arrives_there_after_signing_in(eve: Person, tenant: Tenant) -> None:
    wanted = "/console/payments/pay_1?status=FAILED&from=2026-01-01T00%3A00%3A00Z"
    answer = await eve.http.get(wanted)
    assert answer.status_code == 303
    door = answer.headers["location"]
    form = Read((await eve.http.get(door)).text).all("form")[0]
    answer = await eve.http.post(form.attributes["action"] or "", data=who(tenant), headers=eve.ours)
    assert (answer.status_code, answer.headers["location"]) == (303, wanted)


async def test_a_link_on_another_site_is_asked_for_anew_by_a_page_of_ours(eve: Person) -> None:
    """The cookie stays at home when another site leads here, so that page shows nothing but the way on."""
    answer = await eve.http.get("/console/payments?a=b", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    page = Read(answer.text)
    assert page.links() == ["/console/payments?a=b"]
    (refresh,) = [each for each in page.all("meta") if each.attributes.get("http-equiv") == "refresh"]
    assert refresh.attributes["content"] == "0;url=/console/payments?a=b"
    answer = await eve.http.get("/console/;url=//evil", headers={"Sec-Fetch-Site": "cross-site"})
    assert Read(answer.text).links() == ["/console"]


async def test_the_language_that_was_chosen_stays(eve: Person, tenant: Tenant) -> None:
    page = Read((await eve.http.get("/console/login?lang=hu")).text)
    action = page.all("form")[0].attributes["action"] or ""
    answer = await eve.http.post(action, data=who(tenant) | {"app_secret": "wrong"}, headers=eve.ours)
    assert "A belépés nem sikerült" in answer.text
    answer = await eve.http.post(action, data=who(tenant), headers=eve.ours)
    assert answer.headers["location"] == "/console?lang=hu"
    page = Read((await eve.http.get("/console?lang=hu")).text)
    assert "Kijelentkezés" in page.text
    (out,) = [each for each in page.all("form") if "logout" in (each.attributes["action"] or "")]
    form = {"form_token": form_token(page)}
    answer = await eve.http.post(out.attributes["action"] or "", data=form, headers=eve.ours)
    assert answer.headers["location"] == "/console/login?lang=hu"
