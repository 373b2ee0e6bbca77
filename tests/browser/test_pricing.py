"""<paysaga-pricing> on somebody else's page, in a real browser."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.browser.shop import Shop, blocks
from tests.house import CARD, House, Json, Tenant
from tests.subscriber import Subscriber, plan

pytestmark = pytest.mark.slow
# A busy machine may take long; whoever waits for what never comes waits half a minute.
expect.set_options(timeout=30_000)

HOSTILE = "<img src=x onerror=alert(1)>\"'`${7*7}$&"
FEW: Json = {"amount": 199_000}
YEAR: Json = {"amount": 1_990_000, "interval": "year"}
EUROS: Json = {"amount": 500, "currency": "EUR"}


@pytest.fixture
async def shop(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with Shop.open(await house.tenant(name="Paper shop"), monkeypatch) as shop:
        yield shop


async def listening(page: Page, name: str) -> None:
    """From now on the page keeps the details of these events."""
    script = "name => {window.told = []; document.addEventListener(name, e => window.told.push(e.detail))}"
    await page.evaluate(script, f"paysaga:{name}")


async def heard(page: Page) -> list[Json]:
    found: list[Json] = await page.evaluate("window.told")
    return found


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name, exact=True))


# --- From a price to a subscription ----------------------------------------------------------------


async def test_a_visitor_of_the_guides_page_chooses_pays_and_is_a_subscriber(page: Page, shop: Shop) -> None:
    """The page, the backend and the policy are the guide's, word for word but for the addresses."""
    price = (await plan(shop.tenant, name="Pro"))["prices"][0]
    shop.html = shop.adapted(blocks("html")[0])
    shop.policy = shop.adapted(blocks("text")[0].strip())
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(shop.url)
    button = page.get_by_role("button", name="Choose Pro")
    await expect(button).to_have_css("border-top-style", "solid")
    await expect(button).to_have_css("border-top-left-radius", "10px")
    await button.click()
    await page.wait_for_url(f"{shop.tenant.house.ready['sandboxUrl']}/**")
    assert shop.choices == [{"priceId": price["id"], "quantity": 1}]
    assert [text for text in complaints if "favicon" not in text and "Failed to load" not in text] == []
    await page.fill("#cardNumber", CARD)
    await page.locator("button[value=pay]").click()
    await page.wait_for_url(f"{shop.url}/thanks")
    assert (await Subscriber(shop.tenant, "anna").becomes("active"))["priceId"] == price["id"]


async def test_a_checkout_that_does_not_begin_is_told_and_tried_again(page: Page, shop: Shop) -> None:
    await plan(shop.tenant, name="Pro")
    shop.shows(checkout="/broken")
    await page.goto(shop.url)
    await listening(page, "error")
    button = page.get_by_role("button", name="Choose Pro")
    await button.click()
    await expect(page.get_by_role("alert")).to_have_text(
        "The checkout could not be opened. Please try again."
    )
    (fault,) = await heard(page)
    assert (fault["stage"], fault["status"]) == ("checkout", 500)
    await page.locator("paysaga-pricing").evaluate("each => each.setAttribute('checkout', '/gate')")
    await expect(page.get_by_role("alert")).to_have_count(0)
    await button.click()
    # A redirect on the shop's own site, to its log-in for example, is followed.
    await page.wait_for_url(f"{shop.url}/thanks")


async def test_nobody_is_sent_to_an_address_that_is_a_script(page: Page, shop: Shop) -> None:
    await plan(shop.tenant, name="Pro")
    shop.shows(shop.element(checkout="/lured"), shop.element(link="javascript:document.title='lured'"))
    await page.goto(shop.url)
    await page.get_by_role("button", name="Choose Pro").first.click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_role("link")).to_have_count(0)
    await expect(page).to_have_title("Prices")


async def test_an_application_can_take_over(page: Page, shop: Shop) -> None:
    pro = await plan(shop.tenant, {"perSeat": True}, name="Pro")
    shop.shows(quantity="3")
    await page.goto(shop.url)
    await listening(page, "select")
    await page.evaluate("document.addEventListener('paysaga:select', event => event.preventDefault())")
    await page.get_by_role("button", name="Choose Pro").click()
    (choice,) = await heard(page)
    price = {"priceId": pro["prices"][0]["id"], "interval": "month", "intervalCount": 1, "currency": "HUF"}
    assert choice == {"planId": pro["id"], "quantity": 3} | price
    assert shop.choices == []
    assert page.url == f"{shop.url}/"


