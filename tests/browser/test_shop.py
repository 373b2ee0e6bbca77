"""The example shop, as people use it: buying, giving up, coming back, and what each of that opens."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from local.shop import example_shop
from tests.house import CARD, DECLINED, House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
PROJECT = Path(__file__).parents[2]
PATIENCE = 30_000
"""Milliseconds; a busy machine may take its time over a webhook."""

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
async def shop(house: House) -> AsyncIterator[str]:
    async with example_shop(house.ready, PROJECT, print) as url:
        yield url


async def come_in(page: Page, shop: str, name: str) -> None:
    await page.goto(shop)
    await page.get_by_label("Your name").fill(name)
    await page.get_by_role("button", name="Come in").click()


async def buy(page: Page, ticket: str = "A year in the members’ room") -> None:
    """To the checkout, which is another company's page."""
    await page.get_by_role("link", name="Tickets", exact=True).click()
    await page.get_by_role("button", name=f"Buy: {ticket}").click()
    await at_the_checkout(page)


async def at_the_checkout(page: Page) -> None:
    # A machine with much to do has its checkout a moment later; until then the buyer is shown the order.
    ready = page.locator("input[name=cardNumber]")
    later = page.get_by_role("link", name="Go to the checkout")
    await expect(ready.or_(later)).to_be_visible()
    if await later.is_visible():
        await later.click()
    await expect(ready).to_be_visible()


async def pay(page: Page, card: str) -> None:
    await page.locator("input[name=cardNumber]").fill(card)
    await page.locator("button[value=pay]").click()


async def is_paid(page: Page) -> None:
    """The platform says so, and its webhook has been heard."""
    await expect(page.get_by_role("heading", name="Paid, thank you")).to_be_visible()
    await expect(page.locator("#books")).to_have_text("paid")


async def knocks(page: Page, shop: str) -> int:
    answer = await page.goto(f"{shop}/members")
    assert answer is not None
    return answer.status


async def test_whoever_pays_comes_back_and_enters_the_room(page: Page, shop: str) -> None:
    await come_in(page, shop, "Ada")
    assert await knocks(page, shop) == 403
    await buy(page)
    await pay(page, CARD)
    await is_paid(page)
    await page.get_by_role("link", name="Enter the members’ room").click()
    await expect(page.get_by_role("heading", name="Welcome")).to_be_visible()


async def test_a_declined_card_leaves_the_choice_of_another(page: Page, shop: str) -> None:
    await come_in(page, shop, "Béla")
    await buy(page)
    await pay(page, DECLINED)
    await expect(page.get_by_role("alert")).to_be_visible()
    assert not page.url.startswith(shop)
    await pay(page, CARD)
    await is_paid(page)


async def test_whoever_gives_up_may_buy_the_same_order_again(page: Page, shop: str) -> None:
    await come_in(page, shop, "Cili")
    await buy(page)
    await page.locator("button[value=close]").click()
    await expect(page.get_by_role("heading", name="Not paid")).to_be_visible()
    order = page.url
    assert await knocks(page, shop) == 403
    await page.goto(order)
    await page.get_by_role("button", name="Try again").click()
    await at_the_checkout(page)
    await pay(page, CARD)
    await is_paid(page)
    assert page.url == order


async def test_money_back_closes_the_room_and_is_given_once(page: Page, shop: str) -> None:
    await come_in(page, shop, "Dani")
    await buy(page, "A day in the members’ room")
    await pay(page, CARD)
    await is_paid(page)
    refund = f"{page.url}/refund"
    await page.get_by_role("button", name="I want my money back").click()
    await expect(page.get_by_role("heading", name="You have your money back")).to_be_visible()
    await expect(page.locator("#books")).to_have_text("refunded")
    again = await page.request.post(refund)
    assert (again.status, "You have your money back" in await again.text()) == (200, True)
    assert await knocks(page, shop) == 403


async def test_an_address_that_lies_changes_nothing(page: Page, shop: str) -> None:
    await come_in(page, shop, "Evil")
    await buy(page)
    await page.goto(shop)
    await page.locator(".orders a").first.click()
    await page.goto(f"{page.url}?status=SUCCEEDED&paid=true&payment_id=pay_1")
    await expect(page.get_by_role("heading", name="Waiting for your payment")).to_be_visible()
    await expect(page.locator("#books")).to_have_text("open")
    assert await knocks(page, shop) == 403


async def test_nobody_sees_or_pays_back_the_orders_of_others(page: Page, shop: str) -> None:
    await come_in(page, shop, "Fanni")
    await buy(page)
    await page.goto(shop)
    order = await page.locator(".orders a").first.get_attribute("href")
    await page.context.clear_cookies()
    await come_in(page, shop, "Gábor")
    stolen = await page.goto(f"{shop}{order}")
    assert stolen is not None
    assert stolen.status == 404
    assert (await page.request.post(f"{shop}{order}/refund")).status == 404


async def test_a_form_sent_twice_is_one_order(page: Page, shop: str) -> None:
    await come_in(page, shop, "Hédi")
    form = page.locator("form").filter(has=page.locator("[value=year]"))
    fields: dict[str, str | float | bool] = {
        "order": await form.locator("[name=order]").input_value(),
        "product": "year",
    }
    checkouts = {
        re.sub(r"\?.*", "", (await page.request.post(f"{shop}/orders", form=fields)).url) for _ in range(2)
    }
    assert len(checkouts) == 1
    await page.goto(shop)
    await expect(page.locator(".orders li")).to_have_count(1)


async def test_the_room_can_be_had_by_the_month_too(page: Page, shop: str) -> None:
    await come_in(page, shop, "Ildi")
    await page.goto(f"{shop}/membership?back=1")
    await expect(page.get_by_role("heading", name="Waiting")).to_be_visible()
    await page.get_by_role("link", name="I have not paid").click()
    await page.get_by_role("button", name="Choose Member").click()
    await page.wait_for_url(lambda url: not url.startswith(shop))
    await page.locator("input[name=cardNumber]").fill(CARD)
    await page.locator("button[value=pay]").click()
    await expect(page.get_by_role("heading", name="You are a member")).to_be_visible()
    assert await knocks(page, shop) == 200
    await page.goto(f"{shop}/membership")
    await page.get_by_role("button", name="End it").click()
    await expect(page.get_by_text("and then it ends")).to_be_visible()
