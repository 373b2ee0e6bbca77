"""All that we ask of Stripe is in Stripe's specification, and all that we read is in Stripe's own samples."""

import traceback
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import ValidationError

from domain.dispute import DisputeWord
from domain.evidence import Channel, Word
from domain.money import Money
from domain.reconciliation import Subject, Window
from domain.refund import RefundWord
from domain.subscription import (
    Charge,
    Customer,
    PlanChange,
    Proration,
    SetupOrder,
    SubscriptionOrder,
    SubscriptionWord,
)
from domain.values import derived_id
from providers.line import Line
from providers.stripe import words
from providers.stripe.adapter import Stripe
from providers.stripe.lists import listed
from tests.providers.stripe_company import Company, Json, samples, unbracketed
from tests.providers.stripe_orders import HUF, NOW, PAYMENT_ID, order, refund

# The specification at hand is of 2023-08-16; what is younger, and since when.
NEWER = {
    "GET /v1/checkout/sessions created": "a filter since 2024",
    "GET /v1/checkout/sessions status": "a filter since 2024",
    "POST /v1/checkout/sessions allowed_payment_method_types": "payment_method_types, until 2026",
    "GET /v1/customers/search": "list of customer: left out of the cut; it exists since 2021",
    "GET /v1/customers/{customer}/payment_methods": "list of payment_method: left out of the cut",
}
SECRETS = {"apiKey": "sk_test_51", "webhookSecret": "whsec_test"}
SESSION = "cs_test_a1YS1URlnyQCN5fUUduORoQ7Pw41PJqDWkIVQCpJPqkfIhd6tVY8XB1OLY"
SUBSCRIPTION_ID = derived_id("sub", NOW, "a subscription")
DAY = Window(since=NOW.replace(hour=0), until=NOW)


@pytest.fixture(scope="module")
async def stripe_itself() -> AsyncIterator[Company]:
    async with Company.open(NEWER) as company:
        yield company


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
async def company(stripe_itself: Company) -> Company:
    stripe_itself.objects = samples()
    stripe_itself.received.clear()
    stripe_itself.used.clear()
    return stripe_itself


@pytest.fixture
async def stripe(company: Company, http: httpx.AsyncClient) -> Stripe:
    return Stripe(http, company.url, SECRETS, Line())


def paid(company: Company, **more: object) -> Json:
    """The company's sample of a session, as it stands when the payer has paid."""
    session = company.objects["checkout.session"]
    session |= {
        "status": "complete",
        "payment_status": "paid",
        "amount_total": 1_990_000,
        "currency": "huf",
        "client_reference_id": PAYMENT_ID,
        "metadata": {"paysaga_payment": PAYMENT_ID},
    }
    return session | more


async def test_a_checkout_is_opened_with_what_was_ordered(stripe: Stripe, company: Company) -> None:
    opened = await stripe.open_checkout(order())
    assert opened.reference == SESSION
    assert opened.url.startswith("https://checkout.stripe.com/")
    (asked,) = company.received
    (item,) = asked.parameters["line_items"]
    assert item["price_data"] == {
        "currency": "huf",
        "unit_amount": "1990000",
        "product_data": {"name": "A year of Pro"},
    }
    assert asked.headers["idempotency-key"] == asked.parameters["client_reference_id"] == PAYMENT_ID
    assert asked.parameters["payment_intent_data"]["metadata"] == {"paysaga_payment": PAYMENT_ID}
    assert asked.parameters["metadata"] == {"campaign": "spring", "paysaga_payment": PAYMENT_ID}


def setup() -> SetupOrder:
    return SetupOrder(
        id=derived_id("set", NOW, "a setup"),
        customer="cus_1",
        success_url="https://shop.example/thanks",
        cancel_url="https://shop.example/account",
        expires_at=order().expires_at,
    )


async def test_what_a_customer_pays_with_is_kept_where_they_are_named(
    stripe: Stripe, company: Company
) -> None:
    await stripe.open_checkout(order(), "cus_1")
    (asked,) = company.received
    assert asked.parameters["customer"] == "cus_1"
    assert "customer_email" not in asked.parameters
    assert asked.parameters["payment_intent_data"] == {
        "metadata": {"paysaga_payment": PAYMENT_ID},
        "setup_future_usage": "off_session",
    }


