"""The rules of disputes: only ever on, the first word may be the last, and the books follow."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dispute import (
    REMINDED,
    SUBMITTED_BEFORE,
    UNSETTLED,
    Dispute,
    DisputeObservation,
    DisputeState,
    DisputeWord,
    Step,
    agenda,
    booked,
    decide_dispute,
    difference,
    dispute_status,
    sources,
)
from domain.money import Money
from domain.payment import DisputeStatus

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HELD = Money(amount_minor=1990000, currency="HUF")
FEE = Money(amount_minor=1500, currency="EUR")
D, W = DisputeState, DisputeWord
STATES = {
    W.INQUIRY: D.INQUIRY,
    W.OPENED: D.OPEN,
    W.UNDER_REVIEW: D.UNDER_REVIEW,
    W.WON: D.WON,
    W.LOST: D.LOST,
    W.CLOSED: D.CLOSED,
}
STAGES = [{D.INQUIRY}, {D.OPEN}, {D.UNDER_REVIEW}, {D.WON, D.LOST, D.CLOSED}]


def said(word: DisputeWord) -> DisputeObservation:
    return DisputeObservation(
        word=word, raw_state=word, cause_id="evt_1", reference="dp_1", money=HELD, observed_at=NOW
    )


def dispute(state: DisputeState, *, held: bool = True, **facts: object) -> Dispute:
    return Dispute(
        id="dsp_1",
        tenant_id="ten_1",
        payment_id="pay_1",
        account_id="acc_1",
        provider="sandbox",
        provider_reference="dp_1",
        money=HELD,
        fee=FEE,
        state=state,
        held=held,
        created_at=NOW,
        updated_at=NOW,
        **facts,
    )


def stage(state: DisputeState) -> int:
    return next(number for number, states in enumerate(STAGES) if state in states)


@pytest.mark.parametrize(("state", "word"), list(product(D, STATES)))
def test_a_dispute_only_ever_goes_on(state: DisputeState, word: DisputeWord) -> None:
    verdict, told = decide_dispute(state, said(word)), STATES[word]
    if stage(told) > stage(state):
        assert verdict.to is told
        assert state in sources(told)
    else:
        assert verdict.to is None
        assert state not in sources(told)
        contradicts = stage(told) == stage(state) and told is not state
        assert verdict.note == ("echo" if told is state else "contradicted" if contradicts else "overtaken")


@pytest.mark.parametrize("word", STATES)
def test_the_first_word_may_be_any(word: DisputeWord) -> None:
    assert decide_dispute(None, said(word)).to is STATES[word]


@pytest.mark.parametrize("state", [None, *D])
def test_a_word_that_nobody_knows_moves_nothing(state: DisputeState | None) -> None:
    verdict = decide_dispute(state, said(W.UNCLEAR))
    assert (verdict.to, verdict.note) == (None, "not_understood")


@given(st.permutations([W.INQUIRY, W.OPENED, W.UNDER_REVIEW, W.LOST, W.OPENED, W.LOST]))
def test_in_whatever_order_it_is_heard_it_ends_alike_and_so_do_the_books(words: list[DisputeWord]) -> None:
    state, books = None, booked(None, HELD, None)
    posted: dict[tuple[str, str], int] = {}
    for word in words:
        to = decide_dispute(state, said(word)).to
        if to is None:
            continue
        after = booked(to, HELD, FEE)
        for currency, lines in difference(after, books).items():
            assert sum(lines.values()) == 0
            for account, amount in lines.items():
                posted[currency, account] = posted.get((currency, account), 0) + amount
        state, books = to, after
    assert state is D.LOST
    assert {place: amount for place, amount in posted.items() if amount} == {
        ("HUF", "losses"): HELD.amount_minor,
        ("HUF", "provider_receivable"): -HELD.amount_minor,
        ("EUR", "fees"): FEE.amount_minor,
        ("EUR", "provider_receivable"): -FEE.amount_minor,
    }


@pytest.mark.parametrize(
    ("disputes", "status"),
    [
        ([], DisputeStatus.NONE),
        ([dispute(D.INQUIRY, held=False)], DisputeStatus.NONE),
        ([dispute(D.CLOSED, held=False)], DisputeStatus.NONE),
        ([dispute(D.OPEN)], DisputeStatus.OPEN),
        ([dispute(D.UNDER_REVIEW)], DisputeStatus.OPEN),
        ([dispute(D.WON)], DisputeStatus.WON),
        ([dispute(D.CLOSED)], DisputeStatus.WON),
        ([dispute(D.LOST), dispute(D.WON)], DisputeStatus.LOST),
        ([dispute(D.LOST), dispute(D.OPEN)], DisputeStatus.OPEN),
    ],
    ids=str,
)
def test_all_disputes_of_a_payment_come_to_one_status(disputes: list[Dispute], status: DisputeStatus) -> None:
    assert dispute_status(disputes) is status


def due(facts: Dispute, now: datetime = NOW, *, attached: bool = True) -> tuple[Step, datetime]:
    found = agenda(facts, now, lambda delay: delay, attached=attached)
    return found.step, found.at


def test_evidence_is_laid_there_then_the_tenant_is_reminded_twice_then_it_is_handed_in() -> None:
    deadline = NOW + timedelta(hours=20)
    open_ = dispute(D.OPEN, evidence_due_by=deadline)
    assert due(open_, attached=False) == (Step.ATTACH, NOW)
    assert due(open_) == (Step.REMIND, NOW)
    once = open_.model_copy(update={"reminders": 1})
    assert due(once, deadline - timedelta(days=2)) == (Step.REMIND, deadline - REMINDED[1])
    twice = open_.model_copy(update={"reminders": 2})
    assert due(twice) == (Step.SUBMIT, deadline - SUBMITTED_BEFORE)
    assert due(twice.model_copy(update={"evidence_sent_at": NOW}))[0] is Step.ASK


def test_whoever_wants_to_hand_in_does_not_wait() -> None:
    wanted = dispute(D.OPEN, evidence_due_by=NOW + timedelta(days=7), evidence_wanted_at=NOW)
    assert due(wanted, attached=False) == (Step.SUBMIT, NOW)


@pytest.mark.parametrize("state", sorted(UNSETTLED))
def test_the_provider_is_asked_every_day(state: DisputeState) -> None:
    far = dispute(state, evidence_due_by=NOW + timedelta(days=30))
    assert due(far) == (Step.ASK, NOW + timedelta(days=1))
