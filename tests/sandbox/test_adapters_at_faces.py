"""Our adapters and the sandbox's faces, which know nothing of each other, mean the same by the same words."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from domain.errors import ProviderDeclined
from domain.evidence import Observation, Word
from domain.money import Money
from domain.payment import PaymentOrder
from domain.reconciliation import Window
from domain.refund import Origin, Refund, RefundState, RefundWord
from domain.subscription import (
    Charge,
    Customer,
    CustomerObservation,
    InvoiceObservation,
    InvoiceWord,
    PlanChange,
    SetupOrder,
    SubscriptionObservation,
    SubscriptionOrder,
    SubscriptionWord,
)
from domain.values import new_id
from providers.base import Provider
from providers.dodo.adapter import Dodo
from providers.line import Line
from providers.stripe.adapter import Stripe
from tests.sandbox.sandbox_house import GOOD_CARD, NO_TLS, Json, Shop

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]

PRICE = Money(amount_minor=1_990_000, currency="HUF")
LATER_DECLINED, ASKS_EACH_TIME = "4000000000000341", "4000002760003184"
PRO, TEAM = "pdt_pro_1990000_HUF_month", "pdt_team_4990000_HUF_month"
THANKS = "https://shop.test/thanks"


def now() -> datetime:
    return datetime.now(UTC)


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=10) as client:
        yield client


def secrets(shop: Shop, **more: str) -> dict[str, str]:
    key = shop.client.headers["authorization"].removeprefix("Bearer ")
    return {"apiKey": key, "webhookSecret": shop.secret, **more}


@pytest.fixture
def stripe(shop: Shop, http: httpx.AsyncClient) -> Stripe:
    return Stripe(http, f"{shop.company.url}/stripe", secrets(shop), Line())


@pytest.fixture
def dodo(spare_shop: Shop, http: httpx.AsyncClient) -> Dodo:
    known = secrets(spare_shop, productId="pdt_any", environment="test_mode")
    return Dodo(http, f"{spare_shop.company.url}/dodo", known, Line())


def heard(adapter: Provider, shop: Shop) -> list[Any]:
    """What the adapter makes of all webhooks so far."""
    return [said for it in shop.letters for said in adapter.read_webhook(it.headers, it.body, now())]


async def acts(shop: Shop, page: str, number: str, *actions: str) -> None:
    for action in actions:
        path = page.removeprefix(shop.company.url)
        answer = await shop.client.post(path, data={"cardNumber": number, "action": action})
        assert answer.status_code in {200, 303}


def order(shop: Shop) -> PaymentOrder:
    return PaymentOrder(
        payment_id=shop.reference,
        tenant_id="ten_1",
        idempotency_key="key",
        digest="digest",
        user_id="user",
        money=PRICE,
        provider="stripe",
        success_url=THANKS,
        sandbox=True,
        created_at=now(),
        expires_at=now() + timedelta(hours=1),
    )


async def left(stripe: Stripe, shop: Shop, number: str) -> tuple[str, str]:
    """A customer who has left this card, and what it is called."""
    customer = await stripe.ensure_customer(Customer(id=f"cus_{uuid4().hex}", email="ann@example.com"))
    expires_at = now() + timedelta(hours=1)
    wish = SetupOrder(id=new_id("set", now()), customer=customer, success_url=THANKS, expires_at=expires_at)
    opened = await stripe.open_setup(wish)
    assert await stripe.open_setup(wish) == opened
    await acts(shop, opened.url, number, *(("pay", "approve") if number == ASKS_EACH_TIME else ("pay",)))
    return customer, (await stripe.saved_methods(customer))[0].reference


def charge(shop: Shop, customer: str, method: str) -> Charge:
    return Charge(payment_id=shop.reference, money=PRICE, customer=customer, method=method)


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """Its payment has a name of ours, which is dated."""
    shop.reference = new_id("pay", now())
    return shop


async def test_a_card_that_was_left_at_stripe_is_charged_and_the_charge_found_again(
    stripe: Stripe, shop: Shop
) -> None:
    wish = charge(shop, *await left(stripe, shop, GOOD_CARD))
    paid = await stripe.charge_saved(wish, now())
    again = await stripe.charge_saved(wish, now())
    found = await stripe.find_checkout(shop.reference, now())
    assert [said.word for said in (paid, again, found)] == [Word.PAID] * 3
    assert paid.reference == again.reference == found.reference
    assert paid.reference is not None
    assert (await stripe.close_checkout(paid.reference, now())).word is Word.PAID
    window = Window(since=now() - timedelta(hours=1), until=now() + timedelta(hours=1))
    books = await stripe.list_payments(window, None, now())
    assert [item.reference for item in books.items] == [paid.capture]
    assert len((await shop.ledger())["captures"]) == 1
    await shop.hears("checkout.session.completed", "payment_method.attached", "payment_intent.succeeded")
    [told] = [said for said in heard(stripe, shop) if isinstance(said, Observation)]
    [kept] = [said for said in heard(stripe, shop) if isinstance(said, CustomerObservation) and said.setup_id]
    assert (kept.reference, told.word, told.payment_id) == (wish.customer, Word.PAID, shop.reference)


async def test_a_charge_at_stripe_is_given_back(stripe: Stripe, shop: Shop) -> None:
    paid = await stripe.charge_saved(charge(shop, *await left(stripe, shop, GOOD_CARD)), now())
    wish = Refund(
        id=new_id("ref", now()),
        tenant_id="ten_1",
        payment_id=shop.reference,
        account_id="acc_1",
        provider="stripe",
        money=PRICE,
        state=RefundState.PENDING,
        origin=Origin.TENANT,
        checkout_reference=paid.reference or "",
        created_at=now(),
        updated_at=now(),
    )
    assert (await stripe.refund(wish, now())).word is RefundWord.SUCCEEDED
    assert (await stripe.find_refund(wish, now())).word is RefundWord.SUCCEEDED


async def test_a_charge_that_stripe_declined_has_failed_wherever_it_is_looked_at(
    stripe: Stripe, shop: Shop
) -> None:
    wish = charge(shop, *await left(stripe, shop, LATER_DECLINED))
    with pytest.raises(ProviderDeclined) as declined:
        await stripe.charge_saved(wish, now())
    assert (declined.value.reason, declined.value.again) == ("generic_decline", True)
    found = await stripe.find_checkout(shop.reference, now())
    assert (found.word, found.failure_code) == (Word.FAILED, "generic_decline")
    await shop.hears("checkout.session.completed", "payment_method.attached", "payment_intent.payment_failed")
    words = [said.word for said in heard(stripe, shop) if isinstance(said, Observation)]
    assert words == [Word.FAILED]


async def test_a_charge_that_wants_its_payer_can_take_nothing_any_more(stripe: Stripe, shop: Shop) -> None:
    wish = charge(shop, *await left(stripe, shop, ASKS_EACH_TIME))
    for _ in range(2):
        with pytest.raises(ProviderDeclined) as declined:
            await stripe.charge_saved(wish, now())
        assert (declined.value.reason, declined.value.again) == ("authentication_required", False)
    [tried] = (await shop.ledger())["charges"]
    assert tried["status"] == "cancelled"


async def test_a_checkout_at_stripe_keeps_what_its_customer_pays_with(stripe: Stripe, shop: Shop) -> None:
    customer = await stripe.ensure_customer(Customer(id=f"cus_{uuid4().hex}"))
    assert await stripe.saved_methods(customer) == ()
    opened = await stripe.open_checkout(order(shop), customer)
    await acts(shop, opened.url, GOOD_CARD, "pay")
    assert (await stripe.read_checkout(opened.reference, now())).word is Word.PAID
    [kept] = await stripe.saved_methods(customer)
    assert (kept.kind, kept.last4) == ("card", "4242")
    assert (await stripe.portal_url(customer, THANKS)).startswith(shop.company.url)


# --- A schedule that Dodo runs ----------------------------------------------------------------------------


async def subscribed(dodo: Dodo, shop: Shop, number: str = GOOD_CARD, **changes: Any) -> str:
    """Dodo's name of a subscription that has just begun."""
    customer = await dodo.ensure_customer(Customer(id="cus_ours", email="ann@example.com", name="Ann"))
    wish: Json = {"subscription_id": "sub_ours", "customer": customer, "price": PRO, "success_url": THANKS}
    wish |= {"expires_at": now() + timedelta(hours=1), **changes}
    opened = await dodo.subscribe(SubscriptionOrder.model_validate(wish))
    await acts(shop, opened.url, number, "pay")
    await shop.hears(*(("subscription.active",) if changes else ("payment.succeeded", "subscription.active")))
    return told(dodo, shop)[-1].reference


