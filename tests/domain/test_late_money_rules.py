"""What becomes of money that comes after the end: the tenant's policy, and what stands above it."""

from datetime import UTC, datetime
from itertools import product

import pytest

from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.payment import PaymentStatus as S
from domain.tenant import LatePolicy
from domain.verdicts import NO_AMOUNT, Choice, Standing, decide, rule

ORDERED = Money(amount_minor=1_990_000, currency="HUF")
OTHER = Money(amount_minor=1_990_001, currency="HUF")
GOES_BACK, IS_TAKEN, IS_HELD = (None, True), (S.SUCCEEDED, False), (S.REVIEW, False)


def late(
    policy: LatePolicy, status: S = S.CANCELLED, *, money: Money = ORDERED, order_is_free: bool = True
) -> tuple[S | None, bool]:
    """Where the payment goes, and whether the money goes back."""
    standing = Standing(
        ordered=ORDERED, status=status, reference="cs_1", late_policy=policy, order_is_free=order_is_free
    )
    said = Observation(
        word=Word.PAID,
        raw_state="complete/paid",
        channel=Channel.WEBHOOK,
        cause_id="evt_1",
        reference="cs_1",
        captured=money,
        observed_at=datetime.now(UTC),
    )
    verdict = decide(standing, said)
    assert verdict.late
    return verdict.to, verdict.give_back


@pytest.mark.parametrize("ended", [S.EXPIRED, S.CANCELLED])
def test_each_policy_does_with_late_money_as_it_says(ended: S) -> None:
    assert late(LatePolicy.REFUND, ended) == GOES_BACK
    assert late(LatePolicy.ACCEPT, ended) == IS_TAKEN
    assert late(LatePolicy.HOLD, ended) == IS_HELD


def test_money_of_another_sum_is_never_taken_by_itself() -> None:
    assert late(LatePolicy.REFUND, money=OTHER) == GOES_BACK
    for policy in (LatePolicy.ACCEPT, LatePolicy.HOLD):
        assert late(policy, money=OTHER) == IS_HELD


@pytest.mark.parametrize("policy", LatePolicy)
def test_what_failed_and_what_was_paid_anew_keeps_no_late_money_whatever_the_policy(
    policy: LatePolicy,
) -> None:
    assert late(policy, S.FAILED) == GOES_BACK
    for ended, money in product((S.EXPIRED, S.CANCELLED), (ORDERED, OTHER)):
        assert late(policy, ended, money=money, order_is_free=False) == GOES_BACK


@pytest.mark.parametrize("policy", LatePolicy)
def test_late_money_of_no_known_sum_is_for_a_person(policy: LatePolicy) -> None:
    standing = Standing(ordered=ORDERED, status=S.EXPIRED, reference="cs_1", late_policy=policy)
    said = Observation(
        word=Word.PAID,
        raw_state="complete/paid",
        channel=Channel.READ,
        cause_id="read",
        observed_at=datetime.now(UTC),
    )
    verdict = decide(standing, said)
    assert (verdict.to, verdict.give_back, verdict.note) == (None, False, NO_AMOUNT)


@pytest.mark.parametrize("status", S)
def test_an_operator_decides_on_what_is_under_review_and_on_nothing_else(status: S) -> None:
    accepted, returned = rule(status, Choice.ACCEPT), rule(status, Choice.REFUND)
    if status is S.REVIEW:
        assert (accepted.to, accepted.give_back) == (S.SUCCEEDED, False)
        assert (returned.to, returned.give_back) == (S.FAILED, True)
    else:
        assert {accepted.to, returned.to} == {None}
        assert not accepted.give_back
        assert not returned.give_back
