"""The sandbox as Dodo Payments: its own library is the judge of what is said and how it is sealed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import dodopayments
import pytest
import pytest_asyncio
from standardwebhooks.webhooks import WebhookVerificationError

from tests.sandbox.company_specs import complaints
from tests.sandbox.dodo_shop import DodoShop
from tests.sandbox.sandbox_house import Json, Letter, Shop

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]

SPEC = "dodo/openapi-1.53.2-nosamples.json"
DECLINED, CHALLENGE = "4000000000000002", "4000002500003155"


@pytest_asyncio.fixture
async def merchant(shop: Shop) -> AsyncIterator[DodoShop]:
    """Open a shop at Dodo's face."""
    async with DodoShop.at(shop) as opened:
        yield opened


async def test_a_payment_goes_its_whole_way(merchant: DodoShop) -> None:
    session = await merchant.open(customer={"email": "ann@example.com", "name": "Ann"})
    stands = await merchant.dodo.checkout_sessions.retrieve(session)
    assert (stands.payment_id, stands.payment_status, stands.customer_name) == (None, None, "Ann")
    assert (await merchant.pay(session)).headers["location"] == "https://shop.test/thanks"
    payment = await merchant.payment_of(session)
    assert (payment.status, payment.total_amount, payment.currency) == ("succeeded", 1_990_000, "HUF")
    assert (payment.checkout_session_id, payment.card_last_four) == (session, "4242")
    assert payment.metadata["paysaga_payment"] == merchant.shop.reference
    [told] = await merchant.hears("payment.succeeded")
    assert (told.payment_id, told.status) == (payment.payment_id, "succeeded")
    [capture] = (await merchant.shop.ledger())["captures"]
    assert (capture["amount"], capture["currency"]) == (1_990_000, "HUF")
    assert merchant.shop.letters[0].path == f"/dodo/{merchant.shop.account}"


async def test_a_seal_does_not_fit_another_letter(merchant: DodoShop) -> None:
    await merchant.paid()
    await merchant.hears("payment.succeeded")
    letter = merchant.shop.letters[0]
    with pytest.raises(WebhookVerificationError):
        merchant.verified(Letter(letter.headers, letter.body + b" "))


async def test_without_a_currency_a_product_is_priced_in_dollars(merchant: DodoShop) -> None:
    assert (await merchant.paid(billing_currency=None)).currency == "USD"


async def test_asking_twice_makes_two_sessions_whatever_the_key(merchant: DodoShop) -> None:
    first = await merchant.open(extra_headers={"Idempotency-Key": "key-1"})
    second = await merchant.open(extra_headers={"Idempotency-Key": "key-1"})
    assert [one["id"] for one in (await merchant.shop.ledger())["sessions"]] == [first, second]


async def test_nothing_withdraws_a_session_so_money_may_come_late(merchant: DodoShop) -> None:
    session = await merchant.open()
    for method, path in (("POST", "/expire"), ("DELETE", ""), ("PATCH", "")):
        answer = await merchant.shop.client.request(method, f"/dodo/checkouts/{session}{path}")
        assert answer.status_code in {404, 405}
        assert set(answer.json()) == {"code", "message"}
    await merchant.pay(session)
    assert (await merchant.payment_of(session)).status == "succeeded"


async def test_a_session_lives_for_a_day_and_ends_in_silence_when_nobody_came(spare_shop: Shop) -> None:
    order = {"product_cart": [{"product_id": "p", "quantity": 1, "amount": 500}]}
    session = (await spare_shop.client.post("/dodo/checkouts", json=order)).json()["session_id"]
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 86_390})
    assert (await spare_shop.client.get(f"/pay/{session}")).text.count("cardNumber") > 0
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 20})
    assert (await spare_shop.get(f"/dodo/checkouts/{session}"))["payment_status"] is None
    assert (await spare_shop.client.post(f"/pay/{session}", data={"action": "pay"})).status_code == 409
    assert spare_shop.letters == []


