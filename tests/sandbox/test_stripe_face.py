"""The sandbox as Stripe: Stripe's own library is the judge of what it says and how it seals it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import stripe

from tests.sandbox.company_specs import complaints
from tests.sandbox.sandbox_house import GOOD_CARD, Json, Shop

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.timeout(30),
    # Stripe's library hands httpx its body in a way that httpx is about to drop.
    pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning"),
]

SPEC = "stripe/stripe-subset-2023-08-16.json"
DECLINED, BANK_PAYS, BANK_REFUSES = "4000000000000002", "9000000000000001", "9000000000000019"


@dataclass
class StripeShop:
    """A merchant who believes that this is Stripe."""

    shop: Shop
    stripe: Any

    @property
    def sessions(self) -> Any:
        return self.stripe.v1.checkout.sessions

    def order(self, amount: int = 1_990_000, currency: str = "huf", **changes: Any) -> Json:
        item = {"currency": currency, "unit_amount": amount, "product_data": {"name": "A book"}}
        return {
            "mode": "payment",
            "line_items": [{"price_data": item, "quantity": 1}],
            "success_url": "https://shop.test/thanks?s={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://shop.test/cart",
            "client_reference_id": self.shop.reference,
            **changes,
        }

    async def open(self, key: str | None = None, **changes: Any) -> Any:
        options: Any = {"idempotency_key": key} if key else {}
        return await self.sessions.create_async(self.order(**changes), options)

    async def pay(self, session: Any, number: str = GOOD_CARD, action: str = "pay") -> httpx.Response:
        form = {"cardNumber": number, "action": action}
        return await self.shop.client.post(f"/pay/{session.id}", data=form)

    async def paid(self, number: str = GOOD_CARD, **changes: Any) -> Any:
        session = await self.open(**changes)
        assert (await self.pay(session, number)).status_code == 303
        return await self.read(session)

    async def read(self, session: Any) -> Any:
        return await self.sessions.retrieve_async(session.id, {"expand": ["payment_intent"]})

    async def hears(self, *types: str) -> dict[str, Any]:
        """Wait for these events; give the object of each, its seal verified by Stripe's library."""
        await self.shop.hears(*types)
        letters = self.shop.letters
        events = [self.verified(letter.body, letter.headers["stripe-signature"]) for letter in letters]
        return {event.type: event.data.object for event in events}

    def verified(self, body: bytes, seal: str) -> Any:
        return stripe.Webhook.construct_event(body, seal, self.shop.secret)

    async def refund(self, session: Any, **order: Any) -> Any:
        intent = session.payment_intent
        name = intent if isinstance(intent, str) else intent.id
        return await self.stripe.v1.refunds.create_async({"payment_intent": name, **order})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def transport() -> AsyncIterator[stripe.HTTPClient]:
    """Load the certificates that nobody needs here only once."""
    client: Any = stripe.HTTPXClient(timeout=10)
    yield client
    await client.close_async()


@pytest_asyncio.fixture
async def merchant(shop: Shop, transport: stripe.HTTPClient) -> AsyncIterator[StripeShop]:
    """Open a shop at Stripe's face."""
    key = shop.client.headers["authorization"].removeprefix("Bearer ")
    addresses: Any = {"api": f"{shop.company.url}/stripe"}
    yield StripeShop(
        shop,
        stripe.StripeClient(key, base_addresses=addresses, http_client=transport, max_network_retries=0),
    )


async def test_a_payment_goes_its_whole_way(merchant: StripeShop) -> None:
    metadata: Json = {"metadata": {"k": "v"}, "payment_intent_data": {"metadata": {"i": "j"}}}
    session = await merchant.open(**metadata)
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert (await merchant.pay(session)).headers["location"] == f"https://shop.test/thanks?s={session.id}"
    paid = await merchant.read(session)
    assert (paid.status, paid.payment_status, paid.amount_total) == ("complete", "paid", 1_990_000)
    assert (paid.client_reference_id, paid.metadata["k"]) == (merchant.shop.reference, "v")
    assert (paid.payment_intent.status, paid.payment_intent.amount_received) == ("succeeded", 1_990_000)
    assert paid.payment_intent.metadata["i"] == "j"
    told = await merchant.hears("checkout.session.completed", "payment_intent.succeeded")
    assert (told["checkout.session.completed"].id, told["checkout.session.completed"].currency) == (
        session.id,
        "huf",
    )
    [capture] = (await merchant.shop.ledger())["captures"]
    assert (capture["amount"], capture["currency"]) == (1_990_000, "HUF")
    assert merchant.shop.letters[0].path == f"/stripe/{merchant.shop.account}"


