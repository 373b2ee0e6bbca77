"""The Dodo adapter against a scripted Dodo: its books, its customers, charges without them, subscriptions."""

import json
from typing import Any, Final

import pytest

from domain.errors import OutcomeUnknown, ProviderDeclined, ProviderNotFound, ProviderRejected
from domain.evidence import Word
from domain.subscription import Charge, Customer, PlanChange, Proration, SubscriptionOrder, SubscriptionWord
from tests.providers.dodo_company import MINE, NOW, PAID, PRICE, WINDOW, Answer, Company, adapter, page
from tests.providers.dodo_samples import DISPUTE, REFUND, SUBSCRIPTION, Json

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


async def test_what_cannot_be_read_hides_nothing_else_of_a_list() -> None:
    odd: list[Any] = [
        None,
        "pay_1",
        PAID | {"metadata": "none"},
        PAID | {"subscription_id": 7, "metadata": 7},
    ]
    company = Company({"GET /payments": {"items": [*odd, PAID]}})
    found = (await adapter(company).list_payments(WINDOW, None, NOW)).items
    assert [each.said is not None for each in found] == [False, False, False, False, True]


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
