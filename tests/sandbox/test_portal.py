"""The pages where customers leave cards and see to them; and the clock, of which everybody is told."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

import httpx
import pytest
import pytest_asyncio

from tests.sandbox.patron import Patron
from tests.sandbox.sandbox_house import GOOD_CARD, NO_TLS, Json, Shop
from tests.sandbox.test_pages import Outline

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]

MONTH = 30 * 86_400


@pytest_asyncio.fixture
async def patron(shop: Shop) -> Patron:
    """Know a customer who keeps a card."""
    known = Patron(shop)
    await known.introduce()
    await known.leave()
    return known


async def look(page: Json, language: str = "en") -> httpx.Response:
    """Open a page as a browser would."""
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        return await http.get(page["url"], headers={"accept-language": language})


@pytest.mark.parametrize(
    ("language", "banner", "sentences"),
    [
        ("en", "Test mode", ("Save a card", "Your cards")),
        ("hu", "Teszt mód", ("Kártya mentése", "Az Ön kártyái")),
    ],
)
async def test_the_pages_speak_the_customers_language(
    patron: Patron, language: str, banner: str, sentences: tuple[str, str]
) -> None:
    for page, sentence in zip([await patron.setup(), await patron.portal()], sentences, strict=True):
        shown = await look(page, language)
        assert (shown.status_code, shown.headers["content-language"]) == (200, language)
        assert banner in shown.text
        assert sentence in shown.text
        assert shown.headers["content-security-policy"].startswith("default-src 'none'")


async def test_the_pages_are_plain_forms_with_labels(patron: Patron) -> None:
    wanted = [(await patron.setup(), ["pay", "close"]), (await patron.portal(), ["remove", "update"])]
    for page, actions in wanted:
        outline = Outline((await look(page)).text)
        [field] = [one for one in outline.all("input") if one["name"] == "cardNumber"]
        assert field["id"] in {label["for"] for label in outline.all("label")}
        submits = [one for one in outline.all("button") if one.get("type") != "button"]
        assert [one["value"] for one in submits] == actions
        assert "copy" not in {one.get("class") for one in submits}, "the script would take it for its own"
        assert {form["method"] for form in outline.all("form")} == {"post"}


async def test_the_portal_shows_the_card_in_use_and_the_way_back(patron: Patron) -> None:
    shown = (await look(await patron.portal())).text
    assert "•••• 4242" in shown
    assert "used for payments" in shown
    assert "https://shop.example/account" in shown
    assert GOOD_CARD not in shown


async def test_a_card_given_at_the_portal_is_used_from_then_on(patron: Patron) -> None:
    portal = await patron.portal()
    answer = await patron.act(portal, cardNumber="5555555555554444", action="update")
    assert (answer.status_code, "•••• 4444" in answer.text) == (200, True)
    assert [one["last4"] for one in await patron.kept()] == ["4444", "4242"]
    await patron.shop.hears("setup_session.completed", *["customer.method_saved"] * 2)


async def test_a_card_that_is_declined_at_the_portal_changes_nothing(patron: Patron) -> None:
    answer = await patron.act(await patron.portal(), cardNumber="4000000000009995", action="update")
    assert "not enough money" in answer.text
    assert "4000000000009995" not in answer.text
    assert [one["last4"] for one in await patron.kept()] == ["4242"]


async def test_removing_takes_the_card_in_use_away_or_the_one_that_is_named(patron: Patron) -> None:
    for number in ("5555555555554444", "4000000000000341"):
        await patron.leave(number)
    portal = await patron.portal()
    named = (await patron.kept())[2]
    await patron.act(portal, action="remove", method=named["id"])
    assert [one["last4"] for one in await patron.kept()] == ["0341", "4444"]
    await patron.act(portal, action="remove")
    await patron.act(portal, action="remove")
    assert await patron.kept() == []
    assert (await patron.act(portal, action="remove")).status_code == 409
    await patron.shop.hears(
        *["setup_session.completed"] * 3, *["customer.method_saved"] * 3, *["customer.method_removed"] * 3
    )


async def test_nobody_removes_another_customers_card(patron: Patron) -> None:
    [method] = await patron.kept()
    other = Patron(patron.shop)
    await other.introduce()
    answer = await other.act(await other.portal(), action="remove", method=method["id"])
    assert answer.status_code == 409
    assert await patron.kept() == [method]


async def test_the_portal_is_open_for_half_an_hour_of_the_clock_on_the_wall(spare_shop: Shop) -> None:
    patron = Patron(spare_shop)
    await patron.introduce()
    portal = await patron.portal()
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": MONTH})
    assert (await look(portal)).status_code == 200
    life = datetime.fromisoformat(portal["expires_at"]) - datetime.fromisoformat(portal["created_at"])
    assert life == timedelta(minutes=30)
    age(spare_shop, portal)
    for answer in (await look(portal), await patron.act(portal, cardNumber=GOOD_CARD, action="update")):
        assert (answer.status_code, "half an hour" in answer.text) == (410, True)
    assert await patron.kept() == []


def age(shop: Shop, portal: Json) -> None:
    """Let a portal's time be over, in the company's own file."""
    with closing(sqlite3.connect(shop.company.data_dir / "sandbox.sqlite3")) as store, store:
        store.execute(
            "UPDATE objects SET body = json_set(body, '$.expires_at', ?) WHERE id = ?",
            (portal["created_at"], portal["id"]),
        )


async def test_a_page_that_never_was_is_a_page_too(shop: Shop) -> None:
    for path in ("/portal/po_none", "/setup/su_none"):
        assert (await shop.client.get(path)).status_code == 404


# --- The clock --------------------------------------------------------------------------------------


async def ahead(shop: Shop, *events: str) -> list[int]:
    """Wait for these webhooks and read by how much each push put the shop's clock ahead."""
    await shop.hears(*events)
    pushes = [letter.event for letter in shop.letters if letter.event["type"] == "clock.advanced"]
    return [event["data"]["ahead_seconds"] for event in pushes]


