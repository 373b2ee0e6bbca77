"""The price list over HTTP: for everybody, and nothing in it that is not for everybody."""

from html import unescape
from itertools import product

import httpx
import pytest

from tests.house import House, Json, Tenant, refused
from tests.stories.tenancy import SETTINGS, colleague
from tests.subscriber import plan

NOBODY = "ten_" + "0" * 26
HOSTILE = "<img src=x onerror=alert(1)>\"'`{{7*7}}"
YEARLY: Json = {"amount": 1_990_000, "interval": "year"}


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    """A tenant whose texts are what nobody should write, for those who only read."""
    tenant = await house.tenant(name=HOSTILE)
    features = [{"feature": HOSTILE}, {"feature": "exports", "limit": 100}]
    trial = {"trialDays": 14}
    hostile = {"name": HOSTILE, "description": HOSTILE, "tier": HOSTILE[:60], "features": features}
    await plan(tenant, trial, YEARLY, {"currency": "EUR", "amount": 500}, **hostile)
    return tenant


async def listed(tenant: Tenant, language: str = "en") -> Json:
    answer = await tenant.house.http.get(f"/embed/{tenant.id}/plans.json", params={"lang": language})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def seen(tenant: Tenant, query: str = "", **headers: str) -> str:
    """What the page says, as its reader sees it."""
    answer = await tenant.house.http.get(f"/pricing/{tenant.id}{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


async def chosen(tenant: Tenant, **settings: object) -> None:
    answer = await tenant.call("PATCH", SETTINGS, json=settings)
    assert answer.status_code == 200, answer.text


# --- The list -------------------------------------------------------------------------------------


async def test_the_list_holds_what_is_on_sale_and_nothing_else(house: House, tenant: Tenant) -> None:
    await plan(await house.tenant(), name="Another shop's")
    basic = await plan(tenant, name="Basic", tier="one")
    pro = await plan(tenant, {}, YEARLY, name="Pro", description="For teams")
    await plan(tenant, name="Withdrawn", active=False)
    late = await plan(tenant, name="Basic, late", tier="one")
    change = {"prices": [{"amount": 299_000, "currency": "HUF", "interval": "month"}]}
    changed = (await tenant.call("PATCH", f"/v1/plans/{pro['id']}", json=change)).json()
    found = await listed(tenant)
    assert [each["id"] for each in found["plans"]] == [basic["id"], late["id"], pro["id"]]
    offered = [price["id"] for price in found["plans"][2]["prices"]]
    assert offered == [price["id"] for price in changed["prices"]]
    assert changed["supersededPrices"][0]["id"] not in offered
    assert found["plans"][2]["prices"][1]["saves"] is None
    assert (found["tenantId"], found["name"], found["sandbox"]) == (tenant.id, "Story", True)


async def test_no_member_of_the_list_is_there_by_accident(shop: Tenant) -> None:
    found = await listed(shop)
    lists = {"currencies", "periods", "plans", "words"}
    assert found.keys() == {"tenantId", "name", "sandbox", "language", "tax"} | lists
    (pro,) = found["plans"]
    assert pro.keys() == {"id", "name", "description", "tier", "choose", "features", "prices"}
    exact = {"id", "amount", "currency", "exponent", "interval", "intervalCount", "trialDays", "perSeat"}
    assert pro["prices"][0].keys() == exact | {"period", "saves", "shown", "per", "trial", "saving"}
    assert pro["features"][1] == {"feature": "exports", "limit": 100, "text": "up to 100"}


async def test_any_site_may_read_the_list_and_the_element_and_nothing_else(shop: Tenant) -> None:
    site = {"Origin": "https://shop.example.com"}
    http = shop.house.http
    for path in ("/embed/pricing.js", f"/embed/{shop.id}/plans.json", f"/embed/{NOBODY}/plans.json"):
        headers = (await http.get(path, headers=site)).headers
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers
        assert "set-cookie" not in headers
    for path in (f"/pricing/{shop.id}", "/assets/pricing.css", "/embed/other.js", "/livez"):
        assert "access-control-allow-origin" not in (await http.get(path, headers=site)).headers
    mine = await shop.call("GET", "/v1/plans", headers=site)
    assert "access-control-allow-origin" not in mine.headers


async def test_what_has_not_changed_is_not_sent_again(tenant: Tenant) -> None:
    await plan(tenant)
    paths = ("/embed/pricing.js", f"/embed/{tenant.id}/plans.json")
    for encoding, path in product(("identity", "gzip"), paths):
        encoded = {"Accept-Encoding": encoding}
        first = await tenant.house.http.get(path, headers=encoded)
        assert first.headers["cache-control"] == "public, max-age=60"
        assert first.headers.get("content-encoding", "identity") == encoding
        known = encoded | {"If-None-Match": f'"other", {first.headers["etag"]}'}
        again = await tenant.house.http.get(path, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["access-control-allow-origin"] == "*"
    await plan(tenant, name="Another")
    assert (await tenant.house.http.get(path, headers=known)).status_code == 200


async def test_the_element_is_small_on_the_wire(house: House) -> None:
    """It is sent compressed; whoever puts it on a page pays for every byte."""
    async with house.http.stream("GET", "/embed/pricing.js", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert sum([len(part) async for part in answer.aiter_raw()]) < 8 * 1024


@pytest.mark.parametrize(
    "name", [NOBODY, "ten_", "story", "0", "%00", "..%2f..", "ten_'%20OR%201=1--", "a" * 900, "%F0%9F%98%80"]
)
async def test_what_is_no_tenant_has_no_list_and_no_page(house: House, name: str) -> None:
    refused(await house.http.get(f"/embed/{name}/plans.json"), 404, "not_found")
    page = await house.http.get(f"/pricing/{name}", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "script" not in page.text


async def test_a_suspended_tenant_looks_like_none(house: House, tenant: Tenant) -> None:
    await plan(tenant)
    path = f"/embed/{tenant.id}/plans.json"
    await house.http.post(f"/v1/tenants/{tenant.id}/suspend", headers=house.admin)
    answers = [await house.http.get(each) for each in (path, f"/embed/{NOBODY}/plans.json")]
    one, other = (refused(answer, 404, "not_found") | {"instance": None} for answer in answers)
    assert one == other
    assert (await house.http.get(f"/pricing/{tenant.id}")).status_code == 404
    await house.http.post(f"/v1/tenants/{tenant.id}/resume", headers=house.admin)
    assert len((await listed(tenant))["plans"]) == 1


# --- What the tenant chooses ----------------------------------------------------------------------


async def test_a_tenant_chooses_which_plans_are_public_and_in_which_order(tenant: Tenant) -> None:
    one, two, special = [(await plan(tenant, name=name))["id"] for name in ("One", "Two", "For Acme only")]
    await chosen(tenant, pricingPlans=[two, one])
    assert [each["id"] for each in (await listed(tenant))["plans"]] == [two, one]
    assert "Acme" not in await seen(tenant)
    await tenant.call("PATCH", f"/v1/plans/{two}", json={"active": False})
    assert [each["id"] for each in (await listed(tenant))["plans"]] == [one]
    await chosen(tenant, pricingPlans=[])
    assert (await listed(tenant))["plans"] == []
    assert "Nothing is on sale" in await seen(tenant)
    await chosen(tenant, pricingPlans=None)
    assert [each["id"] for each in (await listed(tenant))["plans"]] == [one, special]


async def test_settings_of_the_list_that_cannot_be_are_refused(house: House, tenant: Tenant) -> None:
    theirs, mine = await plan(await house.tenant()), await plan(tenant)
    for ids in ([theirs["id"]], [mine["id"], mine["id"]], ["pln_x"], "all", [None], ["p" * 33]):
        answer = await tenant.call("PATCH", SETTINGS, json={"pricingPlans": ids})
        (fault,) = refused(answer, 422, "validation_failed")["errors"]
        assert fault["pointer"].startswith("/pricingPlans")
    for url in ("javascript:alert(1)", "//shop.example.com", "https://a:b@shop.example.com/", "shop", 1):
        answer = await tenant.call("PATCH", SETTINGS, json={"pricingCheckoutUrl": url})
        refused(answer, 422, "validation_failed")
    readers = await colleague(tenant, "readonly")
    refused(await readers.call("PATCH", SETTINGS, json={"pricingPlans": []}), 403, "forbidden")


# --- The page -------------------------------------------------------------------------------------


async def test_the_page_says_what_the_element_says_without_it(shop: Tenant) -> None:
    for language in ("en", "hu"):
        page = unescape(await seen(shop, f"?lang={language}"))
        (pro,) = (await listed(shop, language))["plans"]
        for price in pro["prices"][:2]:
            for said in ("shown", "per", "trial", "saving"):
                assert price[said] is None or price[said] in page
        assert pro["choose"].endswith(pro["name"])


async def test_the_page_speaks_the_readers_language(shop: Tenant) -> None:
    assert '<html lang="hu">' in await seen(shop, **{"Accept-Language": "de, hu-HU;q=0.8, en;q=0.5"})
    assert '<html lang="en">' in await seen(shop, "?lang=en", **{"Accept-Language": "hu"})
    assert '<html lang="en">' in await seen(shop, "?lang=xx", **{"Accept-Language": ";;q=,,"})


async def test_the_page_shows_one_currency_and_the_way_to_the_others(shop: Tenant) -> None:
    forints, euros = await seen(shop), await seen(shop, "?currency=EUR")
    assert "HUF\u00a01,990" in forints
    assert "€5.00" not in forints
    assert "€5.00" in euros
    assert 'href="?lang=en&amp;currency=HUF"' in euros
    assert await seen(shop, "?currency=%3Cscript%3E") == forints


async def test_buttons_lead_where_the_tenant_says_and_nowhere_an_address_says(tenant: Tenant) -> None:
    price = (await plan(tenant))["prices"][0]["id"]
    lure = (
        "?checkout=https://evil.example/&link=https://evil.example/&pricingCheckoutUrl=https://evil.example/"
    )
    without = await seen(tenant, lure)
    assert "go to the shop" in without
    assert "priceId" not in without
    await chosen(tenant, pricingCheckoutUrl="https://shop.example.com/buy?from=list#plans")
    with_ = unescape(await seen(tenant, lure))
    assert f'href="https://shop.example.com/buy?from=list&priceId={price}&quantity=1#plans"' in with_
    assert 'link="https://shop.example.com/buy?from=list#plans"' in with_
    assert "evil" not in without + with_


async def test_other_peoples_text_is_text(shop: Tenant) -> None:
    page = await seen(shop)
    assert "<img" not in page
    assert unescape(page).count(HOSTILE) >= 4


async def test_the_page_lets_in_nothing_foreign_and_is_framed_by_nobody(shop: Tenant) -> None:
    answer: httpx.Response = await shop.house.http.get(f"/pricing/{shop.id}")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "set-cookie" not in answer.headers


async def test_a_real_shop_has_no_banner_of_a_sandbox(house: House, shop: Tenant) -> None:
    assert "banner" not in await seen(await house.tenant(sandbox=False))
    assert "banner" in await seen(shop)
