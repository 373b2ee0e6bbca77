"""What the tests of Stripe's adapter ask for."""

from datetime import UTC, datetime, timedelta

from domain.money import Money
from domain.payment import PaymentOrder
from domain.refund import Origin, Refund, RefundState
from domain.values import derived_id

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAYMENT_ID = derived_id("pay", NOW, "a payment")
HUF = Money(amount_minor=1_990_000, currency="HUF")


def order(money: Money = HUF, life: timedelta = timedelta(minutes=15), **more: object) -> PaymentOrder:
    """A payment of 19 900 forints, for a quarter of an hour."""
    wanted = {
        "payment_id": PAYMENT_ID,
        "tenant_id": "ten_1",
        "idempotency_key": "key",
        "digest": "d",
        "user_id": "user-123",
        "money": money,
        "provider": "stripe",
        "description": "A year of Pro",
        "customer_email": "anna@example.com",
        "success_url": "https://shop.example/thanks",
        "cancel_url": "https://shop.example/basket",
        "metadata": {"campaign": "spring"},
        "sandbox": True,
        "created_at": NOW,
        "expires_at": NOW + life,
    }
    return PaymentOrder.model_validate(wanted | more)


def refund(checkout: str, money: Money = HUF, reason: str | None = "Wrong size") -> Refund:
    return Refund(
        id=derived_id("ref", NOW, "a refund"),
        tenant_id="ten_1",
        payment_id=PAYMENT_ID,
        account_id="acc_1",
        provider="stripe",
        money=money,
        state=RefundState.PENDING,
        origin=Origin.TENANT,
        reason=reason,
        checkout_reference=checkout,
        created_at=NOW,
        updated_at=NOW,
    )
