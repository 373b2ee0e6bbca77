"""The life of a subscription whose schedule is ours: what becomes of it, and when. Pure.

Every function answers with a ``Step``: the subscription as it stands afterwards, what is billed, and what is
to be told. Storage carries a step out on the locked row; nobody else decides. ``domain.changes`` knows what
another plan or number of seats makes of it.

While a charge is on its way, and nobody yet knows how it ends, no step is taken.
"""

from datetime import datetime, timedelta
from typing import Final

from domain.billing import AfterDunning, SubscriptionStatus
from domain.calendar import Period, Rhythm
from domain.dunning import HARD, RETRIED_ON, next_try
from domain.errors import IllegalTransition
from domain.event_types import SubscriptionNews
from domain.invoice import InvoiceStatus, Line, LineKind, Reason
from domain.standing import Bill, Step, Subscription, Terms

S = SubscriptionStatus

INCOMPLETE_LASTS: Final = timedelta(hours=23)
REMINDED_BEFORE: Final = timedelta(days=3)
"""So long before a trial ends its tenant is told, when the trial is longer than that."""


def due(sub: Subscription) -> datetime | None:
    """When something is to be done about it; None when it waits for somebody."""
    if sub.provider_run:
        # All but this is the company's to say, which knows nothing of a checkout that nobody paid.
        unheard = sub.status is S.INCOMPLETE and sub.provider_reference is None
        return sub.created_at + INCOMPLETE_LASTS if unheard else None
    if sub.set_up_at is not None and sub.status is S.INCOMPLETE:
        return sub.set_up_at
    if _may_heal(sub):
        return sub.updated_at
    ends = None if sub.period is None else sub.period.end
    marks: dict[S, list[datetime | None]] = {
        S.INCOMPLETE: [sub.created_at + INCOMPLETE_LASTS],
        S.TRIALING: [_reminder(sub), ends],
        S.ACTIVE: [ends],
        S.PAST_DUE: [sub.next_try_at, sub.grace_ends, ends],
    }
    return min((mark for mark in marks.get(sub.status, []) if mark is not None), default=None)


def _may_heal(sub: Subscription) -> bool:
    """Whether the news of what can be charged is to be acted on. Whoever has cancelled is not asked again."""
    return (
        sub.method_changed and not sub.cancel_at_period_end and sub.status in {S.PAST_DUE, S.UNPAID, S.PAUSED}
    )


def _reminder(sub: Subscription) -> datetime | None:
    if sub.reminded or sub.trial_end is None or sub.period is None or sub.cancel_at_period_end:
        return None
    mark = sub.trial_end - REMINDED_BEFORE
    return mark if mark > sub.period.start else None


def asks_for_method(sub: Subscription, now: datetime) -> bool:
    """Whether the next step depends on there being something to charge."""
    at = due(sub)
    if at is None or at > now:
        return False
    ends = sub.status is S.TRIALING and at == sub.trial_end and not sub.cancel_at_period_end
    return ends or (sub.status is S.PAUSED and _may_heal(sub))


def take(sub: Subscription, now: datetime, policy: AfterDunning, *, has_method: bool = True) -> Step | None:
    """The first step that is due, dated with its own deadline; None when none is.

    ``has_method`` counts where ``asks_for_method`` says so.
    """
    at = due(sub)
    if at is None or at > now:
        return None
    if sub.status is S.INCOMPLETE:
        return expired(sub, at) if sub.set_up_at is None else _trial_begun(sub, at)
    if _may_heal(sub):
        return _method_news(sub, now, has_method=has_method)
    if sub.status is S.PAST_DUE and at == sub.grace_ends:
        return _given_up(sub, at, policy)
    if sub.period is not None and at == sub.period.end:
        return _period_over(sub, at, has_method=has_method)
    # Before the end of a period there is only this: a trial's reminder, or another try.
    news: dict[str, object] = {"next_try_at": None} if sub.status is S.PAST_DUE else {"reminded": True}
    told = () if sub.status is S.PAST_DUE else ("trial_will_end",)
    return Step(after=sub.model_copy(update=news), at=at, told=told, charge=sub.status is S.PAST_DUE)


def _period_over(sub: Subscription, at: datetime, *, has_method: bool) -> Step:
    if sub.cancel_at_period_end:
        return _ended(sub, at)
    if sub.status is S.TRIALING and not has_method and (sub.pending or sub.terms).total_minor > 0:
        return Step(after=sub.turned(S.PAUSED, at, paused_at=at), at=at, told=("paused",))
    return _next_period(sub, at)


def expired(sub: Subscription, at: datetime) -> Step:
    """Nobody paid for it in time, or its checkout ended without money."""
    over = sub.turned(S.INCOMPLETE_EXPIRED, at, ended_at=at)
    return Step(after=over, at=at, told=("incomplete_expired",), drop=InvoiceStatus.VOID)


