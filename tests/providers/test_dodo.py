"""The Dodo adapter against a scripted Dodo: what it sends, in which order, and what it never sends twice."""

import logging
from datetime import datetime, timedelta

import pytest

from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderConflict,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
)
from domain.evidence import Channel, Word
from domain.refund import RefundWord
from tests.providers.dodo_company import (
    FRESH_SESSION,
    KEY,
    MADE,
    MINE,
    NOW,
    ORDER,
    PAID,
    PART,
    PRICE,
    SESSION,
    Answer,
    Company,
    adapter,
    page,
    refund,
)
from tests.providers.dodo_samples import REFUND, Json

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
