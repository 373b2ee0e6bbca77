"""Our adapter and the company itself: charges without the payer, lost answers, and what webhooks tell."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from domain.errors import OutcomeUnknown, ProviderDeclined, ProviderRejected
from domain.evidence import Observation, Word
from domain.money import Money
from domain.payment import PaymentOrder
from domain.reconciliation import Window
from domain.refund import Origin, Refund, RefundState, RefundWord
from domain.subscription import Charge, ClockObservation, Customer, CustomerObservation, SetupOrder
from providers.base import Heard
from providers.line import Line
from providers.sandbox import Sandbox
from tests.sandbox.patron import LATER
from tests.sandbox.sandbox_house import GOOD_CARD, NO_TLS, Shop

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]

PRICE = Money(amount_minor=1_990_000, currency="HUF")
HARD = {"lost_card", "stolen_card", "expired_card"}


def now() -> datetime:
    """Read the clock on the wall."""
    return datetime.now(UTC)


@dataclass
class Biller:
    """What billing asks of the company for one customer, in the words of the port."""

    shop: Shop
    http: httpx.AsyncClient
    customer: str = ""
    ours: str = ""

    @property
    def adapter(self) -> Sandbox:
        """Have an adapter made for this call, as each activity has."""
        key = self.shop.client.headers["authorization"].removeprefix("Bearer ")
        secrets = {"apiKey": key, "webhookSecret": self.shop.secret}
        return Sandbox(self.http, self.shop.company.url, secrets, Line())

    async def setup(self, number: str = GOOD_CARD) -> None:
        """Have the customer leave a card; where the bank asks, they approve."""
        order = SetupOrder(
            id=f"set_{uuid4().hex}", customer=self.customer, expires_at=now() + timedelta(hours=1)
        )
        page = await self.adapter.open_setup(order)
        assert await self.adapter.open_setup(order) == page
        answer = await self.shop.client.post(page.url, data={"cardNumber": number, "action": "pay"})
        if "approve" in answer.text:
            await self.shop.client.post(page.url, data={"action": "approve"})

    async def charge(self, **changes: str) -> Observation:
        """Charge what the customer wants used, under the shop's reference."""
        order = Charge(
            payment_id=self.shop.reference,
            money=PRICE,
            customer=self.customer,
            method=changes.get("method") or (await self.adapter.saved_methods(self.customer))[0].reference,
            description="Pro, November",
        )
        return await self.adapter.charge_saved(order, now())

    async def find(self) -> Observation:
        """Ask what became of our payment id."""
        return await self.adapter.find_checkout(self.shop.reference, now())

    async def captures(self) -> list[int]:
        """Read what was really taken."""
        return [capture["amount"] for capture in (await self.shop.ledger())["captures"]]

    def heard(self) -> list[Heard]:
        """Read every webhook that has come."""
        letters = [(letter.headers, letter.body) for letter in self.shop.letters]
        return [said for sent in letters for said in self.adapter.read_webhook(*sent, now())]


async def _biller(shop: Shop) -> AsyncIterator[Biller]:
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        biller = Biller(shop, http, ours=f"cus_{uuid4().hex}")
        who = Customer(id=biller.ours, email="payer@example.com")
        biller.customer = await biller.adapter.ensure_customer(who)
        moved = who.model_copy(update={"email": "moved@example.com"})
        assert await biller.adapter.ensure_customer(moved) == biller.customer
        yield biller


@pytest_asyncio.fixture
async def biller(shop: Shop) -> AsyncIterator[Biller]:
    """Bill a customer of a shop."""
    async for made in _biller(shop):
        yield made


@pytest_asyncio.fixture
async def spare_biller(spare_shop: Shop) -> AsyncIterator[Biller]:
    """Bill a customer where the clock may be pushed."""
    async for made in _biller(spare_shop):
        yield made


async def test_a_charge_is_known_like_a_checkout(biller: Biller) -> None:
    await biller.setup()
    said = await biller.charge()
    assert (said.word, said.payment_id, said.captured) == (Word.PAID, biller.shop.reference, PRICE)
    assert said.reference is not None
    for again in (
        await biller.find(),
        await biller.adapter.read_checkout(said.reference, now()),
        await biller.adapter.close_checkout(said.reference, now()),
    ):
        assert (again.word, again.reference, again.captured) == (Word.PAID, said.reference, PRICE)
    window = Window(since=now() - timedelta(hours=1), until=now() + timedelta(hours=1))
    [listed] = (await biller.adapter.list_payments(window, None, now())).items
    assert isinstance(listed.said, Observation)
    assert (listed.said.reference, listed.said.payment_id) == (said.reference, said.payment_id)