def _trial_begun(sub: Subscription, at: datetime) -> Step:
    if sub.terms.price.trial_days == 0:
        # A plan that costs nothing: there was nothing to pay for.
        return begun(sub, at)
    end = at + timedelta(days=sub.terms.price.trial_days)
    after = sub.turned(
        S.TRIALING,
        at,
        trial_end=end,
        period=Period(start=at, end=end),
        rhythm=sub.rhythm.model_copy(update={"anchor": end}),
        next_number=0,
    )
    return Step(after=after, at=at, told=("trialing",), grant=True)


def begun(sub: Subscription, at: datetime) -> Step:
    """Its first period begins here: it was paid for, or costs nothing."""
    rhythm = sub.rhythm.model_copy(update={"anchor": at})
    after = sub.turned(S.ACTIVE, at, rhythm=rhythm, period=rhythm.period(0), next_number=1)
    return Step(after=after, at=at, told=("activated",), grant=True)


def whole_period(terms: Terms, period: Period) -> Line:
    return Line(
        kind=LineKind.PERIOD,
        plan_name=terms.plan_name,
        price_id=terms.price.id,
        quantity=terms.quantity,
        unit_minor=terms.price.money.amount_minor,
        amount_minor=terms.total_minor,
        period=period,
    )


def _next_period(sub: Subscription, at: datetime) -> Step:
    """The schedule moves on; the status follows when it is known whether that is paid."""
    terms, rhythm, number = sub.terms, sub.rhythm, sub.next_number
    if sub.pending is not None:
        terms = sub.pending
        if (terms.price.interval, terms.price.interval_count) != (rhythm.interval, rhythm.count):
            rhythm = Rhythm(
                anchor=at, interval=terms.price.interval, count=terms.price.interval_count, zone=rhythm.zone
            )
            number = 0
    period = rhythm.period(number)
    after = sub.model_copy(
        update={
            "terms": terms,
            "pending": None,
            "billed": None,
            "rhythm": rhythm,
            "next_number": number + 1,
            "period": period,
            # What is charged now is what is there now.
            "method_changed": False,
            "updated_at": at,
        }
    )
    bill = Bill(reason=Reason.CYCLE, lines=(whole_period(terms, period),), period=period)
    return Step(after=after, at=at, told=("changed",) if sub.pending else (), bill=bill, charge=True)


def _method_news(sub: Subscription, now: datetime, *, has_method: bool) -> Step:
    known = sub.model_copy(update={"method_changed": False})
    if sub.status is not S.PAUSED:
        return Step(after=known, at=now, charge=True)
    if not has_method or not _without_method(sub):
        return Step(after=known, at=now)
    return _restarted(known, now)


def _without_method(sub: Subscription) -> bool:
    """Whether it pauses because its trial ended with nothing to charge, not because somebody wished it."""
    return sub.paused_at is not None and sub.paused_at == sub.trial_end


def _restarted(sub: Subscription, now: datetime) -> Step:
    """After a pause there is no time left that was paid for: a new period begins."""
    rhythm = sub.rhythm.model_copy(update={"anchor": now})
    anew = sub.model_copy(update={"rhythm": rhythm, "next_number": 0, "paused_at": None})
    step = _next_period(anew, now)
    return step.model_copy(update={"told": (*step.told, "resumed")})


def paid(sub: Subscription, reason: Reason, at: datetime) -> Step:
    """What was open is paid, in the transaction that says so.

    Raises ``IllegalTransition`` for a subscription that has ended: the money goes back.
    """
    if sub.status is S.INCOMPLETE:
        return begun(sub, at)
    healed: dict[str, object] = {"tries": 0, "method_changed": False}
    healed |= dict.fromkeys(("dunning_since", "next_try_at", "give_up_at", "paused_at"))
    after = sub.turned(S.ACTIVE, at, **healed)
    if sub.status is S.UNPAID and sub.period is not None and sub.period.end <= at:
        # It gave nothing for a while. What is paid for now begins now.
        rhythm = sub.rhythm.model_copy(update={"anchor": at})
        after = after.model_copy(update={"rhythm": rhythm, "period": rhythm.period(0), "next_number": 1})
    told: list[SubscriptionNews] = [] if sub.status is S.ACTIVE else ["activated"]
    if reason is Reason.CYCLE and sub.status is not S.TRIALING:
        told.append("renewed")
    return Step(after=after, at=at, told=tuple(told), grant=True)