async def test_a_page_keeps_a_card_and_takes_nothing(stripe: Stripe, company: Company) -> None:
    opened = await stripe.open_setup(setup())
    assert opened.url.startswith("https://checkout.stripe.com/")
    (asked,) = company.received
    assert asked.headers["idempotency-key"] == setup().id
    assert (asked.parameters["mode"], asked.parameters["customer"]) == ("setup", "cus_1")
    assert asked.parameters["setup_intent_data"]["metadata"] == {"paysaga_setup": setup().id}
    assert "line_items" not in asked.parameters


async def test_a_checkout_is_read_with_its_payment_intent(stripe: Stripe, company: Company) -> None:
    paid(company)["payment_intent"] = company.objects["payment_intent"]
    said = await stripe.read_checkout(SESSION, NOW)
    assert (said.word, said.captured, said.payment_id, said.channel) == (
        Word.PAID,
        HUF,
        PAYMENT_ID,
        Channel.READ,
    )
    assert (said.reference, said.capture, said.sandbox) == (SESSION, "pi_1PgafyB7WZ01zgkWSjxsAJo3", True)
    assert company.received[0].parameters == {"expand": ["payment_intent"]}


async def test_a_checkout_is_closed(stripe: Stripe, company: Company) -> None:
    company.objects["checkout.session"] |= {"status": "expired"}
    said = await stripe.close_checkout(SESSION, NOW)
    assert (said.word, said.channel) == (Word.EXPIRED, Channel.CLOSE)
    assert company.received[0].path == f"/v1/checkout/sessions/{SESSION}/expire"


async def test_a_checkout_is_found_by_the_moment_our_id_carries(stripe: Stripe, company: Company) -> None:
    paid(company)
    said = await stripe.find_checkout(PAYMENT_ID, NOW)
    assert (said.word, said.reference) == (Word.PAID, SESSION)
    listed = company.received[0].parameters["created"]
    assert int(listed["gte"]) <= NOW.timestamp() <= int(listed["lt"])


async def test_a_payment_without_a_checkout_is_positively_absent(stripe: Stripe, company: Company) -> None:
    assert (await stripe.find_checkout(PAYMENT_ID, NOW)).word is Word.ABSENT
    near, _, far, _ = (each.parameters["created"] for each in company.received)
    assert near["lt"] == far["gte"]
    looked_at = ["/v1/checkout/sessions", "/v1/payment_intents"] * 2
    assert [each.path for each in company.received] == looked_at


async def test_a_charge_is_found_by_the_same_moment(stripe: Stripe, company: Company) -> None:
    ours = {"paysaga_payment": PAYMENT_ID, "paysaga_kind": "charge"}
    charged = {"status": "succeeded", "amount_received": 1_990_000, "currency": "huf", "metadata": ours}
    company.objects["payment_intent"] |= charged
    said = await stripe.find_checkout(PAYMENT_ID, NOW)
    assert (said.word, said.captured, said.reference) == (Word.PAID, HUF, "pi_1PgafyB7WZ01zgkWSjxsAJo3")
    assert company.received[0].parameters["created"] == company.received[1].parameters["created"]


async def test_a_refund_names_the_payment_intent_and_both_of_our_ids(
    stripe: Stripe, company: Company
) -> None:
    company.objects["refund"] |= {"amount": 1_990_000, "currency": "huf"}
    said = await stripe.refund(refund(SESSION), NOW)
    assert (said.word, said.money) == (RefundWord.SUCCEEDED, HUF)
    asked = company.received[-1]
    assert asked.headers["idempotency-key"] == refund(SESSION).id
    assert asked.parameters == {
        "payment_intent": "pi_1PgafyB7WZ01zgkWSjxsAJo3",
        "amount": "1990000",
        "metadata": {
            "reason": "Wrong size",
            "paysaga_refund": refund(SESSION).id,
            "paysaga_payment": PAYMENT_ID,
        },
    }


async def test_a_refund_is_found_by_our_id(stripe: Stripe, company: Company) -> None:
    assert (await stripe.find_refund(refund(SESSION), NOW)).word is RefundWord.ABSENT
    company.objects["refund"]["metadata"] = {"paysaga_refund": refund(SESSION).id}
    said = await stripe.find_refund(refund(SESSION), NOW)
    assert (said.word, said.refund_id) == (RefundWord.SUCCEEDED, refund(SESSION).id)


