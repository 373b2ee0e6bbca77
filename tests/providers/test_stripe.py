"""How the adapter deals with Stripe: one request at a time, through our wire, taking nothing for granted."""

import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderConflict,
    ProviderDeclined,
    ProviderError,
    ProviderForbidden,
    ProviderKeyReused,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
    SignatureInvalid,
)
from domain.evidence import Observation, Word
from domain.money import Money
from domain.reconciliation import Window
from domain.refund import RefundWord
from domain.subscription import Charge, Customer, PlanChange, SubscriptionOrder, SubscriptionWord
from domain.values import derived_id
from providers.stripe.adapter import Stripe
from tests.providers.stripe_objects import Json, session, subscription
from tests.providers.stripe_objects import refund as said_of_refund
from tests.providers.stripe_orders import HUF, NOW, PAYMENT_ID, order, refund
from tests.providers.stripe_script import SECRETS, Script, listed, refused
from tests.providers.test_stripe_events import event, sign

CHARGE = Charge(payment_id=PAYMENT_ID, money=HUF, customer="cus_1", method="pm_1")


# --- What is sent -----------------------------------------------------------------------------------------


async def test_nothing_is_sent_that_tells_of_this_machine() -> None:
    script = Script(session("open", "unpaid", url="https://checkout.stripe.com/c"))
    await script.adapter.open_checkout(order())
    await script.adapter.open_checkout(order())
    headers = script.asked[1].headers
    assert headers["stripe-version"] == "2026-10-28.endive"
    assert headers["authorization"] == "Bearer sk_test_hush"
    assert not [name for name in headers if name.startswith("x-stripe")]
    assert "Stripe" not in headers["user-agent"]
    assert script.asked[1].url.host == "api.stripe.com"


async def test_a_repeat_is_the_same_request_under_the_same_key() -> None:
    script = Script(session("open", "unpaid", url="https://checkout.stripe.com/c"))
    for _ in range(2):
        await script.adapter.open_checkout(order())
    assert script.keys == [PAYMENT_ID, PAYMENT_ID]
    assert script.asked[0].content == script.asked[1].content


async def test_a_payment_that_sends_the_payer_nowhere_is_not_sent_either() -> None:
    script = Script(session())
    for nowhere in (None, ""):
        with pytest.raises(ProviderRejected, match="successUrl"):
            await script.adapter.open_checkout(order(success_url=nowhere))
    assert script.asked == []


async def test_money_that_stripe_cannot_express_is_refused_before_anything_is_sent() -> None:
    script = Script(session())
    odd = Money(amount_minor=5_125, currency="KWD")
    with pytest.raises(ProviderRejected):
        await script.adapter.open_checkout(order(odd))
    with pytest.raises(ProviderRejected):
        await script.adapter.refund(refund("pi_1", odd), NOW)
    assert script.asked == []


# --- What is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(400, type="invalid_request_error", code="parameter_unknown"), ProviderRejected),
        (refused(401, type="invalid_request_error"), ProviderAuthFailed),
        (refused(403, type="invalid_request_error"), ProviderForbidden),
        (refused(404, type="invalid_request_error", code="resource_missing"), ProviderNotFound),
        (refused(429, type="invalid_request_error", code="rate_limit"), ProviderUnavailable),
        (refused(500, type="api_error"), OutcomeUnknown),
        # Somebody behind Stripe failed.
        (refused(424, type="api_error"), OutcomeUnknown),
        # The key is at work, or did something else: an earlier attempt, whose answer was missed.
        (refused(409, type="idempotency_error", code="idempotency_key_in_use"), OutcomeUnknown),
        (refused(400, type="idempotency_error"), OutcomeUnknown),
        (httpx.Response(400, text="<html>"), ProviderRejected),
        (httpx.Response(400, json={"error": "odd"}), ProviderRejected),
        (httpx.Response(400, json={"error": {"type": 7, "code": []}}), ProviderRejected),
        (httpx.ConnectError("no"), ProviderUnavailable),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
    ],
)
async def test_a_refusal_passes_through_the_sdk_as_what_it_means(
    answer: object, error: type[ProviderError]
) -> None:
    script = Script(answer)
    with pytest.raises(ProviderError) as raised:
        await script.adapter.open_checkout(order())
    assert type(raised.value) is error
    assert len(script.asked) == 1


