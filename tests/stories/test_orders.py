"""What is ordered: once at a time, paid once, an amount within bounds, until a deadline."""

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.house import House, Json, Tenant, refused

BANK_REFUSES = "9000000000000019"


# --- The order ------------------------------------------------------------------------------------


async def test_an_order_has_one_open_payment(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(orderId="order-1")
    no = refused(await tenant.create(orderId="order-1"), 409, "order_has_open_payment")
    assert no["paymentId"] == payment["id"]
    await tenant.open(orderId="order-2")
    await (await house.tenant()).open(orderId="order-1")


async def test_an_order_is_paid_once(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(orderId="order-1")
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    no = refused(await tenant.create(orderId="order-1"), 409, "order_already_paid")
    assert no["paymentId"] == payment["id"]
    assert len((await house.control("GET", "ledger", reference=payment["id"]))["captures"]) == 1


async def test_an_order_is_free_again_after_its_payment_failed(tenant: Tenant) -> None:
    payment = await tenant.open(orderId="order-1")
    await tenant.pay(payment, card=BANK_REFUSES)
    await tenant.eventually(payment, "FAILED")
    await tenant.open(orderId="order-1")


async def test_an_order_is_free_again_after_its_payment_expired(tenant: Tenant) -> None:
    payment = await tenant.open(orderId="order-1", expiresInSeconds=180)
    await tenant.eventually(payment, "EXPIRED")
    await tenant.open(orderId="order-1")


async def test_an_order_is_free_again_after_its_payment_was_cancelled(tenant: Tenant) -> None:
    payment = await tenant.open(orderId="order-1")
    await tenant.pay(payment, action="close")
    await tenant.eventually(payment, "CANCELLED")
    await tenant.open(orderId="order-1")


async def test_ten_requests_at_once_for_one_order_make_one_payment(tenant: Tenant) -> None:
    answers = await asyncio.gather(*(tenant.create(orderId="order-1") for _ in range(10)))
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(made) == 1
    for answer in answers:
        if answer.status_code != 201:
            assert refused(answer, 409, "order_has_open_payment")["paymentId"] == made[0]["id"]


async def test_requests_for_one_order_race_with_its_payments_failing(tenant: Tenant) -> None:
    # Whoever is refused because of another payment may find it failed, and the order free, a moment later.
    await tenant.fault("checkout.create", "before", "refuse", count=100)
    answers = await asyncio.gather(*(tenant.create(orderId="order-1") for _ in range(30)))
    for answer in answers:
        code = "provider_misconfigured" if answer.status_code == 502 else "order_has_open_payment"
        refused(answer, 502 if answer.status_code == 502 else 409, code)


# --- The amount -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "least", "most"),
    [
        ("HUF", 100, 1_000_000_000),
        ("EUR", 50, 100_000_000),
        ("USD", 50, 100_000_000),
        ("JPY", 1, 100_000_000),
        ("KWD", 1, 100_000_000),
    ],
)
async def test_amounts_have_bounds_and_both_are_good(
    tenant: Tenant, currency: str, least: int, most: int
) -> None:
    for amount in (least, most):
        payment = await tenant.open(currency=currency, amount=amount)
        assert (payment["amount"], payment["currency"]) == (amount, currency)
    for amount in (least - 1, most + 1, -least):
        no = refused(await tenant.create(currency=currency, amount=amount), 422, "amount_out_of_range")
        assert [error["pointer"] for error in no["errors"]] == ["/amount"]


async def test_a_currency_nobody_uses_is_unsupported(tenant: Tenant) -> None:
    for currency in ("ABC", "XXX", "XAU", "DEM"):
        no = refused(await tenant.create(currency=currency), 422, "currency_unsupported")
        assert [error["pointer"] for error in no["errors"]] == ["/currency"]
    for nonsense in ("huf", "EURO", "", "E R"):
        refused(await tenant.create(currency=nonsense), 422, "validation_failed")


# --- The deadline ---------------------------------------------------------------------------------


def life(payment: Json) -> timedelta:
    return datetime.fromisoformat(payment["expiresAt"]) - datetime.fromisoformat(payment["createdAt"])


async def test_the_deadline_is_the_orders_else_the_tenants_else_a_quarter_of_an_hour(tenant: Tenant) -> None:
    # A business minute is a second here.
    assert life(await tenant.open()) == timedelta(seconds=15)
    assert life(await tenant.open(expiresInSeconds=600)) == timedelta(seconds=10)
    settings = {"checkoutExpiresInSeconds": 1200}
    await tenant.call("PATCH", "/v1/tenants/me/settings", json=settings)
    assert life(await tenant.open()) == timedelta(seconds=20)
    assert life(await tenant.open(expiresInSeconds=86400)) == timedelta(minutes=24)


async def test_a_deadline_is_between_a_minute_and_a_day(tenant: Tenant) -> None:
    for seconds in (59, 86401, 0, -60):
        refused(await tenant.create(expiresInSeconds=seconds), 422, "validation_failed")