async def test_a_decline_leaves_the_page_payable(merchant: DodoShop) -> None:
    session = await merchant.open()
    await merchant.pay(session, "4000000000009995")
    declined = await merchant.payment_of(session)
    assert (declined.status, declined.error_code) == ("requires_payment_method", "INSUFFICIENT_FUNDS")
    await merchant.hears("payment.failed")
    await merchant.pay(session)
    paid = await merchant.payment_of(session)
    assert (paid.payment_id, paid.status, paid.error_code) == (declined.payment_id, "succeeded", None)


async def test_a_webhook_carries_the_latest_state_not_the_one_it_is_named_after(merchant: DodoShop) -> None:
    await merchant.shop.fault("webhook.send", "webhook", "late", seconds=0.3)
    session = await merchant.open()
    await merchant.pay(session, DECLINED)
    await merchant.pay(session)
    told = await merchant.hears("payment.succeeded", "payment.failed")
    assert merchant.shop.told() == ["payment.succeeded", "payment.failed"]
    assert [one.status for one in told] == ["succeeded", "succeeded"]


@pytest.mark.parametrize(
    ("number", "status", "told"),
    [
        ("9000000000000001", "succeeded", "payment.succeeded"),
        ("9000000000000019", "failed", "payment.failed"),
    ],
)
async def test_a_bank_payment_takes_its_time_and_then_ends(
    merchant: DodoShop, number: str, status: str, told: str
) -> None:
    payment = await merchant.paid(number)
    assert payment.status == "processing"
    await merchant.hears("payment.processing", told)
    assert (await merchant.dodo.payments.retrieve(payment.payment_id)).status == status


async def test_a_challenge_waits_for_the_customer_and_giving_up_cancels(merchant: DodoShop) -> None:
    session = await merchant.open()
    await merchant.pay(session, CHALLENGE)
    assert (await merchant.payment_of(session)).status == "requires_customer_action"
    await merchant.pay(session, action="close")
    [told] = await merchant.hears("payment.cancelled")
    assert told.status == "cancelled"


async def test_refunds_are_whole_or_in_parts_and_carry_our_reference(merchant: DodoShop) -> None:
    payment, ours = await merchant.paid(), f"ref_{uuid4().hex}"
    refunds = merchant.dodo.refunds
    part = await refunds.create(
        payment_id=payment.payment_id,
        items=[{"item_id": "pdt_book", "amount": 90_000}],
        metadata={"paysaga_refund": ours},
    )
    assert (part.amount, part.is_partial, part.metadata["paysaga_refund"]) == (90_000, True, ours)
    with pytest.raises(dodopayments.BadRequestError) as too_much:
        await refunds.create(payment_id=payment.payment_id, items=[{"item_id": "pdt_book"}])
    assert too_much.value.body["code"] == "REFUND_AMOUNT_EXCEEDS_PAID_AMOUNT"  # type: ignore[index]
    rest = await refunds.create(payment_id=payment.payment_id)
    assert (rest.amount, rest.status) == (1_900_000, "succeeded")
    with pytest.raises(dodopayments.BadRequestError) as refused:
        await refunds.create(payment_id=payment.payment_id)
    assert refused.value.body["code"] == "PAYMENT_ALREADY_REFUNDED"  # type: ignore[index]
    listed = (await refunds.list()).items
    assert [one.refund_id for one in listed] == [rest.refund_id, part.refund_id]
    again = await merchant.dodo.payments.retrieve(payment.payment_id)
    assert (again.refund_status, len(again.refunds)) == ("full", 2)
    assert [one["refundReference"] for one in (await merchant.shop.ledger())["refunds"]] == [ours, None]


async def test_a_refund_that_changes_its_mind_is_told_at_its_end(merchant: DodoShop) -> None:
    slow, bouncing = [await merchant.paid(number) for number in ("4000000000007726", "4000000000005126")]
    refunds, item = merchant.dodo.refunds, {"item_id": "pdt_book", "amount": 500}
    made = [await refunds.create(payment_id=one.payment_id, items=[item]) for one in (slow, bouncing)]
    assert [refund.status for refund in made] == ["pending", "succeeded"]
    with pytest.raises(dodopayments.ConflictError):
        await refunds.create(payment_id=slow.payment_id, items=[item])
    await merchant.hears(*["payment.succeeded", "refund.succeeded"] * 2, "refund.failed")
    assert [(await refunds.retrieve(one.refund_id)).status for one in made] == ["succeeded", "failed"]


