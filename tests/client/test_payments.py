"""Payments through the client: the order is paid once, whoever asks how often."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from paysaga_client import (
    AsyncPaysaga,
    Grant,
    IdempotencyConflict,
    LimitExceeded,
    NotFound,
    OrderAlreadyPaid,
    OrderHasOpenPayment,
    Paysaga,
    RefundExceedsCaptured,
    ValidationFailed,
    WaitTimeout,
)
from paysaga_client.models import CreatedPayment
from tests.house import CARD, DECLINED, Tenant


async def order(shop: AsyncPaysaga, amount: int = 1990000) -> CreatedPayment:
    """Payment for an order of this shop, which can be paid."""
    payment = await shop.payments.create(
        user_id="user-123",
        amount=amount,
        currency="HUF",
        order_id="order-456",
        entitlements=[Grant(feature="exports")],
        metadata={"cart": "789"},
    )
    if payment.checkout_url is None and not payment.ended:
        # A machine with much to do has its checkout a moment later.
        ready = await shop.payments.wait_for_checkout(payment.id)
        return payment.model_copy(update={"status": ready.status, "checkout_url": ready.checkout_url})
    return payment


async def tip(shop: AsyncPaysaga, amount: int = 500, key: str | None = None) -> CreatedPayment:
    """A payment for no order."""
    return await shop.payments.create(user_id="user-123", amount=amount, currency="EUR", idempotency_key=key)


def pay(url: str | None, card: str = CARD, action: str = "pay") -> None:
    """Be the payer at the hosted checkout."""
    assert url is not None
    with httpx.Client(trust_env=False) as browser:
        assert browser.post(url, data={"cardNumber": card, "action": action}).status_code < 400


async def test_a_payment_is_made_paid_used_and_given_back(shop: AsyncPaysaga) -> None:
    payment = await order(shop)
    assert (payment.status, payment.metadata) == ("PROVIDER_PENDING", {"cart": "789"})
    await asyncio.to_thread(pay, payment.checkout_url)
    paid = await shop.payments.wait(payment.id)
    assert (paid.paid, paid.events[0].type) == (True, "payment.created")
    assert await shop.entitlements.check("exports", "user-123")
    assert not await shop.entitlements.check("imports", "user-123")
    used = [await shop.entitlements.use("exports", "user-123", reference="job-1") for _ in range(2)]
    assert [each.used for each in used] == [1, 1]
    with pytest.raises(LimitExceeded) as left:
        await shop.entitlements.use("imports", "user-123")
    assert left.value.remaining == 0
    refund = await shop.payments.refund(payment.id, reason="one of two was broken", reference="complaint-1")
    again = await shop.payments.refund(payment.id, reason="one of two was broken", reference="complaint-1")
    assert (refund.id, refund.amount) == (again.id, 1990000)
    with pytest.raises(IdempotencyConflict):
        await shop.payments.refund(payment.id, amount=100, reference="complaint-1")
    with pytest.raises(RefundExceedsCaptured):
        await shop.payments.refund(payment.id)
    assert [each.id async for each in shop.refunds.iterate(payment_id=payment.id)] == [refund.id]


def test_the_same_goes_for_programs_that_do_one_thing_after_the_other(kiosk: Paysaga) -> None:
    payment = kiosk.payments.create(
        user_id="u", amount=500, currency="EUR", order_id="o", entitlements=[Grant(feature="pro")]
    )
    ready = kiosk.payments.wait_for_checkout(payment.id)
    pay(ready.checkout_url)
    assert kiosk.payments.wait(payment.id).paid
    assert kiosk.entitlements.check("pro", "u").reason == "active"
    assert [each.id for each in kiosk.payments.iterate(order_id="o")] == [payment.id]


async def test_whoever_forgot_that_it_asked_meets_its_payment_again(shop: AsyncPaysaga) -> None:
    first, *others = await asyncio.gather(*(order(shop) for _ in range(3)))
    assert {each.id for each in others} == {first.id}
    pay(first.checkout_url)
    await shop.payments.wait(first.id)
    again = await order(shop)
    assert (again.id, again.status, again.checkout_token) == (first.id, "SUCCEEDED", first.checkout_token)


async def test_an_order_whose_payment_came_to_nothing_gets_another(shop: AsyncPaysaga) -> None:
    given_up = await order(shop)
    await asyncio.to_thread(pay, given_up.checkout_url, DECLINED, "close")
    assert (await shop.payments.wait(given_up.id)).status == "CANCELLED"
    second = await order(shop)
    assert second.id != given_up.id
    assert (await order(shop)).id == second.id


async def test_an_order_that_costs_something_else_now_is_refused(shop: AsyncPaysaga) -> None:
    first = await order(shop)
    with pytest.raises(OrderHasOpenPayment) as refusal:
        await order(shop, amount=1980000)
    assert refusal.value.payment_id == first.id
    await asyncio.to_thread(pay, first.checkout_url)
    await shop.payments.wait(first.id)
    with pytest.raises(OrderAlreadyPaid):
        await order(shop, amount=1980000)


async def test_a_key_of_ones_own_wins_and_without_an_order_each_call_is_another(shop: AsyncPaysaga) -> None:
    kept = [await tip(shop, key="mine") for _ in range(2)]
    fresh = [await tip(shop) for _ in range(2)]
    assert len({payment.id for payment in kept}) == 1
    assert len({payment.id for payment in kept + fresh}) == 3
    with pytest.raises(IdempotencyConflict):
        await tip(shop, 600, key="mine")


async def test_a_refusal_says_what_and_where(shop: AsyncPaysaga) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        await shop.payments.create(user_id="u", amount=5, currency="EUR", success_url="nowhere")
    assert [fault.pointer for fault in refusal.value.errors] == ["/successUrl"]
    assert refusal.value.request_id is not None
    with pytest.raises(NotFound):
        await shop.payments.get("pay_/../../tenants/me")


async def test_waiting_ends_and_stops_nothing(shop: AsyncPaysaga) -> None:
    payment = await order(shop)
    with pytest.raises(WaitTimeout) as waited:
        await shop.payments.wait(payment.id, timedelta())
    assert waited.value.status in {"CREATED", "PROVIDER_PENDING"}
    assert (await shop.payments.cancel(payment.id)).id == payment.id


async def test_a_list_is_gone_through_to_its_end(tenant: Tenant, shop: AsyncPaysaga) -> None:
    payments = [await tip(shop) for _ in range(3)]
    newest = [payment.id for payment in reversed(payments)]
    page = await shop.payments.list(limit=2)
    assert ([each.id for each in page.data], page.total) == (newest[:2], 3)
    rest = await shop.payments.list(limit=2, cursor=page.next_cursor)
    assert [each.id for each in rest.data] == newest[2:]
    assert [each.id async for each in shop.payments.iterate(user_id="user-123")] == newest
    assert [each.tenant_id async for each in shop.payments.iterate(status="FAILED")] == []
    assert payments[0].tenant_id == tenant.id
