"""Webhooks and misbehaviour on request: what goes wrong, and what stays true while it does."""

import asyncio
import json
import socket
import time

import httpx
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.sandbox.sandbox_house import Shop, eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]

WRONG = 1990100


async def test_a_webhook_carries_a_signature_that_verifies(shop: Shop) -> None:
    session = await shop.paid()
    await shop.hears("checkout.completed")
    letter = shop.letters[0]
    event = Webhook(shop.secret).verify(letter.body, letter.headers)
    assert event["data"]["id"] == session["id"]
    assert (event["account"], event["mode"]) == (shop.account, "test")
    assert letter.headers["webhook-id"] == event["id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(shop.secret).verify(letter.body.replace(b"paid", b"free"), letter.headers)


async def test_an_account_can_choose_its_own_address_and_secret(shop: Shop) -> None:
    elsewhere = f"{shop.account}-elsewhere"
    order = {"url": shop.company.mailbox.url(elsewhere)}
    endpoint = (await shop.client.post("/v1/webhook_endpoints", json=order)).json()
    await shop.paid()
    letters = shop.company.mailbox.letters
    await eventually(lambda: elsewhere in letters)
    Webhook(endpoint["secret"]).verify(letters[elsewhere][0].body, letters[elsewhere][0].headers)
    assert shop.letters == []
    assert "secret" not in (await shop.get("/v1/webhook_endpoints"))["data"][0]
    assert (await shop.client.delete(f"/v1/webhook_endpoints/{endpoint['id']}")).status_code == 200
    await shop.paid()
    await shop.hears("checkout.completed")


async def test_a_webhook_is_sent_again_with_the_same_id_until_it_is_taken(shop: Shop) -> None:
    shop.company.mailbox.answers[shop.account] = [500, 302]
    await shop.paid()
    await shop.hears(*["checkout.completed"] * 3)
    assert len({letter.headers["webhook-id"] for letter in shop.letters}) == 1
    assert len({letter.body for letter in shop.letters}) == 1
    await asyncio.sleep(0.1)
    [event] = (await shop.company.control("GET", "webhooks", params={"reference": shop.reference}))["data"]
    assert [attempt["status"] for attempt in event["attempts"]] == [500, 302, 200]


async def test_a_slow_address_does_not_hold_up_another(shop: Shop, other_shop: Shop) -> None:
    shop.company.mailbox.slow[shop.account] = 0.8
    await asyncio.gather(*(shop.paid() for _ in range(12)))
    started = time.monotonic()
    await other_shop.paid()
    await other_shop.hears("checkout.completed")
    assert time.monotonic() - started < 0.7
    await shop.hears(*["checkout.completed"] * 12)


async def test_a_lost_webhook_is_never_sent_but_can_be_resent(shop: Shop) -> None:
    await shop.fault("webhook.send", "webhook", "lost")
    await shop.paid()
    await asyncio.sleep(0.3)
    [event] = (await shop.company.control("GET", "webhooks", params={"reference": shop.reference}))["data"]
    assert (event["type"], event["attempts"], shop.told()) == ("checkout.completed", [], [])
    await shop.company.control("POST", "webhooks/resend", json={"eventId": event["eventId"]})
    await shop.hears("checkout.completed")
    assert shop.letters[0].headers["webhook-id"] == event["eventId"]


async def test_a_duplicate_has_the_same_id(shop: Shop) -> None:
    await shop.fault("webhook.send", "webhook", "duplicate")
    await shop.paid()
    await shop.hears("checkout.completed", "checkout.completed")
    assert len({letter.headers["webhook-id"] for letter in shop.letters}) == 1


async def test_a_late_webhook_takes_its_time(shop: Shop) -> None:
    await shop.fault("webhook.send", "webhook", "late", seconds=1)
    started = time.monotonic()
    await shop.paid()
    await shop.hears("checkout.completed")
    assert 0.9 < time.monotonic() - started < 3


async def test_a_reordered_webhook_comes_after_the_next(shop: Shop) -> None:
    await shop.fault("webhook.send", "webhook", "reorder")
    session = await shop.paid("4000000000000002")
    await asyncio.sleep(0.3)
    assert shop.told() == []
    await shop.pay(session)
    await shop.hears("checkout.completed", "payment.attempt_failed")
    assert shop.told() == ["checkout.completed", "payment.attempt_failed"]


@pytest.mark.parametrize("fault", ["badSignature", "staleTimestamp"])
async def test_a_spoiled_signature_does_not_verify_but_the_retry_does(shop: Shop, fault: str) -> None:
    shop.company.mailbox.answers[shop.account] = [401]
    await shop.fault("webhook.send", "webhook", fault)
    await shop.paid()
    await shop.hears("checkout.completed", "checkout.completed")
    spoiled, good = shop.letters
    with pytest.raises(WebhookVerificationError):
        Webhook(shop.secret).verify(spoiled.body, spoiled.headers)
    Webhook(shop.secret).verify(good.body, good.headers)


async def test_a_wrong_amount_in_a_webhook_is_what_was_captured(shop: Shop) -> None:
    await shop.fault("webhook.send", "webhook", "wrongAmount")
    await shop.paid()
    await shop.hears("checkout.completed")
    assert shop.letters[0].event["data"]["amount_captured"] == WRONG
    assert (await shop.ledger())["captures"][0]["amount"] == WRONG


@pytest.mark.parametrize("number", ["4242424242424242", "9000000000000001"])
async def test_a_wrong_amount_at_the_payment_is_really_captured(shop: Shop, number: str) -> None:
    await shop.fault("checkout.pay", "answer", "wrongAmount")
    session = await shop.paid(number)
    await eventually(lambda: "checkout.completed" in shop.told())
    session = await shop.read(session)
    assert (session["amount"], session["amount_captured"]) == (1990000, WRONG)
    assert (await shop.ledger())["captures"][0]["amount"] == WRONG
    assert shop.letters[-1].event["data"]["amount_captured"] == WRONG


async def test_a_wrong_amount_at_the_creation_is_captured_too(shop: Shop) -> None:
    await shop.fault("checkout.create", "answer", "wrongAmount")
    session = await shop.open()
    assert session["amount"] == WRONG
    await shop.pay(session)
    assert (await shop.read(session))["amount"] == 1990000
    assert (await shop.ledger())["captures"][0]["amount"] == WRONG


async def test_a_wrong_currency_at_the_payment_is_really_captured(shop: Shop) -> None:
    await shop.fault("checkout.pay", "answer", "wrongCurrency")
    assert (await shop.paid())["currency_captured"] == "EUR"
    assert (await shop.ledger())["captures"][0]["currency"] == "EUR"


async def test_an_event_can_overtake_the_answer(shop: Shop) -> None:
    await shop.fault("checkout.create", "webhook", "beforeAnswer")
    session = await shop.open()
    assert shop.told() == ["payment.attempt_failed"]
    assert shop.letters[0].event["data"]["id"] == session["id"]
    assert session["status"] == "open"


@pytest.mark.parametrize("fault", ["reset", "status:500", "truncate", "html"])
async def test_a_create_whose_answer_is_lost_gives_the_same_session_again(shop: Shop, fault: str) -> None:
    await shop.fault("checkout.create", "after", fault)
    try:
        answer = await shop.ask("key-1")
        assert answer.status_code == 500 or not _is_json(answer.text)
    except httpx.TransportError:
        assert fault == "reset"
    again = await shop.ask("key-1")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert [session["id"] for session in (await shop.ledger())["sessions"]] == [again.json()["id"]]


async def test_without_idempotency_a_retry_makes_a_second_session(spare_shop: Shop) -> None:
    await spare_shop.company.control("POST", "settings", json={"idempotency": "off"})
    await spare_shop.ask("key-1")
    await spare_shop.ask("key-1")
    assert len((await spare_shop.ledger())["sessions"]) == 2


@pytest.mark.parametrize("fault", ["refuse", "reset", "status:401", "status:429", "status:503"])
async def test_a_fault_before_the_effect_leaves_nothing_behind(shop: Shop, fault: str) -> None:
    await shop.fault("checkout.create", "before", fault)
    try:
        answer = await shop.ask("key-1")
        assert answer.status_code == int(fault.removeprefix("status:").replace("refuse", "400"))
        assert answer.headers.get("retry-after") == ("1" if answer.status_code in {429, 503} else None)
    except httpx.TransportError:
        assert fault == "reset"
    assert (await shop.ledger())["sessions"] == []
    assert (await shop.ask("key-1")).status_code == 201


async def test_a_reset_is_a_real_tcp_reset(shop: Shop) -> None:
    await shop.fault("checkout.find", "before", "reset")
    request = f"GET /v1/checkout_sessions HTTP/1.1\r\nHost: x\r\nAuthorization: {_key(shop)}\r\n\r\n"

    def ask() -> None:
        with socket.create_connection(("127.0.0.1", shop.company.port), timeout=5) as connection:
            connection.sendall(request.encode())
            connection.recv(1)

    with pytest.raises(ConnectionResetError):
        await asyncio.to_thread(ask)


async def test_a_hanging_call_says_nothing_and_does_nothing(shop: Shop) -> None:
    await shop.fault("checkout.create", "before", "hang")
    with pytest.raises(httpx.ReadTimeout):
        await shop.client.post("/v1/checkout_sessions", json=shop.order(), timeout=0.5)
    assert (await shop.ledger())["sessions"] == []


async def test_a_close_can_be_acknowledged_and_not_done(shop: Shop) -> None:
    await shop.fault("checkout.close", "before", "lost")
    session = await shop.open()
    answer = await shop.client.post(f"/v1/checkout_sessions/{session['id']}/expire")
    assert (answer.status_code, answer.json()["status"]) == (200, "expired")
    assert (await shop.pay(session)).status_code == 200
    assert len((await shop.ledger())["captures"]) == 1


@pytest.mark.parametrize(
    ("fault", "name", "value"),
    [
        ("unknownWord", "status", "sideways"),
        ("wrongAmount", "amount", WRONG),
        ("wrongCurrency", "currency", "EUR"),
    ],
)
async def test_an_answer_can_say_what_is_not_so(shop: Shop, fault: str, name: str, value: object) -> None:
    session = await shop.open()
    await shop.fault("checkout.read", "answer", fault)
    assert (await shop.read(session))[name] == value
    assert (await shop.read(session))[name] == session[name]


async def test_nth_and_count_choose_the_calls(shop: Shop, other_shop: Shop) -> None:
    identity = await shop.fault("checkout.create", "before", "refuse", nth=2, count=2)
    statuses = [(await shop.ask()).status_code for _ in range(4)]
    assert statuses == [201, 400, 400, 201]
    assert (await other_shop.ask()).status_code == 201
    listed = {rule["id"]: rule for rule in (await shop.company.control("GET", "faults"))["data"]}
    assert (listed[identity]["seen"], listed[identity]["hits"]) == (4, 2)


async def test_a_reference_narrows_a_fault(shop: Shop) -> None:
    await shop.company.fault("checkout.create", "before", "refuse", reference=shop.reference, count=9)
    assert (await shop.ask()).status_code == 400
    assert (await shop.ask(reference=f"{shop.reference}-other")).status_code == 201


@pytest.mark.parametrize(
    "rule",
    [
        {"operation": "checkout.crate", "when": "before", "fault": "reset"},
        {"operation": "checkout.create", "when": "before", "fault": "rest"},
        {"operation": "webhook.send", "when": "before", "fault": "reset"},
        {"operation": "checkout.read", "when": "before", "fault": "lost"},
    ],
)
async def test_a_fault_that_could_never_strike_is_refused(shop: Shop, rule: dict[str, str]) -> None:
    answer = await asyncio.to_thread(httpx.post, f"{shop.company.control_url}/_control/faults", json=rule)
    assert answer.status_code == 400


async def test_the_control_port_shows_what_was_really_received(shop: Shop) -> None:
    await shop.ask("key-1")
    requests = (await shop.company.control("GET", "requests", params={"reference": shop.reference}))["data"]
    assert [(row["operation"], row["idempotencyKey"], row["status"]) for row in requests] == [
        ("checkout.create", "key-1", 201)
    ]


async def test_a_dispute_is_opened_once_and_decided_once(shop: Shop) -> None:
    session = await shop.paid()
    order = {"reference": shop.reference, "reason": "fraudulent"}
    dispute = await shop.company.control("POST", "disputes", json=order)
    for _ in range(2):
        await shop.company.control("POST", f"disputes/{dispute['id']}", json={"outcome": "lost"})
    await shop.hears("checkout.completed", "dispute.opened", "dispute.lost")
    [shown] = (await shop.ledger())["disputes"]
    assert (shown["payment"], shown["status"], shown["amount"]) == (session["payment"], "lost", 1990000)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _key(shop: Shop) -> str:
    key: str = shop.client.headers["authorization"]
    return key