async def test_a_seal_does_not_fit_another_letter_or_another_secret(merchant: StripeShop) -> None:
    await merchant.paid()
    await merchant.hears("checkout.session.completed", "payment_intent.succeeded")
    letter = merchant.shop.letters[0]
    seal = letter.headers["stripe-signature"]
    with pytest.raises(stripe.SignatureVerificationError):
        merchant.verified(letter.body + b" ", seal)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(letter.body, seal, merchant.shop.secret.removeprefix("whsec_"))


@pytest.mark.parametrize("carrier", ["metadata", "payment_intent_data"])
async def test_our_reference_may_travel_in_metadata(merchant: StripeShop, carrier: str) -> None:
    carried: Json = {"paysaga_payment": merchant.shop.reference}
    changes: Json = {carrier: carried if carrier == "metadata" else {"metadata": carried}}
    await merchant.open(client_reference_id=None, **changes)
    assert len((await merchant.shop.ledger())["sessions"]) == 1


async def test_a_decline_leaves_the_session_open_and_is_told(merchant: StripeShop) -> None:
    session = await merchant.open()
    await merchant.pay(session, "4000000000009995")
    declined = await merchant.read(session)
    error = declined.payment_intent.last_payment_error
    assert (declined.status, declined.payment_intent.status) == ("open", "requires_payment_method")
    assert (error.code, error.decline_code) == ("card_declined", "insufficient_funds")
    await merchant.hears("payment_intent.payment_failed")
    await merchant.pay(session)
    assert (await merchant.read(session)).payment_status == "paid"


@pytest.mark.parametrize(
    ("number", "status", "types"),
    [
        (BANK_PAYS, "paid", ("checkout.session.async_payment_succeeded", "payment_intent.succeeded")),
        (BANK_REFUSES, "unpaid", ("checkout.session.async_payment_failed", "payment_intent.payment_failed")),
    ],
)
async def test_a_bank_payment_completes_the_session_long_before_the_money(
    merchant: StripeShop, number: str, status: str, types: tuple[str, ...]
) -> None:
    session = await merchant.paid(number)
    assert (session.status, session.payment_status) == ("complete", "unpaid")
    assert session.payment_intent.status == "processing"
    await merchant.hears("checkout.session.completed", *types)
    assert (await merchant.read(session)).payment_status == status


async def test_a_challenge_is_an_intent_that_requires_action(merchant: StripeShop) -> None:
    session = await merchant.open()
    await merchant.pay(session, "4000002500003155")
    assert (await merchant.read(session)).payment_intent.status == "requires_action"


async def test_only_an_open_session_can_be_expired(merchant: StripeShop) -> None:
    session = await merchant.open()
    assert (await merchant.sessions.expire_async(session.id)).status == "expired"
    paid = await merchant.paid()
    for closed in (session, paid):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await merchant.sessions.expire_async(closed.id)
        assert refused.value.http_status == 400
    assert (await merchant.read(session)).url is None


async def test_an_expiry_can_be_acknowledged_and_not_done(merchant: StripeShop) -> None:
    await merchant.shop.fault("checkout.close", "before", "lost")
    session = await merchant.open()
    assert (await merchant.sessions.expire_async(session.id)).status == "expired"
    await merchant.pay(session)
    assert (await merchant.read(session)).payment_status == "paid"


async def test_a_payer_who_walks_away_may_come_back(merchant: StripeShop) -> None:
    session = await merchant.open()
    left = await merchant.pay(session, action="close")
    assert (left.status_code, left.headers["location"]) == (303, "https://shop.test/cart")
    assert (await merchant.read(session)).status == "open"
    await merchant.pay(session)
    assert (await merchant.read(session)).payment_status == "paid"


@pytest.mark.parametrize(
    ("seconds", "taken"), [(1_790, False), (1_800, True), (86_400, True), (86_500, False)]
)
async def test_a_session_lives_half_an_hour_to_a_day(
    merchant: StripeShop, seconds: int, *, taken: bool
) -> None:
    if taken:
        await merchant.open(expires_at=int(time.time()) + seconds)
        return
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await merchant.open(expires_at=int(time.time()) + seconds)
    assert refused.value.param == "expires_at"


