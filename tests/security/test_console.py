"""Sessions of people: nobody has one who did not sign in, and none outlives what it rests on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import Request, Response

from api import browsers
from domain.errors import Unauthorized
from storage.database import Database
from tests.console.payers import Read
from tests.house import House, Tenant, eventually
from tests.security.person import FIREFOX, Person


@pytest.fixture
async def anna(house: House) -> AsyncIterator[Person]:
    async with Person.arriving(house) as anna:
        yield anna


@pytest.fixture
async def eve(house: House) -> AsyncIterator[Person]:
    async with Person.arriving(house) as eve:
        yield eve


async def colleague(tenant: Tenant, role: str, name: str = "Béla") -> dict[str, Any]:
    body = {"name": name, "role": role}
    answer = await tenant.call("POST", "/v1/tenants/me/credentials", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


# --- In and out -----------------------------------------------------------------------------------


async def test_who_signs_in_sees_who_they_are(house: House, anna: Person) -> None:
    tenant = await house.tenant(name="Paper shop", organization="Paper Group")
    answer = await anna.sign_in(tenant, (await colleague(tenant, "approver"))["appSecret"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    page = await anna.sees("/console/you")
    for shown in ("Béla", "Approver", "Paper shop", "Paper Group", tenant.id, "Test mode", "Firefox, Linux"):
        assert shown in page.text
    assert "Operator of the platform" not in page.text


async def test_the_operator_signs_in_with_the_admin_key(anna: Person) -> None:
    assert (await anna.sign_in_as_operator()).status_code == 303
    page = await anna.sees("/console/you")
    assert "Operator of the platform" in page.text
    assert "/docs/operations/console" in {link.attributes["href"] for link in page.all("a")}


async def test_no_cookie_can_be_read_by_a_script_or_sent_by_another_site(
    anna: Person, tenant: Tenant
) -> None:
    (cookie,) = (await anna.sign_in(tenant)).headers.get_list("set-cookie")
    assert cookie.partition("; ")[2].split("; ") == ["HttpOnly", "Path=/", "SameSite=strict"]


async def test_who_does_not_know_the_secret_stays_outside(anna: Person) -> None:
    tried = (("", ""), ("nobody-0", "pss_0_0"), ("\0", "\0"), ("ő", "pss_\0_x"), ("x" * 9999, "x" * 9999))
    for name, secret in tried:
        who = {"app_name": name, "app_secret": secret}
        answer = await anna.http.post("/console/login", data=who, headers=anna.ours)
        assert answer.status_code == 401
        assert Read(answer.text).all("form")
        key = {"admin_key": secret}
        answer = await anna.http.post("/console/login/operator", data=key, headers=anna.ours)
        assert (answer.status_code, anna.cookie) == (401, "")


async def test_one_tenants_secret_does_not_open_another(house: House, anna: Person, tenant: Tenant) -> None:
    other = await house.tenant()
    assert (await anna.sign_in(tenant, other.registered["appSecret"])).status_code == 401


async def test_after_signing_out_nothing_is_left(anna: Person, eve: Person, tenant: Tenant) -> None:
    await anna.sign_in(tenant)
    eve.cookie = anna.cookie
    assert await eve.is_in()  # stolen
    answer = await anna.sends("/console/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
    assert not anna.cookie
    assert not await eve.is_in()
    assert await tenant.rows("SELECT FROM console_sessions") == []


async def test_signing_in_and_out_is_on_the_tenants_record(anna: Person, tenant: Tenant) -> None:
    await anna.sign_in(tenant, "pss_0_0")
    await anna.sign_in(tenant)
    await anna.sends("/console/logout")

    async def look() -> list[tuple[Any, ...]] | None:
        rows = await tenant.rows("SELECT action, result FROM audit_records WHERE action LIKE 'console%'")
        return [tuple(row.values()) for row in rows] if len(rows) == 3 else None

    assert sorted(await eventually(look)) == [
        ("console.session_ended", "ok"),
        ("console.sign_in", "refused"),
        ("console.signed_in", "ok"),
    ]


# --- Cookies that nobody was given ----------------------------------------------------------------


async def test_a_cookie_that_was_planted_is_not_taken_over(
    anna: Person, eve: Person, tenant: Tenant, house: House
) -> None:
    """Session fixation: neither an invented cookie nor the attacker's own becomes the victim's."""
    await eve.sign_in(await house.tenant())
    for planted in (f"{tenant.id}.{'A' * 43}", eve.cookie):
        anna.cookie = planted
        await anna.sign_in(tenant)
        cookies = [each.value for each in anna.http.cookies.jar]
        assert planted not in cookies[-1:]
        eve.cookie = planted
        assert not await eve.is_in()


async def test_every_sign_in_has_a_session_of_its_own_and_ends_the_one_before(
    anna: Person, eve: Person, tenant: Tenant
) -> None:
    await anna.sign_in(tenant)
    eve.cookie = anna.cookie
    await anna.sign_in(tenant)
    assert anna.cookie != eve.cookie
    assert not await eve.is_in()
    assert len(await anna.sessions()) == 1


async def test_a_cookie_that_was_changed_opens_nothing(
    anna: Person, eve: Person, tenant: Tenant, house: House
) -> None:
    await anna.sign_in(tenant)
    other = await house.tenant()
    whose, _, secret = anna.cookie.partition(".")
    swapped = "B" if secret[0] == "A" else "A"
    for changed in (
        *(f"{other.id}.{secret}", f"platform.{secret}", f".{secret}", secret, whose, f"{whose}."),
        *(
            f"{whose}.{swapped}{secret[1:]}",
            f"{whose}.{secret[:-1]}",
            f"{whose}.{secret}A",
        ),
        *(f"{whose.upper()}.{secret}", f"{whose}%00.{secret}", f"'{whose}'.{secret}", "x" * 4000),
    ):
        eve.cookie = changed
        assert not await eve.is_in(), changed
    assert await anna.is_in()


async def test_the_database_holds_nothing_that_opens_a_session(anna: Person, tenant: Tenant) -> None:
    await anna.sign_in(tenant)
    token = await anna.form_token()
    (row,) = await tenant.rows("SELECT row_to_json(s)::text AS row FROM console_sessions s")
    for secret in (anna.cookie.partition(".")[2], token):
        assert secret not in row["row"]
        assert secret.encode().hex() not in row["row"]


# --- What a session rests on ----------------------------------------------------------------------


async def test_revoking_the_credential_ends_its_sessions_at_once(anna: Person, tenant: Tenant) -> None:
    mate = await colleague(tenant, "operator")
    await anna.sign_in(tenant, mate["appSecret"])
    assert await anna.is_in()
    await tenant.call("DELETE", f"/v1/tenants/me/credentials/{mate['id']}")
    assert not await anna.is_in()
    assert (await anna.sign_in(tenant, mate["appSecret"])).status_code == 401


async def test_a_new_secret_ends_sessions_at_once_although_programs_may_use_the_old_one(
    anna: Person, tenant: Tenant
) -> None:
    mate = await colleague(tenant, "operator")
    await anna.sign_in(tenant, mate["appSecret"])
    rotated = await tenant.call("POST", f"/v1/tenants/me/credentials/{mate['id']}/rotate", json={})
    assert not await anna.is_in()
    assert await tenant.login(mate["appSecret"])
    assert (await anna.sign_in(tenant, mate["appSecret"])).status_code == 401
    assert (await anna.sign_in(tenant, rotated.json()["appSecret"])).status_code == 303


CHANGES = (
    "UPDATE credentials SET role = 'owner' WHERE name = 'Béla'",
    "UPDATE credentials SET version = version + 1 WHERE name = 'Béla'",
    "UPDATE credentials SET secret_hash = secret_hash || ' ' WHERE name = 'Béla'",
    "UPDATE console_sessions SET bound_to = digest",
    "UPDATE console_sessions SET seen_at = now() - interval '30 minutes'",
    "UPDATE console_sessions SET ends_at = now()",
    "UPDATE credentials SET revoked_at = now() WHERE name = 'Béla'",
)


async def test_a_session_ends_when_anything_it_rests_on_has_changed(anna: Person, tenant: Tenant) -> None:
    secret = (await colleague(tenant, "readonly"))["appSecret"]
    for change in CHANGES:
        await tenant.rows("UPDATE credentials SET secret_hash = rtrim(secret_hash)")
        await anna.sign_in(tenant, secret)
        assert await anna.is_in()
        await tenant.rows(change)
        assert not await anna.is_in(), change


async def test_a_session_lasts_half_an_hour_after_its_last_use_and_twelve_in_all(
    anna: Person, tenant: Tenant
) -> None:
    await anna.sign_in(tenant)
    (row,) = await tenant.rows("SELECT ends_at - created_at AS most FROM console_sessions")
    assert row["most"].total_seconds() == 12 * 3600
    await tenant.rows("UPDATE console_sessions SET seen_at = now() - interval '29 minutes'")
    assert await anna.is_in()
    (row,) = await tenant.rows("SELECT now() - seen_at AS idle FROM console_sessions")
    assert row["idle"].total_seconds() < 60


@pytest.mark.slow
async def test_sessions_that_are_over_are_swept_away(anna: Person, tenant: Tenant) -> None:
    await anna.sign_in(tenant)
    await tenant.rows("UPDATE console_sessions SET seen_at = now() - interval '30 minutes'")

    async def swept() -> bool | None:
        return not await tenant.rows("SELECT FROM console_sessions") or None

    await eventually(swept)


# --- Where else they are signed in ----------------------------------------------------------------


async def test_people_see_their_sessions_and_end_them(anna: Person, eve: Person, tenant: Tenant) -> None:
    await anna.sign_in(tenant)
    await eve.sign_in(tenant)
    assert len(await anna.sessions()) == 2
    (mine,) = set(await tenant_sessions(tenant)) - {await only_other(anna, tenant)}
    (theirs,) = set(await anna.sessions()) - {mine}
    for _ in range(2):  # a button that is pressed twice
        answer = await anna.sends(f"/console/sessions/{theirs}/end")
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/you?done=ended")
    assert not await eve.is_in()
    await eve.sign_in(tenant)
    await anna.sends("/console/sessions/end-others")
    assert not await eve.is_in()
    assert await anna.sessions() == [mine]
    answer = await anna.sends(f"/console/sessions/{mine}/end")
    assert answer.headers["location"] == "/console/login"
    assert not await anna.is_in()


async def tenant_sessions(tenant: Tenant) -> list[str]:
    return [row["id"] for row in await tenant.rows("SELECT id FROM console_sessions ORDER BY id")]


async def only_other(anna: Person, tenant: Tenant) -> str:
    """The session of two that is not hers: hers is the older one."""
    assert await anna.is_in()
    return (await tenant_sessions(tenant))[-1]


async def test_nobody_sees_or_ends_the_session_of_somebody_else(
    anna: Person, eve: Person, tenant: Tenant, house: House
) -> None:
    """Neither a colleague's with another credential, nor another tenant's, nor the operator's."""
    await anna.sign_in(tenant)
    (hers,) = await anna.sessions()
    mate = (await colleague(tenant, "owner"))["appSecret"]
    stranger = await house.tenant()
    for whom, secret in ((tenant, mate), (stranger, None), (None, None)):
        await (eve.sign_in_as_operator() if whom is None else eve.sign_in(whom, secret))
        assert hers not in await eve.sessions()
        await eve.sends(f"/console/sessions/{hers}/end")
        await eve.sends("/console/sessions/end-others")
        assert await anna.is_in()


