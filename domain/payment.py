"""A payment: what was ordered, where it may go, and what a provider's word does to it.

The rules stand here once, as pure functions. The workflow, the late path and ``paysaga verify`` all
call them, and storage guards its UPDATEs with the same table.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from domain.entitlement import Grant
from domain.money import Money
from domain.values import Message, Value


class PaymentStatus(StrEnum):
    CREATED = "CREATED"
    PROVIDER_PENDING = "PROVIDER_PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    """The provider was called and nobody can yet say what happened. Left only on evidence."""
    REVIEW = "REVIEW"
    """Money arrived that does not match the order."""


class RefundStatus(StrEnum):
    NONE = "NONE"
    PENDING = "PENDING"
    PARTIAL = "PARTIAL"
    FULL = "FULL"


class DisputeStatus(StrEnum):
    NONE = "NONE"
    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


S = PaymentStatus

# The whole life of a payment. From EXPIRED and CANCELLED only late money leads on.
TRANSITIONS: Final[Mapping[S, frozenset[S]]] = {
    S.CREATED: frozenset({S.PROVIDER_PENDING, S.FAILED, S.UNKNOWN, S.CANCELLED}),
    S.PROVIDER_PENDING: frozenset({S.SUCCEEDED, S.FAILED, S.EXPIRED, S.CANCELLED, S.UNKNOWN, S.REVIEW}),
    S.UNKNOWN: frozenset({S.PROVIDER_PENDING, S.SUCCEEDED, S.FAILED, S.EXPIRED, S.CANCELLED, S.REVIEW}),
    S.REVIEW: frozenset({S.SUCCEEDED, S.FAILED}),
    S.EXPIRED: frozenset({S.SUCCEEDED}),
    S.CANCELLED: frozenset({S.SUCCEEDED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
}

# Still on its way: a workflow is working on it.
OPEN: Final = frozenset({S.CREATED, S.PROVIDER_PENDING, S.UNKNOWN})
# The provider has had its last word, as far as a payer's session goes.
ENDED: Final = frozenset({S.SUCCEEDED, S.FAILED, S.EXPIRED, S.CANCELLED})


def sources(to: PaymentStatus, *, late: bool = False) -> list[PaymentStatus]:
    """The statuses a payment may be in just before ``to``; EXPIRED and CANCELLED only when late."""
    closed = {S.EXPIRED, S.CANCELLED}
    return [status for status in S if to in TRANSITIONS[status] and (status in closed) == late]


class PaymentOrder(Value):
    """What a tenant asked for, checked and complete. It never changes."""

    payment_id: str
    tenant_id: str
    idempotency_key: str
    digest: str
    """Of the validated body: tells a repeat from another request under the same key."""
    user_id: str
    money: Money
    provider: str
    order_id: str | None = None
    description: str | None = None
    customer_email: str | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    entitlements: tuple[Grant, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    sandbox: bool
    correlation_id: str | None = None
    """The request that asked for it: found again in logs, audit and workflow."""
    created_at: datetime
    expires_at: datetime


class Payment(Value):
    """A payment as its row tells it."""

    order: PaymentOrder
    account_id: str
    """The provider account it was given to."""
    status: PaymentStatus
    provider_reference: str | None = None
    checkout_url: str | None = None
    opened_at: datetime | None = None
    """When the checkout first existed; what a replayed create answer is dated with."""
    captured_minor: int = 0
    amount_refunded: int = 0
    refund_status: RefundStatus = RefundStatus.NONE
    dispute_status: DisputeStatus = DisputeStatus.NONE
    failure_code: str | None = None
    failure_message: str | None = None
    late: bool = False
    updated_at: datetime

    @property
    def id(self) -> str:
        return self.order.payment_id

    @property
    def as_opened(self) -> "Payment":
        """The payment as it was when its checkout came to be: what a create is answered with, for ever."""
        if self.opened_at is None:
            return self
        return Payment(
            order=self.order,
            account_id=self.account_id,
            status=PaymentStatus.PROVIDER_PENDING,
            provider_reference=self.provider_reference,
            checkout_url=self.checkout_url,
            opened_at=self.opened_at,
            updated_at=self.opened_at,
        )

    @property
    def ref(self) -> "PaymentRef":
        order = self.order
        return PaymentRef(
            tenant_id=order.tenant_id,
            payment_id=order.payment_id,
            digest=order.digest,
            money=order.money,
            provider=order.provider,
            expires_at=order.expires_at,
            correlation_id=order.correlation_id,
        )

    @property
    def progress(self) -> "Progress":
        return Progress(
            status=self.status,
            provider_reference=self.provider_reference,
            checkout_url=self.checkout_url,
            opened_at=self.opened_at,
            failure_code=self.failure_code,
            failure_message=self.failure_message,
            updated_at=self.updated_at,
        )


class PaymentRef(Message):
    """What a payment's workflow is told: ids, the amount and the deadline; nothing personal."""

    tenant_id: str
    payment_id: str
    digest: str
    money: Money
    provider: str
    expires_at: datetime
    correlation_id: str | None = None