async def test_a_key_gives_the_same_answer_again_and_nothing_else(merchant: StripeShop) -> None:
    first = await merchant.open("key-1")
    again = await merchant.open("key-1")
    assert first.id == again.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert again.last_response.request_id.startswith("req_")
    with pytest.raises(stripe.IdempotencyError) as refused:
        await merchant.open("key-1", amount=5_000)
    assert refused.value.http_status == 400
    assert len((await merchant.shop.ledger())["sessions"]) == 1


async def test_a_key_whose_first_call_is_still_at_work_is_refused(merchant: StripeShop) -> None:
    await merchant.shop.fault("checkout.create", "before", "hang", seconds=0.3)
    first = asyncio.create_task(merchant.open("key-1"))
    await asyncio.sleep(0.1)
    with pytest.raises(stripe.APIError) as refused:
        await merchant.open("key-1")
    assert refused.value.http_status == 409
    assert "idempotency_key_in_use" in str(refused.value.http_body)
    with pytest.raises(stripe.APIConnectionError):
        await first


async def test_lists_run_newest_first_and_are_paged_by_id(merchant: StripeShop) -> None:
    opened = [(await merchant.open()).id for _ in range(5)]
    newest_first = opened[::-1]
    page = await merchant.sessions.list_async({"limit": 2})
    assert ([one.id for one in page.data], page.has_more, page.url) == (
        newest_first[:2],
        True,
        "/v1/checkout/sessions",
    )
    assert [one.id async for one in page.auto_paging_iter()] == newest_first
    before = await merchant.sessions.list_async({"limit": 2, "ending_before": opened[1]})
    assert ([one.id for one in before.data], before.has_more) == (newest_first[1:3], True)
    await merchant.sessions.expire_async(opened[0])
    expired = await merchant.sessions.list_async({"status": "expired"})
    assert [one.id for one in expired.data] == opened[:1]


async def test_lists_keep_to_their_dates(merchant: StripeShop) -> None:
    session, now = await merchant.paid(), int(time.time())
    for window, found in (
        ({"gte": now - 60, "lt": now + 60}, 1),
        ({"gt": now + 60}, 0),
        ({"lte": now - 60}, 0),
    ):
        assert len((await merchant.sessions.list_async({"created": window})).data) == found
        assert len((await merchant.stripe.v1.payment_intents.list_async({"created": window})).data) == found
    of_intent = await merchant.sessions.list_async({"payment_intent": session.payment_intent.id})
    assert [one.id for one in of_intent.data] == [session.id]


@pytest.mark.parametrize(
    ("currency", "asked", "counted"),
    [
        ("huf", 1_990_050, 1_990_050),
        ("jpy", 500, 500),
        ("kwd", 12_340, 12_340),
        ("mga", 500, 50_000),
        ("isk", 50_000, 500),
        ("ugx", 500_000, 5_000),
    ],
)
async def test_amounts_are_counted_as_stripe_counts(
    merchant: StripeShop, currency: str, asked: int, counted: int
) -> None:
    session = await merchant.paid(amount=asked, currency=currency)
    assert (session.amount_total, session.payment_intent.amount_received) == (asked, asked)
    refund = await merchant.refund(session)
    assert (refund.amount, refund.currency) == (asked, currency)
    assert [one["amount"] for one in (await merchant.shop.ledger())["captures"]] == [counted]


@pytest.mark.parametrize(("currency", "amount"), [("isk", 50_050), ("ugx", 1), ("kwd", 12_345)])
async def test_amounts_that_stripe_cannot_express_are_refused(
    merchant: StripeShop, currency: str, amount: int
) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        await merchant.open(amount=amount, currency=currency)