async def test_a_dispute_is_read_and_answered(stripe: Stripe, company: Company) -> None:
    said = await stripe.read_dispute("dp_1", NOW)
    assert (said.word, said.money) == (DisputeWord.INQUIRY, Money(amount_minor=1000, currency="USD"))
    facts = {"statement": "It was delivered.", "proof": {"type": "proof"}}
    await stripe.answer_dispute("dp_1", facts, NOW, submit=True)
    asked = company.received[-1].parameters
    assert asked["submit"] == "true"
    assert asked["evidence"]["uncategorized_text"].startswith("It was delivered.")


async def test_books_are_read_by_the_day(stripe: Stripe, company: Company) -> None:
    paid(company)
    captures, refunds, disputes = [
        await lists(DAY, "re_last", NOW)
        for lists in (stripe.list_payments, stripe.list_refunds, stripe.list_disputes)
    ]
    assert [captures.items[0].reference, refunds.items[0].reference, disputes.items[0].reference] == [
        "pi_1PgafyB7WZ01zgkWSjxsAJo3",
        "re_1Pgc72B7WZ01zgkWqPvrRrPE",
        "dp_1Pgc71B7WZ01zgkWMevJiAUx",
    ]
    after = [each.parameters.get("starting_after") for each in company.received]
    # After the last checkout come the charges, from their beginning.
    assert after == ["re_last", None, "re_last", "re_last"]
    assert None not in {page.items[0].said for page in (captures, refunds, disputes)}


async def test_a_customer_is_looked_for_before_one_is_made(stripe: Stripe, company: Company) -> None:
    assert await stripe.ensure_customer(Customer(id="cus_ours")) == "cus_QXg1o8vcGmoR32"
    assert company.received[-1].parameters["query"] == "metadata['paysaga_customer']:'cus_ours'"


async def test_a_customer_has_a_portal_and_saved_methods(stripe: Stripe) -> None:
    assert await stripe.portal_url("cus_1", "https://shop.example/account")
    (card,) = await stripe.saved_methods("cus_1")
    assert (card.kind, card.brand, card.last4) == ("card", "visa", "4242")


async def test_a_saved_method_is_charged_without_the_payer(stripe: Stripe, company: Company) -> None:
    company.objects["payment_intent"] |= {
        "status": "succeeded",
        "amount_received": 1_990_000,
        "currency": "huf",
        "metadata": {"paysaga_payment": PAYMENT_ID},
    }
    wish = Charge(payment_id=PAYMENT_ID, money=HUF, customer="cus_1", method="pm_1", description="Renewal")
    said = await stripe.charge_saved(wish, NOW)
    assert (said.word, said.captured, said.payment_id) == (Word.PAID, HUF, PAYMENT_ID)
    assert company.received[0].parameters["metadata"] == {
        "paysaga_payment": PAYMENT_ID,
        "paysaga_kind": "charge",
    }


async def test_a_charge_is_read_by_its_payment_intent(stripe: Stripe, company: Company) -> None:
    company.objects["payment_intent"] |= {
        "status": "succeeded",
        "amount_received": 1_990_000,
        "currency": "huf",
    }
    for ask in (stripe.read_checkout, stripe.close_checkout):
        said = await ask("pi_1PgafyB7WZ01zgkWSjxsAJo3", NOW)
        assert (said.word, said.captured) == (Word.PAID, HUF)


async def test_a_subscription_is_begun_at_a_checkout(stripe: Stripe, company: Company) -> None:
    wish = SubscriptionOrder(
        subscription_id=SUBSCRIPTION_ID,
        customer="cus_1",
        price="price_1",
        quantity=3,
        trial_days=14,
        success_url="https://shop.example/thanks",
        cancel_url="https://shop.example/plans",
        expires_at=order().expires_at,
    )
    assert (await stripe.subscribe(wish)).reference == SESSION
    asked = company.received[0].parameters
    assert asked["subscription_data"] == {
        "metadata": {"paysaga_subscription": SUBSCRIPTION_ID},
        "trial_period_days": "14",
    }