async def test_every_account_that_ever_called_is_told_of_a_push(spare_shop: Shop) -> None:
    await spare_shop.get("/v1/payments")
    for _ in range(2):
        await spare_shop.company.control("POST", "clock", json={"advanceSeconds": MONTH})
    assert await ahead(spare_shop, "clock.advanced", "clock.advanced") == [MONTH, 2 * MONTH]


async def test_who_calls_for_the_first_time_after_a_push_has_skipped_nothing(spare_shop: Shop) -> None:
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 24 * MONTH})
    await spare_shop.get("/v1/payments")
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 3_600})
    assert await ahead(spare_shop, "clock.advanced") == [3_600]


async def test_one_accounts_clock_can_be_pushed_alone(shop: Shop, other_shop: Shop) -> None:
    session = await other_shop.open()
    await shop.get("/v1/payments")
    push = {"advanceSeconds": MONTH, "account": shop.account}
    for _ in range(2):
        await shop.company.control("POST", "clock", json=push)
    assert await ahead(shop, "clock.advanced", "clock.advanced") == [MONTH, 2 * MONTH]
    assert (await other_shop.read(session))["status"] == "open"
    assert other_shop.told() == []
    address = f"{shop.company.control_url}/_control/clock"
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        answer = await http.post(address, json={**push, "account": "never-seen"})
    assert answer.status_code == 404


async def test_the_push_is_told_after_everything_else(spare_shop: Shop) -> None:
    sessions = [await spare_shop.open() for _ in range(5)]
    spare_shop.company.mailbox.slow[f"{spare_shop.account} checkout.expired"] = 0.4
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 86_401})
    await spare_shop.hears(*["checkout.expired"] * len(sessions), "clock.advanced")
    assert spare_shop.told()[-1] == "clock.advanced"


async def test_a_push_that_waits_for_a_late_webhook_would_wait_too_long(spare_shop: Shop) -> None:
    await spare_shop.fault("webhook.send", "webhook", "late", seconds=3)
    await spare_shop.paid()
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 60})
    await spare_shop.hears("clock.advanced")
    assert spare_shop.told() == ["clock.advanced"]


async def test_after_a_reset_the_clock_is_back(spare_shop: Shop) -> None:
    await spare_shop.get("/v1/payments")
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": MONTH})
    await spare_shop.hears("clock.advanced")
    await spare_shop.company.control("POST", "reset")
    await spare_shop.get("/v1/payments")
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 60})
    assert await ahead(spare_shop, "clock.advanced", "clock.advanced") == [MONTH, 60]


async def test_a_company_that_is_played_does_not_tell_of_the_clock(spare_shop: Shop) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    await spare_shop.client.get("/stripe/v1/refunds", headers=headers)
    await spare_shop.client.get("/dodo/refunds")
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 60})
    await asyncio.sleep(0.3)
    assert spare_shop.told() == []