async def test_refunds_carry_our_reference_and_never_pass_the_capture(merchant: StripeShop) -> None:
    session, ours = await merchant.paid(), f"ref_{uuid4().hex}"
    first = await merchant.refund(session, amount=90_000, metadata={"paysaga_refund": ours})
    assert (first.status, first.metadata["paysaga_refund"]) == ("succeeded", ours)
    with pytest.raises(stripe.InvalidRequestError):
        await merchant.refund(session, amount=1_900_001)
    rest = await merchant.refund(session)
    assert rest.amount == 1_900_000
    listed = await merchant.stripe.v1.refunds.list_async({"payment_intent": session.payment_intent.id})
    assert [one.id for one in listed.data] == [rest.id, first.id]
    assert (
        await merchant.stripe.v1.refunds.retrieve_async(first.id)
    ).charge == session.payment_intent.latest_charge
    assert [one["refundReference"] for one in (await merchant.shop.ledger())["refunds"]] == [ours, None]


async def test_a_refund_that_changes_its_mind_is_told_twice(merchant: StripeShop) -> None:
    slow, bouncing = [await merchant.paid(number) for number in ("4000000000007726", "4000000000005126")]
    made = [await merchant.refund(session) for session in (slow, bouncing)]
    assert [refund.status for refund in made] == ["pending", "succeeded"]
    await merchant.shop.hears(
        *["checkout.session.completed", "payment_intent.succeeded", "refund.created"] * 2,
        *("refund.updated", "refund.failed"),
    )
    ended = [await merchant.stripe.v1.refunds.retrieve_async(refund.id) for refund in made]
    assert [refund.status for refund in ended] == ["succeeded", "failed"]


async def test_an_intent_nobody_paid_has_nothing_to_refund(merchant: StripeShop) -> None:
    session = await merchant.open()
    await merchant.pay(session, DECLINED)
    with pytest.raises(stripe.InvalidRequestError):
        await merchant.refund(await merchant.read(session))


async def test_a_dispute_takes_the_money_and_its_fee_and_gives_both_back(merchant: StripeShop) -> None:
    session, company = await merchant.paid(), merchant.shop.company
    opened = await company.control("POST", "disputes", json={"reference": merchant.shop.reference})
    disputes = merchant.stripe.v1.disputes
    [dispute] = (await disputes.list_async({"payment_intent": session.payment_intent.id})).data
    assert (dispute.id, dispute.status, dispute.charge) == (
        opened["id"],
        "needs_response",
        session.payment_intent.latest_charge,
    )
    assert [(one.amount, one.fee) for one in dispute.balance_transactions] == [(-1_990_000, 1_500)]
    laid_by = await disputes.update_async(dispute.id, {"evidence": {"customer_name": "Ann"}, "submit": False})
    assert (laid_by.status, laid_by.evidence.customer_name) == ("needs_response", "Ann")
    handed_in = await disputes.update_async(dispute.id, {"submit": True})
    assert (handed_in.status, handed_in.evidence_details.submission_count) == ("under_review", 1)
    with pytest.raises(stripe.InvalidRequestError):
        await merchant.refund(session)
    await company.control("POST", f"disputes/{dispute.id}", json={"outcome": "won"})
    won = await disputes.retrieve_async(dispute.id)
    assert won.status == "won"
    assert sum(one.net for one in won.balance_transactions) == 0
    await merchant.hears(
        *("checkout.session.completed", "payment_intent.succeeded"),
        *("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"),
    )


async def test_an_inquiry_is_a_warning_that_takes_nothing(merchant: StripeShop) -> None:
    await merchant.paid()
    order = {"reference": merchant.shop.reference, "inquiry": True}
    company, disputes = merchant.shop.company, merchant.stripe.v1.disputes
    inquiry = await disputes.retrieve_async((await company.control("POST", "disputes", json=order))["id"])
    assert (inquiry.status, inquiry.balance_transactions) == ("warning_needs_response", [])
    answered = await disputes.update_async(inquiry.id, {"evidence": {"uncategorized_text": "Sent on Monday"}})
    assert answered.status == "warning_under_review"
    await company.control("POST", f"disputes/{inquiry.id}", json={"outcome": "closed"})
    assert (await disputes.retrieve_async(inquiry.id)).status == "warning_closed"


async def test_evidence_that_stripe_does_not_know_is_refused(merchant: StripeShop) -> None:
    await merchant.paid()
    order = {"reference": merchant.shop.reference}
    opened = await merchant.shop.company.control("POST", "disputes", json=order)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await merchant.stripe.v1.disputes.update_async(opened["id"], {"evidence": {"alibi": "x"}})
    assert refused.value.code == "parameter_unknown"


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
