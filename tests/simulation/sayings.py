"""What a company can say, made once for all histories: making words takes longer than judging them."""

from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.refund import RefundObservation, RefundWord

SOME_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def money(amount: int, currency: str = "EUR") -> Money:
    return Money(amount_minor=amount, currency=currency)


@cache
def words(
    word: Word, channel: Channel, payment_id: str | None, reference: str | None, captured: Money | None
) -> Observation:
    return Observation(
        word=word,
        raw_state=word,
        channel=channel,
        cause_id="see Said.cause",
        payment_id=payment_id,
        reference=reference,
        checkout_url="https://pay" if reference else None,
        captured=captured,
        observed_at=SOME_DAY,
    )


@cache
def refund_words(word: RefundWord, reference: str | None, amount: Money | None) -> RefundObservation:
    return RefundObservation(
        word=word,
        raw_state=word,
        cause_id="see RefundSaid.cause",
        reference=reference,
        money=amount,
        observed_at=SOME_DAY,
    )


class Said(NamedTuple):
    """Words, and what names them for ever."""

    words: Observation
    cause: str


class RefundSaid(NamedTuple):
    words: RefundObservation
    cause: str
