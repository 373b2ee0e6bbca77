"""What a provider's word, or an operator's, makes of a payment. The rules stand here once, pure.

Settling, the inbox, the workflow and the simulator all call these functions; ``docs/reliability.md`` tells
them in prose.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.payment import ENDED, Payment, PaymentRef
from domain.payment import PaymentStatus as S
from domain.tenant import LatePolicy
from domain.values import Message, Value

LATE_MONEY: Final = "late_money"
OTHER_MONEY: Final = "other_money"
OTHER_CHECKOUT: Final = "other_checkout"
NO_AMOUNT: Final = "no_amount"
NOT_UNDERSTOOD: Final = "not_understood"
OTHER_MODE: Final = "other_mode"
FOR_A_PERSON: Final = frozenset({OTHER_MONEY, OTHER_CHECKOUT, OTHER_MODE, NO_AMOUNT, NOT_UNDERSTOOD})
"""Authentic words that no rule settles: other money than before, another checkout, play money for an order of
real money, money of no known sum, and after the end, when nobody asks any more, a word that nobody knows."""
ECHO: Final = "echo"
"""A payment was told what it knows already."""
TOO_EARLY: Final = "too_early"
"""A word on a checkout whose creation is still under way; to be heard again."""
OVERTAKEN: Final = "overtaken"
"""An attempt to create a checkout that came to nothing, while another came to something."""


class Standing(Value):
    """What a word is judged against: how our books hold the payment at this moment."""

    ordered: Money
    status: S
    reference: str | None = None
    """The checkout we know it by."""
    captured: Money | None = None
    sandbox: bool | None = None
    """Whether it is about play money; None where that is not to be judged."""
    late_policy: LatePolicy = LatePolicy.REFUND
    order_is_free: bool = True
    """Whether no other payment of the same order is open or paid: an order is paid once."""

    @classmethod
    def of(
        cls, payment: Payment, policy: LatePolicy = LatePolicy.REFUND, *, order_is_free: bool = True
    ) -> Self:
        return cls(
            ordered=payment.order.money,
            status=payment.status,
            reference=payment.provider_reference,
            captured=payment.captured,
            sandbox=payment.order.sandbox,
            late_policy=policy,
            order_is_free=order_is_free,
        )


class Verdict(Value):
    """What follows: the payment moves ``to`` a status, or nothing but a ``note`` is left."""

    to: S | None = None
    note: str
    late: bool = False
    """The money came after the end; a tenant is told so, whatever becomes of it."""
    give_back: bool = False
    """All that was captured is refunded, by one refund."""
    failure_code: str | None = None
    failure_message: str | None = None


_FINAL_WORDS: Final = {Word.FAILED: S.FAILED, Word.EXPIRED: S.EXPIRED, Word.CANCELLED: S.CANCELLED}
_STILL_OPEN: Final = frozenset({Word.OPEN, Word.PROCESSING, Word.ATTEMPT_FAILED})
# Success is not among them: that is a checkout, and storage.payments.opened writes it down.
_ANSWERS_TO_CREATE: Final = frozenset({Word.FAILED, Word.UNCLEAR})


def decide(standing: Standing, said: Observation, intent: S = S.EXPIRED) -> Verdict:
    """What a provider's word makes of a payment.

    ``intent`` is what we wanted when we asked the provider to close the checkout: a closed session is
    CANCELLED if the tenant asked for it and EXPIRED if time ran out. A terminal status does not regress;
    only late money leads on from EXPIRED and CANCELLED, by the tenant's policy.
    """
    other = _of_another(standing, said)
    if other is not None:
        return Verdict(note=other)
    if standing.status in ENDED:
        return _after_the_end(standing, said)
    if standing.status is S.REVIEW:
        more = said.word is Word.PAID and said.captured != standing.captured
        return Verdict(note=OTHER_MONEY if more else "waiting_for_review")
    came_to_nothing = said.channel is Channel.CREATE and said.word in _ANSWERS_TO_CREATE
    if standing.status is S.CREATED and not came_to_nothing:
        return Verdict(note=TOO_EARLY)
    if standing.status is S.PROVIDER_PENDING and came_to_nothing:
        # That attempt came to nothing, and another one did not.
        return Verdict(note=OVERTAKEN)
    return _while_open(standing, said, intent)


def _of_another(standing: Standing, said: Observation) -> str | None:
    """What the word is about, when it is not about this payment's checkout."""
    if None not in {standing.sandbox, said.sandbox} and standing.sandbox is not said.sandbox:
        return OTHER_MODE
    named = None not in {standing.reference, said.reference}
    return OTHER_CHECKOUT if named and standing.reference != said.reference else None


