"""Where a payment may go, and what a provider's word makes of it: the table and every case of the rules."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations, permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.payment import ENDED, TRANSITIONS, sources
from domain.payment import PaymentStatus as S
from domain.verdicts import (
    ECHO,
    FOR_A_PERSON,
    NOT_UNDERSTOOD,
    OTHER_CHECKOUT,
    OTHER_MONEY,
    OVERTAKEN,
    TOO_EARLY,
    Standing,
    Verdict,
    decide,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORDERED = Money(amount_minor=1_990_000, currency="HUF")
OTHER_AMOUNT = Money(amount_minor=1_990_001, currency="HUF")
OTHER_CURRENCY = Money(amount_minor=1_990_000, currency="EUR")
UNSUCCESSFUL = {S.FAILED, S.EXPIRED, S.CANCELLED}
FINAL_WORDS = {Word.FAILED: S.FAILED, Word.EXPIRED: S.EXPIRED, Word.CANCELLED: S.CANCELLED}

# semantics.md §2 by hand, once more: a table that was computed from the code could not disagree with it.
TABLE = """
                  CREATED  PROVIDER_PENDING  SUCCEEDED  FAILED  EXPIRED  CANCELLED  UNKNOWN  REVIEW
CREATED           no       yes               no         yes     no       yes        yes      no
PROVIDER_PENDING  no       no                yes        yes     yes      yes        yes      yes
SUCCEEDED         no       no                no         no      no       no         no       no
FAILED            no       no                no         no      no       no         no       no
EXPIRED           no       no                late       no      no       no         no       late
CANCELLED         no       no                late       no      no       no         no       late
UNKNOWN           no       yes               yes        yes     yes      yes        no       yes
REVIEW            no       no                yes        yes     no       no         no       no
"""


def cells() -> Iterator[tuple[S, S, str]]:
    heads, *rows = [line.split() for line in TABLE.strip().splitlines()]
    for came_from, *allowed in rows:
        for to, word in zip(heads, allowed, strict=True):
            yield S(came_from), S(to), word


def stands(status: S, **facts: Any) -> Standing:
    """A payment of ours at this status; paid as ordered if it succeeded."""
    captured = {"captured": ORDERED} if status is S.SUCCEEDED else {}
    return Standing(**({"ordered": ORDERED, "status": status} | captured | facts))


def said(
    word: Word,
    captured: Money | None = None,
    *,
    channel: Channel = Channel.WEBHOOK,
    reference: str | None = "cs_1",
    number: int = 0,
) -> Observation:
    return Observation(
        word=word,
        raw_state=word,
        channel=channel,
        cause_id=f"evt_{number}",
        reference=reference,
        captured=captured,
        observed_at=NOW,
    )


def everything_that_can_be_said() -> list[tuple[Observation, S]]:
    """Each word, by each way, with each money, with and without a session's name, under each intent."""
    monies = (None, ORDERED, OTHER_AMOUNT, OTHER_CURRENCY)
    return [
        (said(word, captured, channel=channel, reference=reference), intent)
        for word, channel, captured, reference, intent in product(
            Word, Channel, monies, (None, "cs_1"), (S.EXPIRED, S.CANCELLED)
        )
    ]


ALL_SAID = everything_that_can_be_said()


def verdicts(*statuses: S) -> Iterator[tuple[S, Observation, Verdict]]:
    for status in statuses or tuple(S):
        for observation, intent in ALL_SAID:
            yield status, observation, decide(stands(status), observation, intent)


def after(status: S, observations: Sequence[Observation]) -> list[S]:
    """All the statuses a payment goes through, its row guarded as storage guards it."""
    passed, captured = [status], ORDERED if status is S.SUCCEEDED else None
    for observation in observations:
        verdict = decide(stands(passed[-1], captured=captured), observation)
        if verdict.to is not None and passed[-1] in sources(verdict.to, late=verdict.late):
            passed.append(verdict.to)
        if verdict.late or verdict.to in {S.SUCCEEDED, S.REVIEW}:
            captured = observation.captured
    return passed


# --- The table ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("came_from", "to", "word"), list(cells()))
def test_a_payment_goes_where_the_table_lets_it(came_from: S, to: S, word: str) -> None:
    assert (to in TRANSITIONS[came_from]) == (word != "no")
    assert (came_from in sources(to)) == (word == "yes")
    assert (came_from in sources(to, late=True)) == (word == "late")


def test_the_table_speaks_of_every_pair() -> None:
    assert {(came_from, to) for came_from, to, _ in cells()} == set(product(S, S))
    assert set(TRANSITIONS) == set(S)


