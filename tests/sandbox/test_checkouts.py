"""Sessions, cards and money: what a merchant and a payer can rely on."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.sandbox.sandbox_house import Shop, eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]

DECLINES = {
    "4000000000000002": "card_declined",
    "4000000000009995": "insufficient_funds",
    "4000000000009987": "lost_card",
    "4000000000009979": "stolen_card",
    "4000000000000069": "expired_card",
    "4000000000000127": "incorrect_cvc",
    "4000000000000119": "processing_error",
    "4000000000000341": "card_declined",
    "4111111111111111": "invalid_number",
    "": "invalid_number",
}


async def test_a_new_session_can_be_read_and_found_by_its_reference(shop: Shop) -> None:
    session = await shop.open(metadata={"k": "v"})
    assert (session["status"], session["payment_status"]) == ("open", "unpaid")
    assert session["url"] == f"{shop.company.url}/pay/{session['id']}"
    assert await shop.read(session) == session
    assert (await shop.get("/v1/checkout_sessions", reference=shop.reference))["data"] == [session]
    assert (await shop.get("/v1/checkout_sessions", reference="another"))["data"] == []


async def test_lists_are_paged_oldest_first_without_gaps(shop: Shop) -> None:
    opened = [(await shop.open())["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = await shop.get("/v1/checkout_sessions", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [session["id"] for session in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert seen == opened


async def test_lists_keep_to_their_dates(shop: Shop) -> None:
    session = await shop.paid()
    now = datetime.now(UTC)
    recent = {"created_from": (now - timedelta(minutes=1)).isoformat(), "created_to": now.isoformat()}
    assert [item["id"] for item in (await shop.get("/v1/payments", **recent))["data"]] == [session["payment"]]
    assert (await shop.get("/v1/payments", created_to=recent["created_from"]))["data"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": 99}, "amount_too_small"),
        ({"amount": 49, "currency": "EUR"}, "amount_too_small"),
        ({"currency": "DEM"}, "currency_unsupported"),
        ({"currency": "XXX"}, "currency_unsupported"),
        ({"amount": "1000"}, "invalid_request"),
        ({"amount": 10.5}, "invalid_request"),
        ({"amount": True}, "invalid_request"),
        ({"reference": "x" * 129}, "invalid_request"),
        ({"surprise": 1}, "invalid_request"),
        ({"success_url": "javascript:alert(1)"}, "invalid_request"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at_invalid"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(shop: Shop, change: dict[str, Any], code: str) -> None:
    answer = await shop.ask(**change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert (await shop.ledger())["sessions"] == []


@pytest.mark.parametrize(("currency", "amount"), [("HUF", 100), ("EUR", 50), ("JPY", 1), ("KWD", 1)])
async def test_the_smallest_amounts_are_taken_to_the_unit(shop: Shop, currency: str, amount: int) -> None:
    session = await shop.open(currency=currency, amount=amount)
    await shop.pay(session)
    [capture] = (await shop.ledger())["captures"]
    assert (capture["amount"], capture["currency"]) == (amount, currency)


@pytest.mark.parametrize("number", ["4242424242424242", "4242 4242 4242 4242", "5555555555554444"])
async def test_a_good_card_pays(shop: Shop, number: str) -> None:
    session = await shop.paid(number)
    assert (session["status"], session["payment_status"]) == ("complete", "paid")
    assert (session["amount_captured"], session["currency_captured"]) == (1990000, "HUF")
    assert (await shop.get(f"/v1/payments/{session['payment']}"))["session"] == session["id"]
    await shop.hears("checkout.completed")
    assert shop.letters[0].event["data"] == session


@pytest.mark.parametrize(("number", "code"), DECLINES.items())
async def test_a_decline_leaves_the_session_open(shop: Shop, number: str, code: str) -> None:
    session = await shop.paid(number)
    assert (session["status"], session["payment_status"]) == ("open", "unpaid")
    assert session["last_error"]["code"] == code
    await shop.hears("payment.attempt_failed")
    await shop.pay(session)
    assert len((await shop.ledger())["captures"]) == 1


async def test_the_fail_button_declines_even_a_good_card(shop: Shop) -> None:
    session = await shop.open()
    await shop.act(session, cardNumber="4242424242424242", action="fail")
    assert (await shop.read(session))["last_error"]["code"] == "card_declined"


async def test_a_challenge_is_asked_and_can_be_approved_or_refused(shop: Shop) -> None:
    session = await shop.open()
    assert "approve" in (await shop.pay(session, "4000002500003155")).text
    assert (await shop.read(session))["payment_status"] == "unpaid"
    await shop.act(session, action="refuse")
    assert (await shop.read(session))["last_error"]["code"] == "authentication_failed"
    assert (await shop.act(session, action="approve")).status_code == 409
    await shop.pay(session, "4000002500003155")
    await shop.act(session, action="approve")
    assert (await shop.read(session))["payment_status"] == "paid"


@pytest.mark.parametrize(
    ("number", "ending", "event", "captures"),
    [
        ("9000000000000001", "paid", "checkout.completed", 1),
        ("9000000000000019", "failed", "checkout.failed", 0),
    ],
)
async def test_a_bank_payment_takes_its_time_and_then_ends(
    shop: Shop, number: str, ending: str, event: str, captures: int
) -> None:
    session = await shop.paid(number)
    assert (session["status"], session["payment_status"]) == ("complete", "processing")
    assert (await shop.pay(session)).status_code == 409
    await shop.hears("checkout.processing", event)
    assert (await shop.read(session))["payment_status"] == ending
    assert len((await shop.ledger())["captures"]) == captures


async def test_twenty_payers_at_once_are_charged_once(shop: Shop) -> None:
    session = await shop.open()
    answers = await asyncio.gather(*(shop.pay(session) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    assert len((await shop.ledger())["captures"]) == 1
    await shop.hears("checkout.completed")


async def test_giving_up_is_final(shop: Shop) -> None:
    session = await shop.open(cancel_url="https://shop.example/back")
    answer = await shop.act(session, action="close")
    assert (answer.status_code, answer.headers["location"]) == (303, "https://shop.example/back")
    assert (await shop.pay(session)).status_code == 409
    assert (await shop.read(session))["status"] == "cancelled"
    await shop.hears("checkout.cancelled")


async def test_a_payer_is_sent_back_to_the_shop(shop: Shop) -> None:
    answer = await shop.pay(await shop.open(success_url="https://shop.example/thanks"))
    assert (answer.status_code, answer.headers["location"]) == (303, "https://shop.example/thanks")


async def test_an_expired_session_can_be_expired_again_but_not_paid(shop: Shop) -> None:
    session = await shop.open()
    for _ in range(2):
        answer = await shop.client.post(f"/v1/checkout_sessions/{session['id']}/expire")
        assert (answer.status_code, answer.json()["status"]) == (200, "expired")
    assert (await shop.pay(session)).status_code == 409
    assert (await shop.ledger())["captures"] == []
    await shop.hears("checkout.expired")


@pytest.mark.parametrize("number", ["4242424242424242", "9000000000000001"])
async def test_a_paid_or_processing_session_cannot_be_expired(shop: Shop, number: str) -> None:
    session = await shop.paid(number)
    answer = await shop.client.post(f"/v1/checkout_sessions/{session['id']}/expire")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "session_complete")


async def test_a_session_expires_when_its_time_is_up(shop: Shop) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    session = await shop.open(expires_at=soon.isoformat())
    await shop.hears("checkout.expired")
    assert (await shop.read(session))["status"] == "expired"


async def test_the_same_key_gives_the_same_session(shop: Shop) -> None:
    first, second = await shop.ask("key-1"), await shop.ask("key-1")
    assert (first.json(), first.status_code) == (second.json(), second.status_code)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert len((await shop.ledger())["sessions"]) == 1


async def test_the_same_key_with_another_order_is_refused(shop: Shop) -> None:
    await shop.ask("key-1")
    answer = await shop.ask("key-1", amount=500)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "idempotency_mismatch")


async def test_two_accounts_may_use_the_same_key(shop: Shop, other_shop: Shop) -> None:
    first, second = await shop.ask("key-1"), await other_shop.ask("key-1")
    assert first.json()["id"] != second.json()["id"]


async def test_a_key_whose_first_call_is_still_at_work_is_refused(shop: Shop) -> None:
    await shop.fault("checkout.create", "before", "hang", seconds=1)
    first = asyncio.create_task(shop.ask("key-1"))
    await asyncio.sleep(0.3)
    answer = await shop.ask("key-1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_in_progress")
    with pytest.raises(httpx.TransportError):
        await first
    assert (await shop.ask("key-1")).status_code == 201


async def test_a_refused_call_does_not_use_its_key_up(shop: Shop) -> None:
    assert (await shop.ask("key-1", amount=1)).status_code == 400
    assert (await shop.ask("key-1")).status_code == 201


async def test_refunds_never_pass_what_was_captured(shop: Shop) -> None:
    session = await shop.paid()
    answers = await asyncio.gather(*(shop.refund(session, amount=1000000) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400]
    assert (await shop.refund(session)).json()["amount"] == 990000
    refused = await shop.refund(session)
    assert refused.json()["error"]["code"] == "refund_exceeds_capture"
    assert sum(refund["amount"] for refund in (await shop.ledger())["refunds"]) == 1990000


async def test_a_refund_is_found_by_its_own_reference_and_by_its_payment(shop: Shop) -> None:
    session = await shop.paid()
    refund = (await shop.refund(session, reference="ref_mine", amount=700)).json()
    assert (refund["reference"], refund["payment_reference"]) == ("ref_mine", shop.reference)
    assert await shop.get(f"/v1/refunds/{refund['id']}") == refund
    assert (await shop.get("/v1/refunds", reference="ref_mine"))["data"] == [refund]
    assert (await shop.get("/v1/refunds", payment=session["payment"]))["data"] == [refund]
    await shop.hears("checkout.completed", "refund.succeeded")


@pytest.mark.parametrize(
    ("number", "first", "second"),
    [("4000000000007726", "pending", "succeeded"), ("4000000000005126", "succeeded", "failed")],
)
async def test_some_refunds_change_their_mind(shop: Shop, number: str, first: str, second: str) -> None:
    session = await shop.paid(number)
    refund = (await shop.refund(session)).json()
    assert refund["status"] == first
    await shop.hears("checkout.completed", f"refund.{first}", f"refund.{second}")
    assert (await shop.get(f"/v1/refunds/{refund['id']}"))["status"] == second


async def test_a_disputed_card_is_disputed_and_cannot_be_refunded(shop: Shop) -> None:
    session = await shop.paid("4000000000000259")
    await shop.hears("checkout.completed", "dispute.opened")
    [dispute] = (await shop.get("/v1/disputes", reference=shop.reference))["data"]
    assert (await shop.refund(session)).json()["error"]["code"] == "payment_disputed"
    await shop.company.control("POST", f"disputes/{dispute['id']}", json={"outcome": "won"})
    await shop.hears("checkout.completed", "dispute.opened", "dispute.won")
    assert (await shop.refund(session)).status_code == 201


async def test_another_accounts_things_look_like_nothing(shop: Shop, other_shop: Shop) -> None:
    session = await shop.paid()
    for path in (f"/v1/checkout_sessions/{session['id']}", f"/v1/payments/{session['payment']}"):
        assert (await other_shop.client.get(path)).status_code == 404
    assert (await other_shop.get("/v1/payments"))["data"] == []
    assert (await other_shop.refund(session)).status_code == 404


async def test_a_wrong_key_is_refused(shop: Shop) -> None:
    good = shop.client.headers["authorization"]
    for bad in (good[:-1] + ("0" if good[-1] != "0" else "1"), "Bearer x", "Basic x", good + "0", "Bearer é"):
        answer = await shop.client.get("/v1/payments", headers=[(b"authorization", bad.encode())])
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


async def test_events_can_be_read_afterwards(shop: Shop) -> None:
    await shop.paid()
    await eventually(lambda: bool(shop.letters))
    event = shop.letters[0].event
    [listed] = (await shop.get("/v1/events", reference=shop.reference))["data"]
    assert listed["data"] == event["data"]
    assert (await shop.get(f"/v1/events/{event['id']}")) == listed
