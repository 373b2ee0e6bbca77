"""The sandbox as Stripe, when it is asked for nonsense and when it misbehaves on request."""

import asyncio

import httpx
import pytest
import stripe

from tests.sandbox.company_specs import complaints
from tests.sandbox.sandbox_house import Json, Shop
from tests.sandbox.stripe_shop import StripeShop

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.timeout(30),
    # Stripe's library hands httpx its body in a way that httpx is about to drop.
    pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning"),
]

SPEC = "stripe/stripe-subset-2023-08-16.json"
DECLINED, BANK_PAYS, BANK_REFUSES = "4000000000000002", "9000000000000001", "9000000000000019"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mod": "payment"}, "parameter_unknown"),
        ({"success_url": None}, "parameter_missing"),
        ({"line_items": []}, "parameter_missing"),
        ({"amount": 17_499}, "amount_too_small"),
        ({"currency": "xyz"}, "currency_unsupported"),
        ({"ui_mode": "elements"}, "parameter_invalid"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(merchant: StripeShop, change: Json, code: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await merchant.open(**change)
    assert (refused.value.http_status, refused.value.code) == (400, code)


@pytest.mark.parametrize(
    "form",
    [
        "mode=payment&mode[a]=b",
        "mode[a]=b&mode=payment",
        "[a]=b",
        "a]=b",
        "a" + "[b]" * 80_000 + "=c",
        "\xff",
    ],
)
async def test_a_form_that_contradicts_itself_is_refused(merchant: StripeShop, form: str) -> None:
    answer = await merchant.shop.client.post("/stripe/v1/refunds", content=form.encode("latin-1"))
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_lists_in_forms_may_be_counted_or_not(merchant: StripeShop) -> None:
    session = await merchant.paid()
    for expand in (
        "expand[]=payment_intent",
        "expand[0]=payment_intent",
        "expand[]=payment_intent.latest_charge",
    ):
        shown = (await merchant.shop.client.get(f"/stripe/v1/checkout/sessions/{session.id}?{expand}")).json()
        assert shown["payment_intent"]["status"] == "succeeded"
    assert shown["payment_intent"]["latest_charge"]["paid"] is True
    wrong = await merchant.shop.client.get(f"/stripe/v1/checkout/sessions/{session.id}?expand[]=weather")
    assert wrong.status_code == 400


async def test_a_wrong_key_is_refused_and_basic_authentication_is_not(merchant: StripeShop) -> None:
    with pytest.raises(stripe.AuthenticationError):
        await merchant.stripe.v1.refunds.list_async(options={"api_key": "sk_sandbox_x_y"})
    key = merchant.shop.client.headers["authorization"].removeprefix("Bearer ")
    url = f"{merchant.shop.company.url}/stripe/v1/refunds"
    answers = [await asyncio.to_thread(httpx.get, url, auth=(user, "")) for user in (key, key + "x")]
    assert [answer.status_code for answer in answers] == [200, 401]


async def test_what_was_made_elsewhere_looks_like_nothing(merchant: StripeShop, other_shop: Shop) -> None:
    own = await merchant.shop.paid()
    theirs = await other_shop.client.post("/stripe/v1/checkout/sessions", content=b"mode=payment")
    assert theirs.status_code == 400
    for identity in (own["id"], "cs_test_nothing"):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await merchant.sessions.retrieve_async(identity)
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    session = await merchant.open()
    assert (await other_shop.client.get(f"/stripe/v1/checkout/sessions/{session.id}")).status_code == 404
    assert [one.id for one in (await merchant.sessions.list_async()).data] == [session.id]


async def test_an_answer_that_was_lost_is_given_again(merchant: StripeShop) -> None:
    await merchant.shop.fault("checkout.create", "after", "reset")
    with pytest.raises(stripe.APIConnectionError):
        await merchant.open("key-1")
    session = await merchant.open("key-1")
    assert [one["id"] for one in (await merchant.shop.ledger())["sessions"]] == [session.id]
    params = {"reference": merchant.shop.reference}
    received = (await merchant.shop.company.control("GET", "requests", params=params))["data"]
    assert [(row["operation"], row["idempotencyKey"]) for row in received] == [
        ("checkout.create", "key-1")
    ] * 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("status:429", stripe.RateLimitError),
        ("status:500", stripe.APIError),
        ("status:401", stripe.AuthenticationError),
        ("refuse", stripe.InvalidRequestError),
        ("reset", stripe.APIConnectionError),
    ],
)
async def test_a_fault_before_the_effect_is_an_error_of_stripes(
    merchant: StripeShop, fault: str, error: type[Exception]
) -> None:
    await merchant.shop.fault("refund.create", "before", fault)
    session = await merchant.paid()
    with pytest.raises(error):
        await merchant.refund(session)
    assert (await merchant.shop.ledger())["refunds"] == []


