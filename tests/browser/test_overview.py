"""The console's frame and first page in a real browser: by keyboard, on a phone, dark, without scripts."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from console.texts import TEXTS
from documents.words import Language
from tests.browser.test_console import sign_in
from tests.console.test_overview import shop  # noqa: F401 - a fixture
from tests.house import House, Tenant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EN = TEXTS[Language.EN]
JANUARY = "/console?from=2026-01-01&to=2026-01-31"
# Of each text: how much it stands out from the nearest ground that is painted (WCAG 2.2, contrast ratio).
CONTRASTS = """() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = (colour) => {
        const [r, g, b] = channels(colour).map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (channels(colour)[3] !== 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    return [...document.querySelectorAll("main *, header *")]
        .filter((each) => each.checkVisibility() && [...each.childNodes].some(
            (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()))
        .map((each) => {
            const both = [getComputedStyle(each).color, ground(each)].map(luminance);
            const [dark, light] = both.sort((a, b) => a - b);
            return [each.textContent.trim().slice(0, 40), (light + 0.05) / (dark + 0.05)];
        });
}"""
NAMELESS = """() => {
    const named = (each) => each.textContent.trim() || each.labels?.length || each.ariaLabel
        || document.getElementById(each.getAttribute("aria-labelledby"));
    const used = "a, button, input:not([type=hidden]), select, summary, [role=region]";
    return [...document.querySelectorAll(used)]
        .filter((each) => each.checkVisibility() && !named(each)).map((each) => each.outerHTML);
}"""


@pytest.fixture
async def at_work(page: Page, shop: Tenant) -> Page:  # noqa: F811 - the fixture
    await sign_in(page, shop)
    return page


async def test_a_chart_is_drawn_from_its_table_which_opens_by_keyboard(at_work: Page) -> None:
    await at_work.goto(JANUARY)
    figure = at_work.locator("figure.chart").first
    await expect(figure.locator("canvas")).to_be_visible()
    table = figure.get_by_role("table")
    await expect(table).to_be_hidden()
    summary = figure.locator("summary")
    await summary.focus()
    await at_work.keyboard.press("Enter")
    await expect(table).to_be_visible()
    await expect(table.get_by_role("row")).to_have_count(32)
    await figure.locator(".u-over").hover()
    await expect(figure.locator(".key b")).to_have_text(re.compile("2026"))


async def test_what_was_asked_for_can_be_chosen_without_a_mouse(at_work: Page) -> None:
    await at_work.keyboard.press("Tab")
    await expect(at_work.get_by_role("link", name=EN["skip"])).to_be_focused()
    await at_work.keyboard.press("Enter")
    await expect(at_work.locator("main")).to_be_focused()
    await at_work.get_by_role("link", name=f"7 {EN['span_days']}").focus()
    await at_work.keyboard.press("Enter")
    present = at_work.locator("main .tabs [aria-current=page]")
    await expect(present).to_have_text(f"7 {EN['span_days']}")
    other = at_work.get_by_text(EN["span_other"])
    await other.focus()
    await at_work.keyboard.press("Enter")
    await at_work.get_by_label(EN["span_from"]).fill("2026-01-01")
    await at_work.get_by_label(EN["span_to"]).fill("2026-01-31")
    await at_work.get_by_role("button", name=EN["filter_show"]).press("Enter")
    await expect(at_work.locator("figure.chart canvas")).to_have_count(4)


@pytest.fixture(params=["light", "dark"])
async def phone(chromium: Browser, house: House, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    context = await chromium.new_context(
        base_url=house.ready["apiUrl"], viewport={"width": 320, "height": 640}, color_scheme=request.param
    )
    yield await context.new_page()
    await context.close()


async def test_on_a_phone_nothing_is_too_wide_too_pale_or_without_a_name(
    phone: Page,
    shop: Tenant,  # noqa: F811 - the fixture
) -> None:
    await sign_in(phone, shop)
    for address in (JANUARY, f"{JANUARY}&lang=hu", "/console", "/console/you", "/console?from=x"):
        await phone.goto(address)
        menu = phone.locator(".menu summary")
        if await menu.count():
            await expect(phone.locator("nav.ways")).to_be_hidden()
            await menu.press("Enter")
            await expect(phone.locator("nav.ways")).to_be_visible()
        assert await phone.evaluate("document.documentElement.scrollWidth") <= 320, address
        pale: list[Any] = await phone.evaluate(CONTRASTS)
        assert pale
        assert [text for text in pale if text[1] < 4.5] == [], address
        assert await phone.evaluate(NAMELESS) == [], address
        assert await phone.evaluate("document.getAnimations().length") == 0


async def test_without_scripts_the_tables_are_open_and_the_menu_works(
    chromium: Browser,
    house: House,
    shop: Tenant,  # noqa: F811 - the fixture
) -> None:
    context = await chromium.new_context(
        base_url=house.ready["apiUrl"], viewport={"width": 400, "height": 700}, java_script_enabled=False
    )
    page = await context.new_page()
    await sign_in(page, shop)
    await page.goto(JANUARY)
    await expect(page.locator("figure.chart table").first).to_be_visible()
    await expect(page.locator("figure.chart .plot").first).to_be_hidden()
    await expect(page.locator("time").first).to_contain_text("UTC")
    await page.locator(".menu summary").click()
    await page.get_by_role("link", name=EN["nav_you"]).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(EN["home_title"])
    await context.close()


async def test_a_name_that_is_cut_short_is_whole_when_it_is_copied(
    page: Page,
    house: House,
    shop: Tenant,  # noqa: F811 - the fixture
) -> None:
    await page.goto("/console/login")
    await page.locator("summary").click()
    await page.get_by_label(EN["login_admin_key"]).fill(house.ready["adminKey"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(EN["nav_overview"])
    cut = page.locator(f"code.cut[title='{shop.id}']").first
    copied = await cut.evaluate(
        """code => {
            getSelection().selectAllChildren(code);
            return getSelection().toString();
        }"""
    )
    assert copied == shop.id
    assert await cut.evaluate("code => code.getBoundingClientRect().width") < 200
