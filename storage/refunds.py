"""Refunds in PostgreSQL. What is asked back is reserved first, so that it never exceeds what was captured."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, case, false, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import IdempotencyConflict, NotFound, RefundExceedsCaptured
from domain.events import EVENT_OF_DECISION, EVENT_OF_REFUND, refund_announcement, right_announcements
from domain.money import Money
from domain.payment import Payment, RefundStatus
from domain.refund import (
    RELEASED,
    UNSETTLED,
    Origin,
    Refund,
    RefundObservation,
    RefundRef,
    RefundState,
    sources,
)
from domain.values import Value, derived_id
from storage import audit, calls, entitlements, events, invoices, ledger
from storage import payments as all_payments
from storage.calls import Call
from storage.payments import Cause
from storage.tables import payments, refunds

NOBODY: Final = "paysaga:expiry"
"""Who ends what no person decided about in time, for the audit trail."""


class Wish(Value):
    """How much of a payment should go back, and why. ``name`` tells it from other refunds of the payment."""

    name: str
    money: Money
    origin: Origin
    reason: str | None
    by: str
    idempotency_key: str | None = None
    digest: str | None = None
    needs_approval: bool = False
    """It is reserved and goes nowhere; ``approvals.ask`` must follow in the same transaction."""
    correlation_id: str | None = None


async def request(tx: AsyncConnection, payment: Payment, wish: Wish, now: datetime) -> Refund:
    """Reserve the amount and write the refund down, in the transaction that decided on it.

    Raises ``RefundExceedsCaptured``; that is decided in one statement, whoever else asks at the same time.
    Raises ``IdempotencyConflict`` when the key has just been used for another payment.
    """
    amount = wish.money.amount_minor
    # What we give back by ourselves goes back once a payment: its id says so, too.
    named_at = payment.order.created_at if wish.idempotency_key is None else now
    reserved = (
        await tx.execute(
            update(payments)
            .where(
                payments.c.id == payment.id,
                payments.c.captured_currency == wish.money.currency,
                payments.c.refund_reserved + amount <= payments.c.captured_minor,
            )
            .values(refund_reserved=payments.c.refund_reserved + amount, refund_status=RefundStatus.PENDING)
            .returning(payments.c.account_id, payments.c.provider, payments.c.provider_reference)
        )
    ).one_or_none()
    if reserved is None:
        raise RefundExceedsCaptured(paymentId=payment.id)
    refund_id = derived_id("ref", named_at, payment.id, wish.name)
    row = (
        await tx.execute(
            upsert(refunds)
            .values(
                id=refund_id,
                tenant_id=payment.order.tenant_id,
                payment_id=payment.id,
                account_id=reserved.account_id,
                provider=reserved.provider,
                checkout_reference=reserved.provider_reference,
                amount_minor=amount,
                currency=wish.money.currency,
                state=RefundState.PENDING_APPROVAL if wish.needs_approval else RefundState.PENDING,
                approval_id=derived_id("apr", now, refund_id) if wish.needs_approval else None,
                origin=wish.origin,
                reason=wish.reason,
                requested_by=wish.by,
                idempotency_key=wish.idempotency_key,
                digest=wish.digest,
                correlation_id=wish.correlation_id or payment.order.correlation_id,
                created_at=now,
                updated_at=now,
            )
            .on_conflict_do_nothing(index_elements=["tenant_id", "idempotency_key"])
            .returning(refunds)
        )
    ).one_or_none()
    if row is None:
        # The same key, at the same moment, for another payment.
        raise IdempotencyConflict
    return of_row(row)


async def get(tx: AsyncConnection, refund_id: str, *, lock: bool = False) -> Refund:
    """Raises ``NotFound``; another tenant's refund looks exactly like none."""
    query = select(refunds).where(refunds.c.id == refund_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise NotFound
    return of_row(row)


async def by_key(tx: AsyncConnection, key: str, digest: str) -> Refund | None:
    """The refund this key asked for. Raises ``IdempotencyConflict`` when it was for another request."""
    row = (await tx.execute(select(refunds).where(refunds.c.idempotency_key == key))).one_or_none()
    if row is None:
        return None
    if row.digest != digest:
        raise IdempotencyConflict
    return of_row(row)


async def find(tx: AsyncConnection, payment_id: str | None, limit: int, offset: int) -> list[Refund]:
    """The tenant's refunds, newest first, perhaps of one payment only."""
    query = select(refunds).order_by(refunds.c.created_at.desc(), refunds.c.id.desc())
    if payment_id is not None:
        query = query.where(refunds.c.payment_id == payment_id)
    return [of_row(row) for row in await tx.execute(query.limit(limit).offset(offset))]


async def calling(tx: AsyncConnection, refund_id: str) -> Call:
    """Leave to ask the provider for this refund. Raises ``NotYet`` while somebody else has it."""
    asked = (
        update(refunds)
        .where(
            refunds.c.id == refund_id,
            refunds.c.state.in_(UNSETTLED),
            calls.free(refunds),
        )
        .values(calls.next_call(refunds))
        .returning(*calls.told(refunds))
    )
    return calls.leave((await tx.execute(asked)).one_or_none())


async def move(
    tx: AsyncConnection, refund: Refund, to: RefundState, said: RefundObservation, now: datetime
) -> list[str]:
    """Carry a verdict out, books and announcements included; names the endpoints to wake.

    A refund that failed gives its reservation back; whatever is unclear keeps it. Call it last.
    """
    moved = (
        await tx.execute(
            update(refunds)
            .where(refunds.c.id == refund.id, refunds.c.state.in_(sources(to)))
            .values(
                state=to,
                provider_reference=said.reference,
                failure_code=said.failure_code,
                failure_message=said.failure_message,
                busy_until=None,
                updated_at=now,
            )
            .returning(refunds)
        )
    ).one_or_none()
    if moved is None:
        return []
    told = of_row(moved)
    rights = await entitlements.of_payment(tx, told.payment_id, now)
    payment = await _summed(tx, told, refund.state)
    invoice_id = payment.order.invoice_id
    if to is RefundState.SUCCEEDED:
        await ledger.refunded(tx, payment, told, now)
        if invoice_id is not None:
            await invoices.credited(tx, invoice_id, told, now)
    elif refund.state is RefundState.SUCCEEDED:
        await ledger.refund_bounced(tx, payment, told, now)
        if invoice_id is not None:
            await invoices.uncredited(tx, invoice_id, told)
    type_ = EVENT_OF_REFUND.get(to)
    told_of = [] if type_ is None else [refund_announcement(told, type_)]
    told_of += right_announcements(rights, await entitlements.of_payment(tx, payment.id, now))
    cause = Cause(
        id=said.cause_id,
        type=type_ or f"refund.{to.lower()}",
        actor=f"provider:{told.provider}",
        at=now,
        evidence_sha256=said.evidence_sha256,
        raw_state=said.raw_state,
    )
    await all_payments.note(tx, payment, cause)
    await audit.record(tx, deed(told, cause.actor, cause.type, now))
    return await events.announce(tx, told.tenant_id, told_of, now) if told_of else []


async def decided(tx: AsyncConnection, refund_id: str, to: RefundState, cause: Cause) -> list[str]:
    """Let a refund that waited for approval go out, or end it; names the endpoints to wake.

    Needs the payment's lock. Call it last.
    """
    expired = cause.actor == NOBODY
    moved = (
        await tx.execute(
            update(refunds)
            .where(refunds.c.id == refund_id, refunds.c.state.in_(sources(to, by_decision=True)))
            .values(
                state=to,
                failure_code="approval_expired" if expired else None,
                failure_message="Nobody approved it in time." if expired else None,
                updated_at=cause.at,
            )
            .returning(refunds)
        )
    ).one()
    refund = of_row(moved)
    payment = await _summed(tx, refund, RefundState.PENDING_APPROVAL)
    await all_payments.note(tx, payment, cause)
    told = refund_announcement(refund, EVENT_OF_DECISION[to])
    return await events.announce(tx, refund.tenant_id, [told], cause.at)


def deed(refund: Refund, actor: str, action: str, at: datetime) -> audit.Deed:
    """How the audit trail tells of a refund."""
    return audit.Deed(
        tenant_id=refund.tenant_id,
        actor=actor,
        action=action,
        resource=refund.id,
        provider=refund.provider,
        failure=refund.failure_code,
        correlation_id=refund.correlation_id,
        at=at,
    )


async def _summed(tx: AsyncConnection, refund: Refund, before: RefundState) -> Payment:
    """The payment, its sums in step with a refund that has just moved."""
    amount = refund.money.amount_minor
    back = amount * ((refund.state is RefundState.SUCCEEDED) - (before is RefundState.SUCCEEDED))
    released = amount if refund.state in RELEASED else 0
    refunded = payments.c.amount_refunded + back
    reserved = payments.c.refund_reserved - released
    await tx.execute(
        update(payments)
        .where(payments.c.id == refund.payment_id)
        .values(
            amount_refunded=refunded,
            refund_reserved=reserved,
            refund_status=case(
                (reserved > refunded, RefundStatus.PENDING),
                (refunded == 0, RefundStatus.NONE),
                (refunded < payments.c.captured_minor, RefundStatus.PARTIAL),
                else_=RefundStatus.FULL,
            ),
            updated_at=refund.updated_at,
        )
    )
    return await all_payments.get(tx, refund.payment_id)


async def named(tx: AsyncConnection, said: RefundObservation, *, lock: bool = True) -> Refund | None:
    """The refund a word speaks of, by our name or the provider's; None for one that is not ours."""
    known = [refunds.c.id == said.refund_id] if said.refund_id else []
    known += [refunds.c.provider_reference == said.reference] if said.reference else []
    query = select(refunds).where(refunds.c.payment_id == said.payment_id, or_(false(), *known))
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else of_row(row)


async def unsettled(
    tx: AsyncConnection, before: datetime, known: Sequence[str], limit: int
) -> list[RefundRef]:
    """Refunds that wait for their provider, or for a person: those then go by their approval's name.

    Those ``known`` to be looked after are left out. Needs a system transaction.
    """
    awaited = and_(
        refunds.c.state == RefundState.PENDING_APPROVAL,
        refunds.c.approval_id.not_in(known),
    )
    rows = await tx.execute(
        select(refunds)
        .where(
            or_(and_(refunds.c.state.in_(UNSETTLED), refunds.c.id.not_in(known)), awaited),
            refunds.c.created_at < before,
        )
        .order_by(refunds.c.created_at)
        .limit(limit)
    )
    # A workflow that has asked the provider knows that it may.
    return [of_row(row).ref.model_copy(update={"approval_id": None} if row.attempts else {}) for row in rows]


def of_row(row: Row[Any]) -> Refund:
    facts = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Refund(
        money=Money(amount_minor=row.amount_minor, currency=row.currency),
        **{name: facts[name] for name in Refund.model_fields if name in facts},
    )
