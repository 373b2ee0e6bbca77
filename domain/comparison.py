"""Tells their books from ours, one thing at a time. Pure: what is to be done about it is said, not done.

What a letter would change is asked of the rules that will hear it, so a letter is never sent in vain.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from domain.dispute import Dispute, DisputeObservation, decide_dispute
from domain.evidence import Observation, Word
from domain.money import Money
from domain.payment import OPEN, Payment
from domain.payment import PaymentStatus as S
from domain.reconciliation import Difference, Drift, Listed, Subject
from domain.refund import UNSETTLED, Refund, RefundObservation, RefundState, RefundWord, decide_refund
from domain.said import Said
from domain.verdicts import Standing, decide

NOTHING: Final = "nothing"
_REFUND_STATES: Final = {
    RefundWord.PENDING: RefundState.PENDING,
    RefundWord.SUCCEEDED: RefundState.SUCCEEDED,
    RefundWord.FAILED: RefundState.FAILED,
}


@dataclass(frozen=True)
class _Pair:
    """The same thing as both sides tell it."""

    subject: Subject
    payment: Payment
    here: str
    there: str
    ours: str | None
    theirs: str | None

    def differs(self, drift: Drift, letter: Said | None = None, *, waits: bool = False) -> Difference:
        return Difference(
            drift=drift,
            subject=self.subject,
            payment_id=self.payment.id,
            our_id=self.ours,
            their_id=self.theirs,
            here=self.here,
            there=self.there,
            letter=None if letter is None or waits else _letter(letter, self.payment),
            waits=waits,
        )


def _letter(said: Said, payment: Payment) -> Said:
    """What they say, under a name that stays for as long as they say it: the inbox takes it once."""
    known = said.model_copy(update={"payment_id": payment.id})
    fleeting = {"cause_id", "raw_state", "observed_at", "evidence_sha256", "inbox_id", "checkout_url"}
    digest = sha256(known.model_dump_json(exclude=fleeting).encode()).hexdigest()[:16]
    return known.model_copy(update={"cause_id": f"reconciled:{(said.reference or '')[:128]}:{digest}"})


def _of(word: str, money: Money | None) -> str:
    return f"{word} {money or NOTHING}"


def unknown(there: Listed) -> Difference:
    """Something that names nothing of ours, or cannot be read. Whose it may be is not ours to say."""
    said = there.said
    return Difference(
        drift=Drift.UNKNOWN_REFERENCE,
        subject=there.subject,
        their_id=there.reference,
        here=NOTHING,
        there="not readable" if said is None else f"{said.word} for {said.payment_id}",
    )


def _of_other_money(said: Said, payment: Payment) -> bool:
    return said.sandbox not in {None, payment.order.sandbox}


# --- What their lists show -------------------------------------------------------------------------------


def compare_capture(
    there: Listed, ours: Payment | None, earlier: Collection[str | None] = ()
) -> Difference | None:
    """A capture over there; ``earlier`` are the checkouts of captures of the same payment before this one."""
    said = there.said
    if ours is None or not isinstance(said, Observation) or _of_other_money(said, ours):
        return unknown(there)
    pair = _paid(ours, said, there.reference)
    if said.word is not Word.PAID:
        return pair.differs(Drift.STATE)
    known = ours.provider_reference in {None, said.reference}
    again = bool(earlier) if ours.captured is None else not known or said.reference in earlier
    if again:
        return pair.differs(Drift.DOUBLE)
    if not known:
        return unknown(there)
    if ours.captured is None:
        return _not_booked(pair, said)
    return None if said.captured == ours.captured else pair.differs(Drift.AMOUNT)


def _paid(ours: Payment, said: Observation, theirs: str | None) -> _Pair:
    return _Pair(
        subject=Subject.PAYMENT,
        payment=ours,
        here=_of(ours.status, ours.captured),
        there=_of(said.word, said.captured),
        ours=ours.id,
        theirs=theirs,
    )


def _not_booked(pair: _Pair, said: Observation) -> Difference:
    ordered = said.captured == pair.payment.order.money
    return pair.differs(Drift.MISSING_HERE if ordered else Drift.AMOUNT, said)


def compare_refund(
    there: Listed, payment: Payment | None, ours: Refund | None, settled: datetime
) -> Difference | None:
    """A refund over there. What changed here after ``settled`` may have done so since they were asked."""
    said = there.said
    if payment is None or not isinstance(said, RefundObservation) or _of_other_money(said, payment):
        return unknown(there)
    if ours is None:
        return _refund_of_theirs(there, said, payment)
    pair = _Pair(
        subject=Subject.REFUND,
        payment=payment,
        here=_of(ours.state, ours.money),
        there=_of(said.word, said.money),
        ours=ours.id,
        theirs=there.reference,
    )
    if said.money not in {None, ours.money}:
        return pair.differs(Drift.AMOUNT)
    state = _REFUND_STATES.get(said.word)
    if state is not None and decide_refund(ours.state, ours.money, said).to is not None:
        return pair.differs(Drift.STATE, said)
    return None if state is ours.state or ours.updated_at >= settled else pair.differs(Drift.STATE)


def _refund_of_theirs(there: Listed, said: RefundObservation, payment: Payment) -> Difference | None:
    """One that was made over there: booked as that, while it fits into what we hold."""
    if said.refund_id is not None:
        return unknown(there)
    if said.word is RefundWord.FAILED:
        # It never reached our books, and need not any more.
        return None
    held, money = payment.captured, said.money
    left = 0 if held is None else held.amount_minor - payment.refund_reserved
    pair = _Pair(
        subject=Subject.REFUND,
        payment=payment,
        here=f"none, {left} minor units left",
        there=_of(said.word, money),
        ours=None,
        theirs=there.reference,
    )
    if held is None:
        return pair.differs(Drift.REFUND, said, waits=payment.status not in OPEN)
    fits = money is not None and money.currency == held.currency and money.amount_minor <= left
    return pair.differs(Drift.REFUND, said if fits and said.word in _REFUND_STATES else None)


def compare_dispute(
    there: Listed, payment: Payment | None, ours: Dispute | None, settled: datetime
) -> Difference | None:
    """A dispute over there. What changed here after ``settled`` may have done so since they were asked."""
    said = there.said
    if payment is None or not isinstance(said, DisputeObservation) or _of_other_money(said, payment):
        return unknown(there)
    pair = _Pair(
        subject=Subject.DISPUTE,
        payment=payment,
        here=NOTHING if ours is None else _of(ours.state, ours.money),
        there=_of(said.word, said.money),
        ours=None if ours is None else ours.id,
        theirs=there.reference,
    )
    verdict = decide_dispute(None if ours is None else ours.state, said)
    if verdict.to is not None:
        early = payment.captured is None and payment.status not in OPEN
        return pair.differs(Drift.STATE, said, waits=early)
    if ours is not None and verdict.note == "echo":
        return None if said.money == ours.money else pair.differs(Drift.AMOUNT)
    return None if ours is not None and ours.updated_at >= settled else pair.differs(Drift.STATE)


# --- What their lists did not show, asked for by name ----------------------------------------------------


def compare_unseen_capture(ours: Payment, said: Observation) -> Difference | None:
    """Money that we hold and no list showed; ``said`` is what they say of its checkout."""
    if said.word is Word.UNCLEAR or (said.word is Word.PAID and said.captured == ours.captured):
        return None
    drift = Drift.AMOUNT if said.word is Word.PAID else Drift.MISSING_THERE
    return _paid(ours, said, ours.provider_reference).differs(drift)


def compare_stale(ours: Payment, said: Observation) -> Difference | None:
    """A payment that is open long after its time; ``said`` is what they say of its checkout."""
    pair = _paid(ours, said, said.reference or ours.provider_reference)
    if said.word is Word.PAID:
        return _not_booked(pair, said)
    if said.word is Word.PROCESSING and ours.status is S.PROVIDER_PENDING:
        # Both sides wait for the same bank.
        return None
    # That there is none is for the payment's own workflow to say, which knows whether one is being made.
    moves = said.word is not Word.ABSENT and decide(Standing.of(ours), said).to is not None
    return pair.differs(Drift.STALE_PENDING, said if moves else None)


def compare_unseen_refund(
    ours: Refund, payment: Payment, said: RefundObservation, settled: datetime, *, stale: bool
) -> Difference | None:
    """A refund of ours that no list showed; ``stale`` when it should long have come to an end."""
    if said.word is RefundWord.UNCLEAR:
        return None
    if said.word is not RefundWord.ABSENT:
        there = Listed(subject=Subject.REFUND, reference=said.reference, said=said)
        return compare_refund(there, payment, ours, settled)
    pair = _Pair(Subject.REFUND, payment, _of(ours.state, ours.money), said.word, ours.id, None)
    if ours.state in UNSETTLED:
        return pair.differs(Drift.STALE_PENDING) if stale else None
    return pair.differs(Drift.REFUND)


def missing_dispute(ours: Dispute, payment: Payment) -> Difference:
    """A dispute of ours that they know nothing of."""
    theirs = ours.provider_reference
    pair = _Pair(Subject.DISPUTE, payment, _of(ours.state, ours.money), NOTHING, ours.id, theirs)
    return pair.differs(Drift.MISSING_THERE)