def told(dodo: Dodo, shop: Shop) -> list[SubscriptionObservation]:
    """What its webhooks say of the subscription, in the order in which it happened."""
    said = [each for each in heard(dodo, shop) if isinstance(each, SubscriptionObservation)]
    return sorted(said, key=lambda each: each.told_at or each.observed_at)


async def pushed(shop: Shop, days: int) -> None:
    await shop.company.control("POST", "clock", json={"advanceSeconds": days * 86_400})


async def test_dodo_renews_what_was_begun_and_its_words_are_put_in_order(
    dodo: Dodo, spare_shop: Shop
) -> None:
    reference = await subscribed(dodo, spare_shop)
    begun = await dodo.read_subscription(reference, now())
    assert (begun.word, begun.price, begun.subscription_id) == (SubscriptionWord.ACTIVE, PRO, "sub_ours")
    await pushed(spare_shop, 63)
    more = ["payment.succeeded", "subscription.renewed"] * 2
    await spare_shop.hears("payment.succeeded", "subscription.active", *more)
    bills = [said for said in heard(dodo, spare_shop) if isinstance(said, InvoiceObservation)]
    assert {(said.word, said.subscription, said.money) for said in bills} == {
        (InvoiceWord.PAID, reference, PRICE)
    }
    last, stands = told(dodo, spare_shop)[-1], await dodo.read_subscription(reference, now())
    assert last.current_period_end == stands.current_period_end
    assert begun.current_period_end is not None
    assert stands.current_period_end is not None
    assert stands.current_period_end > begun.current_period_end + timedelta(days=50)


