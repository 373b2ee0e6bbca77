"""A dispute: a payer who wants the money back from the bank, how far it has come, and what it costs."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime

from domain.evidence import Id, Shown, countable, storable
from domain.ledger import Account
from domain.money import Money
from domain.payment import DisputeStatus, Payment
from domain.values import Message, Value, derived_id


class DisputeState(StrEnum):
    INQUIRY = "INQUIRY"
    """The bank asks; no money has moved yet."""
    OPEN = "OPEN"
    """The money is held, and evidence is awaited."""
    UNDER_REVIEW = "UNDER_REVIEW"
    """Evidence was handed in; the bank decides."""
    WON = "WON"
    LOST = "LOST"
    CLOSED = "CLOSED"
    """Withdrawn: nobody disputes it any more, and nothing is held."""


D = DisputeState
# It only ever goes on: a word that arrives late, of an earlier stage, changes nothing.
_RANK: Final[Mapping[D, int]] = {D.INQUIRY: 0, D.OPEN: 1, D.UNDER_REVIEW: 2, D.WON: 3, D.LOST: 3, D.CLOSED: 3}
UNSETTLED: Final = frozenset({D.INQUIRY, D.OPEN, D.UNDER_REVIEW})
HELD: Final = frozenset({D.OPEN, D.UNDER_REVIEW})
"""While it is in one of these the money is the bank's, the right is off, and nothing is refunded."""

ANSWERABLE: Final = frozenset({D.INQUIRY, D.OPEN})
"""Evidence is heard; of each once."""


def sources(to: DisputeState) -> list[DisputeState]:
    """The states a dispute may be in just before ``to``."""
    return [state for state in D if _RANK[state] < _RANK[to]]


class DisputeWord(StrEnum):
    """What a provider can say about a dispute, in our words."""

    INQUIRY = "inquiry"
    OPENED = "opened"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"
    CLOSED = "closed"
    UNCLEAR = "unclear"
    """No answer, or a word nobody knows. Never evidence of anything."""


_STATES: Final[Mapping[DisputeWord, DisputeState]] = {
    DisputeWord.INQUIRY: D.INQUIRY,
    DisputeWord.OPENED: D.OPEN,
    DisputeWord.UNDER_REVIEW: D.UNDER_REVIEW,
    DisputeWord.WON: D.WON,
    DisputeWord.LOST: D.LOST,
    DisputeWord.CLOSED: D.CLOSED,
}


class DisputeObservation(Message):
    """What a provider said of a dispute, translated and dated."""

    kind: Literal["dispute"] = "dispute"
    word: DisputeWord
    raw_state: Annotated[str, Shown(255), AfterValidator(storable)]
    cause_id: Annotated[str, Shown(255), AfterValidator(storable)]
    reference: Id
    """The provider's own name for it."""
    payment_id: Id | None = None
    """Our reference of what is disputed, as the provider repeats it."""
    capture: Id | None = None
    """The provider's name for the money that is disputed, should it not repeat ours."""
    sandbox: bool | None = None
    money: Annotated[Money, AfterValidator(countable)]
    """How much the payer wants back."""
    fee: Annotated[Money, AfterValidator(countable)] | None = None
    """What the provider charges for it, as it stands."""
    reason: Annotated[str, Shown(128), AfterValidator(storable)] | None = None
    evidence_due_by: AwareDatetime | None = None
    observed_at: datetime
    evidence_sha256: str | None = None
    inbox_id: str | None = None


class Dispute(Value):
    """A dispute as its row tells it."""

    id: str
    tenant_id: str
    payment_id: str
    account_id: str
    provider: str
    provider_reference: str
    money: Money
    fee: Money | None = None
    state: DisputeState
    held: bool
    """Whether the bank ever took the money."""
    reason: str | None = None
    evidence_due_by: datetime | None = None
    evidence_wanted_at: datetime | None = None
    """When the tenant asked for our evidence to be handed in."""
    evidence_sent_at: datetime | None = None
    """When it was handed in for good."""
    reminders: int = 0
    """How often the tenant was reminded of the deadline."""
    created_at: datetime
    updated_at: datetime

    @property
    def ref(self) -> "DisputeRef":
        return DisputeRef(
            tenant_id=self.tenant_id,
            payment_id=self.payment_id,
            dispute_id=self.id,
            provider=self.provider,
            money=self.money,
        )


def dispute_id(payment: Payment, reference: str) -> str:
    """How we call what a payment's provider calls ``reference``: the same whatever is heard of it first."""
    return derived_id("dsp", payment.order.created_at, payment.id, payment.account_id, reference)


class DisputeRef(Message):
    """What a dispute's workflow is told."""

    tenant_id: str
    payment_id: str
    dispute_id: str
    provider: str
    money: Money


