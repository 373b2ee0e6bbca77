"""Every address that a browser can open, as the application knows them: what each answer allows."""

import base64
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from api import app
from console import app as pages
from tests.console.payers import Read
from tests.house import House, Tenant
from tests.security.person import Person, routes
from tests.subscriber import plan

DOCS: Final = Path(__file__).parent.parent.parent / "docs"
CANARY: Final = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{777*7}}"
NOT_FOR_PEOPLE: Final = "/v1/"


@pytest.fixture
async def shop(house: House) -> Tenant:
    """Whatever can be called by a name is called by the canary."""
    tenant = await house.tenant(name=CANARY, organization=CANARY)
    hook = {"url": "http://127.0.0.1:9/hook", "description": CANARY}
    assert (await tenant.call("POST", "/v1/webhook-endpoints", json=hook)).status_code == 201
    await plan(tenant, name=CANARY, description=CANARY)
    return tenant


@pytest.fixture
async def anna(house: House, shop: Tenant) -> AsyncIterator[Person]:
    made = await shop.call(
        "POST", "/v1/tenants/me/credentials", json={"name": CANARY[:64], "role": "readonly"}
    )
    async with Person.arriving(house) as anna:
        assert (await anna.sign_in(shop, made.json()["appSecret"])).status_code == 303
        yield anna


def addresses(*, guides: bool = False, **known: str) -> list[str]:
    """Every address that may be opened; of a folder of files, each file; of the guides one, or all."""
    found: list[str] = []
    for route in routes():
        path = str(route.path)
        mount = route.original_route
        if isinstance(mount, Mount):
            assert isinstance(mount.app, StaticFiles)
            folder = Path(str(mount.app.directory))
            found += [f"{path}/{file.relative_to(folder)}" for file in folder.rglob("*") if file.is_file()]
        elif "GET" not in (route.methods or ()):
            continue
        elif path.startswith(NOT_FOR_PEOPLE):
            found.append(re.sub(r"\{(\w+)(:path)?\}", r"\1", path))
        elif "{page:path}" in path:
            files = DOCS.rglob("*.md") if guides else [DOCS / "errors.md"]
            names_of_guides = [file.relative_to(DOCS).with_suffix("").as_posix() for file in files]
            found += [path.replace("{page:path}", name) for name in (*names_of_guides, "nothing")]
        else:
            # Once with what is there, and once with what is not.
            for names in (known | {"rest": "nothing"}, dict.fromkeys([*known, "rest"], "nothing")):
                found.append(re.sub(r":path(?=\})", "", path).format_map(defaultdict(_unknown, names)))
    return sorted({*found, "/", "/nothing"})


def _unknown() -> str:
    return "nothing"


async def opened(person: Person, shop: Tenant, *, guides: bool = False) -> dict[str, httpx.Response]:
    """Every address, with what a browser got there. A payer's address has its token."""
    payment = await shop.open(description=CANARY)
    (endpoint,) = await shop.rows("SELECT id FROM webhook_endpoints")
    known = {"payment_id": payment["id"], "tenant_id": shop.id, "endpoint_id": endpoint["id"]}
    found = {}
    for address in addresses(guides=guides, **known):
        token = {"token": payment["checkoutToken"]} if payment["id"] in address else None
        found[address] = await person.http.get(address, params=token)
    return found


def policy(answer: httpx.Response) -> dict[str, list[str]]:
    (header,) = answer.headers.get_list("content-security-policy")
    directives = [part.split() for part in header.split(";")]
    assert len({name for name, *_ in directives}) == len(directives)
    return {name: sources for name, *sources in directives}


def is_page(answer: httpx.Response) -> bool:
    return str(answer.headers.get("content-type")).startswith("text/html")


def check_headers(address: str, answer: httpx.Response) -> None:
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] in {"no-referrer", "same-origin"}
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    for_all_sites = address.startswith("/embed/")
    assert headers["cross-origin-resource-policy"] == ("cross-origin" if for_all_sites else "same-origin")
    cors = {name for name in headers if name.startswith("access-control-")}
    assert cors <= ({"access-control-allow-origin"} if for_all_sites else set())
    if address.startswith(("/pay/", "/console", "/v1/")):
        assert headers["cache-control"] == "no-store"


def check_policy(answer: httpx.Response) -> None:
    allowed = policy(answer)
    assert allowed["default-src"] == allowed["base-uri"] == allowed["frame-ancestors"] == ["'none'"]
    assert allowed["form-action"] in (["'none'"], ["'self'"])
    for name, sources in allowed.items():
        for source in sources:
            fine = source in {"'none'", "'self'"} or re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", source)
            assert fine or (name == "img-src" and source == "data:"), (name, source)


def digest(written: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(written.encode()).digest()).decode()}'"


