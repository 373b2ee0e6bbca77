"""Payments at the console in a real browser: by keyboard alone, on a small screen, in the dark."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from console.texts import TEXTS
from documents.words import Language
from tests.browser.test_console import sign_in
from tests.house import House, Json, Tenant, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EN, HU = TEXTS[Language.EN], TEXTS[Language.HU]
expect.set_options(timeout=30_000)

PAGES = (
    "/console/payments",
    "/console/payments?q=nobody",
    "/console/payments?amount=x&from=x",
    "/console/payments/{id}",
    "/console/payments/{id}?kind=webhook",
    "/console/payments/{id}/refund",
    "/console/payments/{id}/refund?amount=100",
    "/console/refunds",
    "/console/disputes",
)


@pytest.fixture
async def storied(tenant: Tenant) -> Json:
    """A payment that much has happened to."""
    paid = await tenant.paid(
        userId="user-with-a-rather-long-name-of-its-own@example.com",
        customerEmail="payer@example.com",
        description="Pro, yearly",
        orderId="order-2026-000123",
        entitlements=[{"feature": "pro", "quantity": 3}],
    )
    body = {"amount": 490000, "reason": "A part of it did not arrive"}
    answer = await tenant.call(
        "POST", f"/v1/payments/{paid['id']}/refunds", json=body, headers={"Idempotency-Key": "one"}
    )
    refund = answer.json()["id"]

    async def given_back() -> bool | None:
        found = (await tenant.call("GET", f"/v1/refunds/{refund}")).json()
        return found["status"] == "SUCCEEDED" or None

    await eventually(given_back)
    return paid


async def tab_to(page: Page, wanted: Locator, most: int = 120) -> None:
    """Press Tab until this has the focus."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("it => it === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not lead to {wanted}")


async def test_a_refund_is_made_by_keyboard_alone(page: Page, tenant: Tenant) -> None:
    paid = await tenant.paid(amount=5000, currency="EUR", orderId="order-1")
    await sign_in(page, tenant)
    await tab_to(page, page.get_by_role("link", name=EN["nav_payments"]))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(EN["nav_payments"])
    await tab_to(page, page.get_by_label(EN["search_q"], exact=True))
    await page.keyboard.type("order-1")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="€50.00")).to_have_count(1)
    await tab_to(page, page.get_by_role("link", name="€50.00"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("€50.00")
    await tab_to(page, page.get_by_role("link", name=EN["do_refund"]))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(EN["refund_title"])
    await tab_to(page, page.get_by_label(EN["refund_amount"].format(currency="EUR")))
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type("12.50")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Give back €12.50?")
    await tab_to(page, page.get_by_label(EN["deed_reason"], exact=True))
    await page.keyboard.type("By keyboard")
    await tab_to(page, page.get_by_role("button", name="Give back €12.50"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").first).to_have_text(EN["done_refund_begun"])
    (refund,) = await tenant.rows("SELECT payment_id, amount_minor, reason FROM refunds")
    assert tuple(refund.values()) == (paid["id"], 1250, "By keyboard")


@pytest.fixture(params=["light", "dark"])
async def small(
    request: pytest.FixtureRequest, chromium: Browser, house: House, tenant: Tenant
) -> AsyncIterator[Page]:
    """A telephone, with somebody signed in."""
    scheme: Literal["light", "dark"] = request.param
    context = await chromium.new_context(
        base_url=house.ready["apiUrl"], viewport={"width": 320, "height": 568}, color_scheme=scheme
    )
    page = await context.new_page()
    await sign_in(page, tenant)
    yield page
    await context.close()


async def test_nothing_is_wider_than_a_small_screen_or_too_small_to_be_touched(
    small: Page, storied: Json
) -> None:
    for path in PAGES:
        for language in ("en", "hu"):
            address = path.format(id=storied["id"])
            await small.goto(f"{address}{'&' if '?' in address else '?'}lang={language}")
            assert await small.evaluate("document.documentElement.scrollWidth") <= 320, (path, language)
            for touched in await small.locator("button, a.plain, a.button, input, select").all():
                box = await touched.bounding_box()
                assert box is None or box["height"] >= 42, (
                    path,
                    await touched.evaluate("it => it.outerHTML"),
                )