# --- One word -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", S)
def test_a_verdict_never_asks_for_what_the_table_forbids(status: S) -> None:
    asked_for = {verdict.to for _, _, verdict in verdicts(status)} - {None}
    assert asked_for <= TRANSITIONS[status]


def test_no_word_moves_a_payment_that_has_ended() -> None:
    assert {verdict.to for _, _, verdict in verdicts(*ENDED)} == {None}


def test_no_word_moves_a_payment_out_of_review() -> None:
    assert {verdict.to for _, _, verdict in verdicts(S.REVIEW)} == {None}


def test_only_the_very_money_that_was_ordered_makes_a_success() -> None:
    paid = [(heard.word, heard.captured) for _, heard, verdict in verdicts() if verdict.to is S.SUCCEEDED]
    assert set(paid) == {(Word.PAID, ORDERED)}


@pytest.mark.parametrize("money", [OTHER_AMOUNT, OTHER_CURRENCY, None])
@pytest.mark.parametrize("status", [S.PROVIDER_PENDING, S.UNKNOWN])
def test_other_money_than_ordered_is_for_people_to_look_at(status: S, money: Money | None) -> None:
    for channel in Channel:
        verdict = decide(stands(status), said(Word.PAID, money, channel=channel))
        assert (verdict.to, verdict.failure_code) == (S.REVIEW, "amount_mismatch")


def test_an_unclear_word_is_evidence_of_nothing() -> None:
    unclear = {verdict.to for _, heard, verdict in verdicts() if heard.word is Word.UNCLEAR}
    assert unclear == {None, S.UNKNOWN}


def test_nothing_ends_without_money_but_on_a_providers_last_word() -> None:
    last_words = {heard.word for _, heard, verdict in verdicts() if verdict.to in UNSUCCESSFUL}
    assert last_words == {Word.FAILED, Word.EXPIRED, Word.CANCELLED, Word.ABSENT}


def test_that_there_is_no_checkout_ends_a_payment_only_when_we_wanted_it_closed() -> None:
    for status, heard, verdict in verdicts(S.PROVIDER_PENDING, S.UNKNOWN):
        if heard.word is Word.ABSENT and verdict.to is not None:
            never_opened = status is S.UNKNOWN and heard.reference is None
            assert never_opened or heard.channel is Channel.CLOSE


@pytest.mark.parametrize("intent", [S.EXPIRED, S.CANCELLED])
def test_a_checkout_that_we_closed_ends_as_we_meant_it(intent: S) -> None:
    for status in (S.PROVIDER_PENDING, S.UNKNOWN):
        assert decide(stands(status), said(Word.EXPIRED, channel=Channel.CLOSE), intent).to is intent
        # The closing's own answer may be lost, and the webhook that it causes come instead.
        assert decide(stands(status), said(Word.EXPIRED), intent).to is intent


@pytest.mark.parametrize("word", [Word.OPEN, Word.PROCESSING, Word.ATTEMPT_FAILED])
def test_a_checkout_that_can_still_be_paid_is_pending(word: Word) -> None:
    assert decide(stands(S.PROVIDER_PENDING), said(word)).to is None
    assert decide(stands(S.UNKNOWN), said(word)).to is S.PROVIDER_PENDING


@pytest.mark.parametrize("status", [S.FAILED, S.EXPIRED, S.CANCELLED])
def test_money_after_the_end_is_noticed(status: S) -> None:
    assert decide(stands(status), said(Word.PAID, ORDERED)).note == "late_money"
    assert decide(stands(S.SUCCEEDED), said(Word.PAID, ORDERED)).note == ECHO


def test_a_word_on_a_checkout_that_is_being_created_waits_for_its_answer() -> None:
    for _, heard, verdict in verdicts(S.CREATED):
        if heard.channel is not Channel.CREATE:
            assert (verdict.to, verdict.note) == (None, TOO_EARLY)
    assert decide(stands(S.CREATED), said(Word.FAILED, channel=Channel.CREATE)).to is S.FAILED
    assert decide(stands(S.CREATED), said(Word.UNCLEAR, channel=Channel.CREATE)).to is S.UNKNOWN


def test_a_last_word_that_contradicts_the_end_is_noticed() -> None:
    # Closed by us, by the payer or by time: a checkout without money is a checkout without money.
    without_money = {S.EXPIRED, S.CANCELLED}
    for word, ended in product(FINAL_WORDS, ENDED):
        agrees = FINAL_WORDS[word] is ended or {FINAL_WORDS[word], ended} == without_money
        assert decide(stands(ended), said(word)).note == (ECHO if agrees else "contradicted")


