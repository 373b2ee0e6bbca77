"""The sandbox as Stripe, where customers pay again: its own library is the judge of what is said."""

from typing import Any
from uuid import uuid4

import pytest
import stripe

from tests.sandbox.company_specs import complaints
from tests.sandbox.sandbox_house import GOOD_CARD, Json
from tests.sandbox.stripe_shop import StripeShop

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.timeout(30),
    # Stripe's library hands httpx its body in a way that httpx is about to drop.
    pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning"),
]

SPEC = "stripe/stripe-subset-2023-08-16.json"
LATER_POOR, ASKS_EACH_TIME = "4000034100089995", "4000002760003184"

DONE = "checkout.session.completed"
"""That the page where the card was left is completed."""


async def customer_of(merchant: StripeShop) -> Any:
    wanted = {"email": "ann@example.com", "metadata": {"paysaga_customer": merchant.shop.reference}}
    return await merchant.stripe.v1.customers.create_async(wanted)


async def keeping(merchant: StripeShop, number: str = GOOD_CARD) -> Any:
    """A customer who has left this card, at a page that takes nothing."""
    customer = await customer_of(merchant)
    session = await merchant.sessions.create_async(
        {
            "mode": "setup",
            "customer": customer.id,
            "success_url": "https://shop.test/thanks",
            "allowed_payment_method_types": ["card"],
            "setup_intent_data": {"metadata": {"paysaga_setup": "set_1"}},
        }
    )
    page = session.url.removeprefix(merchant.shop.company.url)
    for action in ("pay", "approve") if number == ASKS_EACH_TIME else ("pay",):
        await merchant.shop.client.post(page, data={"cardNumber": number, "action": action})
    assert (await merchant.sessions.retrieve_async(session.id)).status == "complete"
    return await merchant.stripe.v1.customers.retrieve_async(customer.id)


async def charge(merchant: StripeShop, customer: Any, key: str | None = None, **changes: Any) -> Any:
    order: Json = {
        "amount": 1_990_000,
        "currency": "huf",
        "customer": customer.id,
        "payment_method": customer.invoice_settings.default_payment_method,
        "confirm": True,
        "off_session": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": {"paysaga_payment": merchant.shop.reference, "paysaga_kind": "charge"},
        **changes,
    }
    options: Any = {"idempotency_key": key or uuid4().hex}
    return await merchant.stripe.v1.payment_intents.create_async(order, options)


async def test_a_customer_is_found_by_the_merchants_own_name(merchant: StripeShop) -> None:
    made = await customer_of(merchant)
    query = {"query": f"metadata['paysaga_customer']:'{merchant.shop.reference}'"}
    [found] = (await merchant.stripe.v1.customers.search_async(query)).data
    assert (found.id, found.email) == (made.id, "ann@example.com")
    with pytest.raises(stripe.InvalidRequestError):
        await merchant.stripe.v1.customers.search_async({"query": "email:'ann@example.com'"})


async def test_a_card_is_left_without_paying_and_charged_later(merchant: StripeShop) -> None:
    customer = await keeping(merchant)
    [kept] = (await merchant.stripe.v1.customers.payment_methods.list_async(customer.id)).data
    assert (kept.id, kept.card.last4) == (customer.invoice_settings.default_payment_method, "4242")
    intent = await charge(merchant, customer)
    assert (intent.status, intent.amount_received, intent.customer) == ("succeeded", 1_990_000, customer.id)
    told = await merchant.hears(DONE, "payment_method.attached", "payment_intent.succeeded")
    assert told["payment_method.attached"].customer == customer.id
    assert told["payment_intent.succeeded"].metadata["paysaga_kind"] == "charge"
    [capture] = (await merchant.shop.ledger())["captures"]
    assert capture["amount"] == 1_990_000
    [listed] = (await merchant.stripe.v1.payment_intents.list_async()).data
    assert listed.id == intent.id
    back = await merchant.stripe.v1.refunds.create_async({"payment_intent": intent.id})
    assert (back.status, back.payment_intent) == ("succeeded", intent.id)


async def test_a_checkout_keeps_what_is_paid_with_where_that_was_asked_for(merchant: StripeShop) -> None:
    customer = await customer_of(merchant)
    methods = merchant.stripe.v1.customers.payment_methods
    await merchant.paid(customer=customer.id)
    assert (await methods.list_async(customer.id)).data == []
    await merchant.paid(customer=customer.id, payment_intent_data={"setup_future_usage": "off_session"})
    assert len((await methods.list_async(customer.id)).data) == 1
    for wrong in ({"customer": "cus_nobody"}, {"customer": customer.id, "customer_email": "a@example.com"}):
        with pytest.raises(stripe.InvalidRequestError):
            await merchant.open(**wrong)


@pytest.mark.parametrize(
    ("number", "code", "decline"),
    [
        (LATER_POOR, "card_declined", "insufficient_funds"),
        (ASKS_EACH_TIME, "authentication_required", "authentication_required"),
    ],
)
async def test_a_declined_charge_says_why_again_and_again_and_can_be_given_up(
    merchant: StripeShop, number: str, code: str, decline: str
) -> None:
    customer, intents = await keeping(merchant, number), merchant.stripe.v1.payment_intents
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            await charge(merchant, customer, key="once")
        error: Any = declined.value.error
        assert (error.code, error.decline_code) == (code, decline)
    waiting = await intents.retrieve_async(error.payment_intent.id)
    assert (waiting.status, waiting.last_payment_error.code) == ("requires_payment_method", code)
    assert (await intents.cancel_async(waiting.id)).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        await intents.cancel_async(waiting.id)
    await merchant.hears(
        DONE, "payment_method.attached", "payment_intent.payment_failed", "payment_intent.canceled"
    )
    assert (await merchant.shop.ledger())["captures"] == []


async def test_a_customer_sees_to_their_cards_at_a_portal(merchant: StripeShop) -> None:
    customer = await keeping(merchant)
    visit = await merchant.stripe.v1.billing_portal.sessions.create_async(
        {"customer": customer.id, "return_url": "https://shop.test/account"}
    )
    page = visit.url.removeprefix(merchant.shop.company.url)
    assert (await merchant.shop.client.get(page)).status_code == 200
    await merchant.shop.client.post(page, data={"action": "remove"})
    await merchant.hears(DONE, "payment_method.attached", "customer.updated")
    letter = merchant.shop.letters[-1].event
    assert "default_payment_method" in letter["data"]["previous_attributes"]["invoice_settings"]
    assert letter["data"]["object"]["invoice_settings"]["default_payment_method"] is None
    with pytest.raises(stripe.StripeError):
        await charge(merchant, customer)


async def test_what_is_shown_is_what_the_specification_says(merchant: StripeShop) -> None:
    customer = await keeping(merchant)
    intent = await charge(merchant, customer)
    for path, schema in (
        (f"/stripe/v1/customers/{customer.id}", "customer"),
        (f"/stripe/v1/payment_intents/{intent.id}", "payment_intent"),
    ):
        assert complaints(SPEC, schema, await merchant.shop.get(path)) == []
    [kept] = (await merchant.shop.get(f"/stripe/v1/customers/{customer.id}/payment_methods"))["data"]
    assert complaints(SPEC, "payment_method", kept) == []