async def test_a_key_in_use_and_a_key_used_otherwise_are_told_apart() -> None:
    change = PlanChange(key="chg_1", price="price_2")
    for answer, error in (
        (refused(409, type="idempotency_error", code="idempotency_key_in_use"), ProviderConflict),
        (refused(400, type="idempotency_error"), ProviderKeyReused),
    ):
        with pytest.raises(OutcomeUnknown) as raised:
            await Script(subscription(), answer).adapter.change_subscription("sub_1", change, NOW)
        assert type(raised.value.__cause__) is error


@pytest.mark.parametrize(
    ("said", "reason", "again"),
    [
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, "insufficient_funds", True),
        ({"code": "card_declined", "decline_code": "do_not_honor"}, "do_not_honor", True),
        ({"code": "card_declined", "decline_code": "stolen_card"}, "stolen_card", False),
        ({"code": "card_declined", "decline_code": "lost_card"}, "lost_card", False),
        ({"code": "card_declined", "decline_code": "pickup_card"}, "pickup_card", False),
        (
            {"code": "card_declined", "decline_code": "generic_decline", "advice_code": "do_not_try_again"},
            "generic_decline",
            False,
        ),
        ({"code": "expired_card"}, "expired_card", True),
        ({}, None, True),
    ],
)
async def test_a_declined_charge_says_why_and_whether_to_try_again(
    said: dict[str, str], reason: str | None, *, again: bool
) -> None:
    with pytest.raises(ProviderDeclined) as declined:
        await Script(refused(402, type="card_error", **said)).adapter.charge_saved(CHARGE, NOW)
    assert (declined.value.reason, declined.value.again) == (reason, again)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"id": "cs_1"},
        {"id": "cs_1", "url": None},
        {"object": "checkout.session", "id": "cs_1", "url": {"deep": [1]}},
        {"object": "checkout.session", "id": ["cs_1"], "payment_method_options": [1], "line_items": 7},
        b'{"id": ' + b'{"a":' * 400 + b"1" + b"}" * 400 + b', "url": 7}',
        '{"id": "cs_é"}'.encode("utf-16"),
        b"[]",
        b"",
    ],
)
async def test_what_the_sdk_trips_over_is_an_answer_that_cannot_be_read(answer: object) -> None:
    with pytest.raises(OutcomeUnknown):
        await Script(answer).adapter.open_checkout(order())


# --- Reading, closing, finding ----------------------------------------------------------------------------


async def test_a_checkout_that_stripe_does_not_know_is_absent() -> None:
    script = Script(refused(404, type="invalid_request_error", code="resource_missing"))
    assert (await script.adapter.read_checkout("cs_1", NOW)).word is Word.ABSENT
    assert (await script.adapter.close_checkout("cs_1", NOW)).word is Word.ABSENT


async def test_a_checkout_that_cannot_be_closed_any_more_says_what_it_has_become() -> None:
    message = 'Only Checkout Sessions with a status in ["open"] can be expired.'
    script = Script(refused(400, type="invalid_request_error", message=message), session())
    said = await script.adapter.close_checkout("cs_test_1", NOW)
    assert (said.word, said.captured) == (Word.PAID, HUF)
    with pytest.raises(ProviderAuthFailed):
        await Script(refused(401, type="invalid_request_error")).adapter.close_checkout("cs_test_1", NOW)


async def test_an_old_refusal_to_close_is_not_replayed_for_a_new_wish() -> None:
    script = Script(session("expired", "unpaid"))
    for later in (0, 0, 1):
        await script.adapter.close_checkout("cs_test_1", NOW + timedelta(seconds=later))
    first, repeat, other = script.keys
    assert first == repeat != other