async def test_a_charge_is_given_back_like_a_checkout(biller: Biller) -> None:
    await biller.setup()
    said = await biller.charge()
    order = Refund(
        id=f"ref_{uuid4().hex}",
        tenant_id="ten_1",
        payment_id=biller.shop.reference,
        account_id="acc_1",
        provider="sandbox",
        money=PRICE,
        state=RefundState.PENDING,
        origin=Origin.TENANT,
        checkout_reference=said.reference or "",
        created_at=now(),
        updated_at=now(),
    )
    assert (await biller.adapter.refund(order, now())).word is RefundWord.SUCCEEDED
    assert (await biller.adapter.find_refund(order, now())).money == PRICE


async def test_a_checkout_with_a_customer_leaves_something_to_charge(biller: Biller) -> None:
    order = PaymentOrder(
        payment_id=f"pay_{uuid4().hex}",
        tenant_id="ten_1",
        idempotency_key="key",
        digest="digest",
        user_id="user-1",
        money=PRICE,
        provider="sandbox",
        sandbox=True,
        created_at=now(),
        expires_at=now() + timedelta(hours=1),
    )
    page = await biller.adapter.open_checkout(order, biller.customer)
    await biller.shop.client.post(page.url, data={"cardNumber": GOOD_CARD, "action": "pay"})
    [method] = await biller.adapter.saved_methods(biller.customer)
    assert (method.kind, method.brand, method.last4) == ("card", "visa", "4242")
    assert (await biller.charge()).word is Word.PAID


@pytest.mark.parametrize(
    ("number", "reason"), [item for item in LATER.items() if item[1] != "authentication_required"]
)
async def test_a_decline_says_why_and_whether_to_try_again_and_is_found_as_that(
    biller: Biller, number: str, reason: str
) -> None:
    await biller.setup(number)
    with pytest.raises(ProviderDeclined) as declined:
        await biller.charge()
    assert (declined.value.reason, declined.value.again) == (reason, reason not in HARD)
    found = await biller.find()
    assert (found.word, found.failure_code, found.captured) == (Word.FAILED, reason, None)
    await biller.shop.hears("setup_session.completed", "customer.method_saved", "charge.failed")
    [told] = [said for said in biller.heard() if isinstance(said, Observation)]
    assert (told.word, told.failure_code, told.reference) == (Word.FAILED, reason, found.reference)


async def test_a_charge_that_the_payer_must_approve_is_an_attempt_that_failed(biller: Biller) -> None:
    await biller.setup("4000002760003184")
    said = await biller.charge()
    assert (said.word, said.failure_code) == (Word.ATTEMPT_FAILED, "authentication_required")
    found = await biller.find()
    assert (found.word, found.failure_code) == (Word.FAILED, "authentication_required")


async def test_a_card_that_was_removed_is_declined_for_good_and_nothing_is_left_of_it(biller: Biller) -> None:
    await biller.setup()
    [method] = await biller.adapter.saved_methods(biller.customer)
    portal = await biller.adapter.portal_url(biller.customer, "https://shop.example/account")
    await biller.shop.client.post(portal, data={"action": "remove"})
    assert await biller.adapter.saved_methods(biller.customer) == ()
    with pytest.raises(ProviderDeclined) as declined:
        await biller.charge(method=method.reference)
    assert (declined.value.reason, declined.value.again) == ("payment_method_removed", False)
    assert (await biller.find()).word is Word.ABSENT


# --- When something goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["reset", "status:500", "status:503", "truncate", "html"])
async def test_a_charge_whose_answer_was_lost_is_found_by_our_payment_id(biller: Biller, fault: str) -> None:
    await biller.setup()
    await biller.shop.fault("charge.create", "after", fault)
    with pytest.raises(OutcomeUnknown):
        await biller.charge()
    found = await biller.find()
    assert (found.word, found.captured) == (Word.PAID, PRICE)
    again = await biller.charge()
    assert (again.word, again.reference) == (Word.PAID, found.reference)
    assert await biller.captures() == [PRICE.amount_minor]


@pytest.mark.parametrize("fault", ["reset", "status:500"])
async def test_a_decline_whose_answer_was_lost_is_found_with_its_reason(biller: Biller, fault: str) -> None:
    await biller.setup("4000034100089995")
    await biller.shop.fault("charge.create", "after", fault)
    with pytest.raises(OutcomeUnknown):
        await biller.charge()
    found = await biller.find()
    assert (found.word, found.failure_code) == (Word.FAILED, "insufficient_funds")


