"""The whole saga at Stripe and at Dodo Payments, played by the sandbox: the tenant sees no difference."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx
import pytest

from tests.house import DECLINED, House, Json, Receiver, Tenant, refused, sandbox_keys
from tests.reliability.test_late_money import closed_but_payable, given_back_once, refunded
from tests.stories.test_books import owed_there
from tests.stories.test_disputes import ALL, books, decided, stands
from tests.stories.test_reconciliation import reconciled
from tests.stories.test_refunds import ask, becomes, refund

PART = 490000
PRO: Json = {"entitlements": [{"feature": "pro"}]}
CREDENTIALS: Final[Mapping[str, dict[str, str]]] = {
    "stripe": {},
    "dodo": {"productId": "pdt_any_amount", "environment": "test_mode"},
}
# What a provider's session is called when it took no money: there is no way to close one at Dodo.
LEFT_OPEN: Final = {"stripe": "expired", "dodo": "open"}


async def set_up(tenant: Tenant, name: str, api_key: str, webhook_secret: str) -> Json:
    credentials = CREDENTIALS[name] | {"apiKey": api_key, "webhookSecret": webhook_secret}
    body = {"credentials": credentials, "apiBase": f"{tenant.house.ready['sandboxUrl']}/{name}"}
    answer = await tenant.call("PUT", f"/v1/tenants/me/providers/{name}", json=body)
    assert answer.status_code == 200, answer.text
    account: Json = answer.json()
    return account


async def customer_of(tenant: Tenant, *names: str) -> Tenant:
    """A tenant that takes its money through these companies, and through no other."""
    for name in names:
        account = await set_up(tenant, name, "sk_unknown", f"whsec_{'A' * 32}")
        secret, key = sandbox_keys(tenant.house, account["accountId"])
        assert await set_up(tenant, name, key, secret) == account
    answer = await tenant.call("DELETE", "/v1/tenants/me/providers/sandbox")
    assert answer.status_code == 204, answer.text
    tenant.usual = {"successUrl": "https://shop.example/thanks", "cancelUrl": "https://shop.example/cart"}
    return tenant


@pytest.fixture(params=["stripe", "dodo"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def shop(house: House, receiver: Receiver, name: str) -> Tenant:
    return await customer_of(await house.tenant(webhook_url=receiver.url), name)


async def test_an_order_is_paid_settled_and_given_back_in_two_parts(
    house: House, shop: Tenant, receiver: Receiver, name: str
) -> None:
    payment = await shop.paid(**PRO)
    assert (payment["provider"], payment["sandbox"], payment["late"]) == (name, True, False)
    assert (await shop.entitled("pro"))["entitled"]
    assert (await receiver.event("payment.succeeded")).body["data"]["amount"] == ALL
    await becomes(shop, await refund(shop, payment, amount=PART, reason="too large"), "SUCCEEDED")
    assert (await shop.get(payment))["refundStatus"] == "PARTIAL"
    await becomes(shop, await refund(shop, payment), "SUCCEEDED")
    assert (await shop.get(payment))["refundStatus"] == "FULL"
    assert not (await shop.entitled("pro"))["entitled"]
    truth = await house.ledger(payment)
    assert [capture["amount"] for capture in truth["captures"]] == [ALL]
    assert [each["amount"] for each in truth["refunds"]] == [PART, ALL - PART]
    assert await books(shop) == {"tenant_revenue": -ALL, "refunds": ALL}


async def test_a_declined_card_leaves_the_checkout_to_another_one(house: House, shop: Tenant) -> None:
    payment = await shop.open(**PRO)
    await shop.pay(payment, card=DECLINED)
    await shop.pay(payment)
    await shop.eventually(payment, "SUCCEEDED")
    assert len((await house.ledger(payment))["captures"]) == 1


async def test_money_that_no_webhook_tells_of_is_asked_for(shop: Tenant) -> None:
    await shop.fault("webhook.send", "webhook", "lost", count=100)
    payment = await shop.open(**PRO)
    await shop.pay(payment)
    await shop.eventually(payment, "SUCCEEDED")


@pytest.mark.slow
async def test_time_runs_out_and_a_cancelled_order_is_free_again(
    house: House, shop: Tenant, name: str
) -> None:
    waiting = await shop.open(expiresInSeconds=180)
    wish: Json = {"orderId": "order-1", "expiresInSeconds": 3600}
    unwanted = await shop.open(**wish)
    answer = await shop.call("POST", f"/v1/payments/{unwanted['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    await shop.open(**wish)
    await shop.eventually(waiting, "EXPIRED")
    for payment in (waiting, unwanted):
        (session,) = (await house.ledger(payment))["sessions"]
        assert session["status"] == LEFT_OPEN[name]


async def test_late_money_goes_back_by_itself(shop: Tenant, receiver: Receiver) -> None:
    payment = await closed_but_payable(shop)
    await shop.pay(payment)
    found = await refunded(shop, payment)
    assert (found["status"], found["late"]) == ("CANCELLED", True)
    await given_back_once(shop, payment)
    await receiver.event("payment.late_succeeded")


async def test_a_checkout_whose_answer_was_lost_is_made_once_as_far_as_any_payer_knows(
    house: House, shop: Tenant, name: str
) -> None:
    await shop.fault("checkout.create", "after", "reset")
    answer = await shop.create(**PRO)
    payment = await shop.eventually(answer.json(), "PROVIDER_PENDING")
    await shop.pay(payment)
    await shop.eventually(payment, "SUCCEEDED")
    truth = await house.ledger(payment)
    # Without keys there are two over there; but nobody was ever told the address of the first.
    assert len(truth["sessions"]) == {"stripe": 1, "dodo": 2}[name]
    assert len(truth["captures"]) == 1


async def test_a_refund_whose_answer_was_lost_is_not_made_again(house: House, shop: Tenant) -> None:
    payment = await shop.paid()
    await shop.fault("refund.create", "after", "reset")
    await becomes(shop, await refund(shop, payment, amount=PART), "SUCCEEDED")
    (there,) = (await house.ledger(payment))["refunds"]
    assert there["amount"] == PART


async def test_a_refund_made_in_the_companys_dashboard_is_booked_as_theirs(
    house: House, shop: Tenant
) -> None:
    payment = await shop.paid()
    (capture,) = (await house.ledger(payment))["captures"]
    _, key = sandbox_keys(house, await shop.account())
    async with httpx.AsyncClient(base_url=house.ready["sandboxUrl"], trust_env=False) as http:
        body: dict[str, Any] = {"payment": capture["id"], "amount": PART}
        answer = await http.post("/v1/refunds", json=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 201, answer.text
    found = await refunded(shop, payment, "PARTIAL")
    assert found["amountRefunded"] == PART


@pytest.mark.parametrize("outcome", [pytest.param("won", marks=pytest.mark.slow), "lost"])
async def test_a_dispute_takes_the_right_and_its_end_decides(
    house: House, shop: Tenant, outcome: str
) -> None:
    payment = await shop.paid(**PRO)
    await shop.disputed(payment, reason="fraudulent")
    assert not (await shop.entitled("pro"))["entitled"]
    refused(await ask(shop, payment), 409, "payment_disputed")
    await decided(house, payment, outcome)
    await stands(shop, payment, outcome.upper())
    assert (await shop.entitled("pro"))["entitled"] is (outcome == "won")
    assert (await shop.get(payment))["disputeStatus"] == outcome.upper()


@pytest.mark.slow
async def test_the_companys_books_and_ours_agree(house: House, shop: Tenant) -> None:
    paid, partly = await asyncio.gather(shop.paid(), shop.paid())
    await becomes(shop, await refund(shop, partly, amount=PART), "SUCCEEDED")
    run = await reconciled(shop)
    assert (run["differences"], run["found"]) == ([], {})
    assert run["compared"]["payments"] == 2
    for payment in (paid, partly):
        lines = await shop.rows(
            "SELECT sum(amount_minor)::bigint AS sum FROM ledger_entries"
            " WHERE payment_id = $1 AND account = 'provider_receivable'",
            payment["id"],
        )
        assert lines[0]["sum"] == await owed_there(house, payment)


async def test_money_the_company_cannot_take_is_refused_and_the_key_stays_free(shop: Tenant) -> None:
    refused(await shop.create("key", currency="IRR"), 422, "currency_unsupported")
    assert (await shop.create("key")).status_code == 201


async def test_less_than_the_company_takes_is_refused_and_changes_nothing(shop: Tenant) -> None:
    refused(await shop.create("key", amount=174_99), 422, "amount_out_of_range")
    assert (await shop.call("GET", "/v1/payments")).json()["total"] == 0


async def test_a_company_that_says_no_leaves_the_payment_to_the_next(house: House, tenant: Tenant) -> None:
    await customer_of(tenant, "stripe", "dodo")
    rules = [{"currencies": ["HUF"], "providers": ["stripe", "dodo"]}]
    answer = await tenant.call("PATCH", "/v1/tenants/me/settings", json={"routingRules": rules})
    assert answer.status_code == 200, answer.text
    await tenant.fault("checkout.create", "before", "refuse")
    payment = await tenant.paid(**PRO)
    assert payment["provider"] == "dodo"
    assert (await tenant.entitled("pro"))["entitled"]
    truth = await house.ledger(payment)
    assert [len(truth[what]) for what in ("sessions", "captures")] == [1, 1]


@pytest.mark.parametrize("sandbox", [True, False])
@pytest.mark.parametrize(
    ("name", "live", "test"),
    [
        ("stripe", {"apiKey": "sk_live_1"}, {"apiKey": "rk_test_1"}),
        ("dodo", {"environment": "live_mode"}, {"environment": "test_mode"}),
    ],
)
async def test_play_money_and_real_money_keep_apart(
    house: House, name: str, live: Json, test: Json, *, sandbox: bool
) -> None:
    tenant = await house.tenant(sandbox=sandbox)
    usual = CREDENTIALS[name] | {"apiKey": "key", "webhookSecret": f"whsec_{'A' * 32}"}
    path, wrong, right = f"/v1/tenants/me/providers/{name}", *((live, test) if sandbox else (test, live))
    refusal = refused(
        await tenant.call("PUT", path, json={"credentials": usual | wrong}), 422, "validation_failed"
    )
    assert refusal["errors"][0]["pointer"] == "/credentials"
    assert (await tenant.call("PUT", path, json={"credentials": usual | right})).status_code == 200