class Progress(Message):
    """How far a payment has come: the part of its row that a workflow works with."""

    status: PaymentStatus
    provider_reference: str | None = None
    checkout_url: str | None = None
    opened_at: datetime | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    updated_at: datetime


class Word(StrEnum):
    """What a provider can say about a checkout, in our words."""

    OPEN = "open"
    PROCESSING = "processing"
    """The payer has acted and the money is on its way; nothing can be closed now."""
    ATTEMPT_FAILED = "attempt_failed"
    """A card was declined; the payer may try another."""
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ABSENT = "absent"
    """The provider positively knows no such checkout."""
    UNCLEAR = "unclear"
    """No answer, or a word nobody knows. Never evidence of anything."""


class Channel(StrEnum):
    """How a word reached us."""

    CREATE = "create"
    WEBHOOK = "webhook"
    READ = "read"
    CLOSE = "close"


def _storable(text: str) -> str:
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("NUL and halves of surrogate pairs cannot be stored")
    return text


def _cut(length: int) -> BeforeValidator:
    """What is only shown may be cut; what is shown must never keep a payment from being settled."""
    return BeforeValidator(lambda text: text[:length] if isinstance(text, str) else text)


def _countable(money: Money) -> Money:
    if not 0 <= money.amount_minor < 1 << 63:
        raise ValueError("no book holds an amount like this")
    return money


Id = Annotated[str, StringConstraints(max_length=255), AfterValidator(_storable)]


class Observation(Message):
    """What a provider said, translated and dated: evidence, not yet a fact of ours.

    Whatever gets here can be written down: what a column could not hold is cut, or refused as unreadable.
    """

    word: Word
    raw_state: Annotated[str, _cut(255), AfterValidator(_storable)]
    channel: Channel
    cause_id: Annotated[str, _cut(255)]
    """Names this word for ever: the provider's event id, or what was asked and when."""
    payment_id: Id | None = None
    """Our reference, as the provider repeats it."""
    reference: Id | None = None
    captured: Annotated[Money, AfterValidator(_countable)] | None = None
    failure_code: Annotated[str, _cut(64), AfterValidator(_storable)] | None = None
    failure_message: Annotated[str, _cut(500), AfterValidator(_storable)] | None = None
    observed_at: datetime
    evidence_sha256: str | None = None
    inbox_id: str | None = None


LATE_MONEY: Final = "late_money"
OTHER_MONEY: Final = "other_money"
OTHER_CHECKOUT: Final = "other_checkout"
FOR_A_PERSON: Final = frozenset({LATE_MONEY, OTHER_MONEY, OTHER_CHECKOUT})
"""Authentic words that no rule of ours settles: money where none was due, or a checkout that is not ours."""
ECHO: Final = "echo"
"""An ended payment was told what it knows already."""
TOO_EARLY: Final = "too_early"
"""A word on a checkout whose creation is still under way; to be heard again."""