@pytest.mark.parametrize("fault", ["reset", "status:500"])
async def test_a_charge_that_never_was_is_absent_and_may_be_made(biller: Biller, fault: str) -> None:
    await biller.setup()
    await biller.shop.fault("charge.create", "before", fault)
    with pytest.raises(OutcomeUnknown):
        await biller.charge()
    assert (await biller.find()).word is Word.ABSENT
    assert (await biller.charge()).word is Word.PAID
    assert await biller.captures() == [PRICE.amount_minor]


async def test_a_charge_that_is_refused_is_nothing(biller: Biller) -> None:
    await biller.setup()
    await biller.shop.fault("charge.create", "before", "refuse")
    with pytest.raises(ProviderRejected):
        await biller.charge()
    assert await biller.captures() == []


@pytest.mark.parametrize(("operation", "when"), [("charge.create", "answer"), ("webhook.send", "webhook")])
async def test_wrong_money_is_what_was_really_taken(biller: Biller, operation: str, when: str) -> None:
    await biller.setup()
    await biller.shop.hears("setup_session.completed", "customer.method_saved")
    await biller.shop.fault(operation, when, "wrongAmount")
    said = await biller.charge()
    assert said.captured is not None
    assert [said.captured.amount_minor] == await biller.captures() != [PRICE.amount_minor]
    await biller.shop.hears("setup_session.completed", "customer.method_saved", "charge.succeeded")
    [told] = [one for one in biller.heard() if isinstance(one, Observation)]
    assert told.captured == said.captured


async def test_a_word_nobody_knows_is_unclear(biller: Biller) -> None:
    await biller.setup()
    await biller.shop.fault("charge.create", "answer", "unknownWord")
    assert (await biller.charge()).word is Word.UNCLEAR
    await biller.shop.fault("charge.read", "answer", "unknownWord")
    found = await biller.find()
    assert found.word is Word.PAID
    assert (await biller.adapter.read_checkout(found.reference or "", now())).word is Word.UNCLEAR


async def test_the_news_of_a_charge_may_overtake_its_answer(biller: Biller) -> None:
    await biller.setup()
    await biller.shop.hears("setup_session.completed", "customer.method_saved")
    await biller.shop.fault("charge.create", "webhook", "beforeAnswer")
    await biller.charge()
    assert biller.shop.told()[-1] == "charge.succeeded"


@pytest.mark.parametrize("fault", ["reset", "status:503"])
@pytest.mark.parametrize("operation", ["customer.create", "setup.create", "portal.create"])
async def test_what_was_lost_on_the_way_can_be_asked_for_again(
    biller: Biller, operation: str, fault: str
) -> None:
    await biller.setup()
    adapter, who = biller.adapter, Customer(id=biller.ours)
    order = SetupOrder(id="set_1", customer=biller.customer, expires_at=now() + timedelta(hours=1))
    asks: dict[str, Callable[[], Awaitable[object]]] = {
        "customer.create": lambda: adapter.ensure_customer(who),
        "setup.create": lambda: adapter.open_setup(order),
        "portal.create": lambda: adapter.portal_url(biller.customer, "https://shop.example/account"),
    }
    ask = asks[operation]
    await biller.shop.fault(operation, "after", fault)
    with pytest.raises(OutcomeUnknown):
        await ask()
    assert await ask()


# --- What webhooks tell -----------------------------------------------------------------------------


async def test_a_webhook_tells_of_the_customer_whose_cards_have_changed(biller: Biller) -> None:
    await biller.setup()
    portal = await biller.adapter.portal_url(biller.customer, "https://shop.example/account")
    await biller.shop.client.post(portal, data={"action": "remove"})
    await biller.shop.hears("setup_session.completed", "customer.method_saved", "customer.method_removed")
    for said in biller.heard():
        assert isinstance(said, CustomerObservation)
        # The page is told by our name of the page, the others by that of the customer.
        ours = biller.ours if said.setup_id is None else None
        assert (said.reference, said.customer_id, said.sandbox) == (biller.customer, ours, True)
        kinds = {"setup_session.completed", "customer.method_saved", "customer.method_removed"}
        assert said.raw_state in kinds


async def test_a_webhook_tells_by_how_much_the_clock_is_ahead(spare_biller: Biller) -> None:
    shop = spare_biller.shop
    for seconds in (86_400, 3_600):
        await shop.company.control("POST", "clock", json={"advanceSeconds": seconds})
    await shop.hears("clock.advanced", "clock.advanced")
    ahead = [said.ahead_seconds for said in spare_biller.heard() if isinstance(said, ClockObservation)]
    assert ahead == [86_400, 90_000]