def check_page(answer: httpx.Response) -> Read:
    """What stands in the page is what its policy lets it have."""
    page, allowed = Read(answer.text), policy(answer)
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        for element in page.all(tag):
            if element.text.strip():
                assert digest(element.text) in allowed[directive], (tag, element.text[:80])
    for element in page.elements:
        assert not {name for name in element.attributes if name.startswith("on") or name == "style"}
        for name in {"src", "href"} & element.attributes.keys():
            if element.tag != "a":
                assert re.match(r"/(?!/)|data:,$", element.attributes[name] or ""), element
    return page


# --- Every address --------------------------------------------------------------------------------


async def test_every_answer_to_a_browser_allows_no_more_than_it_needs(anna: Person, shop: Tenant) -> None:
    answers = await opened(anna, shop, guides=True)
    for address, answer in answers.items():
        check_headers(address, answer)
        check_policy(answer)
        assert answer.status_code < 500, address
        if is_page(answer):
            check_page(answer)
    shown = {address for address, answer in answers.items() if is_page(answer)}
    assert shown > {
        "/docs",
        "/docs/errors",
        "/console",
        "/console/nothing",
        "/pay/nothing",
        f"/pricing/{shop.id}",
    }
    assert any(
        answer.headers["content-type"].startswith("text/javascript")
        for answer in answers.values()
        if "content-type" in answer.headers
    )


async def test_nobody_can_write_into_a_page_by_giving_something_a_name(anna: Person, shop: Tenant) -> None:
    shown = 0
    for address, answer in (await opened(anna, shop)).items():
        if is_page(answer) and "alert(" in answer.text and not address.startswith("/docs"):
            page = check_page(answer)
            shown += 1
            assert not page.all("img"), address
            assert not any("alert" in element.text for element in page.all("script")), address
            assert CANARY.replace("{{777*7}}", "5439") not in page.text, address
            assert CANARY[:64] in page.text, address
    assert shown >= 3  # the payer's page, the price list, the console


async def test_a_stranger_has_no_page_of_the_console_but_its_door(house: House, shop: Tenant) -> None:
    async with Person.arriving(house) as stranger:
        for address, answer in (await opened(stranger, shop)).items():
            check_headers(address, answer)
            if address.startswith("/console") and address != "/console/login":
                assert answer.status_code == 303, address
                assert answer.headers["location"].startswith("/console/login")
                assert not answer.content


async def test_a_page_that_was_private_is_kept_nowhere_and_gone_after_signing_out(anna: Person) -> None:
    token = await anna.form_token()
    assert (await anna.http.get("/console")).headers["cache-control"] == "no-store"
    await anna.http.post("/console/logout", data={"form_token": token}, headers=anna.ours)
    for address in ("/console", "/console/nothing"):
        answer = await anna.http.get(address)
        assert (answer.status_code, answer.headers["cache-control"]) == (303, "no-store")


async def test_troubles_are_pages_like_any_other(anna: Person) -> None:
    for method, address, status in (
        ("POST", "/console/logout", 403),
        ("POST", "/console/login", 403),
        ("DELETE", "/console", 405),
        ("POST", "/pay/nothing", 405),
    ):
        answer = await anna.http.request(method, address)
        assert answer.status_code == status
        check_headers(address, answer)
        check_policy(answer)
        if is_page(answer):
            check_page(answer)


async def test_outside_of_development_browsers_are_told_to_stay_with_tls() -> None:
    for development in (False, True):
        application = app.build(_closed, public_url="https://pay.example", development=development)
        pages.install(application)
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="https://pay.example") as http:
            for address in ("/docs", "/docs/errors", "/assets/pages.css", "/embed/pricing.js", "/nothing"):
                told = (await http.get(address)).headers.get("strict-transport-security")
                assert told == (None if development else "max-age=31536000"), address


def _closed() -> Any:
    raise AssertionError("nobody should move in")


def test_a_policy_that_allows_more_is_found_out() -> None:
    """The checks above can fail."""
    good = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    page = "<html><head><title>x</title></head><body>{}</body></html>"

    def answer(policy: str, body: str = "") -> httpx.Response:
        return httpx.Response(200, headers={"content-security-policy": policy}, text=page.format(body))

    check_policy(answer(good))
    for more in ("script-src 'unsafe-inline'", "script-src 'unsafe-eval'", "img-src *", "style-src https:"):
        with pytest.raises(AssertionError):
            check_policy(answer(f"{good}; {more}"))
    for body in (
        *("<script>alert(1)</script>", "<style>p{}</style>", '<p style="x">x</p>', '<p onclick="x">x</p>'),
        *('<script src="https://evil.example/x.js"></script>', '<img src="//evil.example/x">'),
    ):
        with pytest.raises((AssertionError, KeyError)):
            check_page(answer(good, body))
