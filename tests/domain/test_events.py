"""What tenants are told, and how often and how late it is tried again: contract § 6."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import backoff, envelope, payment_announcement, rfc3339
from domain.money import Money
from domain.payment import Payment, PaymentOrder, PaymentStatus

NOW = datetime(2026, 1, 1, 12, 30, 59, 123456, tzinfo=UTC)

# How long after the failure of attempt n the next one follows, ±20 %: as the contract lists it.
STEPS = {
    1: timedelta(seconds=5),
    2: timedelta(minutes=5),
    3: timedelta(minutes=30),
    4: timedelta(hours=2),
    5: timedelta(hours=5),
    6: timedelta(hours=10),
    7: timedelta(hours=14),
    8: timedelta(hours=20),
    9: timedelta(hours=24),
}

steps = pytest.mark.parametrize(("attempts", "step"), STEPS.items())


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


def wait(delivery_id: str, attempts: int, asked_for: timedelta | None = None) -> timedelta:
    pause = backoff(delivery_id, attempts, asked_for)
    assert pause is not None
    return pause


# --- When it is tried again -----------------------------------------------------------------------


@steps
@given(delivery_id=st.text(min_size=1))
def test_each_step_is_kept_to_a_fifth(attempts: int, step: timedelta, delivery_id: str) -> None:
    assert step * 0.8 <= wait(delivery_id, attempts) <= step * 1.2


@steps
def test_deliveries_spread_over_the_whole_width(attempts: int, step: timedelta) -> None:
    waits = [wait(f"dlv_{number}", attempts) for number in range(2_000)]
    assert (min(waits), max(waits)) == (step * 0.8, step * 1.2)


@given(st.text(min_size=1), st.integers(min_value=1, max_value=12))
def test_a_repeated_step_decides_alike(delivery_id: str, attempts: int) -> None:
    assert backoff(delivery_id, attempts) == backoff(delivery_id, attempts)


def test_the_tenth_attempt_is_the_last() -> None:
    assert backoff("dlv_1", 9) is not None
    assert backoff("dlv_1", 10) is None
    assert backoff("dlv_1", 10, timedelta(hours=1)) is None


@steps
@given(share=st.floats(min_value=0, max_value=1_000))
def test_a_receiver_may_ask_for_up_to_twice_the_step(attempts: int, step: timedelta, share: float) -> None:
    asked_for = step * share
    plain, asked = wait("dlv_1", attempts), wait("dlv_1", attempts, asked_for)
    assert plain <= asked <= 2 * step
    if plain <= asked_for <= 2 * step:
        assert asked == asked_for


# --- What is told ---------------------------------------------------------------------------------


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