# --- Cookies here, tokens there -------------------------------------------------------------------


async def test_the_api_takes_no_cookie(anna: Person, tenant: Tenant) -> None:
    await anna.sign_in(tenant)
    paths = (await anna.http.get("/openapi.json")).json()["paths"]
    for path, methods in paths.items():
        secured = [method for method, facts in methods.items() if facts.get("security")]
        for method in secured:
            answer = await anna.http.request(
                method, path.replace("{", "").replace("}", ""), headers=anna.ours
            )
            assert answer.status_code == 401, (method, path)


async def test_the_console_takes_no_token_and_no_key(anna: Person, tenant: Tenant) -> None:
    bearer = {"Authorization": f"Bearer {tenant.token}"} | anna.house.admin
    assert (await anna.http.get("/console", headers=bearer)).status_code == 303
    answer = await anna.http.post("/console/logout", headers=bearer | anna.ours)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
    anna.cookie = tenant.token
    assert not await anna.is_in()


# --- For other routes -----------------------------------------------------------------------------


@asynccontextmanager
async def around(house: House, **facts: Any) -> AsyncIterator[Any]:
    """As much of the house behind the routes as sessions need."""
    database = Database(house.ready["databaseUrl"], pool_size=1)
    known = {
        "admin_keys": (house.ready["adminKey"],),
        "development": True,
        "public_url": house.ready["apiUrl"],
    }
    world = SimpleNamespace(database=database, clock=lambda: datetime.now(UTC))
    try:
        yield SimpleNamespace(world=world, **(known | facts))
    finally:
        await database.close()


