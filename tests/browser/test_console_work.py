"""The workplaces in a real browser: by keyboard, on a small screen, in the dark, without scripts."""

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from console.texts import TEXTS
from documents.words import Language
from tests.browser.test_console import sign_in
from tests.house import House, Receiver, Tenant
from tests.stories.tenancy import colleague
from tests.stories.test_approvals import careful, waiting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

EN = TEXTS[Language.EN]
PAGES = (
    *("approvals", "endpoints", "inbox", "reconciliation", "accounts", "keys", "settings", "audit"),
    "audit/verify",
)
BAD = {"error", "warning"}
OPERATORS = ("attention", "tenants", "inbox", "reconciliation")


async def reach(page: Page, name: str) -> None:
    """Go on by the tabulator until the focus is on what is called so, and press it."""
    for _ in range(150):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(
            "() => (document.activeElement.innerText || '').trim() || document.activeElement.id"
        )
        if focused == name:
            await page.keyboard.press("Enter")
            return
    raise AssertionError(f"no way to {name} by keyboard")


async def test_an_approver_decides_by_keyboard_alone(page: Page, house: House) -> None:
    tenant, approver = await careful(house)
    _, approval = await waiting(tenant)
    await sign_in(page, approver)
    await page.goto("/console/approvals")
    await reach(page, EN["apr_refund"])
    await expect(page.get_by_text("goes back to the payer")).to_be_visible()
    await reach(page, EN["apr_approve"])
    await expect(page.get_by_role("status")).to_have_text(EN["done_approved"])
    answer = await tenant.call("GET", f"/v1/approvals/{approval['id']}")
    assert answer.json()["status"] == "APPROVED"


async def test_an_owner_adds_an_address_by_keyboard_and_sees_the_secret_once(
    page: Page, tenant: Tenant, receiver: Receiver
) -> None:
    await sign_in(page, tenant)
    await page.goto("/console/endpoints")
    await page.get_by_label(EN["ep_url"], exact=True).focus()
    await page.keyboard.type(receiver.url)
    await page.keyboard.press("Enter")
    secret = await page.get_by_label(EN["desk_secret"], exact=True).input_value()
    assert secret.startswith("whsec_")
    assert secret not in page.url
    await reach(page, EN["desk_kept"])
    await expect(page.get_by_role("heading", level=1)).to_have_text(receiver.url)
    await reach(page, EN["ep_test"])
    await expect(page.get_by_role("status")).to_have_text(EN["done_tested"])
    await receiver.count(1)
    assert secret not in await page.content()


@pytest.fixture
async def busy(house: House, receiver: Receiver) -> Tenant:
    """A tenant of whom every page has something to show, of a length that pages seldom see."""
    tenant, _ = await careful(house)
    answer = await tenant.call(
        "POST",
        "/v1/webhook-endpoints",
        json={"url": f"{receiver.url}?{'x' * 180}", "description": "W" * 200},
    )
    assert answer.status_code == 201, answer.text
    await waiting(tenant)
    await colleague(tenant, "readonly")
    await tenant.rows("UPDATE inbox SET state = 'DEAD', note = 'other_checkout'")
    await tenant.call("POST", f"/v1/webhook-endpoints/{answer.json()['id']}/test", json={})
    assert (await tenant.call("POST", "/v1/reconciliation/runs", json={})).status_code == 202
    await receiver.count(1)
    return tenant


async def everything(tenant: Tenant) -> list[str]:
    """Every workplace's page, those of single things too."""
    found = [f"/console/{name}" for name in PAGES]
    for table, name in (
        *(("webhook_endpoints", "endpoints"), ("deliveries", "deliveries"), ("inbox", "inbox")),
        *(("approvals", "approvals"), ("reconciliation_runs", "reconciliation")),
    ):
        (row, *_) = await tenant.rows(f"SELECT id FROM {table} LIMIT 1")  # noqa: S608 - names of ours
        found.append(f"/console/{name}/{row['id']}")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_workplace_is_wider_than_a_small_screen_and_every_button_can_be_hit(
    chromium: Browser, house: House, busy: Tenant, scheme: str
) -> None:
    context = await chromium.new_context(
        base_url=house.ready["apiUrl"],
        viewport={"width": 320, "height": 568},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = await context.new_page()
    await sign_in(page, busy)
    for path in await everything(busy):
        for lang in ("en", "hu"):
            await page.goto(f"{path}?lang={lang}")
            await shot(page, f"{scheme}-320-{lang}")
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
            for button in await page.locator("button:visible, summary:visible, select:visible").all():
                box = await button.bounding_box()
                assert box is not None
                assert box["height"] >= 43.9, (path, await button.inner_text())
    await context.close()


async def test_every_workplace_works_without_scripts_and_breaks_no_policy(
    chromium: Browser, house: House, busy: Tenant
) -> None:
    context = await chromium.new_context(
        base_url=house.ready["apiUrl"], viewport={"width": 1280, "height": 900}, java_script_enabled=False
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in BAD else None)
    await sign_in(page, busy)
    for path in await everything(busy):
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        await shot(page, "wide")
    await page.goto("/console")
    await page.get_by_role("button", name=EN["logout"]).click()
    await page.get_by_text(EN["login_operator"]).click()
    await page.get_by_label(EN["login_admin_key"]).fill(house.ready["adminKey"])
    await page.get_by_role("button", name=EN["login_enter_operator"]).click()
    for path in (*(f"/console/{name}" for name in OPERATORS), f"/console/tenants/{busy.id}"):
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        await shot(page, "operator")
    assert complaints == []
    await context.close()


async def shot(page: Page, kind: str) -> None:
    """For whoever wants to look at them: ``PAYSAGA_SCREENSHOTS`` names a folder."""
    folder = os.environ.get("PAYSAGA_SCREENSHOTS")
    if folder is not None:
        name = page.url.partition("/console/")[2].partition("?")[0].replace("/", "-") or "home"
        await page.screenshot(path=Path(folder) / f"{kind}-{name[:24]}.png", full_page=True)
