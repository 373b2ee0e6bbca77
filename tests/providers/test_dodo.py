"""The Dodo adapter against a scripted Dodo: what it sends, in which order, and what it never sends twice."""

import json
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import pytest

from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderConflict,
    ProviderDeclined,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
)
from domain.evidence import Channel, Word
from domain.money import Money
from domain.payment import PaymentOrder
from domain.reconciliation import Window
from domain.refund import Origin, Refund, RefundState, RefundWord
from domain.subscription import Charge, Customer, PlanChange, Proration, SubscriptionOrder, SubscriptionWord
from domain.values import derived_id
from providers.dodo import Dodo
from providers.line import Line
from tests.providers.dodo_samples import DISPUTE, PAYMENT, REFUND, SUBSCRIPTION, Json

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
MADE: Final = NOW - timedelta(minutes=10)
PRICE: Final = Money(amount_minor=1990000, currency="HUF")
PART: Final = Money(amount_minor=490000, currency="HUF")
KEY: Final = "key-that-nobody-sees"
SECRETS: Final = {
    "apiKey": KEY,
    "webhookSecret": f"whsec_{'A' * 32}",
    "productId": "pdt_any",
    "environment": "test_mode",
}
MINE: Final = derived_id("pay", MADE, "order")
PAID: Final[Json] = PAYMENT | {
    "metadata": {"paysaga_payment": MINE},
    "product_cart": [{"product_id": "pdt_sold", "quantity": 1}],
    "refunds": [],
}
SESSION: Final[Json] = {"id": "cks_1", "payment_id": "pay_theirs", "payment_status": "succeeded"}
FRESH_SESSION: Final[Json] = {"id": "cks_1", "payment_id": None, "payment_status": None}
ORDER: Final = PaymentOrder(
    payment_id=MINE,
    tenant_id="ten_1",
    idempotency_key="key",
    digest="digest",
    user_id="user",
    money=PRICE,
    provider="dodo",
    customer_email="payer@example.com",
    success_url="https://shop.example/thanks",
    metadata={"plan": "pro"},
    sandbox=True,
    created_at=MADE,
    expires_at=NOW + timedelta(hours=1),
)
WINDOW: Final = Window(since=NOW - timedelta(days=3), until=NOW)
Answer = Json | tuple[int, Json]


class Told(httpx.AsyncByteStream):
    def __init__(self, body: Json) -> None:
        self._body = json.dumps(body).encode()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


class Company:
    """Answers by method and path; the answers of a list one after the other. Of all else it never heard."""

    def __init__(self, answers: Mapping[str, Answer | list[Answer]]) -> None:
        self._answers = {
            call: list(said) if isinstance(said, list) else said for call, said in answers.items()
        }
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        said = self._answers.get(f"{request.method} {request.url.path}", (404, {"code": "NOT_FOUND"}))
        if isinstance(said, list):
            said = said.pop(0)
        status, body = said if isinstance(said, tuple) else (200, said)
        return httpx.Response(status, stream=Told(body))

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.asked]

    @property
    def sent(self) -> Json:
        body: Json = json.loads(self.asked[-1].content)
        return body


def adapter(company: Company, **secrets: str) -> Dodo:
    http = httpx.AsyncClient(transport=httpx.MockTransport(company))
    return Dodo(http, "https://dodo.example", SECRETS | secrets, Line())


def refund(money: Money = PRICE) -> Refund:
    return Refund(
        id="ref_ours",
        tenant_id="ten_1",
        payment_id=MINE,
        account_id="acc_1",
        provider="dodo",
        money=money,
        state=RefundState.PENDING,
        origin=Origin.TENANT,
        checkout_reference="cks_1",
        created_at=MADE,
        updated_at=MADE,
    )


def page(*items: Json, filled_up: int = 0) -> Json:
    return {"items": [*items, *([{"payment_id": "pay_x", "metadata": {}}] * filled_up)]}


# --- Checkouts -----------------------------------------------------------------------------------------