async def test_what_nobody_paid_has_nothing_to_refund(merchant: DodoShop) -> None:
    session = await merchant.open()
    await merchant.pay(session, DECLINED)
    payment = await merchant.payment_of(session)
    with pytest.raises(dodopayments.BadRequestError) as refused:
        await merchant.dodo.refunds.create(payment_id=payment.payment_id)
    assert refused.value.body["code"] == "PAYMENT_NOT_SUCCEEDED"  # type: ignore[index]


@pytest.mark.parametrize(
    ("decision", "status"),
    [
        ({"outcome": "under_review"}, "challenged"),
        ({"outcome": "won"}, "won"),
        ({"outcome": "lost"}, "lost"),
        ({"outcome": "closed"}, "cancelled"),
        ({"outcome": "lost", "because": "accepted"}, "accepted"),
        ({"outcome": "lost", "because": "expired"}, "expired"),
    ],
)
async def test_a_dispute_is_told_in_dodos_words(merchant: DodoShop, decision: Json, status: str) -> None:
    payment, company = await merchant.paid(), merchant.shop.company
    opened = await company.control("POST", "disputes", json={"reference": merchant.shop.reference})
    [dispute] = (await merchant.dodo.disputes.list(dispute_status="dispute_opened")).items
    assert (dispute.dispute_id, dispute.payment_id) == (opened["id"], payment.payment_id)
    assert (dispute.amount, dispute.currency) == ("1990000", "HUF")
    await company.control("POST", f"disputes/{opened['id']}", json=decision)
    ended = await merchant.dodo.disputes.retrieve(opened["id"])
    assert (ended.dispute_status, ended.dispute_stage) == (f"dispute_{status}", "dispute")
    await merchant.hears("payment.succeeded", "dispute.opened", f"dispute.{status}")


async def test_an_inquiry_is_a_dispute_before_the_dispute(merchant: DodoShop) -> None:
    await merchant.paid()
    order = {"reference": merchant.shop.reference, "inquiry": True}
    opened = await merchant.shop.company.control("POST", "disputes", json=order)
    assert (await merchant.dodo.disputes.retrieve(opened["id"])).dispute_stage == "pre_dispute"


async def test_lists_are_paged_by_number_from_nought_newest_first(merchant: DodoShop) -> None:
    paid = [(await merchant.paid()).payment_id for _ in range(3)]
    await merchant.open()  # nobody has tried it: no payment yet
    pages = [(await merchant.dodo.payments.list(page_size=2, page_number=n)).items for n in range(3)]
    assert [[one.payment_id for one in page] for page in pages] == [[paid[2], paid[1]], [paid[0]], []]
    assert pages[0][0].metadata["paysaga_payment"] == merchant.shop.reference
    now = datetime.now(UTC)
    for window, found in (
        ({"created_at_gte": now - timedelta(minutes=1), "created_at_lte": now}, 3),
        ({"created_at_gte": now + timedelta(minutes=1)}, 0),
        ({"created_at_lte": now - timedelta(minutes=1)}, 0),
        ({"status": "failed"}, 0),
    ):
        assert len((await merchant.dodo.payments.list(**window)).items) == found