async def test_a_subscription_is_read_changed_and_cancelled(stripe: Stripe, company: Company) -> None:
    said = await stripe.read_subscription("sub_1", NOW)
    assert (said.word, said.price) == (SubscriptionWord.ACTIVE, "price_1PgafmB7WZ01zgkW6dKueIc5")
    change = PlanChange(key="chg_1", price="price_2", quantity=2, proration=Proration.NONE)
    await stripe.change_subscription("sub_1", change, NOW)
    asked = company.received[-1]
    assert asked.headers["idempotency-key"] == "chg_1"
    assert asked.parameters == {
        "items": [{"id": "si_QXhVnC2h0Jczwc", "price": "price_2", "quantity": "2"}],
        "proration_behavior": "none",
    }
    await stripe.cancel_subscription("sub_1", NOW, at_period_end=True)
    await stripe.keep_subscription("sub_1", NOW)
    await stripe.cancel_subscription("sub_1", NOW, at_period_end=False)
    assert [each.method for each in company.received[-2:]] == ["POST", "DELETE"]


async def test_what_the_specification_is_too_old_for_is_what_we_say_it_is(
    stripe: Stripe, company: Company
) -> None:
    await stripe.list_payments(DAY, None, NOW)
    await stripe.ensure_customer(Customer(id="cus_ours"))
    await stripe.saved_methods("cus_1")
    await stripe.open_setup(setup())
    assert company.used == set(NEWER)


async def test_a_request_that_stripe_would_refuse_is_refused_here(
    company: Company, http: httpx.AsyncClient
) -> None:
    headers = {
        "Authorization": "Bearer sk_test",
        "Stripe-Version": "2026-10-28.endive",
        "Idempotency-Key": "key",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    wrong = {
        "mode=payment": "success_url: is missing",
        "success_url=x&colour=red": "colour: is unknown",
        "success_url=x&line_items[0][quantity]=two": "line_items[0][quantity]: is no integer",
        "success_url=x&line_items[quantity]=2": "line_items: is no list",
        "success_url=x&mode=gift": "mode: is too long, or none of ['payment', 'setup', 'subscription']",
    }
    for form, complaint in wrong.items():
        answer = await http.post(f"{company.url}/v1/checkout/sessions", content=form, headers=headers)
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, complaint)
    assert (await http.get(f"{company.url}/v1/treasure", headers=headers)).status_code == 400


@pytest.mark.parametrize("key", ["sk_canary\r\nX-Canary: 1", "sk_canary_ä", "sk_canary\0"])
async def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(
    company: Company, http: httpx.AsyncClient, key: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        await Stripe(http, company.url, SECRETS | {"apiKey": key}, Line()).read_checkout(SESSION, NOW)
    assert "canary" not in "".join(traceback.format_exception(refused.value))
    assert company.received == []


def test_brackets_are_undone() -> None:
    assert unbracketed([("a[b][0]", "x"), ("a[b][1]", "y"), ("c", "z")]) == {"a": {"b": ["x", "y"]}, "c": "z"}


# --- Stripe's samples, read without a request --------------------------------------------------------------


def test_every_sample_of_stripes_can_be_read() -> None:
    sample = samples()
    session = words.checkout(sample["checkout.session"], Channel.READ, "c", NOW)
    assert (session.word, session.raw_state) == (Word.OPEN, "open/unpaid")
    assert words.charge(sample["payment_intent"], Channel.READ, "c", NOW).word is Word.ATTEMPT_FAILED
    assert words.refund(sample["refund"], "c", NOW).money == Money(amount_minor=100, currency="USD")
    assert words.dispute(sample["dispute"], "c", NOW).evidence_due_by is not None
    told = words.subscription(sample["subscription"], "c", NOW)
    assert (told.quantity, told.cancel_at_period_end) == (1, True)
    assert told.current_period_end is not None
    assert told.trial_end is not None
    bill = words.invoice(sample["invoice"], "c", NOW)
    assert bill is not None
    assert (bill.subscription, bill.money) == ("subscription", Money(amount_minor=1000, currency="USD"))


def test_every_sample_that_is_listed_names_itself() -> None:
    sample = samples()
    for subject, kind in ((Subject.REFUND, "refund"), (Subject.DISPUTE, "dispute")):
        found = listed(subject, sample[kind], NOW)
        assert found is not None
        assert (found.reference, found.said is None) == (sample[kind]["id"], False)
    assert listed(Subject.PAYMENT, sample["checkout.session"], NOW) is None