def failed(sub: Subscription, code: str | None, at: datetime, since: datetime, policy: AfterDunning) -> Step:
    """A try to have the open invoice paid was in vain. ``since`` is when the first one was due."""
    if sub.status is S.INCOMPLETE:
        return expired(sub, at)
    if sub.status is S.UNPAID:
        return Step(after=sub, at=at)
    first, tries, hard = sub.dunning_since or since, sub.tries, code in HARD
    # A try beside the calendar, of a new card or a changed invoice, uses none of its days up.
    beside = sub.status is S.PAST_DUE and (sub.next_try_at or sub.give_up_at) is not None
    if not beside:
        tries += 1
    elif sub.next_try_at is None:
        # Another card than the one that was refused for good: the days that are left are its.
        tries = max(tries, 1 + sum(first + mark <= at for mark in RETRIED_ON))
    again = next_try(first, tries, hard=hard)
    over = sub.turned(S.PAST_DUE, at, dunning_since=first, tries=tries)
    if again is None and not hard and not beside:
        return _given_up(over, at, policy)
    give_up_at = first + RETRIED_ON[-1] if again is None else None
    # Whoever cancels is not asked again.
    facts = {"next_try_at": None if sub.cancel_at_period_end else again, "give_up_at": give_up_at}
    told = () if sub.status is S.PAST_DUE else ("past_due",)
    return Step(after=over.model_copy(update=facts), at=at, told=told)


def _given_up(sub: Subscription, at: datetime, policy: AfterDunning) -> Step:
    if policy is AfterDunning.CANCEL or sub.cancel_at_period_end:
        return _ended(sub, at)
    unpaid = sub.turned(S.UNPAID, at, next_try_at=None, give_up_at=None)
    return Step(after=unpaid, at=at, told=("unpaid",))


def _ended(sub: Subscription, at: datetime) -> Step:
    """The wish to end it is carried out, or nobody has paid for it."""
    drop = InvoiceStatus.UNCOLLECTIBLE if sub.status in {S.PAST_DUE, S.UNPAID} else InvoiceStatus.VOID
    over = sub.turned(
        S.CANCELED,
        at,
        canceled_at=sub.canceled_at or at,
        ended_at=at,
        cancel_at_period_end=False,
        pending=None,
        next_try_at=None,
        give_up_at=None,
    )
    return Step(after=over, at=at, told=("canceled",), drop=drop)


def cancel(sub: Subscription, at: datetime, *, at_period_end: bool) -> Step:
    """End it, now or with the period. Either way nothing more is charged from here on.

    Safe to repeat. Raises ``IllegalTransition`` for one that never began.
    """
    if sub.status is S.CANCELED:
        return Step(after=sub, at=at)
    if not at_period_end or sub.status not in {S.TRIALING, S.ACTIVE, S.PAST_DUE}:
        return _ended(sub, at)
    wished = sub.model_copy(
        update={"cancel_at_period_end": True, "canceled_at": sub.canceled_at or at, "updated_at": at}
    )
    if sub.status is S.PAST_DUE:
        wished = wished.model_copy(update={"next_try_at": None})
    return Step(after=wished, at=at, told=() if sub.cancel_at_period_end else ("changed",))


def pause(sub: Subscription, at: datetime) -> Step:
    """Nothing is charged and nothing is given; the time that was paid for waits."""
    if sub.status is S.PAUSED:
        return Step(after=sub, at=at)
    if sub.status not in {S.TRIALING, S.ACTIVE}:
        raise IllegalTransition(f"A subscription that is {sub.status} cannot pause.")
    return Step(after=sub.turned(S.PAUSED, at, paused_at=at), at=at, told=("paused",))


def resume(sub: Subscription, at: datetime) -> Step:
    """Take back the wish to end it, or go on after a pause. Safe to repeat.

    Raises ``IllegalTransition`` for one that has ended, or was never begun.
    """
    if sub.cancel_at_period_end:
        undone = {"cancel_at_period_end": False, "canceled_at": None, "updated_at": at}
        if sub.status is S.PAST_DUE and sub.dunning_since is not None and sub.give_up_at is None:
            undone["next_try_at"] = next_try(sub.dunning_since, sub.tries, hard=False)
        step = Step(after=sub.model_copy(update=undone), at=at, told=("changed",))
        return step if sub.status is not S.PAUSED else _gone_on(step.after, at)
    if sub.status is S.PAUSED:
        return _gone_on(sub, at)
    if sub.status in {S.TRIALING, S.ACTIVE}:
        return Step(after=sub, at=at)
    raise IllegalTransition(f"A subscription that is {sub.status} cannot be resumed.")


def _gone_on(sub: Subscription, at: datetime) -> Step:
    """The rest of what was paid for runs from here on, and with it all that follows."""
    if sub.paused_at is None:
        # It does already, once its new period is paid for.
        return Step(after=sub, at=at)
    if sub.period is None or sub.period.end <= sub.paused_at:
        return _restarted(sub, at)
    # All of the period moves, so that what is left of it is worth as much of its price as before.
    passed = at - sub.paused_at
    period = Period(start=sub.period.start + passed, end=sub.period.end + passed)
    tried_out = sub.trial_end is not None and sub.period.end == sub.trial_end
    after = sub.turned(
        S.TRIALING if tried_out else S.ACTIVE,
        at,
        paused_at=None,
        period=period,
        trial_end=period.end if tried_out else sub.trial_end,
        rhythm=sub.rhythm.model_copy(update={"anchor": period.end}),
        next_number=0,
    )
    return Step(after=after, at=at, told=("resumed",), grant=True)