# --- What it shows ---------------------------------------------------------------------------------


async def test_the_switch_is_worked_by_mouse_and_by_keys(page: Page, shop: Shop) -> None:
    await plan(shop.tenant, {"amount": 0}, name="Free")
    await plan(
        shop.tenant, FEW | {"trialDays": 14}, YEAR | {"trialDays": 14}, name="Pro", description="For teams"
    )
    shop.shows()
    await page.goto(shop.url)
    month, year = (page.get_by_role("radio", name=name) for name in ("Monthly", "Yearly"))
    pro = card(page, "Pro")
    await expect(page.get_by_role("group", name="How often you pay")).to_be_visible()
    await expect(month).to_be_checked()
    for said in ("HUF\u00a01,990", "per month", "14 days free", "For teams", "exports · up to 100"):
        await expect(pro).to_contain_text(said)
    await page.get_by_text("Yearly").click()
    await expect(year).to_be_checked()
    for said in ("HUF\u00a019,900", "per year", "16% less than monthly"):
        await expect(pro).to_contain_text(said)
    await expect(page.get_by_role("status")).to_contain_text("Pro HUF\u00a019,900 per year")
    # What is not sold by the year shows what it is sold for.
    await expect(card(page, "Free")).to_contain_text("Free")
    await page.keyboard.press("ArrowLeft")
    await expect(month).to_be_checked()
    await expect(month).to_be_focused()
    await expect(pro).to_contain_text("per month")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Choose Free")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{shop.tenant.house.ready['sandboxUrl']}/**")


