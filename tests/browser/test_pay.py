"""The payer's page in a real browser: left alone, by keyboard, on a small screen, without our script."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from console.texts import TEXTS
from documents.words import Language
from tests.house import House, Json, Tenant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

EN, HU = TEXTS[Language.EN], TEXTS[Language.HU]
# The page asks every 2 s at first, and the house may be busy.
SOON = 45_000


def address(payment: Json, **more: str) -> str:
    return f"/pay/{payment['id']}?token={payment['checkoutToken']}" + "".join(
        f"&{name}={value}" for name, value in more.items()
    )


async def test_a_page_turns_from_waiting_to_paid_by_itself_and_says_so(page: Page, tenant: Tenant) -> None:
    payment = await tenant.open(successUrl="https://shop.example.com/thanks")
    await page.goto(address(payment))
    await expect(page.get_by_role("heading", level=1)).to_have_text(EN["waiting_title"])
    loaded = await page.evaluate("window.name = 'the same page'")
    await tenant.pay(payment)
    await expect(page.get_by_role("status")).to_contain_text(EN["succeeded_title"], timeout=SOON)
    assert await page.evaluate("window.name") == loaded
    assert EN["succeeded_title"] in await page.title()
    await expect(page.get_by_role("link", name="Continue to Story")).to_have_attribute(
        "href", "https://shop.example.com/thanks"
    )


async def test_a_payer_without_a_mouse_reaches_the_checkout_and_loses_no_focus(
    page: Page, tenant: Tenant
) -> None:
    payment = await tenant.open()
    await page.goto(address(payment))
    await page.keyboard.press("Tab")
    button = page.get_by_role("link", name=EN["pay"])
    await expect(button).to_be_focused()
    assert await button.evaluate("link => getComputedStyle(link).outlineStyle") == "solid"
    # Two looks later nothing has changed, and nobody has taken the button away.
    async with page.expect_response(re.compile("/pay/")):
        pass
    async with page.expect_response(re.compile("/pay/")):
        pass
    await expect(button).to_be_focused()
    await tenant.pay(payment)
    await expect(page.get_by_role("heading", level=1)).to_have_text(EN["succeeded_title"], timeout=SOON)
    # The button is gone; whoever was on it finds the news.
    await expect(page.get_by_role("heading", level=1)).to_be_focused()


async def test_the_button_leads_to_the_checkout(page: Page, tenant: Tenant) -> None:
    payment = await tenant.open()
    await page.goto(address(payment, lang="hu"))
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url(payment["checkoutUrl"])


async def test_what_has_ended_is_asked_about_no_more(page: Page, tenant: Tenant) -> None:
    payment = await tenant.open()
    await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    await tenant.eventually(payment, "CANCELLED")
    await page.goto(address(payment))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await asyncio.sleep(5)
    assert asked == []


async def test_a_hidden_page_asks_nothing_and_one_that_is_seen_again_asks_at_once(
    page: Page, tenant: Tenant
) -> None:
    payment = await tenant.open()
    await page.goto(address(payment))
    await seen(page, "hidden")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await asyncio.sleep(5)
    assert asked == []
    await seen(page, "visible")
    await expect(page.get_by_role("status")).to_contain_text(EN["succeeded_title"], timeout=SOON)


async def seen(page: Page, state: str) -> None:
    """As if the tab was put away or taken out: nobody looks at a browser without a screen."""
    await page.evaluate(
        """state => {
            Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


async def test_times_are_told_in_the_readers_own_zone(
    chromium: Browser, house: House, tenant: Tenant
) -> None:
    payment = await tenant.open()
    context = await chromium.new_context(base_url=house.ready["apiUrl"], timezone_id="Asia/Tokyo")
    page = await context.new_page()
    await page.goto(address(payment, lang="hu"))
    expected = await page.evaluate(
        """at => new Intl.DateTimeFormat("hu", { dateStyle: "medium", timeStyle: "short" })
            .format(new Date(at))""",
        payment["createdAt"],
    )
    assert await page.locator("time").first.inner_text() == expected
    await context.close()


# --- Small screens, dark ones, and none of our script ----------------------------------------------


@pytest.fixture(params=["light", "dark"])
async def phone(chromium: Browser, house: House, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    context = await chromium.new_context(
        base_url=house.ready["apiUrl"],
        viewport={"width": 320, "height": 568},
        color_scheme=request.param,
        reduced_motion="reduce",
    )
    yield await context.new_page()
    await context.close()


# What fails if anything may: a long word that cannot be broken, and long names.
LONG = "W" * 120


@pytest.mark.parametrize("lang", ["en", "hu"])
async def test_nothing_is_wider_than_a_small_screen(house: House, phone: Page, lang: str) -> None:
    tenant = await house.tenant(name=LONG)
    payment = await tenant.open(description=LONG, amount=1_000_000_000)
    await phone.goto(address(payment, lang=lang))
    assert await phone.evaluate("document.documentElement.scrollWidth") <= 320
    box: Any = await phone.locator(".button").bounding_box()
    assert box["height"] >= 44
    assert await phone.evaluate("document.getAnimations().length") == 0


async def test_without_script_the_page_finds_out_all_the_same(
    chromium: Browser, house: House, tenant: Tenant
) -> None:
    payment = await tenant.open()
    context = await chromium.new_context(base_url=house.ready["apiUrl"], java_script_enabled=False)
    page = await context.new_page()
    await page.goto(address(payment, lang="hu"))
    headline = page.get_by_role("heading", level=1)
    await expect(headline).to_have_text(HU["waiting_title"])
    await tenant.pay(payment)
    await expect(headline).to_have_text(HU["succeeded_title"], timeout=SOON)
    await context.close()