def _while_open(standing: Standing, said: Observation, intent: S) -> Verdict:
    if said.word is Word.PAID:
        return _paid(standing, said)
    if said.word in _FINAL_WORDS:
        return Verdict(
            # A checkout that was closed has expired for the provider, however we came to want that.
            to=intent if said.word is Word.EXPIRED else _FINAL_WORDS[said.word],
            note=said.word,
            failure_code=said.failure_code,
            failure_message=said.failure_message,
        )
    if said.word is Word.ABSENT:
        return _absent(standing.status, said)
    if said.word in _STILL_OPEN:
        # It can be paid: whatever we did not know about it, that much we know now.
        return Verdict(to=S.PROVIDER_PENDING if standing.status is S.UNKNOWN else None, note=said.word)
    # Nothing that means anything. Where we had to know by now, say that we do not.
    had_to_know = said.channel in {Channel.CREATE, Channel.CLOSE} and standing.status is not S.UNKNOWN
    return Verdict(to=S.UNKNOWN if had_to_know else None, note="unclear")


def _paid(standing: Standing, said: Observation) -> Verdict:
    if said.captured == standing.ordered:
        return Verdict(to=S.SUCCEEDED, note="paid")
    return Verdict(
        to=S.REVIEW,
        note="amount_mismatch",
        failure_code="amount_mismatch",
        failure_message="The money that arrived does not match the order.",
    )


def _absent(status: S, said: Observation) -> Verdict:
    if status is S.UNKNOWN and said.reference is None:
        # It never came to be, and we have stopped asking for it.
        return Verdict(
            to=S.FAILED,
            note="never_created",
            failure_code="provider_unavailable",
            failure_message="The provider could not be reached in time.",
        )
    # We hold its name: that nobody over there knows it contradicts us, and proves nothing.
    had_to_know = said.channel is Channel.CLOSE and status is not S.UNKNOWN
    return Verdict(to=S.UNKNOWN if had_to_know else None, note="absent")


def _after_the_end(standing: Standing, said: Observation) -> Verdict:
    if said.word is Word.PAID:
        if standing.captured is not None:
            return Verdict(note=ECHO if said.captured == standing.captured else OTHER_MONEY)
        return _late(standing, said)
    if said.word is Word.UNCLEAR and said.channel is Channel.WEBHOOK:
        return Verdict(note=NOT_UNDERSTOOD)
    told = _FINAL_WORDS.get(said.word, standing.status)
    # The provider calls a checkout expired that we had closed for a tenant who cancelled: no contradiction.
    if told is standing.status or {told, standing.status} == {S.EXPIRED, S.CANCELLED}:
        return Verdict(note=ECHO)
    return Verdict(note="contradicted")


def _late(standing: Standing, said: Observation) -> Verdict:
    """Money after the end: given back, taken, or held for a person. An order is never paid twice."""
    named = standing.reference or said.reference
    if said.captured is None or said.captured.amount_minor == 0 or named is None:
        return Verdict(note=NO_AMOUNT)
    policy = standing.late_policy
    # What has FAILED never comes back, and an order that another payment serves needs no second one.
    if policy is LatePolicy.REFUND or standing.status is S.FAILED or not standing.order_is_free:
        return Verdict(note=LATE_MONEY, late=True, give_back=True)
    if policy is LatePolicy.ACCEPT and said.captured == standing.ordered:
        return Verdict(to=S.SUCCEEDED, note="late_accepted", late=True)
    return Verdict(
        to=S.REVIEW,
        note="late_held",
        late=True,
        failure_code=LATE_MONEY,
        failure_message="The money arrived after the payment had ended.",
    )


class Choice(StrEnum):
    """What an operator may decide about money under review."""

    ACCEPT = "accept"
    REFUND = "refund"


class Ruling(Message):
    """An operator's decision on its way to the books. ``id`` names it for ever; ``by`` is for the audit."""

    ref: PaymentRef
    choice: Choice
    id: str
    by: str
    at: datetime


def rule(status: S, choice: Choice) -> Verdict:
    """What an operator's decision makes of a payment; nothing, unless it is under REVIEW."""
    if status is not S.REVIEW:
        return Verdict(note="not_under_review")
    if choice is Choice.ACCEPT:
        return Verdict(to=S.SUCCEEDED, note="accepted")
    return Verdict(
        to=S.FAILED,
        note="given_back",
        give_back=True,
        failure_code="refunded_in_review",
        failure_message="The money did not match the order, and was given back.",
    )


class Report(Message):
    """A provider's word on its way to the books."""

    ref: PaymentRef
    said: Observation
    intent: S = S.EXPIRED
