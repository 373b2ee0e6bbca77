"""What another plan, or another number of seats, makes of a subscription: the change and its bill. Pure.

A preview and the change it announces are one call of ``change`` at two moments; its bill becomes an invoice
by ``domain.invoice.totals``, for both.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.billing import SubscriptionStatus
from domain.calendar import Period, Rhythm
from domain.errors import IllegalTransition, ValidationFailed
from domain.invoice import Line, LineKind, Reason
from domain.lifecycle import whole_period
from domain.proration import left
from domain.standing import Bill, Step, Subscription, Terms

S = SubscriptionStatus

_COUNTED_BY: Final = timedelta(hours=1)
_TOLD_BY: Final = timedelta(milliseconds=1)
_CHANGEABLE: Final = frozenset({S.TRIALING, S.ACTIVE, S.PAST_DUE})


class Proration(StrEnum):
    """When a change takes effect, and what is billed for it."""

    PRORATE = "prorate"
    """At once: what is left of the old terms is given back, and the rest of the period billed by the new."""
    NONE = "none"
    """At once, and billed from the next period on."""
    NEXT_PERIOD = "next_period"


def counts_from(sub: Subscription, now: datetime, wished: datetime | None = None) -> datetime:
    """The instant up to which the old terms count, and from which the new ones do: ``now``, unless wished.

    Whole hours of the period are counted, so that a preview still holds a moment later. Raises
    ``ValidationFailed`` for a wish outside of what has passed of the period.
    """
    if wished is not None and wished > now:
        raise ValidationFailed(errors=(("/prorationDate", "this is still to come"),))
    # Instants are told to the millisecond, cut off: whoever sends one back means all of that.
    at = now if wished is None else wished + _TOLD_BY - timedelta.resolution
    if sub.period is None:
        return at
    if at < sub.period.start and wished is not None:
        raise ValidationFailed(errors=(("/prorationDate", "this is before the present period"),))
    return _whole_hours(sub.period, at)


def _whole_hours(period: Period, at: datetime) -> datetime:
    passed = max(min(at, period.end) - period.start, timedelta(0))
    return period.start + passed // _COUNTED_BY * _COUNTED_BY


def change(
    sub: Subscription, terms: Terms, proration: Proration, now: datetime, since: datetime | None = None
) -> Step:
    """Other terms from now on, or from the next period on; ``since`` is what ``counts_from`` may be wished.

    Raises ``IllegalTransition`` where nothing runs that could change, and ``ValidationFailed`` for terms
    that cannot follow on these.
    """
    if sub.status not in _CHANGEABLE:
        raise IllegalTransition(f"A subscription that is {sub.status} cannot change.")
    since = counts_from(sub, now, since)
    if terms.price.money.currency != sub.terms.price.money.currency:
        raise ValidationFailed(errors=(("/priceId", "the currency of a subscription never changes"),))
    other_rhythm = _pace(terms) != _pace(sub.terms)
    if proration is Proration.NEXT_PERIOD:
        pending = None if _same(terms, sub.terms) else terms
        after = sub.model_copy(update={"pending": pending, "updated_at": now})
        return Step(after=after, at=now, told=() if pending == sub.pending else ("changed",))
    if proration is Proration.NONE and other_rhythm and sub.status is not S.TRIALING:
        raise ValidationFailed(
            errors=(("/proration", "another interval begins with prorate, or with next_period"),)
        )
    if _same(terms, sub.terms):
        # Whatever was to come is taken back; the present terms stand.
        after = sub.model_copy(update={"pending": None, "updated_at": now})
        return Step(after=after, at=now, told=("changed",) if sub.pending else ())
    after = sub.model_copy(update={"terms": terms, "pending": None, "updated_at": now})
    if sub.status is S.TRIALING or sub.period is None:
        rhythm = _rhythm(terms, sub, sub.rhythm.anchor)
        return Step(after=after.model_copy(update={"rhythm": rhythm}), at=now, told=("changed",), grant=True)
    if proration is Proration.NONE:
        after = after.model_copy(update={"billed": sub.billed or sub.terms})
        return Step(after=after, at=now, told=("changed",), grant=True)
    if since < _whole_hours(sub.period, sub.updated_at):
        # Before the last thing that has happened to it other terms may have been billed.
        raise ValidationFailed(errors=(("/prorationDate", "it has changed since; ask for another preview"),))
    # What was billed is given back, whatever it has come to be without a bill.
    return _prorated(after.model_copy(update={"billed": None}), sub.billed or sub.terms, sub.period, since)


def _prorated(after: Subscription, old: Terms, period: Period, since: datetime) -> Step:
    now, new = after.updated_at, after.terms
    rest = Period(start=since, end=period.end)
    lines = [_line(LineKind.UNUSED, old, -left(old.total_minor, period, since), rest)]
    if _pace(new) == _pace(old):
        lines.append(_line(LineKind.REMAINING, new, left(new.total_minor, period, since), rest))
    else:
        rhythm = _rhythm(new, after, now)
        period = rest = rhythm.period(0)
        after = after.model_copy(update={"rhythm": rhythm, "next_number": 1, "period": period})
        lines.append(whole_period(new, period))
    bill = Bill(reason=Reason.CHANGE, lines=tuple(lines), period=rest)
    return Step(after=after, at=now, told=("changed",), bill=bill, charge=True)


def _line(kind: LineKind, terms: Terms, amount_minor: int, period: Period) -> Line:
    whole = whole_period(terms, period)
    return whole.model_copy(update={"kind": kind, "amount_minor": amount_minor})


def _rhythm(terms: Terms, sub: Subscription, anchor: datetime) -> Rhythm:
    price = terms.price
    return Rhythm(anchor=anchor, interval=price.interval, count=price.interval_count, zone=sub.rhythm.zone)


def _pace(terms: Terms) -> tuple[str, int]:
    return terms.price.interval, terms.price.interval_count


def _same(one: Terms, other: Terms) -> bool:
    return (one.price.id, one.quantity) == (other.price.id, other.quantity)
