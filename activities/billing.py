"""Carries out what becomes of a subscription: its row, its invoice, its rights and what is told of it.

All of it is part of the transaction that decided, on the subscription's locked row. What ``domain.lifecycle``
and ``domain.changes`` say is done here and nowhere else; HTTP, the workflow's step and the settling of a
payment all come this way. Locks are taken in one order: a payment, its subscription, its invoice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.world import World
from domain.billing import SubscriptionStatus
from domain.errors import AmountOutOfRange, IllegalTransition
from domain.events import (
    Announcement,
    invoice_announcement,
    payment_announcement,
    right_announcements,
)
from domain.invoice import Invoice, InvoiceStatus, LineKind, Party, Reason
from domain.invoicing import Heading, credit_after, drawn_up
from domain.lifecycle import failed, paid, whole_period
from domain.money import Money, check_amount
from domain.payment import Payment, PaymentOrder, PaymentRef, PaymentStatus
from domain.standing import Bill, Step, Subscription
from domain.tenant import Tenant
from domain.values import new_id
from providers.base import PROVIDERS
from storage import catalog, customers, entitlements, invoices, payments, subscriptions

log = structlog.get_logger(__name__)

# So long is a provider that is away asked to take what is owed, before the try counts as one in vain.
CHARGE_LASTS: Final = timedelta(hours=24)
# No key of a tenant's begins like this: theirs are ASCII.
_KEY: Final = "§"
_PENDING: Final = frozenset({InvoiceStatus.DRAFT, InvoiceStatus.OPEN})


@dataclass(frozen=True)
class Scene:
    """Whose subscription it is, who acts, and when by the world's clock and at the installation's pace."""

    tenant: Tenant
    actor: str
    wall: datetime
    scale: float
    correlation_id: str | None = None


@dataclass
class Outcome:
    """What a step has led to, and what is to be done once it is committed."""

    sub: Subscription
    invoice: Invoice | None = None
    """The one that was made, settled or dropped."""
    told: list[Announcement] = field(default_factory=list)
    charge: PaymentRef | None = None
    """A payment whose workflow is to be started."""
    abandoned: str | None = None
    """A payment that is wanted no more: its checkout should be closed."""


async def carry_out(
    tx: AsyncConnection, before: Subscription, step: Step, scene: Scene, settled_: Invoice | None = None
) -> Outcome:
    """Write a step down. The caller announces what is ``told``, commits, and starts the ``charge``.

    ``settled_`` is the invoice whose payment led to this step.
    """
    rights = await entitlements.of_subscription(tx, before.id, scene.wall)
    done = Outcome(step.after, settled_)
    pending = await invoices.pending(tx, before.id) if step.bill or step.drop or step.charge else None
    if step.drop is not None and pending is not None:
        await _drop(tx, done, pending, step.drop, step.at)
    if step.bill is not None:
        pending = await _issue(tx, done, pending, step.bill, scene, step.at)
    if pending is not None and step.charge:
        if pending.totals.amount_due_minor == 0:
            step = await _nothing_due(tx, done, pending, step)
        elif pending.reason is Reason.CHANGE and _too_little(done.sub, pending):
            # It stays open, and is asked for with the next invoice, which takes its place.
            step = step.model_copy(update={"grant": True})
        else:
            done.charge = await _charge(tx, done, pending, scene)
    await subscriptions.save(tx, done.sub)
    if step.grant:
        price_id = done.sub.terms.price.id
        plan = (await catalog.offers(tx, [price_id]))[price_id].plan
        pays = _pays_for_the_period(done)
        await entitlements.follow(
            tx,
            done.sub,
            plan.features,
            None if pays is None else pays.payment_id,
            # Whose schedule is not ours has it from elsewhere when a period begins.
            goes_on=pays is None and not done.sub.provider_run,
        )
    written = step.model_copy(update={"after": done.sub})
    told = await subscriptions.record(tx, written, scene.actor, scene.wall, scene.correlation_id)
    after = await entitlements.of_subscription(tx, before.id, scene.wall)
    known = {right.id for right in rights}
    # A right that is new counts as one that was off.
    new = [right.model_copy(update={"active": False}) for right in after if right.id not in known]
    done.told = [*told, *done.told, *right_announcements([*rights, *new], after)]
    return done


def _too_little(sub: Subscription, invoice: Invoice) -> bool:
    """Whether the company would not take so small a sum: a few hours of a few more seats."""
    due = Money(amount_minor=invoice.totals.amount_due_minor, currency=invoice.currency)
    try:
        check_amount(due)
        PROVIDERS[sub.provider].units.check(due)
    except AmountOutOfRange:
        return True
    return False


def _pays_for_the_period(done: Outcome) -> Invoice | None:
    """What has just been paid, when that is the whole of a period, and not a mere difference."""
    invoice = done.invoice
    if invoice is None or invoice.status is not InvoiceStatus.PAID:
        return None
    # A change within the first hour is counted from the period's beginning, and is a difference all the same.
    whole = (line for line in invoice.lines if line.kind is LineKind.PERIOD)
    begins = any(line.period == done.sub.period for line in whole)
    return invoice if invoice.reason is not Reason.CHANGE or begins else None


async def _drop(
    tx: AsyncConnection, done: Outcome, pending: Invoice, to: InvoiceStatus, at: datetime
) -> None:
    done.invoice = await invoices.drop(tx, pending, to, at)
    if to is InvoiceStatus.VOID:
        # What was set against it is there again.
        credit = done.sub.credit_minor + pending.totals.credit_applied_minor
        done.sub = done.sub.model_copy(update={"credit_minor": credit})
    if pending.number is None:
        done.abandoned = pending.payment_id
    else:
        type_ = "invoice.voided" if to is InvoiceStatus.VOID else "invoice.marked_uncollectible"
        done.told.append(invoice_announcement(done.invoice, type_))


async def _issue(
    tx: AsyncConnection, done: Outcome, open_: Invoice | None, bill: Bill, scene: Scene, at: datetime
) -> Invoice:
    """Make the invoice. What is owed already becomes part of it, and the one that said so is void."""
    sub = done.sub
    drawn = drawn_up(sub, open_, bill, await heading(tx, scene.tenant, sub), at)
    if open_ is not None:
        open_ = await invoices.drop(tx, open_, InvoiceStatus.VOID, at)
    invoice = await invoices.add(tx, drawn)
    if open_ is not None:
        open_ = await invoices.replaced(tx, open_, invoice)
        done.told.append(invoice_announcement(open_, "invoice.voided"))
    done.sub = sub.model_copy(update={"credit_minor": credit_after(sub, open_, invoice)})
    done.invoice = invoice
    done.told.append(invoice_announcement(invoice, "invoice.created"))
    return invoice


async def heading(tx: AsyncConnection, tenant: Tenant, sub: Subscription) -> Heading:
    """What stands on an invoice of this subscription now."""
    issuer = tenant.settings.invoice_issuer or Party(name=tenant.name, email=tenant.contact_email)
    recipient = (await customers.get(tx, sub.customer_id)).as_party
    return Heading(issuer=issuer, recipient=recipient, tax=tenant.settings.tax)


async def _nothing_due(tx: AsyncConnection, done: Outcome, pending: Invoice, step: Step) -> Step:
    """An invoice of nothing is paid as it is made."""
    done.invoice = await invoices.paid(tx, pending, step.at)
    done.told.append(invoice_announcement(done.invoice, "invoice.paid"))
    further = paid(done.sub, pending.reason, step.at)
    done.sub = further.after
    return step.model_copy(update={"told": (*step.told, *further.told), "grant": True})


async def first_invoice(tx: AsyncConnection, sub: Subscription, scene: Scene) -> Invoice:
    """The draft of what the first period will cost; it becomes an invoice once it is paid."""
    period = sub.rhythm.period(0)
    bill = Bill(reason=Reason.START, lines=(whole_period(sub.terms, period),), period=period)
    draft = drawn_up(sub, None, bill, await heading(tx, scene.tenant, sub), sub.created_at)
    unborn = {"status": InvoiceStatus.DRAFT, "opened_at": None}
    return await invoices.add(tx, draft.model_copy(update=unborn))


@dataclass(frozen=True)
class Till:
    """How the payer comes to pay an invoice: at a checkout, or by what is kept for them."""

    expires_at: datetime
    off_session: bool = True
    success_url: str | None = None
    cancel_url: str | None = None
    email: str | None = None


async def begin_payment(
    tx: AsyncConnection, sub: Subscription, invoice: Invoice, scene: Scene, till: Till
) -> tuple[Payment, list[Announcement]]:
    """An invoice's next payment, on record. One at a time may be open or have succeeded."""
    number = await invoices.tries(tx, invoice.id) + 1
    key = f"{_KEY}{invoice.id}:{number}"
    order = PaymentOrder(
        payment_id=new_id("pay", scene.wall),
        tenant_id=sub.tenant_id,
        idempotency_key=key,
        digest=sha256(key.encode()).hexdigest(),
        user_id=sub.user_id,
        money=Money(amount_minor=invoice.totals.amount_due_minor, currency=invoice.currency),
        provider=sub.provider,
        description=sub.terms.plan_name,
        customer_email=till.email,
        success_url=till.success_url,
        cancel_url=till.cancel_url,
        sandbox=sub.sandbox,
        invoice_id=invoice.id,
        customer_id=sub.customer_id,
        off_session=till.off_session,
        correlation_id=scene.correlation_id,
        created_at=scene.wall,
        expires_at=till.expires_at,
    )
    payment, _ = await payments.place(tx, order, sub.account_id)
    cause = payments.Cause(id="order", type="payment.created", actor=scene.actor, at=scene.wall)
    await payments.remark(tx, payment, cause)
    return payment, [payment_announcement(payment)]