class Step(StrEnum):
    """What a dispute's workflow does next."""

    ASK = "ask"
    REMIND = "remind"
    ATTACH = "attach"
    """Lay our evidence beside it, so that it is there should everybody forget."""
    SUBMIT = "submit"
    """Hand it in for good."""


class Agenda(Message):
    """How far a dispute has come, and what is due when."""

    state: DisputeState
    step: Step
    at: datetime


ASKED_EVERY: Final = timedelta(days=1)
REMINDED: Final = (timedelta(days=3), timedelta(days=1))
"""So long before the deadline the tenant is reminded of it."""
SUBMITTED_BEFORE: Final = timedelta(hours=12)
"""A dispute that nobody answers is lost: so long before the deadline what we know is handed in."""


def agenda(
    dispute: Dispute, now: datetime, scaled: Callable[[timedelta], timedelta], *, attached: bool
) -> Agenda:
    """What is due next. ``scaled`` counts a delay as the installation does."""

    def then(step: Step, at: datetime) -> Agenda:
        return Agenda(state=dispute.state, step=step, at=max(at, now))

    asked = now + scaled(ASKED_EVERY)
    if dispute.state not in ANSWERABLE or dispute.evidence_sent_at is not None:
        return then(Step.ASK, asked)
    if dispute.evidence_wanted_at is not None:
        return then(Step.SUBMIT, now)
    if dispute.state is D.INQUIRY:
        # Money first: whether to answer, or to refund, is the tenant's to say.
        return then(Step.ASK, asked)
    if not attached:
        return then(Step.ATTACH, now)
    if dispute.evidence_due_by is None:
        return then(Step.ASK, asked)
    marks = [dispute.evidence_due_by - scaled(before) for before in REMINDED]
    late = dispute.evidence_due_by - scaled(SUBMITTED_BEFORE)
    due = (
        then(Step.REMIND, marks[dispute.reminders])
        if dispute.reminders < len(marks)
        else then(Step.SUBMIT, late)
    )
    return due if due.at <= asked else then(Step.ASK, asked)


class DisputeVerdict(Value):
    """What follows: the dispute moves ``to`` a state, or nothing but a ``note`` is left."""

    to: DisputeState | None = None
    note: str


def decide_dispute(state: DisputeState | None, said: DisputeObservation) -> DisputeVerdict:
    """What a provider's word makes of a dispute; ``state`` is None for one we have not heard of.

    The first word may be the last one: events are not in order. Two last words that differ contradict each
    other, and a person must look.
    """
    to = _STATES.get(said.word)
    if to is None:
        return DisputeVerdict(note="not_understood")
    if state is None or _RANK[to] > _RANK[state]:
        return DisputeVerdict(to=to, note=said.word)
    if to is state:
        return DisputeVerdict(note="echo")
    return DisputeVerdict(note="contradicted" if _RANK[to] == _RANK[state] else "overtaken")


def dispute_status(disputes: Iterable[Dispute]) -> DisputeStatus:
    """What all disputes of a payment come to. One that never took money comes to nothing."""
    states = {dispute.state for dispute in disputes if dispute.held}
    if states & HELD:
        return DisputeStatus.OPEN
    if D.LOST in states:
        return DisputeStatus.LOST
    return DisputeStatus.WON if states else DisputeStatus.NONE


Books = Mapping[str, Mapping[str, int]]
"""Currency -> account -> minor units."""


def booked(state: DisputeState | None, money: Money, fee: Money | None) -> Books:
    """How the books stand because of a dispute in this state; each transition posts the difference.

    A fee is whatever the provider says it is by now, also when it keeps it after a dispute that was won.
    """
    books: dict[str, dict[str, int]] = {}

    def post(amount: Money, account: Account) -> None:
        lines = books.setdefault(amount.currency, {})
        lines[account] = lines.get(account, 0) + amount.amount_minor
        lines[Account.PROVIDER_RECEIVABLE] = lines.get(Account.PROVIDER_RECEIVABLE, 0) - amount.amount_minor

    if state in HELD:
        post(money, Account.DISPUTE_HOLDS)
    elif state is D.LOST:
        post(money, Account.LOSSES)
    if state is not None and state is not D.INQUIRY and fee is not None and fee.amount_minor:
        post(fee, Account.FEES)
    return books


def difference(after: Books, before: Books) -> Books:
    """What must be posted so that the books stand as ``after``, having stood as ``before``."""
    changes: dict[str, dict[str, int]] = {}
    for currency in {**before, **after}:
        old, new = before.get(currency, {}), after.get(currency, {})
        lines = {account: new.get(account, 0) - old.get(account, 0) for account in {**old, **new}}
        moved = {account: amount for account, amount in lines.items() if amount}
        if moved:
            changes[currency] = moved
    return changes