async def test_a_trial_at_dodo_is_told_as_one(dodo: Dodo, spare_shop: Shop) -> None:
    reference = await subscribed(dodo, spare_shop, trial_days=14)
    found = await dodo.read_subscription(reference, now())
    assert (found.word, found.trial_end is not None) == (SubscriptionWord.TRIALING, True)
    assert (await spare_shop.company.control("GET", "ledger"))["captures"] == []
    await pushed(spare_shop, 15)
    assert (await dodo.read_subscription(reference, now())).word is SubscriptionWord.ACTIVE


async def test_what_dodo_cannot_collect_is_past_due_until_another_card_is_left(
    dodo: Dodo, spare_shop: Shop
) -> None:
    reference = await subscribed(dodo, spare_shop, LATER_DECLINED)
    await pushed(spare_shop, 32)
    held = await dodo.read_subscription(reference, now())
    assert held.word is SubscriptionWord.PAST_DUE
    assert held.customer is not None
    await acts(spare_shop, await dodo.portal_url(held.customer, THANKS), GOOD_CARD, "update")
    assert (await dodo.read_subscription(reference, now())).word is SubscriptionWord.ACTIVE
    assert (await dodo.saved_methods(held.customer))[0].last4 == "4242"


async def test_a_subscription_at_dodo_is_changed_and_ended(dodo: Dodo, spare_shop: Shop) -> None:
    reference = await subscribed(dodo, spare_shop)
    change = PlanChange(key="chg_1", price=TEAM, quantity=2)
    for _ in range(2):
        changed = await dodo.change_subscription(reference, change, now())
        assert (changed.price, changed.quantity) == (TEAM, 2)
    assert len((await spare_shop.company.control("GET", "ledger"))["captures"]) == 2
    ending = await dodo.cancel_subscription(reference, now(), at_period_end=True)
    assert (ending.word, ending.cancel_at_period_end) == (SubscriptionWord.ACTIVE, True)
    assert not (await dodo.keep_subscription(reference, now())).cancel_at_period_end
    for _ in range(2):
        ended = await dodo.cancel_subscription(reference, now(), at_period_end=False)
        assert ended.word is SubscriptionWord.CANCELED