def test_under_review_only_other_money_than_is_held_is_news() -> None:
    held = stands(S.REVIEW, captured=OTHER_AMOUNT)
    assert decide(held, said(Word.PAID, OTHER_AMOUNT)).note == "waiting_for_review"
    for money in (ORDERED, OTHER_CURRENCY, None):
        assert decide(held, said(Word.PAID, money)).note == OTHER_MONEY
    for word in set(Word) - {Word.PAID}:
        assert decide(held, said(word)).note == "waiting_for_review"


@pytest.mark.parametrize("word", [Word.FAILED, Word.UNCLEAR])
def test_an_attempt_that_came_to_nothing_does_not_undo_one_that_did_not(word: Word) -> None:
    verdict = decide(stands(S.PROVIDER_PENDING, reference="cs_1"), said(word, channel=Channel.CREATE))
    assert (verdict.to, verdict.note) == (None, OVERTAKEN)


@pytest.mark.parametrize("ended", sorted(ENDED))
def test_an_event_that_nobody_understands_after_the_end_is_for_a_person(ended: S) -> None:
    assert decide(stands(ended), said(Word.UNCLEAR)).note == NOT_UNDERSTOOD
    assert NOT_UNDERSTOOD in FOR_A_PERSON
    # Our own questions are asked again, and need nobody.
    assert decide(stands(ended), said(Word.UNCLEAR, channel=Channel.READ)).note == ECHO


# --- Many words -----------------------------------------------------------------------------------

anything_said = st.lists(st.sampled_from([observation for observation, _ in ALL_SAID]), max_size=30)


@given(st.sampled_from(S), anything_said)
def test_a_life_ends_once_and_stays_ended(born: S, observations: list[Observation]) -> None:
    passed = after(born, observations)
    assert not any(status in ENDED for status in passed[:-1])


@given(st.sampled_from([S.CREATED, S.PROVIDER_PENDING, S.UNKNOWN]), anything_said)
def test_a_repeat_of_all_that_was_said_changes_no_end(born: S, observations: list[Observation]) -> None:
    ended = after(born, observations)[-1]
    if ended in ENDED:
        assert after(ended, observations) == [ended]


@pytest.mark.parametrize("born", [S.PROVIDER_PENDING, S.UNKNOWN])
def test_in_whatever_order_words_arrive_the_paid_payment_succeeds_unless_it_had_ended(born: S) -> None:
    others = set(Word) - {Word.PAID}
    for size in range(5):
        for company in combinations(others, size):
            for life in permutations({Word.PAID, *company}):
                first = next(word for word in life if word is Word.PAID or word in FINAL_WORDS)
                words = [said(word, ORDERED if word is Word.PAID else None) for word in life]
                expected = S.SUCCEEDED if first is Word.PAID else FINAL_WORDS[first]
                assert after(born, words)[-1] is expected, life


@pytest.mark.parametrize("status", list(S))
@pytest.mark.parametrize("word", list(Word))
def test_a_word_on_another_checkout_moves_nothing_and_waits_for_a_person(status: S, word: Word) -> None:
    about_another = said(word, ORDERED, reference="cs_second")
    verdict = decide(stands(status, reference="cs_first"), about_another)
    assert (verdict.to, verdict.note) == (None, OTHER_CHECKOUT)
    assert verdict.note in FOR_A_PERSON


def test_only_the_very_same_money_is_an_echo_of_success() -> None:
    assert decide(stands(S.SUCCEEDED), said(Word.PAID, captured=ORDERED)).note == ECHO
    other = Money(amount_minor=ORDERED.amount_minor + 1, currency=ORDERED.currency)
    assert decide(stands(S.SUCCEEDED), said(Word.PAID, captured=other)).note in FOR_A_PERSON


def test_that_nobody_knows_a_checkout_we_hold_the_name_of_proves_nothing() -> None:
    lost = said(Word.ABSENT, channel=Channel.CLOSE, reference="cs_first")
    assert decide(stands(S.PROVIDER_PENDING, reference="cs_first"), lost).to is S.UNKNOWN
    assert decide(stands(S.UNKNOWN, reference="cs_first"), lost).to is None
    assert decide(stands(S.UNKNOWN), said(Word.ABSENT, channel=Channel.CLOSE, reference=None)).to is S.FAILED


@pytest.mark.parametrize("status", list(S))
@pytest.mark.parametrize("word", list(Word))
def test_play_money_settles_no_order_of_real_money(status: S, word: Word) -> None:
    standing = stands(status).model_copy(update={"sandbox": False})
    verdict = decide(standing, said(word).model_copy(update={"sandbox": True}))
    assert (verdict.to, verdict.note in FOR_A_PERSON) == (None, True)