async def test_a_checkout_is_found_however_many_others_were_made_at_the_time() -> None:
    others = [session(id=f"cs_{number}", client_reference_id="pay_other") for number in range(3)]
    script = Script(listed(others[:2], more=True), listed([others[2], session()]), session())
    said = await script.adapter.find_checkout(PAYMENT_ID, NOW)
    assert (said.word, said.reference) == (Word.PAID, "cs_test_1")
    assert script.query(1)["starting_after"] == "cs_1"


async def test_where_there_are_too_many_to_look_at_absence_is_not_claimed() -> None:
    script = Script(listed([session(client_reference_id="pay_other")], more=True))
    with pytest.raises(OutcomeUnknown):
        await script.adapter.find_checkout(PAYMENT_ID, NOW)


@pytest.mark.parametrize("odd", [{}, {"data": None, "has_more": False}, {"data": []}, listed([None])])  # type: ignore[list-item]
async def test_a_list_that_cannot_be_read_hides_nothing(odd: Json) -> None:
    with pytest.raises(OutcomeUnknown):
        await Script(odd).adapter.find_checkout(PAYMENT_ID, NOW)


async def test_a_thing_without_a_name_is_unreadable_and_never_absent() -> None:
    for nameless in (session(id=None), session(id=7), session(id="")):
        with pytest.raises(OutcomeUnknown):
            await Script(listed([nameless])).adapter.find_checkout(PAYMENT_ID, NOW)
    oddities: tuple[object, ...] = (7, [], {"id": None}, {})
    for odd in oddities:
        with pytest.raises(OutcomeUnknown):
            await Script(session(payment_intent=odd)).adapter.find_refund(refund("cs_test_1"), NOW)
    with pytest.raises(OutcomeUnknown):
        await Script(listed([]), {"id": None}).adapter.ensure_customer(Customer(id="cus_ours"))
    with pytest.raises(OutcomeUnknown):
        await Script({"url": None}).adapter.portal_url("cus_1", "https://shop.example")


async def test_what_is_dated_by_no_id_of_ours_cannot_be_found() -> None:
    with pytest.raises(ProviderRejected):
        await Script(listed([])).adapter.find_checkout("pay_1", NOW)


# --- Refunds ----------------------------------------------------------------------------------------------


async def test_a_checkout_that_captured_nothing_has_nothing_to_give_back() -> None:
    empty = session("expired", "unpaid", payment_intent=None)
    with pytest.raises(ProviderRejected):
        await Script(empty).adapter.refund(refund("cs_test_1"), NOW)
    assert (await Script(empty).adapter.find_refund(refund("cs_test_1"), NOW)).word is RefundWord.ABSENT


async def test_a_refund_is_told_from_those_of_others() -> None:
    theirs, ours = said_of_refund("succeeded", metadata={}), said_of_refund("pending")
    ours["metadata"] = {"paysaga_refund": refund("").id}
    script = Script(session(), listed([theirs], more=True), listed([ours]))
    said = await script.adapter.find_refund(refund("cs_test_1"), NOW)
    assert (said.word, said.refund_id) == (RefundWord.PENDING, refund("").id)
    none = await Script(listed([theirs])).adapter.find_refund(refund("pi_1"), NOW)
    assert none.word is RefundWord.ABSENT


# --- Lists ------------------------------------------------------------------------------------------------


async def test_a_list_goes_on_after_its_last_entry_and_its_days_meet() -> None:
    script = Script(
        listed([session(id="cs_1"), session("complete", "unpaid", id="cs_2")], more=True), listed([])
    )
    noon = NOW + timedelta(milliseconds=600)
    page = await script.adapter.list_payments(Window(since=NOW, until=noon), None, NOW)
    assert ([item.reference for item in page.items], page.next_cursor) == (["pi_1"], "cs_2")
    after = await script.adapter.list_payments(Window(since=noon, until=noon), page.next_cursor, NOW)
    assert (after.items, after.next_cursor) == ((), None)
    assert script.query(0)["created[lt]"] == script.query(1)["created[gte]"]


# --- Customers and subscriptions --------------------------------------------------------------------------


