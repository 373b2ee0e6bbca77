"""The sandbox as Stripe: Stripe's own library is the judge of what it says and how it seals it."""

import asyncio
import time
from uuid import uuid4

import pytest
import stripe

from tests.sandbox.sandbox_house import Json
from tests.sandbox.stripe_shop import StripeShop

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.timeout(30),
    # Stripe's library hands httpx its body in a way that httpx is about to drop.
    pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning"),
]

SPEC = "stripe/stripe-subset-2023-08-16.json"
DECLINED, BANK_PAYS, BANK_REFUSES = "4000000000000002", "9000000000000001", "9000000000000019"


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