def asking(cookie: str, name: str = "paysaga_session") -> Request:
    return Request({"type": "http", "headers": [(b"cookie", f"{name}={cookie}".encode())]})


async def test_a_route_can_ask_for_the_operators_session(
    house: House, anna: Person, eve: Person, tenant: Tenant
) -> None:
    await anna.sign_in_as_operator()
    await eve.sign_in(tenant)
    async with around(house) as here:
        session = await browsers.operator_session(asking(anna.cookie), here)
        assert (session.tenant_id, session.credential_id) == ("platform", None)
        for cookie in (eve.cookie, "", f"platform.{'A' * 43}"):
            with pytest.raises(Unauthorized):
                await browsers.operator_session(asking(cookie), here)


async def test_the_operators_session_opens_payloads_for_pages_of_temporals_ui_and_no_others(
    house: House, anna: Person, tenant: Tenant
) -> None:
    async def asks(origin: str) -> int:
        headers = {"Origin": origin, "X-Namespace": house.ready["namespace"]}
        return (await anna.http.post("/codec/decode", json={"payloads": []}, headers=headers)).status_code

    ui = house.ready["temporalUiUrl"]
    assert await asks(ui) == 401
    await anna.sign_in(tenant)
    assert await asks(ui) == 401
    await anna.sign_in_as_operator()
    # Nothing is sealed in this house: it is let in, and there is nothing to open.
    assert (await asks(ui), await asks("https://evil.example")) == (404, 403)