async def test_other_peoples_text_is_text(page: Page, shop: Shop) -> None:
    features = [{"feature": HOSTILE}]
    await plan(shop.tenant, name=HOSTILE, description=HOSTILE, tier="x" * 64, features=features)
    shop.shows(highlight=HOSTILE.replace('"', ""), lang="xx")
    await page.goto(shop.url)
    for part in ("name", "description", "feature"):
        await expect(page.locator(f"[part={part}]")).to_have_text(HOSTILE)
    await expect(page.get_by_role("button")).to_have_text(f"Choose {HOSTILE}")
    await expect(page.locator("img")).to_have_count(0)
    await page.set_viewport_size({"width": 320, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_it_follows_its_attributes(page: Page, shop: Shop) -> None:
    pro = await plan(shop.tenant, FEW, YEAR, EUROS, name="Pro")
    shop.shows(shop.element(), "<hr>", shop.element(lang="hu", currency="eur", interval="year"))
    await page.goto(shop.url)
    one, other = page.locator("paysaga-pricing").first, page.locator("paysaga-pricing").last
    await expect(one.locator("[part=amount]")).to_have_text("HUF\u00a01,990")
    await expect(other.locator("[part=amount]")).to_have_text("5,00\u00a0EUR")
    await expect(other.get_by_role("button")).to_have_text("Választom: Pro")
    button = one.get_by_role("button")
    await button.focus()

    async def has(name: str, value: str) -> None:
        await one.evaluate("(each, [name, value]) => each.setAttribute(name, value)", [name, value])

    await has("interval", "year")
    await expect(one.locator("[part=amount]")).to_have_text("HUF\u00a019,900")
    await expect(button).to_be_focused()
    await has("lang", "hu")
    await expect(one.locator("[part=amount]")).to_have_text("19\u00a0900\u00a0Ft")
    await has("highlight", pro["id"])
    await expect(one.locator("[part=badge]")).to_have_text("Ajánlott")
    await has("current", pro["prices"][1]["id"])
    await expect(one.locator("[part=current]")).to_have_text("Az Ön csomagja")
    await expect(button).to_have_count(0)
    await has("currency", "XXX")
    await has("current", "")
    await expect(button).to_have_count(1)
    await has("readonly", "")
    await expect(button).to_have_count(0)
    await expect(other.get_by_role("button")).to_have_count(1)


async def test_its_look_is_the_pages(page: Page, shop: Shop) -> None:
    await plan(shop.tenant, name="Pro")
    theirs = blocks("html")[2] + "<style>:root { color-scheme: light dark; font-family: monospace }</style>"
    shop.shows(theirs, "<paysaga-pricing", shop.element().removeprefix("<paysaga-pricing"))
    await page.goto(shop.url)
    button, name, plan_card = (page.locator(f"[part={part}]") for part in ("button", "name", "plan"))
    await expect(button).to_have_css("border-top-color", "rgb(179, 0, 94)")
    await expect(plan_card).to_have_css("border-top-left-radius", "4px")
    await expect(name).to_have_css("text-transform", "uppercase")
    await expect(name).to_have_css("font-family", "monospace")
    await expect(plan_card).to_have_css("background-color", "rgb(255, 255, 255)")
    await page.emulate_media(color_scheme="dark")
    await expect(plan_card).to_have_css("background-color", "rgb(25, 28, 34)")
    await page.locator("paysaga-pricing").evaluate("each => each.setAttribute('theme', 'light')")
    await expect(plan_card).to_have_css("background-color", "rgb(255, 255, 255)")


# --- When there is nothing to show -----------------------------------------------------------------


async def test_prices_that_cannot_be_had_are_asked_for_again(page: Page, shop: Shop) -> None:
    await plan(shop.tenant, name="Pro")

    async def nothing(route: Route) -> None:
        await route.abort()

    await page.route("**/plans.json*", nothing)
    shop.shows(shop.element().replace("></", "><p>Ask us for prices</p></"))
    await page.goto(shop.url)
    await expect(page.get_by_role("alert")).to_have_text("The prices cannot be shown at the moment.")
    await expect(page.get_by_text("Ask us for prices")).to_be_visible()
    again = page.get_by_role("button", name="Try again")
    await listening(page, "error")
    await again.click()
    await expect(page.get_by_role("alert")).to_be_visible()
    (fault,) = await heard(page)
    assert (fault["stage"], fault["status"]) == ("prices", None)
    await page.unroute("**/plans.json*")
    await again.click()
    await expect(page.get_by_role("button", name="Choose Pro")).to_be_visible()
    await expect(page.get_by_text("Ask us for prices")).to_be_hidden()
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_answers_that_are_no_price_lists_are_failures(page: Page, shop: Shop) -> None:
    unknown = shop.element(tenant="ten_" + "0" * 26)
    shop.shows(unknown, shop.element(api=shop.url), shop.element(tenant="../..//x"), shop.element(api="::"))
    await page.goto(shop.url)
    await expect(page.get_by_role("alert")).to_have_count(4)
    shop.shows(shop.element(tenant=""), shop.element())
    await page.goto(shop.url)
    await expect(page.get_by_text("Nothing is on sale here at the moment.")).to_have_count(1)
    await expect(page.get_by_role("alert")).to_have_count(0)


# --- The page of ours ------------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_our_own_page_leads_to_the_tenants_checkout(
    chromium: Browser, tenant: Tenant, *, scripts: bool
) -> None:
    pro = await plan(tenant, FEW | {"trialDays": 14}, name="Pro")
    settings = {"pricingCheckoutUrl": "https://shop.example.com/buy?from=list"}
    await tenant.call("PATCH", "/v1/tenants/me/settings", json=settings)
    context = await chromium.new_context(
        base_url=tenant.house.ready["apiUrl"],
        java_script_enabled=scripts,
        viewport={"width": 320, "height": 640},
        locale="hu-HU",
    )
    page = await context.new_page()
    await page.goto(f"/pricing/{tenant.id}")
    if scripts:
        await expect(page.locator("[part=plan]")).to_have_count(1)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    link = page.get_by_role("link", name="Választom: Pro")
    chosen = f"{settings['pricingCheckoutUrl']}&priceId={pro['prices'][0]['id']}&quantity=1"
    await expect(link).to_have_attribute("href", chosen)
    for said in ("1\u00a0990\u00a0Ft", "14 nap ingyen"):
        await expect(page.get_by_text(said).filter(visible=True)).to_have_count(1)
    await context.close()
