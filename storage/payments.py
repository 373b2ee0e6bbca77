"""Payments in PostgreSQL. Every write may be repeated: it meets its own work."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.entitlement import Grant
from domain.errors import IdempotencyConflict, NotFound, OrderAlreadyPaid, OrderHasOpenPayment
from domain.events import Announcement
from domain.money import Money
from domain.payment import (
    ENDED,
    OPEN,
    Payment,
    PaymentOrder,
    PaymentStatus,
    RefundStatus,
    sources,
)
from domain.tenant import ProviderAccount
from domain.values import Value, derived_id
from domain.verdicts import Verdict
from storage import audit, checkouts, events
from storage.tables import payment_events, payments


async def place(tx: AsyncConnection, order: PaymentOrder, account_id: str) -> tuple[Payment, bool]:
    """The payment of this order, and whether it is new: the key is remembered for ever.

    Raises ``IdempotencyConflict`` when the key was used for another order, and ``OrderHasOpenPayment`` or
    ``OrderAlreadyPaid`` (with that payment's id) when the same order is being paid under another key.
    """
    facts = order.model_dump(mode="json", include={"entitlements", "metadata", "alternatives"})
    adding = (
        upsert(payments)
        .values(
            id=order.payment_id,
            tenant_id=order.tenant_id,
            account_id=account_id,
            amount_minor=order.money.amount_minor,
            currency=order.money.currency,
            status=PaymentStatus.CREATED,
            updated_at=order.created_at,
            **facts,
            **order.model_dump(exclude={"payment_id", "tenant_id", "money", *facts}),
        )
        # Either guard may refuse: the key's, or the one that lets an order be paid only once.
        .on_conflict_do_nothing()
        .returning(payments)
    )
    while (added := (await tx.execute(adding)).one_or_none()) is None:
        known = await _met(tx, order)
        if known is not None:
            return known, False
        # What was in the way has ended since: the order is free again.
    return of_row(added), True


async def by_key(tx: AsyncConnection, key: str, digest: str) -> Payment | None:
    """The payment this key started. Raises ``IdempotencyConflict`` when it was for another request."""
    row = (await tx.execute(select(payments).where(payments.c.idempotency_key == key))).one_or_none()
    if row is None:
        return None
    if row.digest != digest:
        raise IdempotencyConflict
    return of_row(row)


async def _met(tx: AsyncConnection, order: PaymentOrder) -> Payment | None:
    known = await by_key(tx, order.idempotency_key, order.digest)
    if known is not None:
        return known
    other = (
        await tx.execute(
            select(payments.c.id, payments.c.status)
            .where(payments.c.order_id == order.order_id, _live())
            .order_by(payments.c.created_at.desc())
            .limit(1)
        )
    ).one_or_none()
    if other is None:
        return None
    refusal = OrderAlreadyPaid if other.status == PaymentStatus.SUCCEEDED else OrderHasOpenPayment
    raise refusal(paymentId=other.id)


async def get(tx: AsyncConnection, payment_id: str, *, lock: bool = False) -> Payment:
    """Raises ``NotFound``; another tenant's payment looks exactly like none.

    ``lock`` keeps everybody else from changing it until the transaction ends.
    """
    query = select(payments).where(payments.c.id == payment_id)
    row = (await tx.execute(query.with_for_update(key_share=True) if lock else query)).one_or_none()
    if row is None:
        raise NotFound
    return of_row(row)


async def by_ids(tx: AsyncConnection, ids: Sequence[str]) -> list[Payment]:
    """Those of these that there are, by id."""
    rows = await tx.execute(select(payments).where(payments.c.id.in_(ids)).order_by(payments.c.id))
    return [of_row(row) for row in rows]


async def order_is_free(tx: AsyncConnection, payment: Payment) -> bool:
    """Whether no other payment of the same order is open, under review or paid."""
    if payment.order.order_id is None:
        return True
    others = select(func.count()).where(
        payments.c.order_id == payment.order.order_id, payments.c.id != payment.id, _live()
    )
    return not (await tx.execute(others)).scalar()


def _live() -> ColumnElement[bool]:
    """What keeps an order from being paid again; the index ``one_live_payment_per_order`` says the same."""
    return or_(
        payments.c.status.in_([*OPEN, PaymentStatus.REVIEW]),
        and_(payments.c.status == PaymentStatus.SUCCEEDED, payments.c.refund_status != RefundStatus.FULL),
    )


async def turn_to(tx: AsyncConnection, payment: Payment, account: ProviderAccount, now: datetime) -> None:
    """Ask another provider for the checkout from now on: the present one has definitely made none."""
    left = payment.order.alternatives[payment.order.alternatives.index(account.provider) + 1 :]
    await tx.execute(
        update(payments)
        .where(payments.c.id == payment.id, payments.c.status == PaymentStatus.CREATED)
        .values(provider=account.provider, account_id=account.id, alternatives=list(left), updated_at=now)
    )


async def opened(
    tx: AsyncConnection, payment_id: str, reference: str, checkout_url: str | None, now: datetime
) -> Payment | None:
    """Make it PROVIDER_PENDING, with somewhere to send a payer who has to come. None: it did not move."""
    moved = (
        await tx.execute(
            update(payments)
            .where(
                payments.c.id == payment_id,
                payments.c.status.in_(sources(PaymentStatus.PROVIDER_PENDING)),
            )
            .values(
                status=PaymentStatus.PROVIDER_PENDING,
                provider_reference=reference,
                checkout_url=checkout_url,
                opened_at=func.coalesce(payments.c.opened_at, now),
                updated_at=now,
            )
            .returning(payments)
        )
    ).one_or_none()
    if moved is None:
        return None
    await checkouts.opened(tx, payment_id, reference)
    return of_row(moved)


class Change(Value):
    """What a verdict changes beside the status: the money it speaks of, and who answers for it."""

    captured: Money | None = None
    capture: str | None = None
    reference: str | None = None
    checkout_url: str | None = None
    accepted_by: str | None = None


async def move(
    tx: AsyncConnection, payment_id: str, verdict: Verdict, change: Change, now: datetime
) -> Payment | None:
    """Carry a verdict out, if the payment may still go there. None: nothing changed.

    Late money that is given back leaves the status as it is; it is written down once.
    """
    if verdict.to is None and not verdict.late:
        return None
    values: dict[str, Any] = {"updated_at": now}
    if verdict.to is None:
        guard = and_(payments.c.status.in_(ENDED), payments.c.captured_currency.is_(None))
    else:
        guard = payments.c.status.in_(sources(verdict.to, late=verdict.late))
        values |= {
            "status": verdict.to,
            "failure_code": verdict.failure_code,
            "failure_message": verdict.failure_message,
        }
    if verdict.late:
        values["late"] = True
    if change.accepted_by is not None:
        values["accepted_by"] = change.accepted_by
    if change.captured is not None:
        values |= {
            "captured_minor": change.captured.amount_minor,
            "captured_currency": change.captured.currency,
            "capture_reference": change.capture,
        }
    if change.reference is not None:
        values["provider_reference"] = func.coalesce(payments.c.provider_reference, change.reference)
    if change.checkout_url is not None:
        values["checkout_url"] = func.coalesce(payments.c.checkout_url, change.checkout_url)
    moved = (
        await tx.execute(
            update(payments).where(payments.c.id == payment_id, guard).values(values).returning(payments)
        )
    ).one_or_none()
    if moved is None:
        return None
    if moved.status not in OPEN:
        await checkouts.closed(tx, payment_id)
    return of_row(moved)


class Cause(Value):
    """Why something happened to a payment. ``id`` names it once and for ever."""

    id: str
    type: str
    actor: str
    at: datetime
    evidence_sha256: str | None = None
    raw_state: str | None = None


async def note(tx: AsyncConnection, payment: Payment, cause: Cause) -> bool:
    """Add a line to the payment's own history, once per cause; False for a repeat."""
    added = await tx.execute(
        upsert(payment_events)
        .values(
            id=derived_id("pev", cause.at, payment.id, cause.id),
            tenant_id=payment.order.tenant_id,
            payment_id=payment.id,
            type=cause.type,
            cause_id=cause.id,
            evidence_sha256=cause.evidence_sha256,
            raw_state=cause.raw_state,
            at=cause.at,
        )
        .on_conflict_do_nothing(index_elements=["payment_id", "cause_id"])
    )
    return bool(added.rowcount)


async def remark(tx: AsyncConnection, payment: Payment, cause: Cause) -> None:
    """What was heard or decided and changed nothing leaves its lines in history and audit, once."""
    if await note(tx, payment, cause):
        await audit.record(tx, _deed(payment, cause, "noted"))


async def record_change(
    tx: AsyncConnection, payment: Payment, cause: Cause, told: Sequence[Announcement]
) -> list[str]:
    """All that a change leaves behind: history, audit record and announcements.

    Names the endpoints that now have something to receive. Call it last in the transaction.
    """
    await note(tx, payment, cause)
    await audit.record(tx, _deed(payment, cause, "ok"))
    return await events.announce(tx, payment.order.tenant_id, told, cause.at)


def _deed(payment: Payment, cause: Cause, result: str) -> audit.Deed:
    return audit.Deed(
        tenant_id=payment.order.tenant_id,
        actor=cause.actor,
        action=cause.type,
        resource=payment.id,
        result=result,
        provider=payment.order.provider,
        failure=payment.failure_code,
        correlation_id=payment.order.correlation_id,
        at=cause.at,
    )


async def history(tx: AsyncConnection, payment_id: str) -> list[dict[str, Any]]:
    """``{id, type, at, cause}``, oldest first."""
    rows = await tx.execute(
        select(
            payment_events.c.id,
            payment_events.c.type,
            payment_events.c.at,
            payment_events.c.cause_id.label("cause"),
        )
        .where(payment_events.c.payment_id == payment_id)
        .order_by(payment_events.c.at, payment_events.c.id)
    )
    return [dict(row) for row in rows.mappings()]


async def nudged(tx: AsyncConnection, payment_id: str, not_since: datetime, now: datetime) -> bool:
    """Note that somebody wants to know what became of an UNKNOWN payment; False if that was just noted."""
    done = await tx.execute(
        update(payments)
        .where(
            payments.c.id == payment_id,
            payments.c.status == PaymentStatus.UNKNOWN,
            or_(payments.c.nudged_at.is_(None), payments.c.nudged_at < not_since),
        )
        .values(nudged_at=now)
    )
    return bool(done.rowcount)


async def wish_cancelled(tx: AsyncConnection, payment_id: str, now: datetime) -> None:
    """Remember that its tenant wants it cancelled, for whoever has not heard it."""
    await tx.execute(
        update(payments)
        .where(payments.c.id == payment_id, payments.c.cancel_requested_at.is_(None))
        .values(cancel_requested_at=now)
    )


async def owner(tx: AsyncConnection, payment_id: str) -> str | None:
    """Whose payment it is; needs a system transaction."""
    found: str | None = (
        await tx.execute(select(payments.c.tenant_id).where(payments.c.id == payment_id))
    ).scalar()
    return found


def of_row(row: Row[Any]) -> Payment:
    facts = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    shared = {name: facts[name] for name in PaymentOrder.model_fields if name in facts}
    captured = None
    if row.captured_currency is not None:
        captured = Money(amount_minor=row.captured_minor, currency=row.captured_currency)
    order = PaymentOrder(
        payment_id=row.id,
        money=Money(amount_minor=row.amount_minor, currency=row.currency),
        **(
            shared
            | {
                "entitlements": tuple(Grant(**grant) for grant in row.entitlements),
                "alternatives": tuple(row.alternatives),
            }
        ),
    )
    return Payment(
        order=order,
        captured=captured,
        **{name: facts[name] for name in Payment.model_fields if name in facts},
    )
