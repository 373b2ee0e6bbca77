"""What becomes of a subscription whose schedule the company keeps: its words, taken together. Pure.

Words come in any order, twice, or never. So none of them moves a subscription from one state to the next: how
it stands is read off all that was heard so far, and in which order that was is no part of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from domain.billing import SubscriptionStatus, gives
from domain.calendar import Period, Rhythm
from domain.catalog import Offer
from domain.event_types import SubscriptionNews
from domain.standing import Step, Subscription, Terms
from domain.subscription import InvoiceObservation, InvoiceWord, SubscriptionObservation
from domain.values import Value

S = SubscriptionStatus

_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)
# Of two words of the same instant that one counts which a life comes to later.
_LATER: Final = {status: number for number, status in enumerate(S)}
_FACTS: Final = ("price", "quantity", "current_period_start", "current_period_end", "trial_end")
_TOLD: Final[Mapping[S, SubscriptionNews]] = {
    S.INCOMPLETE_EXPIRED: "incomplete_expired",
    S.TRIALING: "trialing",
    S.ACTIVE: "activated",
    S.PAST_DUE: "past_due",
    S.UNPAID: "unpaid",
    S.PAUSED: "paused",
    S.CANCELED: "canceled",
}


class Word(Value):
    """A word on a subscription, in its place among the others."""

    said: SubscriptionObservation
    at: datetime
    """When it was so, by the company's clock."""
    read: bool = False
    """Asked by us: newer than all that was told of the same instant."""

    @property
    def status(self) -> SubscriptionStatus:
        """Raises ``ValueError`` for a word that nobody knows: none of those is ever put among the others."""
        return S(self.said.word.value)

    @property
    def state(self) -> dict[str, Any]:
        """What it says, however and whenever it was said."""
        own = {"word", "cancel_at_period_end", "cancel_at", "canceled_at", *_FACTS}
        return self.said.model_dump(include=own)

    @property
    def rank(self) -> tuple[bool, datetime, bool, int, datetime, str]:
        """The highest is how it stands. An end is for ever, whatever is said of later times."""
        said = self.said
        ended = self.status is S.CANCELED
        until = said.current_period_end or _BEFORE_ALL
        return ended, self.at, self.read, _LATER[self.status], until, said.cause_id


def placed(said: SubscriptionObservation, known: Iterable[Word]) -> Word:
    """A word in its place. What was read is newer than all we knew, whatever the two clocks show."""
    if said.told_at is not None:
        return Word(said=said, at=said.told_at)
    return Word(said=said, at=max([said.observed_at, *(word.at for word in known)]), read=True)


class Standing(Value):
    """How a subscription stands, by all words heard of it."""

    status: SubscriptionStatus
    at: datetime
    price: str | None = None
    """By the company's name."""
    quantity: int | None = None
    period: Period | None = None
    trial_end: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None


def standing(words: Iterable[Word]) -> Standing:
    """What all words come to, in whatever order. There is one at least."""
    ranked = sorted(words, key=lambda word: word.rank, reverse=True)
    newest = ranked[0]
    # A word may leave out what an earlier one told.
    said = {name: _first(getattr(word.said, name) for word in ranked) for name in _FACTS}
    start, end = said["current_period_start"], said["current_period_end"]
    leaves = newest.said.cancel_at_period_end or _within(newest.said.cancel_at, end)
    ended = newest.status is S.CANCELED
    return Standing(
        status=newest.status,
        at=newest.at,
        price=said["price"],
        quantity=said["quantity"] or None,
        period=Period(start=start, end=end) if start and end and start < end else None,
        trial_end=said["trial_end"],
        cancel_at_period_end=leaves and not ended,
        canceled_at=newest.said.canceled_at or (newest.at if ended or leaves else None),
    )


def _first(told: Iterable[Any]) -> Any:
    return next((each for each in told if each is not None), None)


def _within(cancel_at: datetime | None, end: datetime | None) -> bool:
    return cancel_at is not None and end is not None and cancel_at <= end