async def _charge(tx: AsyncConnection, done: Outcome, invoice: Invoice, scene: Scene) -> PaymentRef:
    lasts = max(CHARGE_LASTS / scene.scale, timedelta(minutes=1))
    till = Till(expires_at=scene.wall + lasts)
    payment, told = await begin_payment(tx, done.sub, invoice, scene, till)
    done.told += told
    return payment.ref


async def set_going(world: World, done: Outcome, endpoints: list[str]) -> None:
    """What follows a step that is committed. What does not get through, the sweeps find."""
    tenant_id = done.sub.tenant_id
    if done.abandoned is not None:
        async with world.database.tenant(tenant_id) as tx:
            await payments.wish_cancelled(tx, done.abandoned, world.clock())
    if done.charge is not None:
        await world.start_payment(done.charge)
    await world.wake(tenant_id, endpoints)


async def follow_up(world: World, done: Outcome, endpoints: list[str]) -> None:
    """``set_going``, and a word to whoever leads the subscription: for those who do not lead it."""
    try:
        await set_going(world, done, endpoints)
        await world.wake_subscription(done.sub.ref)
    except Exception as error:  # noqa: BLE001 - all of it is on record, and the sweeps find it
        log.warning("subscription_postponed", subscription_id=done.sub.id, reason=type(error).__name__)


