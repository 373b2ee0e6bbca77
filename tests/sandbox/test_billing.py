"""Customers, cards that are kept, and charges without the payer."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.sandbox.patron import LATER, Patron
from tests.sandbox.sandbox_house import GOOD_CARD, Shop

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]

TWICE = "4000034100080002"


@pytest_asyncio.fixture
async def patron(shop: Shop) -> Patron:
    """Know a customer."""
    known = Patron(shop)
    await known.introduce()
    return known


# --- Customers --------------------------------------------------------------------------------------


async def test_a_customer_is_made_once_however_often_and_under_whatever_address(shop: Shop) -> None:
    patron = Patron(shop)
    first = await patron.introduce(email="old@example.com")
    second = await patron.introduce(email="new@example.com", name="Kovács Anna")
    assert first == second
    assert (await shop.get("/v1/customers", reference=patron.reference))["data"] == [first]
    assert "example.com" not in str(first)


async def test_ten_requests_at_once_make_one_customer(shop: Shop) -> None:
    patron = Patron(shop)
    made = await asyncio.gather(*(patron.introduce() for _ in range(10)))
    assert len({one["id"] for one in made}) == 1


async def test_another_accounts_customer_looks_like_none(patron: Patron, other_shop: Shop) -> None:
    await patron.leave()
    [method] = await patron.kept()
    stranger = Patron(other_shop, patron.id)
    assert (await other_shop.client.get(f"/v1/customers/{patron.id}/payment_methods")).status_code == 404
    assert (await stranger.charge(payment_method=method["id"])).status_code == 404
    assert (await other_shop.ask(customer=patron.id)).status_code == 404


# --- Keeping a card ---------------------------------------------------------------------------------


async def test_a_setup_keeps_a_card_and_takes_nothing(patron: Patron) -> None:
    setup = await patron.leave()
    [method] = await patron.kept()
    assert (setup["status"], setup["payment_method"]) == ("complete", method["id"])
    assert (method["kind"], method["brand"], method["last4"]) == ("card", "visa", "4242")
    assert (await patron.shop.ledger())["captures"] == []
    await patron.shop.hears("setup_session.completed", "customer.method_saved")
    [told] = [each.event["data"] for each in patron.shop.letters if "method_saved" in each.event["type"]]
    assert (told["id"], told["reference"]) == (patron.id, patron.reference)


async def test_who_has_left_a_card_is_sent_back_and_so_is_who_gives_up(patron: Patron) -> None:
    ways = {"success_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/back"}
    answer = await patron.act(await patron.setup(**ways), cardNumber=GOOD_CARD, action="pay")
    assert (answer.status_code, answer.headers["location"]) == (303, "https://shop.example/thanks")
    setup = await patron.setup(**ways)
    answer = await patron.act(setup, action="close")
    assert (answer.status_code, answer.headers["location"]) == (303, "https://shop.example/back")
    assert (await patron.act(setup, cardNumber=GOOD_CARD, action="pay")).status_code == 409
    assert len(await patron.kept()) == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("4000000000000002", "card_declined"),
        ("4000000000000127", "incorrect_cvc"),
        ("4000000000000069", "expired_card"),
        ("4111111111111111", "invalid_number"),
        ("9000000000000001", "not_keepable"),
    ],
)
async def test_a_card_that_is_declined_as_such_is_not_kept(patron: Patron, number: str, code: str) -> None:
    setup = await patron.leave(number)
    assert (setup["status"], setup["last_error"]["code"]) == ("open", code)
    assert await patron.kept() == []
    await patron.act(setup, cardNumber=GOOD_CARD, action="pay")
    assert len(await patron.kept()) == 1


async def test_a_setup_ends_when_its_time_is_up(spare_shop: Shop) -> None:
    patron = Patron(spare_shop)
    await patron.introduce()
    setup = await patron.setup(expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 3_601})
    assert (await spare_shop.get(f"/v1/setup_sessions/{setup['id']}"))["status"] == "expired"
    assert (await patron.act(setup, cardNumber=GOOD_CARD, action="pay")).status_code == 409


async def test_a_checkout_with_a_customer_keeps_the_card_that_paid(patron: Patron) -> None:
    shop = patron.shop
    session = await shop.open(customer=patron.id)
    await shop.pay(session, "4000000000000002")
    assert await patron.kept() == []
    await shop.pay(session)
    assert [method["last4"] for method in await patron.kept()] == ["4242"]
    await shop.hears("payment.attempt_failed", "checkout.completed", "customer.method_saved")


async def test_a_card_that_fails_later_pays_where_it_is_kept(patron: Patron) -> None:
    shop = patron.shop
    alone, together = await shop.open(), await shop.open(customer=patron.id)
    await shop.pay(alone, "4000000000000341")
    assert (await shop.read(alone))["payment_status"] == "unpaid"
    await shop.pay(together, "4000000000000341")
    assert (await shop.read(together))["payment_status"] == "paid"
    assert (await patron.charge()).json()["error"]["code"] == "card_declined"


async def test_the_card_kept_last_is_used_and_the_same_card_is_kept_once(patron: Patron) -> None:
    for number in (GOOD_CARD, "5555555555554444", GOOD_CARD):
        await patron.leave(number)
    assert [(one["brand"], one["last4"]) for one in await patron.kept()] == [
        ("visa", "4242"),
        ("mastercard", "4444"),
    ]


# --- Charging it ------------------------------------------------------------------------------------


async def test_a_charge_is_a_capture_under_our_reference(patron: Patron) -> None:
    await patron.leave()
    answer = await patron.charge()
    charge, shop = answer.json(), patron.shop
    assert (answer.status_code, charge["status"], charge["amount_captured"]) == (201, "succeeded", 1990000)
    ledger = await shop.ledger()
    [capture] = ledger["captures"]
    assert (capture["id"], capture["session"]) == (charge["payment"], charge["id"])
    assert [one["id"] for one in ledger["charges"]] == [charge["id"]]
    assert (await shop.get("/v1/charges", reference=shop.reference))["data"] == [charge]
    assert await shop.get(f"/v1/charges/{charge['id']}") == charge
    await shop.hears("setup_session.completed", "customer.method_saved", "charge.succeeded")
    assert charge in [letter.event["data"] for letter in shop.letters]


@pytest.mark.parametrize(("number", "reason"), LATER.items())
async def test_a_dunning_card_is_kept_and_then_declines(patron: Patron, number: str, reason: str) -> None:
    assert (await patron.leave(number))["status"] == "complete"
    answer = await patron.charge("key-1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, reason)
    [charge] = (await patron.shop.get("/v1/charges", reference=patron.shop.reference))["data"]
    assert (charge["status"], charge["last_error"]["code"]) == ("failed", reason)
    assert (await patron.shop.ledger())["captures"] == []
    await patron.shop.hears("setup_session.completed", "customer.method_saved", "charge.failed")
    again = await patron.charge("key-1")
    assert (again.json(), again.headers["idempotent-replayed"]) == (answer.json(), "true")


async def test_one_card_is_declined_twice_and_then_succeeds(patron: Patron) -> None:
    await patron.leave(TWICE)
    assert [(await patron.charge()).status_code for _ in range(4)] == [402, 402, 201, 201]


async def test_a_card_approved_once_can_be_charged_afterwards(patron: Patron) -> None:
    await patron.leave("4000002500003155")
    assert (await patron.charge()).status_code == 201


async def test_a_charge_is_made_once_under_its_key_even_years_later(spare_shop: Shop) -> None:
    patron = Patron(spare_shop)
    await patron.introduce()
    await patron.leave()
    first = await patron.charge("key-1")
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 3 * 366 * 86_400})
    again = await patron.charge("key-1")
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert len((await spare_shop.ledger())["captures"]) == 1
    other = await patron.charge("key-1", amount=500)
    assert (other.status_code, other.json()["error"]["code"]) == (400, "idempotency_mismatch")


async def test_twenty_charges_at_once_under_one_key_take_the_money_once(patron: Patron) -> None:
    await patron.leave()
    [method] = await patron.kept()
    charges = (patron.charge("key-1", payment_method=method["id"]) for _ in range(20))
    answers = await asyncio.gather(*charges)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len((await patron.shop.ledger())["captures"]) == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": 99}, 400, "amount_too_small"),
        ({"currency": "XXX"}, 400, "currency_unsupported"),
        ({"surprise": 1}, 400, "invalid_request"),
        ({"payment_method": "pm_none"}, 402, "payment_method_removed"),
        ({"customer": "cu_none"}, 404, "not_found"),
    ],
)
async def test_a_charge_that_makes_no_sense_takes_nothing(
    patron: Patron, change: dict[str, Any], status: int, code: str
) -> None:
    await patron.leave()
    answer = await patron.charge(**change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    ledger = await patron.shop.ledger()
    assert (ledger["captures"], ledger["charges"]) == ([], [])


async def test_a_charge_can_be_given_back_and_disputed_like_any_payment(patron: Patron) -> None:
    await patron.leave("4000000000000259")
    charge, shop = (await patron.charge()).json(), patron.shop
    assert (await shop.refund(charge, amount=700)).json()["amount"] == 700
    await shop.hears(
        "setup_session.completed",
        "customer.method_saved",
        "charge.succeeded",
        "refund.succeeded",
        "dispute.opened",
    )
    [dispute] = (await shop.ledger())["disputes"]
    assert dispute["payment"] == charge["payment"]