async def test_a_new_admin_key_ends_the_operators_sessions(house: House, anna: Person) -> None:
    await anna.sign_in_as_operator()
    async with around(house, admin_keys=("another",)) as here:
        with pytest.raises(Unauthorized):
            await browsers.operator_session(asking(anna.cookie), here)


async def test_over_tls_the_cookie_is_bound_to_this_very_host(house: House, anna: Person) -> None:
    await anna.sign_in_as_operator()
    for facts in ({"development": False}, {"public_url": "https://pay.example"}):
        async with around(house, **facts) as here:
            answer = Response()
            browsers.hand_over(answer, here, anna.cookie)
            name, _, rest = answer.headers["set-cookie"].partition("=")
            assert name == "__Host-paysaga_session"
            assert rest.split("; ")[1:] == ["HttpOnly", "Path=/", "SameSite=strict", "Secure"]
            # The plain name, which a neighbour on our domain could set, means nothing there.
            with pytest.raises(Unauthorized):
                await browsers.operator_session(asking(anna.cookie), here)
            await browsers.operator_session(asking(anna.cookie, name), here)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (FIREFOX, "Firefox, Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari, iPhone",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("<script>alert(1)</script> 4242424242424242", ""),
        ("", ""),
    ],
)
def test_of_a_browser_only_words_of_ours_are_kept(sent: str, shown: str) -> None:
    assert browsers._browser(sent) == shown


async def test_an_answer_that_is_refused_says_the_same_of_every_name(anna: Person, tenant: Tenant) -> None:
    async def said(name: str) -> httpx.Response:
        who = {"app_name": name, "app_secret": "pss_01m7yk5h55pv2kvmpbhzwg4k2w_x"}
        return await anna.http.post("/console/login", data=who, headers=anna.ours)

    known, unknown = await said(tenant.registered["appName"]), await said("nobody-0")
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)