async def test_a_customer_nobody_finds_is_made_under_our_name() -> None:
    script = Script(listed([]), {"object": "customer", "id": "cus_theirs"})
    wanted = Customer(id="cus_ours", email="anna@example.com", name="Anna")
    assert await script.adapter.ensure_customer(wanted) == "cus_theirs"
    assert script.asked[1].headers["idempotency-key"] == "cus_ours"
    assert script.form()["metadata[paysaga_customer]"] == "cus_ours"


async def test_a_subscription_that_has_ended_is_cancelled_already() -> None:
    gone = refused(404, type="invalid_request_error", code="resource_missing")
    script = Script(gone, subscription("canceled"))
    said = await script.adapter.cancel_subscription("sub_1", NOW, at_period_end=False)
    assert said.word is SubscriptionWord.CANCELED
    with pytest.raises(ProviderNotFound):
        await Script(gone).adapter.cancel_subscription("sub_1", NOW, at_period_end=False)
    still = Script(refused(400, type="invalid_request_error"), subscription("active"))
    with pytest.raises(ProviderRejected):
        await still.adapter.cancel_subscription("sub_1", NOW, at_period_end=True)


async def test_a_subscription_of_several_prices_is_not_changed() -> None:
    script = Script(subscription(items={"data": [{"id": "si_1"}, {"id": "si_2"}]}))
    with pytest.raises(ProviderRejected):
        await script.adapter.change_subscription("sub_1", PlanChange(key="chg_1", price="price_2"), NOW)
    assert len(script.asked) == 1


async def test_a_subscription_needs_a_place_to_return_to_and_an_id_of_ours() -> None:
    wish = {"customer": "cus_1", "price": "price_1", "expires_at": NOW, "success_url": "https://shop.example"}
    ours = derived_id("sub", NOW, "x")
    for wrong in ({"subscription_id": ours, "success_url": None}, {"subscription_id": "sub_1"}):
        with pytest.raises(ProviderRejected):
            await Script(session()).adapter.subscribe(SubscriptionOrder.model_validate(wish | wrong))


# --- Secrets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["apiKey", "webhookSecret", "previousWebhookSecret"])
@pytest.mark.parametrize("empty", ["", " ", "\t\n", "\ud800"])
def test_a_secret_that_vouches_for_nothing_is_refused(name: str, empty: str) -> None:
    with pytest.raises(ValidationError):
        Stripe.Secrets.model_validate(SECRETS | {name: empty})


def test_both_webhook_secrets_are_live() -> None:
    adapter, body = Script({}).adapter, event("checkout.session.completed", session())
    for secret in ("whsec_new", "whsec_old"):
        header = sign(body.decode(), secret, timestamp=int(NOW.timestamp()))
        (said,) = adapter.read_webhook({"stripe-signature": header}, body, NOW)
        assert isinstance(said, Observation)
        assert said.word is Word.PAID
    header = sign(body.decode(), "", timestamp=int(NOW.timestamp()))
    with pytest.raises(SignatureInvalid):
        adapter.read_webhook({"stripe-signature": header}, body, NOW)


async def test_nothing_is_logged_of_what_is_sent_or_answered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    script = Script(session("open", "unpaid", url="https://checkout.stripe.com/c", client_secret="hush"))
    await script.adapter.open_checkout(order())
    assert "anna@example.com" not in caplog.text
    assert "hush" not in caplog.text


_ALONE = """
import asyncio, httpx, json
from datetime import UTC, datetime
from providers.line import Line
from providers.stripe.adapter import Stripe
answer = {"object": "checkout.session", "id": "cs_1", "mode": "payment", "status": "open"}
class Body(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield json.dumps(answer).encode()
http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(
    200, stream=Body(), headers={"Stripe-Notice": "hello", "Request-Id": "req_1"})))
stripe = Stripe(http, None, {"apiKey": "sk_test", "webhookSecret": "whsec"}, Line())
for _ in range(2):
    asyncio.run(stripe.read_checkout("cs_1", datetime.now(UTC)))
"""


@pytest.mark.slow
def test_the_sdk_prints_nothing_and_leaves_nothing_behind_whatever_the_environment(tmp_path: Path) -> None:
    told = os.environ | {"STRIPE_LOG": "debug", "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", _ALONE], env=told, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