def doubtful(word: Word, words: Sequence[Word]) -> bool:
    """Whether to ask the company, now that ``word`` is among ``words``: their order may mislead.

    It is older than another that says something else, yet may show a newer state (some companies send what is
    true when they send it); or the two newest are of the same instant.
    """
    newest, *others = sorted(words, key=lambda each: each.rank, reverse=True)
    if newest.status is S.CANCELED:
        return False
    late = word.rank < newest.rank and word.state != newest.state
    tied = not newest.read and any(each.at == newest.at and each.state != newest.state for each in others)
    return late or tied


def mirrored(sub: Subscription, stands: Standing, offer: Offer | None) -> Step:
    """A subscription as its company says it stands. ``offer`` is what the company's price is with us.

    Also where our own schedule could not lead to: whatever lay between was not heard.
    """
    terms = sub.terms if offer is None else _terms(offer, stands.quantity or sub.terms.quantity)
    period = stands.period or sub.period
    price = terms.price
    rhythm = Rhythm(
        anchor=sub.rhythm.anchor if period is None else period.start,
        interval=price.interval,
        count=price.interval_count,
        zone=sub.rhythm.zone,
    )
    over = stands.status in {S.CANCELED, S.INCOMPLETE_EXPIRED}
    facts = {
        "status": stands.status,
        "terms": terms,
        "rhythm": rhythm,
        "next_number": 0 if period is None else 1,
        "period": period,
        "trial_end": stands.trial_end,
        "cancel_at_period_end": stands.cancel_at_period_end,
        "canceled_at": stands.canceled_at,
        "ended_at": stands.at if over else None,
        "paused_at": stands.at if stands.status is S.PAUSED else None,
        "updated_at": stands.at,
    }
    after = sub.model_copy(update=facts)
    anew = (after.status, after.terms, after.period) != (sub.status, sub.terms, sub.period)
    return Step(after=after, at=stands.at, told=_told(sub, after), grant=anew and gives(after.status))


def _terms(offer: Offer, quantity: int) -> Terms:
    return Terms(plan_id=offer.plan.id, plan_name=offer.plan.name, price=offer.price, quantity=quantity)


def _told(before: Subscription, after: Subscription) -> tuple[SubscriptionNews, ...]:
    """What tenants hear of it: the same words as of a schedule of ours."""
    was, now = before.status, after.status
    told: list[SubscriptionNews] = []
    if now is not was and now in _TOLD:
        back = was is S.PAUSED and now in {S.TRIALING, S.ACTIVE}
        told.append("resumed" if back else _TOLD[now])
    if now is S.ACTIVE and was in {S.ACTIVE, S.PAST_DUE, S.UNPAID} and _later(before.period, after.period):
        told.append("renewed")
    begun = was not in {S.INCOMPLETE, S.INCOMPLETE_EXPIRED} and now is not S.CANCELED
    wish = before.cancel_at_period_end is not after.cancel_at_period_end
    if begun and (wish or before.terms != after.terms):
        told.append("changed")
    return tuple(told)


def _later(before: Period | None, after: Period | None) -> bool:
    return before is not None and after is not None and before.start < after.start


EVENT_OF_BILL: Final[Mapping[InvoiceWord, str]] = {
    InvoiceWord.PAID: "invoice.paid",
    InvoiceWord.PAYMENT_FAILED: "invoice.payment_failed",
    InvoiceWord.VOID: "invoice.voided",
    InvoiceWord.UNCOLLECTIBLE: "invoice.marked_uncollectible",
}
"""What tenants hear of a bill that the company wrote."""


def new_of_bill(said: InvoiceObservation, before: Iterable[InvoiceObservation]) -> bool:
    """Whether tenants have not heard it, and it is not overtaken: of a paid bill no failed charge is told."""
    known = {each.word for each in before if each.reference == said.reference}
    over = known & {InvoiceWord.PAID, InvoiceWord.VOID}
    overtaken = said.word is InvoiceWord.PAYMENT_FAILED and bool(over)
    return said.word in EVENT_OF_BILL and said.word not in known and not overtaken