async def settled(tx: AsyncConnection, payment: Payment, scene: Scene) -> Outcome | None:
    """What the end of an invoice's payment leads to, in the transaction that says so.

    None when the money is wanted no more, and goes back: the invoice is void, or its subscription over.
    """
    invoice, sub = await _what_it_pays(tx, payment)
    at = sub.time(scene.wall, scene.scale)
    if payment.status is not PaymentStatus.SUCCEEDED:
        return await _in_vain(tx, sub, invoice, payment, scene)
    if invoice.status not in _PENDING:
        return None
    try:
        step = paid(sub, invoice.reason, at)
    except IllegalTransition:
        return None
    told: list[Announcement] = []
    if invoice.status is InvoiceStatus.DRAFT:
        invoice = await _opened(tx, invoice, step)
        told.append(invoice_announcement(invoice, "invoice.created"))
    invoice = (await invoices.paid(tx, invoice, at)).model_copy(update={"payment_id": payment.id})
    told.append(invoice_announcement(invoice, "invoice.paid", payment_id=payment.id))
    done = await carry_out(tx, sub, step, scene, invoice)
    done.told = [*told, *done.told]
    return done


async def _what_it_pays(tx: AsyncConnection, payment: Payment) -> tuple[Invoice, Subscription]:
    invoice = await invoices.get(tx, payment.order.invoice_id or "")
    sub = await subscriptions.get(tx, invoice.subscription_id, lock=True)
    # What it was before the lock was ours may be over.
    return await invoices.get(tx, invoice.id, lock=True), sub


async def _opened(tx: AsyncConnection, draft: Invoice, step: Step) -> Invoice:
    """The first period begins with its payment, whenever the checkout was begun."""
    period = step.after.period or draft.period
    lines = tuple(line.model_copy(update={"period": period}) for line in draft.lines)
    dated = {"lines": lines, "period": period, "created_at": step.at, "opened_at": step.at}
    return await invoices.open_(tx, draft.model_copy(update=dated))


async def _in_vain(
    tx: AsyncConnection, sub: Subscription, invoice: Invoice, payment: Payment, scene: Scene
) -> Outcome:
    over = sub.status not in {*subscriptions.LIVE, SubscriptionStatus.INCOMPLETE}
    if over or invoice.status not in _PENDING:
        return Outcome(sub, invoice)
    at = sub.time(scene.wall, scene.scale)
    policy = scene.tenant.settings.after_dunning
    step = failed(sub, payment.failure_code, at, invoice.created_at, policy)
    told: Sequence[Announcement] = ()
    if invoice.number is not None:
        why = {"payment_id": payment.id, "failure_code": payment.failure_code}
        told = [invoice_announcement(invoice, "invoice.payment_failed", **why)]
    done = await carry_out(tx, sub, step, scene)
    done.told = [*told, *done.told]
    return done
