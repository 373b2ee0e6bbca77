"""What a payment company says, translated and dated: evidence, not yet a fact of ours."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, StringConstraints

from domain.money import Money
from domain.values import Message


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


def storable(text: str) -> str:
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("NUL and halves of surrogate pairs cannot be stored")
    return text


def countable(money: Money) -> Money:
    if not 0 <= money.amount_minor < 1 << 63:
        raise ValueError("no book holds an amount like this")
    return money


def Shown(length: int) -> BeforeValidator:  # noqa: N802 - reads as a type
    """What is only shown may be cut; what is shown must never keep a payment from being settled."""
    return BeforeValidator(lambda text: text[:length] if isinstance(text, str) else text)


Id = Annotated[str, StringConstraints(max_length=255), AfterValidator(storable)]


class Observation(Message):
    """What a provider said of a checkout.

    Whatever gets here can be written down: what a column could not hold is cut, or refused as unreadable.
    """

    kind: Literal["checkout"] = "checkout"
    word: Word
    raw_state: Annotated[str, Shown(255), AfterValidator(storable)]
    channel: Channel
    cause_id: Annotated[str, Shown(255), AfterValidator(storable)]
    """Names this word for ever: the provider's event id, or what was asked and when."""
    payment_id: Id | None = None
    """Our reference, as the provider repeats it."""
    reference: Id | None = None
    capture: Id | None = None
    """The provider's name for the money it took, by which it speaks of refunds and disputes."""
    checkout_url: Annotated[str, AfterValidator(storable)] | None = None
    """Where it can be paid, when the provider says so."""
    sandbox: bool | None = None
    """Whether the provider speaks of play money; None when it does not say."""
    captured: Annotated[Money, AfterValidator(countable)] | None = None
    failure_code: Annotated[str, Shown(64), AfterValidator(storable)] | None = None
    failure_message: Annotated[str, Shown(500), AfterValidator(storable)] | None = None
    observed_at: datetime
    evidence_sha256: str | None = None
    inbox_id: str | None = None
