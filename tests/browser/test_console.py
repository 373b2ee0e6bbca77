"""The console's door in a real browser; and every page of ours: what it loads, and what its policy stops."""

import re
from collections.abc import AsyncIterator, Callable

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from console.texts import TEXTS
from documents.words import Language
from tests.browser.shop import Shop
from tests.house import House, Tenant
from tests.security.test_pages import addresses
from tests.subscriber import plan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EN, HU = TEXTS[Language.EN], TEXTS[Language.HU]
expect.set_options(timeout=30_000)


async def sign_in(page: Page, tenant: Tenant, path: str = "/console") -> None:
    await page.goto(path)
    await page.get_by_label(EN["login_app_name"]).fill(tenant.registered["appName"])
    await page.get_by_label(EN["login_app_secret"]).fill(tenant.registered["appSecret"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(EN["nav_overview"])


async def test_a_person_signs_in_by_keyboard_and_out_again_and_going_back_shows_nothing(
    page: Page, tenant: Tenant
) -> None:
    await page.goto("/console")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label(EN["login_app_name"])).to_be_focused()
    await sign_in(page, tenant)
    await page.get_by_role("button", name=EN["logout"]).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(EN["login_title"])
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_have_text(EN["login_title"])


async def test_it_all_works_without_scripts(chromium: Browser, house: House, tenant: Tenant) -> None:
    context = await chromium.new_context(base_url=house.ready["apiUrl"], java_script_enabled=False)
    page = await context.new_page()
    await sign_in(page, tenant)
    await page.get_by_role("link", name=EN["nav_you"]).click()
    await page.get_by_role("link", name=EN["other_language"]).click()
    await page.get_by_role("button", name=HU["sessions_end"]).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(HU["login_title"])
    await context.close()


@pytest.fixture
async def signed_in(chromium: Browser, house: House, tenant: Tenant) -> AsyncIterator[BrowserContext]:
    context = await chromium.new_context(base_url=house.ready["apiUrl"])
    page = await context.new_page()
    await sign_in(page, tenant)
    await page.close()
    yield context
    await context.close()


# --- Other sites: by another name, this machine is one --------------------------------------------


@pytest.fixture
async def elsewhere(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """A page at ``localhost``, while we are at ``127.0.0.1``: another site to a browser."""
    async with Shop.open(await house.tenant(), monkeypatch) as shop:
        yield shop


def by_another_name(shop: Shop) -> str:
    return shop.url.replace("127.0.0.1", "localhost")


async def test_a_link_from_another_site_finds_who_is_signed_in(
    signed_in: BrowserContext, elsewhere: Shop
) -> None:
    here = elsewhere.tenant.house.ready["apiUrl"]
    elsewhere.html = f'<!doctype html><a href="{here}/console?lang=en">there</a>'
    page = await signed_in.new_page()
    await page.goto(by_another_name(elsewhere))
    await page.get_by_role("link", name="there").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(EN["nav_overview"])


async def test_a_form_on_another_site_signs_nobody_out_and_nobody_in(
    signed_in: BrowserContext, elsewhere: Shop
) -> None:
    ready = elsewhere.tenant.house.ready
    for path in ("/console/logout", "/console/login/operator"):
        elsewhere.html = (
            f'<!doctype html><form method="post" action="{ready["apiUrl"]}{path}">'
            f'<input name="admin_key" value="{ready["adminKey"]}"><button>Go</button></form>'
        )
        page = await signed_in.new_page()
        await page.goto(by_another_name(elsewhere))
        await page.get_by_role("button").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(EN["forbidden_title"])
        await page.goto("/console/you")
        await expect(page.get_by_text(EN["role_owner"], exact=True)).to_be_visible()


async def test_no_other_site_puts_a_page_of_ours_into_a_frame(
    signed_in: BrowserContext, elsewhere: Shop
) -> None:
    here = elsewhere.tenant.house.ready["apiUrl"]
    page = await signed_in.new_page()
    for path in ("/console", "/docs", "/docs/errors"):
        elsewhere.html = f'<!doctype html><iframe src="{here}{path}"></iframe>'
        async with page.expect_console_message(lambda said: "frame-ancestors" in said.text):
            await page.goto(elsewhere.url)
        for frame in page.frames[1:]:
            assert not await frame.get_by_role("heading").count()


async def test_a_page_on_another_port_of_our_host_has_the_session_and_one_on_another_site_has_not(
    signed_in: BrowserContext, elsewhere: Shop, tenant: Tenant
) -> None:
    """What a route may build on that asks for the operator's session: see the console's guide."""
    elsewhere.html = "<!doctype html><p>Temporal"
    page = await signed_in.new_page()
    asking = "url => fetch(url, {credentials: 'include', mode: 'no-cors'}).then(() => {}, () => {})"
    for address, is_sent in ((elsewhere.url, True), (by_another_name(elsewhere), False)):
        await tenant.rows("UPDATE console_sessions SET seen_at = now() - interval '9 minutes'")
        await page.goto(address)
        await page.evaluate(asking, f"{elsewhere.api}/console")
        (row,) = await tenant.rows(
            "SELECT now() - seen_at < interval '8 minutes' AS was_seen FROM console_sessions"
        )
        assert row["was_seen"] is is_sent


# --- Every page -----------------------------------------------------------------------------------


async def test_no_page_of_ours_breaks_its_own_policy_or_asks_anybody_else(
    signed_in: BrowserContext, house: House, tenant: Tenant
) -> None:
    await plan(tenant, name="Pro")
    payment = await tenant.open()
    page = await signed_in.new_page()
    complaints: list[str] = []
    # Its advice on forms of several secrets is none of a policy.
    page.on(
        "console",
        lambda said: None if "[DOM]" in said.text else complaints.append(f"{page.url}: {said.text}"),
    )
    page.on("request", _noting(complaints, house))
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    for address in addresses(payment_id=payment["id"], tenant_id=tenant.id):
        if address.startswith(("/v1/", "/embed/", "/assets/", "/docs/assets/", "/metrics", "/openapi")):
            continue
        if address.endswith("/proof"):
            continue  # That is taken home, and no page.
        token = f"?token={payment['checkoutToken']}" if payment["id"] in address else ""
        await page.goto(address + token)
        if address == "/docs":
            await expect(page.get_by_text("/v1/tenants/register").first).to_be_visible()
            await page.get_by_text("/v1/tenants/login").first.click()
            await expect(page.get_by_role("button", name="Try it out")).to_be_visible()
    broken = [text for text in complaints if not re.search(r"Failed to load resource.*status of 4\d\d", text)]
    assert broken == []


def _noting(complaints: list[str], house: House) -> Callable[..., None]:
    def note(request: object) -> None:
        url = str(getattr(request, "url", ""))
        if not url.startswith((house.ready["apiUrl"], "data:")):
            complaints.append(f"asked for {url}")

    return note


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_of_the_console_is_wider_than_a_small_screen(
    chromium: Browser, house: House, scheme: str
) -> None:
    context = await chromium.new_context(
        base_url=house.ready["apiUrl"],
        viewport={"width": 320, "height": 568},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = await context.new_page()
    await sign_in(page, await house.tenant(name="W" * 120))
    for path in ("/console", "/console/you", "/console/you?lang=hu"):
        await page.goto(path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        for button in await page.get_by_role("button").all():
            box = await button.bounding_box()
            assert box is not None
            assert box["height"] >= 44
    await context.close()
