"""What tenants are told: contract § 6."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import envelope, payment_announcement, rfc3339
from domain.money import Money
from domain.payment import Payment, PaymentOrder, PaymentStatus

NOW = datetime(2026, 1, 1, 12, 30, 59, 123456, tzinfo=UTC)


def payment(status: PaymentStatus = PaymentStatus.SUCCEEDED, **facts: str) -> Payment:
    order = PaymentOrder(
        payment_id="pay_1",
        tenant_id="ten_1",
        idempotency_key="k",
        digest="d",
        user_id="user-123",
        money=Money(amount_minor=1_990_000, currency="HUF"),
        provider="sandbox",
        customer_email="a@b.hu",
        description="Pro, yearly",
        metadata={"k": "v"},
        sandbox=True,
        created_at=NOW,
        expires_at=NOW,
    )
    return Payment(order=order, account_id="acc_1", status=status, updated_at=NOW, **facts)


def test_an_envelope_has_the_contracts_members_and_no_others() -> None:
    row = {"id": "evt_1", "tenant_id": "ten_1", "sequence": 7, "type": "payment.succeeded", "at": NOW}
    assert envelope(row | {"data": {"paymentId": "pay_1"}, "payment_id": "pay_1"}, sandbox=True) == {
        "eventId": "evt_1",
        "eventType": "payment.succeeded",
        "type": "payment.succeeded",
        "timestamp": "2026-01-01T12:30:59.123Z",
        "tenantId": "ten_1",
        "sandbox": True,
        "sequence": 7,
        "data": {"paymentId": "pay_1"},
    }


def test_a_payments_event_tells_what_the_contract_lists() -> None:
    told = payment_announcement(payment())
    assert (told.type, told.payment_id) == ("payment.succeeded", "pay_1")
    promised = {
        "paymentId": "pay_1",
        "userId": "user-123",
        "amount": 1_990_000,
        "currency": "HUF",
        "status": "SUCCEEDED",
        "metadata": {"k": "v"},
    }
    assert told.data == told.data | promised


def test_a_payments_event_keeps_the_payers_address_to_itself() -> None:
    assert not {"a@b.hu", "Pro, yearly"} & {
        str(value) for value in payment_announcement(payment()).data.values()
    }


def test_a_failure_says_why() -> None:
    failed = payment(PaymentStatus.FAILED, failure_code="card_declined", failure_message="No.")
    data = payment_announcement(failed).data
    assert (data["failureCode"], data["failureMessage"]) == ("card_declined", "No.")
    assert "failureCode" not in payment_announcement(payment()).data


@pytest.mark.parametrize("status", PaymentStatus)
def test_every_status_has_an_event(status: PaymentStatus) -> None:
    names = {"PROVIDER_PENDING": "pending"}
    expected = f"payment.{names.get(status, status.lower())}"
    assert payment_announcement(payment(status)).type == expected


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1)))  # noqa: DTZ001 - hypothesis wants it naive
def test_times_are_rfc_3339_in_utc(at: datetime) -> None:
    text = rfc3339(at)
    assert text.endswith("Z")
    assert timedelta() <= at - datetime.fromisoformat(text) < timedelta(milliseconds=1)
