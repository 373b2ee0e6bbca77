"""A refund: how much goes back and why, how far it has come, and what a provider's word does to it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from domain.evidence import Id, Shown, countable, storable
from domain.money import Money
from domain.values import Message, Value


class RefundState(StrEnum):
    PENDING_APPROVAL = "PENDING_APPROVAL"
    """Reserved, and waiting for a second person. The provider knows nothing of it."""
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    """The provider was asked and nobody can yet say what happened; the amount stays reserved."""
    REJECTED = "REJECTED"
    """The second person said no, or nothing in time. It never went to the provider."""


R = RefundState
TRANSITIONS: Final[Mapping[R, frozenset[R]]] = {
    R.PENDING_APPROVAL: frozenset({R.PENDING, R.REJECTED}),
    R.PENDING: frozenset({R.SUCCEEDED, R.FAILED, R.UNKNOWN}),
    R.UNKNOWN: frozenset({R.PENDING, R.SUCCEEDED, R.FAILED}),
    # A payer's bank may send a refund back: weeks later, as "failed" after "succeeded".
    R.SUCCEEDED: frozenset({R.FAILED}),
    R.FAILED: frozenset(),
    R.REJECTED: frozenset(),
}
# The provider is asked for it, until it has said what became of it.
UNSETTLED: Final = frozenset({R.PENDING, R.UNKNOWN})
# The amount is not reserved any more.
RELEASED: Final = frozenset({R.FAILED, R.REJECTED})


def sources(to: RefundState, *, by_decision: bool = False) -> list[RefundState]:
    """The states a refund may be in just before ``to``; PENDING_APPROVAL only when a person decides.

    Whatever a provider says, it does not stand in for the second person.
    """
    return [state for state in R if to in TRANSITIONS[state] and (state is R.PENDING_APPROVAL) == by_decision]


class Origin(StrEnum):
    """Who wanted the money to go back."""

    TENANT = "tenant"
    PROVIDER = "provider"
    """Not ours: made in the provider's dashboard, or by the provider itself."""
    LATE_MONEY = "late_money"
    REVIEW = "review"


class Refund(Value):
    """A refund as its row tells it. ``id`` is also the key the provider is given."""

    id: str
    tenant_id: str
    payment_id: str
    account_id: str
    provider: str
    money: Money
    state: RefundState
    origin: Origin
    reason: str | None = None
    approval_id: str | None = None
    """The approval it needed; None for one that needed none."""
    checkout_reference: str
    """Where the money was captured."""
    correlation_id: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def ref(self) -> "RefundRef":
        return RefundRef(
            tenant_id=self.tenant_id,
            refund_id=self.id,
            payment_id=self.payment_id,
            money=self.money,
            provider=self.provider,
            approval_id=self.approval_id,
            awaits_approval=self.state is R.PENDING_APPROVAL,
            correlation_id=self.correlation_id,
        )


class RefundRef(Message):
    """What a refund's workflow is told."""

    tenant_id: str
    refund_id: str
    payment_id: str
    money: Money
    provider: str
    approval_id: str | None = None
    awaits_approval: bool = False
    correlation_id: str | None = None


class RefundWord(StrEnum):
    """What a provider can say about a refund, in our words."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABSENT = "absent"
    """The provider positively knows no refund of this name."""
    UNCLEAR = "unclear"
    """No answer, or a word nobody knows. Never evidence of anything."""


class RefundObservation(Message):
    """What a provider said of a refund, translated and dated."""

    kind: Literal["refund"] = "refund"
    word: RefundWord
    raw_state: Annotated[str, Shown(255), AfterValidator(storable)]
    cause_id: Annotated[str, Shown(255), AfterValidator(storable)]
    payment_id: Id | None = None
    """Our reference of the payment, as the provider repeats it."""
    capture: Id | None = None
    """The provider's name for the money that goes back, should it not repeat ours."""
    refund_id: Id | None = None
    """Our reference of the refund; none for one that is not ours."""
    reference: Id | None = None
    """The provider's own name for it."""
    sandbox: bool | None = None
    money: Annotated[Money, AfterValidator(countable)] | None = None
    failure_code: Annotated[str, Shown(64), AfterValidator(storable)] | None = None
    failure_message: Annotated[str, Shown(500), AfterValidator(storable)] | None = None
    observed_at: datetime
    evidence_sha256: str | None = None
    inbox_id: str | None = None


class RefundVerdict(Value):
    """What follows: the refund moves ``to`` a state, or nothing but a ``note`` is left."""

    to: RefundState | None = None
    note: str


_SETTLES: Final = {RefundWord.SUCCEEDED: R.SUCCEEDED, RefundWord.FAILED: R.FAILED}


def decide_refund(state: RefundState, asked: Money, said: RefundObservation) -> RefundVerdict:
    """What a provider's word makes of a refund of ``asked``.

    Silence and absence prove nothing: whether a refund that is not there may be sent again is for the one
    to judge who would send it. Other money than asked for settles nothing either; a person must look.
    """
    if state is R.SUCCEEDED and said.word is RefundWord.FAILED:
        return RefundVerdict(to=R.FAILED, note="bounced")
    if state not in UNSETTLED:
        return RefundVerdict(note="echo" if _SETTLES.get(said.word, state) is state else "contradicted")
    if said.word in _SETTLES:
        if said.money not in {None, asked}:
            return RefundVerdict(to=R.UNKNOWN if state is R.PENDING else None, note="other_money")
        return RefundVerdict(to=_SETTLES[said.word], note=said.word)
    if said.word is RefundWord.PENDING:
        return RefundVerdict(to=R.PENDING if state is R.UNKNOWN else None, note=said.word)
    return RefundVerdict(to=R.UNKNOWN if state is R.PENDING else None, note="unclear")