async def test_answers_can_say_what_is_not_so(merchant: StripeShop) -> None:
    session = await merchant.paid()
    for fault, name, value in (
        ("unknownWord", "status", "sideways"),
        ("wrongAmount", "amount_total", 1_990_100),
        ("wrongCurrency", "currency", "eur"),
    ):
        await merchant.shop.fault("checkout.read", "answer", fault)
        lied, true = await merchant.read(session), await merchant.read(session)
        assert lied[name] == value != true[name]
    await merchant.shop.fault("checkout.find", "answer", "wrongAmount")
    assert (await merchant.sessions.list_async()).data[0].amount_total == 1_990_100


async def test_a_wrong_capture_shows_everywhere(merchant: StripeShop) -> None:
    await merchant.shop.fault("webhook.send", "webhook", "wrongAmount")
    session = await merchant.paid()
    assert (session.amount_subtotal, session.amount_total) == (1_990_000, 1_990_100)
    told = await merchant.hears("checkout.session.completed", "payment_intent.succeeded")
    assert told["payment_intent.succeeded"].amount_received == 1_990_100


async def test_an_event_can_overtake_the_answer(merchant: StripeShop) -> None:
    await merchant.shop.fault("checkout.create", "webhook", "beforeAnswer")
    session = await merchant.open()
    assert merchant.shop.told() == ["payment_intent.payment_failed"]
    assert session.payment_intent is None


@pytest.mark.parametrize("fault", ["badSignature", "staleTimestamp"])
async def test_a_spoiled_seal_does_not_verify(merchant: StripeShop, fault: str) -> None:
    await merchant.shop.fault("webhook.send", "webhook", fault)
    await merchant.paid()
    await merchant.shop.hears("checkout.session.completed", "payment_intent.succeeded")
    for letter in merchant.shop.letters:
        with pytest.raises(stripe.SignatureVerificationError):
            merchant.verified(letter.body, letter.headers["stripe-signature"])


async def test_what_is_lost_or_doubled_is_the_whole_happening(merchant: StripeShop) -> None:
    await merchant.shop.fault("webhook.send", "webhook", "lost")
    await merchant.paid()
    await merchant.shop.fault("webhook.send", "webhook", "duplicate")
    await merchant.paid()
    await merchant.shop.hears(*["checkout.session.completed", "payment_intent.succeeded"] * 2)
    assert len({letter.event["id"] for letter in merchant.shop.letters}) == 2


async def test_an_unknown_word_reaches_the_webhook(merchant: StripeShop) -> None:
    await merchant.shop.fault("webhook.send", "webhook", "unknownWord")
    await merchant.paid()
    told = await merchant.hears("checkout.session.completed", "payment_intent.succeeded")
    assert told["checkout.session.completed"].payment_status == "sideways"


async def test_the_page_says_whom_the_sandbox_plays(merchant: StripeShop) -> None:
    session = await merchant.open(client_reference_id=None)
    page = await merchant.shop.client.get(f"/pay/{session.id}")
    assert "Stripe, played by the sandbox" in page.text
    own = await merchant.shop.client.get(f"/pay/{(await merchant.shop.open())['id']}")
    assert "played by" not in own.text


async def test_what_is_shown_keeps_to_stripes_own_schemas(merchant: StripeShop) -> None:
    session = await merchant.paid()
    await merchant.refund(session, amount=500)
    await merchant.shop.company.control("POST", "disputes", json={"reference": merchant.shop.reference})
    tried = await merchant.open()
    await merchant.pay(tried, DECLINED)
    for path, schema in (
        ("checkout/sessions", "checkout.session"),
        ("payment_intents", "payment_intent"),
        ("refunds", "refund"),
        ("disputes", "dispute"),
        (f"charges/{session.payment_intent.latest_charge}", "charge"),
    ):
        answer = await merchant.shop.get(f"/stripe/v1/{path}")
        shown = answer.get("data") or [answer]
        assert [complaints(SPEC, schema, one) for one in shown] == [[]] * len(shown), path
    await merchant.shop.hears(
        *("checkout.session.completed", "payment_intent.succeeded", "refund.created"),
        *("charge.dispute.created", "payment_intent.payment_failed"),
    )
    assert [complaints(SPEC, "event", letter.event) for letter in merchant.shop.letters] == [[]] * 5
