"""Draws invoices up: one function, for the invoice that is issued and for the preview that announces it."""

from datetime import datetime

from domain.billing import SubscriptionStatus
from domain.invoice import Invoice, InvoiceStatus, Party, Reason, Tax, Totals, totals
from domain.lifecycle import whole_period
from domain.standing import Bill, Subscription
from domain.values import Value, new_id


class Heading(Value):
    """What stands on an invoice beside its lines: by the tenant's settings, and who it is for."""

    issuer: Party
    recipient: Party
    tax: Tax


def drawn_up(sub: Subscription, open_: Invoice | None, bill: Bill, heading: Heading, at: datetime) -> Invoice:
    """The invoice as it will stand, but for its number. What ``open_`` asks for becomes part of it."""
    lines = (*(open_.lines if open_ is not None else ()), *bill.lines)
    held = sub.credit_minor + (open_.totals.credit_applied_minor if open_ is not None else 0)
    return Invoice(
        id=new_id("inv", at),
        tenant_id=sub.tenant_id,
        subscription_id=sub.id,
        user_id=sub.user_id,
        status=InvoiceStatus.OPEN,
        # It pays for a period, if what it takes the place of did, or if that was a mere change.
        reason=bill.reason if open_ is None or open_.reason is Reason.CHANGE else open_.reason,
        currency=sub.terms.price.money.currency,
        lines=lines,
        totals=totals(lines, heading.tax, held),
        period=bill.period,
        sandbox=sub.sandbox,
        created_at=at,
        opened_at=at,
        **{name: getattr(heading, name) for name in Heading.model_fields},
    )


def credit_after(sub: Subscription, open_: Invoice | None, drawn: Invoice) -> int:
    """What the subscriber holds once ``drawn`` stands in the place of ``open_``."""
    returned = open_.totals.credit_applied_minor if open_ is not None else 0
    sums = drawn.totals
    return sub.credit_minor + returned - sums.credit_applied_minor + sums.credited_minor


def upcoming(sub: Subscription, open_: Invoice | None, heading: Heading) -> tuple[datetime, Totals] | None:
    """When money is asked for next, and how much; None when none will be.

    What is owed already is asked for at the next try.
    """
    owed = open_ if open_ is not None and open_.status is InvoiceStatus.OPEN else None
    if owed is not None and sub.next_try_at is not None:
        return sub.next_try_at, owed.totals
    runs = sub.status in {SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE}
    if not runs or sub.period is None or sub.cancel_at_period_end:
        return None
    line = whole_period(sub.pending or sub.terms, sub.period)
    # What was too little to be asked for by itself comes with it.
    before = owed.lines if owed is not None else ()
    return sub.period.end, totals((*before, line), heading.tax, sub.credit_minor)
