"""What a payer is told, for every row there can be, without a house."""

from datetime import timedelta
from typing import Any

import pytest

from console.situations import MANNERS, Situation, Way, situation
from domain.money import Money
from domain.payment import PaymentStatus, RefundStatus
from tests.console.payers import NOON, PRICE, payment

S = Situation
LESS = Money(amount_minor=1_000_000, currency="HUF")


@pytest.mark.parametrize(
    ("status", "facts", "expected"),
    [
        ("CREATED", {"checkout_url": None}, S.PREPARING),
        ("PROVIDER_PENDING", {}, S.WAITING),
        ("PROVIDER_PENDING", {"checkout_url": None}, S.CHARGING),
        ("UNKNOWN", {}, S.UNKNOWN),
        ("REVIEW", {"captured": LESS}, S.REVIEW),
        ("REVIEW", {"captured": PRICE, "late": True}, S.HELD),
        ("SUCCEEDED", {"captured": PRICE}, S.SUCCEEDED),
        ("SUCCEEDED", {"captured": PRICE, "late": True}, S.ACCEPTED),
        ("SUCCEEDED", {"captured": PRICE, "refund_status": "PENDING"}, S.REFUNDING),
        ("SUCCEEDED", {"captured": PRICE, "refund_status": "PARTIAL"}, S.PARTLY_REFUNDED),
        ("SUCCEEDED", {"captured": PRICE, "refund_status": "FULL"}, S.REFUNDED),
        ("SUCCEEDED", {"captured": PRICE, "dispute_status": "OPEN"}, S.DISPUTED),
        ("SUCCEEDED", {"captured": PRICE, "dispute_status": "LOST"}, S.LOST),
        ("SUCCEEDED", {"captured": PRICE, "dispute_status": "WON"}, S.SUCCEEDED),
        ("SUCCEEDED", {"captured": PRICE, "dispute_status": "OPEN", "refund_status": "PARTIAL"}, S.DISPUTED),
        ("FAILED", {}, S.FAILED),
        ("EXPIRED", {}, S.EXPIRED),
        ("CANCELLED", {}, S.CANCELLED),
        ("EXPIRED", {"captured": PRICE, "late": True, "refund_status": "PENDING"}, S.GOING_BACK),
        ("EXPIRED", {"captured": PRICE, "late": True, "refund_status": "NONE"}, S.GOING_BACK),
        ("CANCELLED", {"captured": PRICE, "late": True, "refund_status": "FULL"}, S.GONE_BACK),
        ("FAILED", {"captured": LESS, "refund_status": "FULL"}, S.GONE_BACK),
    ],
)
def test_the_row_says_how_it_stands(status: str, facts: dict[str, Any], expected: Situation) -> None:
    assert situation(payment(status, **facts), NOON) is expected


def test_a_declined_card_is_told_only_while_another_may_be_tried() -> None:
    assert situation(payment(), NOON, declined=True) is S.DECLINED
    for status in ("UNKNOWN", "SUCCEEDED", "FAILED", "EXPIRED"):
        assert situation(payment(status), NOON, declined=True) is not S.DECLINED


def test_when_its_time_is_up_nobody_is_sent_to_pay() -> None:
    late = situation(payment(), NOON + timedelta(minutes=15))
    assert late is S.CLOSING
    assert MANNERS[late].way is Way.NOWHERE


def test_only_a_payment_that_waits_for_its_payer_leads_to_the_checkout() -> None:
    for status in PaymentStatus:
        for refunds in RefundStatus:
            stands = situation(payment(status, captured=PRICE, refund_status=refunds), NOON)
            pays = MANNERS[stands].way is Way.PAY
            assert pays is (status is PaymentStatus.PROVIDER_PENDING), stands


def test_a_page_that_says_nothing_was_charged_speaks_of_a_payment_without_money() -> None:
    for status in ("FAILED", "EXPIRED", "CANCELLED"):
        assert situation(payment(status, captured=LESS), NOON) in {S.GOING_BACK, S.GONE_BACK}


def test_every_situation_has_its_manner() -> None:
    assert set(MANNERS) == set(Situation)