class Verdict(Value):
    """What a word does to a payment: move it ``to`` a status, or nothing but a ``note``."""

    to: PaymentStatus | None = None
    note: str
    failure_code: str | None = None
    failure_message: str | None = None


_FINAL_WORDS: Final = {Word.FAILED: S.FAILED, Word.EXPIRED: S.EXPIRED, Word.CANCELLED: S.CANCELLED}
_STILL_OPEN: Final = frozenset({Word.OPEN, Word.PROCESSING, Word.ATTEMPT_FAILED})
# Success is not among them: that is a checkout, and storage.payments.opened writes it down.
_ANSWERS_TO_CREATE: Final = frozenset({Word.FAILED, Word.UNCLEAR})


def decide(
    ref: PaymentRef,
    status: PaymentStatus,
    said: Observation,
    intent: PaymentStatus = S.EXPIRED,
    reference: str | None = None,
) -> Verdict:
    """What a provider's word makes of a payment that stands at ``status``, with the checkout ``reference``.

    ``intent`` is what we wanted when we asked the provider to close the checkout: a closed session is
    CANCELLED if the tenant asked for it and EXPIRED if time ran out. Ended payments never move here:
    a terminal status does not regress, and late money is decided by its own policy.
    """
    if None not in {reference, said.reference} and reference != said.reference:
        return Verdict(note=OTHER_CHECKOUT)
    if status in ENDED:
        return _after_the_end(ref, status, said)
    if status is S.REVIEW:
        return Verdict(note="waiting_for_review")
    if status is S.CREATED and not (said.channel is Channel.CREATE and said.word in _ANSWERS_TO_CREATE):
        return Verdict(note=TOO_EARLY)
    return _while_open(ref, status, said, intent)


def _while_open(ref: PaymentRef, status: PaymentStatus, said: Observation, intent: PaymentStatus) -> Verdict:
    if said.word is Word.PAID:
        return _paid(ref, said)
    if said.word in _FINAL_WORDS:
        return Verdict(
            # A checkout that was closed has expired for the provider, however we came to want that.
            to=intent if said.word is Word.EXPIRED else _FINAL_WORDS[said.word],
            note=said.word,
            failure_code=said.failure_code,
            failure_message=said.failure_message,
        )
    if said.word is Word.ABSENT:
        return _absent(status, said)
    if said.word in _STILL_OPEN:
        # It can be paid: whatever we did not know about it, that much we know now.
        return Verdict(to=S.PROVIDER_PENDING if status is S.UNKNOWN else None, note=said.word)
    # Nothing that means anything. Where we had to know by now, say that we do not.
    had_to_know = said.channel in {Channel.CREATE, Channel.CLOSE} and status is not S.UNKNOWN
    return Verdict(to=S.UNKNOWN if had_to_know else None, note="unclear")


def _paid(ref: PaymentRef, said: Observation) -> Verdict:
    if said.captured == ref.money:
        return Verdict(to=S.SUCCEEDED, note="paid")
    return Verdict(
        to=S.REVIEW,
        note="amount_mismatch",
        failure_code="amount_mismatch",
        failure_message="The money that arrived does not match the order.",
    )


def _absent(status: PaymentStatus, said: Observation) -> Verdict:
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


def _after_the_end(ref: PaymentRef, status: PaymentStatus, said: Observation) -> Verdict:
    if said.word is Word.PAID:
        if status is not S.SUCCEEDED:
            return Verdict(note=LATE_MONEY)
        return Verdict(note=ECHO if said.captured == ref.money else OTHER_MONEY)
    told = _FINAL_WORDS.get(said.word, status)
    # The provider calls a checkout expired that we had closed for a tenant who cancelled: no contradiction.
    if told is status or {told, status} == {S.EXPIRED, S.CANCELLED}:
        return Verdict(note=ECHO)
    return Verdict(note="contradicted")


class Report(Message):
    """A provider's word on its way to the books."""

    ref: PaymentRef
    said: Observation
    intent: PaymentStatus = S.EXPIRED