async def test_an_order_is_sold_as_the_merchants_product_and_the_payer_cannot_change_the_money() -> None:
    company = Company({"POST /checkouts": {"session_id": "cks_1", "checkout_url": "https://pay.example/1"}})
    checkout = await adapter(company).open_checkout(ORDER)
    assert (checkout.reference, checkout.url) == ("cks_1", "https://pay.example/1")
    assert company.sent == {
        "product_cart": [{"product_id": "pdt_any", "quantity": 1, "amount": 1990000}],
        "billing_currency": "HUF",
        "metadata": {"plan": "pro", "paysaga_payment": MINE},
        "feature_flags": {
            "allow_currency_selection": False,
            "allow_discount_code": False,
            "allow_tax_id": False,
        },
        "return_url": "https://shop.example/thanks",
        "cancel_url": None,
        "customer": {"email": "payer@example.com"},
    }


async def test_nothing_of_the_environment_or_of_this_machine_reaches_dodo(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DODO_PAYMENTS_API_KEY", "another")
    monkeypatch.setenv("DODO_PAYMENTS_BASE_URL", "https://elsewhere.example")
    monkeypatch.setenv("DODO_PAYMENTS_CUSTOM_HEADERS", "Authorization: Bearer another\nX-Odd: 1")
    company = Company({"POST /checkouts": {"session_id": "cks_1", "checkout_url": "https://pay.example/1"}})
    with caplog.at_level(logging.DEBUG):
        await adapter(company).open_checkout(ORDER)
    (request,) = company.asked
    assert str(request.url) == "https://dodo.example/checkouts"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert not [name for name in request.headers if name.startswith("x-")]
    assert caplog.records
    assert KEY not in caplog.text


async def test_other_money_than_the_product_is_priced_in_is_never_asked_for() -> None:
    company = Company({})
    with pytest.raises(ProviderRejected):
        await adapter(company, productCurrency="USD").open_checkout(ORDER)
    assert company.calls == []


@pytest.mark.parametrize("said", [{}, {"session_id": "cks_1", "checkout_url": None}, {"session_id": 7}])
async def test_an_answer_that_names_no_checkout_leaves_it_unknown(said: Json) -> None:
    with pytest.raises(OutcomeUnknown):
        await adapter(Company({"POST /checkouts": said})).open_checkout(ORDER)


async def test_a_checkout_is_what_its_payment_is() -> None:
    company = Company({"GET /checkouts/cks_1": SESSION, "GET /payments/pay_theirs": PAID})
    said = await adapter(company).read_checkout("cks_1", NOW)
    assert (said.word, said.captured, said.reference, said.payment_id) == (Word.PAID, PRICE, "cks_1", MINE)
    untried = await adapter(Company({"GET /checkouts/cks_1": FRESH_SESSION})).read_checkout("cks_1", NOW)
    assert (untried.word, untried.raw_state) == (Word.OPEN, "open")
    assert (await adapter(Company({})).read_checkout("cks_1", NOW)).word is Word.ABSENT


async def test_a_checkout_whose_payment_is_not_there_is_not_absent() -> None:
    with pytest.raises(ProviderUnavailable):
        await adapter(Company({"GET /checkouts/cks_1": SESSION})).read_checkout("cks_1", NOW)


async def test_closing_asks_and_ends_what_nobody_has_paid() -> None:
    company = Company({"GET /checkouts/cks_1": FRESH_SESSION})
    said = await adapter(company).close_checkout("cks_1", NOW)
    assert (said.word, said.channel) == (Word.EXPIRED, Channel.CLOSE)
    assert company.calls == ["GET /checkouts/cks_1"]


async def test_a_payment_is_found_on_any_page_by_our_name_alone() -> None:
    company = Company(
        {"GET /payments": [page(filled_up=100), page(PAID, filled_up=3)], "GET /payments/pay_theirs": PAID}
    )
    said = await adapter(company).find_checkout(MINE, NOW)
    assert (said.word, said.reference) == (Word.PAID, "cks_1")
    first, second, _ = (request.url.params for request in company.asked)
    assert (first["page_number"], second["page_number"], first["page_size"]) == ("0", "1", "100")
    assert datetime.fromisoformat(first["created_at_gte"]) == MADE - timedelta(minutes=5)


async def test_only_who_has_seen_all_says_that_there_is_none() -> None:
    none = Company({"GET /payments": [page(filled_up=100), page()]})
    assert (await adapter(none).find_checkout(MINE, NOW)).word is Word.ABSENT
    endless = Company({"GET /payments": page(filled_up=100)})
    with pytest.raises(OutcomeUnknown):
        await adapter(endless).find_checkout(MINE, NOW)
    with pytest.raises(OutcomeUnknown):
        await adapter(Company({"GET /payments": {"items": None}})).find_checkout(MINE, NOW)


# --- Refunds -------------------------------------------------------------------------------------------


async def test_a_whole_refund_names_no_part() -> None:
    answers: dict[str, Answer] = {"GET /checkouts/cks_1": SESSION, "GET /payments/pay_theirs": PAID}
    company = Company(answers | {"POST /refunds": REFUND | {"amount": 1990000}})
    said = await adapter(company).refund(refund(), NOW)
    assert (said.word, said.money, said.refund_id) == (RefundWord.SUCCEEDED, PRICE, "ref_ours")
    assert company.sent == {
        "payment_id": "pay_theirs",
        "metadata": {"paysaga_refund": "ref_ours", "paysaga_payment": MINE},
        "reason": None,
    }


async def test_a_part_is_named_by_the_product_sold_and_in_the_payers_currency() -> None:
    answers: dict[str, Answer] = {"GET /checkouts/cks_1": SESSION, "GET /payments/pay_theirs": PAID}
    company = Company(answers | {"POST /refunds": REFUND})
    await adapter(company).refund(refund(PART), NOW)
    assert company.sent["currency"] == "HUF"
    assert company.sent["items"] == [{"item_id": "pdt_sold", "amount": 490000, "tax_inclusive": True}]


@pytest.mark.parametrize("session", [FRESH_SESSION, SESSION])
async def test_what_captured_nothing_is_not_given_back(session: Json) -> None:
    failed = PAID | {"status": "failed"}
    company = Company({"GET /checkouts/cks_1": session, "GET /payments/pay_theirs": failed})
    with pytest.raises(ProviderRejected):
        await adapter(company).refund(refund(), NOW)
    assert "POST /refunds" not in company.calls


async def test_a_refund_finds_its_payment_when_the_checkout_is_gone() -> None:
    answers: dict[str, Answer] = {"GET /payments": page(PAID), "GET /payments/pay_theirs": PAID}
    company = Company(answers | {"POST /refunds": REFUND})
    assert (await adapter(company).refund(refund(PART), NOW)).money == PART


async def test_a_refund_is_found_by_our_name_among_those_of_its_payment() -> None:
    bare = {key: value for key, value in REFUND.items() if key != "metadata"}
    company = Company(
        {
            "GET /checkouts/cks_1": SESSION,
            "GET /payments/pay_theirs": PAID | {"refunds": [bare | {"refund_id": "ref_other"}, bare]},
            "GET /refunds/ref_other": REFUND | {"metadata": {}},
            "GET /refunds/ref_theirs": REFUND,
        }
    )
    said = await adapter(company).find_refund(refund(PART), NOW)
    assert (said.word, said.reference) == (RefundWord.SUCCEEDED, "ref_theirs")


async def test_a_refund_that_does_not_tell_whose_it_is_might_be_ours() -> None:
    bare = {key: value for key, value in REFUND.items() if key != "metadata"}
    answers: dict[str, Answer] = {"GET /checkouts/cks_1": SESSION, "GET /refunds/ref_theirs": bare}
    company = Company(answers | {"GET /payments/pay_theirs": PAID | {"refunds": [bare]}})
    with pytest.raises(OutcomeUnknown):
        await adapter(company).find_refund(refund(), NOW)
    none = Company({"GET /checkouts/cks_1": SESSION, "GET /payments/pay_theirs": PAID})
    assert (await adapter(none).find_refund(refund(), NOW)).word is RefundWord.ABSENT


# --- Books ---------------------------------------------------------------------------------------------


async def test_captures_are_listed_page_by_page_without_the_bills_of_subscriptions() -> None:
    bill = PAID | {"payment_id": "pay_bill", "subscription_id": "sub_1", "metadata": {}}
    late = PAID | {"payment_id": "pay_late", "created_at": NOW.isoformat()}
    company = Company({"GET /payments": [page(PAID, bill, late, filled_up=97), page()]})
    found = await adapter(company).list_payments(WINDOW, None, NOW)
    assert [each.reference for each in found.items if each.said] == ["pay_theirs"]
    assert found.next_cursor == "1"
    assert company.asked[0].url.params["status"] == "succeeded"
    assert (await adapter(company).list_payments(WINDOW, "1", NOW)).next_cursor is None
    assert company.asked[1].url.params["page_number"] == "1"


async def test_each_listed_refund_is_asked_whose_it_is() -> None:
    bare = {key: value for key, value in REFUND.items() if key != "metadata"}
    company = Company({"GET /refunds": {"items": [bare]}, "GET /refunds/ref_theirs": REFUND})
    (found,) = (await adapter(company).list_refunds(WINDOW, None, NOW)).items
    assert found.said is not None
    assert found.said.payment_id == "pay_ours"


async def test_disputes_are_listed_and_read() -> None:
    company = Company({"GET /disputes": {"items": [DISPUTE]}, "GET /disputes/dp_1": DISPUTE})
    (listed,) = (await adapter(company).list_disputes(WINDOW, None, NOW)).items
    said = await adapter(company).read_dispute("dp_1", NOW)
    assert (listed.reference, said.reference, said.capture) == ("dp_1", "dp_1", "pay_theirs")
    with pytest.raises(ProviderNotFound):
        await adapter(company).read_dispute("dp_2", NOW)


# --- Customers, charges, subscriptions -----------------------------------------------------------------


async def test_a_customer_is_made_once() -> None:
    known = {"customer_id": "cus_theirs", "metadata": {"paysaga_customer": "cus_ours"}}
    customer = Customer(id="cus_ours", email="payer@example.com")
    company = Company({"GET /customers": [page(), page(known)], "POST /customers": known})
    assert await adapter(company).ensure_customer(customer) == "cus_theirs"
    assert company.sent == {
        "email": "payer@example.com",
        "name": "payer@example.com",
        "metadata": {"paysaga_customer": "cus_ours"},
    }
    assert await adapter(company).ensure_customer(customer) == "cus_theirs"
    assert company.calls.count("POST /customers") == 1


async def test_a_portal_and_what_can_be_charged() -> None:
    card = {"card_network": "VISA", "last4_digits": "4242"}
    company = Company(
        {
            "POST /customers/cus_1/customer-portal/session": {"link": "https://portal.example"},
            "GET /customers/cus_1/payment-methods": {
                "items": [{"payment_method": "card", "payment_method_id": "pm_1", "card": card}]
            },
        }
    )
    assert await adapter(company).portal_url("cus_1", "https://shop.example") == "https://portal.example"
    assert company.asked[0].url.params["return_url"] == "https://shop.example"
    (method,) = await adapter(company).saved_methods("cus_1")
    assert (method.reference, method.brand, method.last4) == ("pm_1", "VISA", "4242")


CHARGE: Final = Charge(payment_id=MINE, money=PRICE, customer="cus_1", method="sub_1")


async def test_nobody_is_charged_twice_for_one_payment() -> None:
    charged = PAID | {"subscription_id": "sub_1", "checkout_session_id": None}
    company = Company(
        {
            "GET /payments": [page(), page(charged)],
            "POST /subscriptions/sub_1/charge": {"payment_id": "pay_theirs"},
            "GET /payments/pay_theirs": charged,
        }
    )
    for _ in range(2):
        said = await adapter(company).charge_saved(CHARGE, NOW)
        assert (said.word, said.captured, said.reference) == (Word.PAID, PRICE, "pay_theirs")
    assert company.calls.count("POST /subscriptions/sub_1/charge") == 1
    assert (await adapter(company).read_checkout("pay_theirs", NOW)).word is Word.PAID


async def test_a_charge_that_was_taken_but_cannot_be_read_is_unknown() -> None:
    taken: Json = {"payment_id": "pay_theirs"}
    company = Company({"GET /payments": page(), "POST /subscriptions/sub_1/charge": taken})
    with pytest.raises(OutcomeUnknown):
        await adapter(company).charge_saved(CHARGE, NOW)


async def test_a_charge_that_the_bank_refused_is_declined() -> None:
    failed = PAID | {"status": "failed", "error_code": "DO_NOT_HONOR"}
    company = Company({"GET /payments": page(failed), "GET /payments/pay_theirs": failed})
    with pytest.raises(ProviderDeclined):
        await adapter(company).charge_saved(CHARGE, NOW)


async def test_a_subscription_begins_at_a_checkout() -> None:
    company = Company({"POST /checkouts": {"session_id": "cks_2", "checkout_url": "https://pay.example/2"}})
    order = SubscriptionOrder(
        subscription_id="sub_ours", customer="cus_1", price="pdt_pro", trial_days=14, expires_at=NOW
    )
    assert (await adapter(company).subscribe(order)).reference == "cks_2"
    assert company.sent["subscription_data"] == {"trial_period_days": 14}
    assert company.sent["metadata"] == {"paysaga_subscription": "sub_ours"}


async def test_ending_what_has_ended_is_no_refusal() -> None:
    ended = SUBSCRIPTION | {"status": "cancelled"}
    again = Company({"PATCH /subscriptions/sub_1": (422, {"code": "SUBSCRIPTION_INACTIVE"})})
    with pytest.raises(ProviderNotFound):
        await adapter(again).cancel_subscription("sub_1", NOW, at_period_end=False)
    answers: dict[str, Answer] = {"PATCH /subscriptions/sub_1": (422, {"code": "SUBSCRIPTION_INACTIVE"})}
    over = Company(answers | {"GET /subscriptions/sub_1": ended})
    said = await adapter(over).cancel_subscription("sub_1", NOW, at_period_end=False)
    assert said.word is SubscriptionWord.CANCELED
    alive = Company(answers | {"GET /subscriptions/sub_1": SUBSCRIPTION})
    with pytest.raises(ProviderRejected):
        await adapter(alive).cancel_subscription("sub_1", NOW, at_period_end=True)
    assert json.loads(alive.asked[0].content) == {"cancel_at_next_billing_date": True}


@pytest.mark.parametrize(
    ("proration", "mode"),
    [(Proration.AT_ONCE, "prorated_immediately"), (Proration.NONE, "do_not_bill")],
)
async def test_a_plan_is_changed_and_billed_once(proration: Proration, mode: str) -> None:
    dearer = SUBSCRIPTION | {"product_id": "pdt_team"}
    change = PlanChange(key="chg_1", price="pdt_team", quantity=2, proration=proration)
    company = Company(
        {
            "GET /subscriptions/sub_1": [SUBSCRIPTION, dearer, dearer],
            "POST /subscriptions/sub_1/change-plan": {},
        }
    )
    for _ in range(2):
        assert (await adapter(company).change_subscription("sub_1", change, NOW)).price == "pdt_team"
    assert company.calls.count("POST /subscriptions/sub_1/change-plan") == 1
    assert json.loads(company.asked[1].content) == {
        "product_id": "pdt_team",
        "quantity": 2,
        "proration_billing_mode": mode,
        "on_payment_failure": "prevent_change",
    }


# --- Failures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "REFUND_WINDOW_EXPIRED", ProviderRejected),
        (400, "PAYMENT_ALREADY_REFUNDED", ProviderConflict),
        (409, "SOMETHING_ELSE", ProviderConflict),
        (422, "PREVIOUS_PAYMENT_PENDING", ProviderConflict),
        (422, "MERCHANT_NOT_LIVE", ProviderAuthFailed),
        (422, None, ProviderRejected),
        (401, "UNAUTHORIZED", ProviderAuthFailed),
        (404, "NOT_FOUND", ProviderNotFound),
        (429, "TOO_MANY_REQUESTS", ProviderUnavailable),
        (500, "INTERNAL_SERVER_ERROR", OutcomeUnknown),
    ],
)
async def test_what_the_wire_raises_comes_out_of_the_sdk_as_it_was(
    status: int, code: str | None, error: type[Exception]
) -> None:
    company = Company({"POST /checkouts": (status, {"code": code, "message": "text"})})
    with pytest.raises(error) as raised:
        await adapter(company).open_checkout(ORDER)
    assert type(raised.value) is error
    assert raised.value.__context__ is raised.value.__cause__
    assert len(company.asked) == 1
    told = str(raised.value)
    assert (code in told) if code is not None and status in {400, 409, 422} else "text" not in told


@pytest.mark.parametrize("name", ["", "..", "."])
async def test_a_name_that_no_address_can_carry_is_never_asked_for(name: str) -> None:
    company = Company({})
    with pytest.raises(ProviderRejected):
        await adapter(company).read_dispute(name, NOW)
    assert company.calls == []
