"""What another plan, or another number of seats, makes of a subscription: the change and its bill. Pure.

A preview and the change it announces are one call of ``change`` at two moments; its bill becomes an invoice
by ``domain.invoice.totals``, for both.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from domain.billing import SubscriptionStatus
from domain.calendar import Period, Rhythm
from domain.errors import IllegalTransition, ValidationFailed
from domain.invoice import Line, LineKind, Reason
from domain.lifecycle import Bill, Step, Subscription, Terms, whole_period
from domain.proration import left

S = SubscriptionStatus

_CHANGEABLE: Final = frozenset({S.TRIALING, S.ACTIVE, S.PAST_DUE})


class Proration(StrEnum):
    """When a change takes effect, and what is billed for it."""

    PRORATE = "prorate"
    """At once: what is left of the old terms is given back, and the rest of the period billed by the new."""
    NONE = "none"
    """At once, and billed from the next period on."""
    NEXT_PERIOD = "next_period"


def change(sub: Subscription, terms: Terms, proration: Proration, now: datetime) -> Step:
    """Other terms from now on, or from the next period on.

    Raises ``IllegalTransition`` where nothing runs that could change, and ``ValidationFailed`` for terms
    that cannot follow on these.
    """
    if sub.status not in _CHANGEABLE:
        raise IllegalTransition(f"A subscription that is {sub.status} cannot change.")
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
        return Step(after=after, at=now, told=("changed",), grant=True)
    return _prorated(sub, after, sub.period, now)


def _prorated(sub: Subscription, after: Subscription, period: Period, now: datetime) -> Step:
    rest = Period(start=min(max(now, period.start), period.end), end=period.end)
    old, new = sub.terms, after.terms
    lines = [_line(LineKind.UNUSED, old, -left(old.total_minor, period, now), rest)]
    if _pace(new) == _pace(old):
        lines.append(_line(LineKind.REMAINING, new, left(new.total_minor, period, now), rest))
    else:
        rhythm = _rhythm(new, sub, now)
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