@pytest.mark.parametrize(
    "change",
    [
        {"product_cart": []},
        {"product_cart": [{"product_id": "p", "quantity": 1}]},
        {"product_cart": [{"product_id": "p", "quantity": 2, "amount": 2_000_000_000}]},
        {"product_cart": [{"product_id": "p", "quantity": "one", "amount": 500}]},
        {"amount": 17_499},
        {"confirm": True},
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(merchant: DodoShop, change: Json) -> None:
    with pytest.raises(dodopayments.UnprocessableEntityError):
        await merchant.open(**change)


async def test_a_wrong_key_and_what_was_made_elsewhere_are_refused(merchant: DodoShop) -> None:
    own = await merchant.shop.open()
    for identity in (own["id"], "cks_nothing"):
        with pytest.raises(dodopayments.NotFoundError):
            await merchant.dodo.checkout_sessions.retrieve(identity)
    with pytest.raises(dodopayments.AuthenticationError) as refused:
        await merchant.dodo.with_options(bearer_token="nobody").payments.list()
    assert refused.value.body["code"] == "UNAUTHORIZED"  # type: ignore[index]


async def test_faults_strike_under_the_same_names(merchant: DodoShop) -> None:
    await merchant.shop.fault("checkout.create", "after", "status:500")
    with pytest.raises(dodopayments.InternalServerError):
        await merchant.open()
    assert len((await merchant.shop.ledger())["sessions"]) == 1
    await merchant.shop.fault("payment.list", "before", "status:429")
    with pytest.raises(dodopayments.RateLimitError):
        await merchant.dodo.payments.list()
    payment = await merchant.paid()
    await merchant.shop.fault("payment.list", "answer", "wrongAmount")
    assert (await merchant.dodo.payments.list()).items[0].total_amount == 1_990_100
    params = {"reference": merchant.shop.reference}
    received = (await merchant.shop.company.control("GET", "requests", params=params))["data"]
    assert [row["operation"] for row in received] == [
        *("checkout.create", "checkout.create", "checkout.pay", "checkout.read", "payment.read"),
    ]
    assert payment.total_amount == 1_990_000


async def test_a_webhook_can_say_what_nobody_knows(merchant: DodoShop) -> None:
    await merchant.shop.fault("webhook.send", "webhook", "unknownWord")
    await merchant.paid()
    await merchant.shop.hears("payment.succeeded")
    assert merchant.shop.letters[0].event["data"]["status"] == "sideways"


async def test_a_wrong_capture_shows_in_the_payment(merchant: DodoShop) -> None:
    await merchant.shop.fault("checkout.pay", "before", "wrongAmount")
    assert (await merchant.paid()).total_amount == 1_990_100


async def test_an_event_can_overtake_the_answer(merchant: DodoShop) -> None:
    await merchant.shop.fault("checkout.create", "webhook", "beforeAnswer")
    await merchant.open()
    [told] = await merchant.hears("payment.failed")
    assert told.status == "requires_payment_method"


@pytest.mark.parametrize("fault", ["badSignature", "staleTimestamp"])
async def test_a_spoiled_seal_does_not_verify(merchant: DodoShop, fault: str) -> None:
    await merchant.shop.fault("webhook.send", "webhook", fault)
    await merchant.paid()
    await merchant.shop.hears("payment.succeeded")
    with pytest.raises(WebhookVerificationError):
        merchant.verified(merchant.shop.letters[0])


async def test_the_page_says_whom_the_sandbox_plays(merchant: DodoShop) -> None:
    page = await merchant.shop.client.get(f"/pay/{await merchant.open(metadata={})}?lang=hu")
    assert "Dodo Payments, a sandbox játssza" in page.text


async def test_what_is_shown_keeps_to_dodos_own_schemas(merchant: DodoShop) -> None:
    payment = await merchant.paid()
    item = {"item_id": "pdt_book", "amount": 500}
    refund = await merchant.dodo.refunds.create(payment_id=payment.payment_id, items=[item])
    await merchant.shop.company.control("POST", "disputes", json={"reference": merchant.shop.reference})
    [dispute] = (await merchant.dodo.disputes.list()).items
    for path, schema in (
        ("payments", "GetPaymentsListResponse"),
        (f"payments/{payment.payment_id}", "PaymentResponse"),
        ("refunds", "GetRefundsListResponse"),
        (f"refunds/{refund.refund_id}", "RefundResponse"),
        ("disputes", "GetDisputesListResponse"),
        (f"disputes/{dispute.dispute_id}", "GetDisputeResponse"),
    ):
        assert complaints(SPEC, schema, await merchant.shop.get(f"/dodo/{path}")) == [], path
    await merchant.shop.hears("payment.succeeded", "refund.succeeded", "dispute.opened")
    assert [complaints(SPEC, "OutgoingWebhook", letter.event) for letter in merchant.shop.letters] == [[]] * 3
