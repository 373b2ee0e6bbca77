"""Where a refund may go, and what a provider's word makes of it."""

from datetime import UTC, datetime
from itertools import permutations, product

import pytest

from domain.money import Money
from domain.refund import (
    TRANSITIONS,
    UNSETTLED,
    RefundObservation,
    RefundState,
    RefundWord,
    decide_refund,
    sources,
)
from domain.refund import RefundState as R
from domain.refund import RefundWord as W

ASKED = Money(amount_minor=500, currency="HUF")
OTHER = Money(amount_minor=501, currency="HUF")
SETTLED = sorted(set(R) - UNSETTLED)


def said(word: W, money: Money | None = ASKED) -> RefundObservation:
    return RefundObservation(
        word=word, raw_state=word, cause_id="evt_1", money=money, observed_at=datetime.now(UTC)
    )


@pytest.mark.parametrize(("state", "word", "money"), list(product(R, W, (ASKED, OTHER, None))))
def test_a_verdict_never_asks_for_what_the_table_forbids(
    state: RefundState, word: RefundWord, money: Money | None
) -> None:
    to = decide_refund(state, ASKED, said(word, money)).to
    assert to is None or state in sources(to)


@pytest.mark.parametrize("state", sorted(UNSETTLED))
def test_silence_and_absence_neither_fail_nor_fulfil_a_refund(state: RefundState) -> None:
    for word in (W.UNCLEAR, W.ABSENT):
        assert decide_refund(state, ASKED, said(word)).to in {None, R.UNKNOWN}


@pytest.mark.parametrize("state", sorted(UNSETTLED))
def test_other_money_than_asked_for_settles_nothing(state: RefundState) -> None:
    for word in (W.SUCCEEDED, W.FAILED):
        verdict = decide_refund(state, ASKED, said(word, OTHER))
        assert verdict.to in {None, R.UNKNOWN}
        assert verdict.note == "other_money"


@pytest.mark.parametrize("state", SETTLED)
def test_what_is_settled_stays_settled(state: RefundState) -> None:
    # But a payer's bank may send back what had gone out.
    expected = {R.FAILED} if state is R.SUCCEEDED else set()
    assert {decide_refund(state, ASKED, said(word)).to for word in W} - {None} == expected


def test_no_word_of_a_provider_stands_in_for_the_second_person() -> None:
    assert TRANSITIONS[R.PENDING_APPROVAL] == {R.PENDING, R.REJECTED}
    assert all(R.PENDING_APPROVAL not in sources(to) for to in R)
    assert [to for to in R if sources(to, by_decision=True) == [R.PENDING_APPROVAL]] == [
        R.PENDING,
        R.REJECTED,
    ]


def test_in_whatever_order_words_arrive_a_refund_that_went_through_has_succeeded() -> None:
    for words in permutations((W.PENDING, W.UNCLEAR, W.SUCCEEDED, W.ABSENT)):
        state = R.PENDING
        for word in words:
            state = decide_refund(state, ASKED, said(word)).to or state
        assert state is R.SUCCEEDED, words
