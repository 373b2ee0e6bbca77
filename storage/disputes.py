"""Disputes in PostgreSQL: one row per dispute at an account, and what it does to payment and books."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, case, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.dispute import (
    ANSWERABLE,
    HELD,
    UNSETTLED,
    Dispute,
    DisputeObservation,
    DisputeRef,
    DisputeState,
    booked,
    difference,
    dispute_id,
    dispute_status,
    sources,
)
from domain.errors import NotFound
from domain.events import (
    EVENT_OF_DISPUTE,
    Announcement,
    dispute_announcement,
    right_announcements,
)
from domain.money import Money
from domain.payment import Payment
from storage import audit, entitlements, ledger
from storage import payments as all_payments
from storage.payments import Cause
from storage.tables import disputes, payments


async def get(tx: AsyncConnection, dispute_id: str, *, lock: bool = False) -> Dispute:
    """Raises ``NotFound``; another tenant's dispute looks exactly like none."""
    query = select(disputes).where(disputes.c.id == dispute_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise NotFound
    return of_row(row)


async def named(tx: AsyncConnection, account_id: str, reference: str) -> Dispute | None:
    """The dispute that an account's provider calls so."""
    query = select(disputes).where(
        disputes.c.account_id == account_id, disputes.c.provider_reference == reference
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else of_row(row)


async def find(
    tx: AsyncConnection, payment_id: str | None, state: DisputeState | None, limit: int, offset: int
) -> list[Dispute]:
    """The tenant's disputes, newest first."""
    query = select(disputes).order_by(disputes.c.created_at.desc(), disputes.c.id.desc())
    if payment_id is not None:
        query = query.where(disputes.c.payment_id == payment_id)
    if state is not None:
        query = query.where(disputes.c.state == state)
    return [of_row(row) for row in await tx.execute(query.limit(limit).offset(offset))]


async def move(
    tx: AsyncConnection,
    payment: Payment,
    known: Dispute | None,
    to: DisputeState,
    said: DisputeObservation,
    now: datetime,
) -> list[Announcement]:
    """Carry a verdict out: the row, the books, the payment's own state and its user's rights.

    The payment is locked. Gives what is to be told; nothing, if it could not go there.
    """
    moved = await _written(tx, payment, to, said, now)
    if moved is None:
        return []
    before = booked(None, said.money, None) if known is None else booked(known.state, known.money, known.fee)
    after = booked(moved.state, moved.money, moved.fee)
    await ledger.disputed(tx, payment, moved, difference(after, before), now)
    type_ = EVENT_OF_DISPUTE.get(to)
    if to is DisputeState.CLOSED and not moved.held:
        type_ = "dispute.inquiry_closed"
    told = [] if type_ is None else [dispute_announcement(moved, type_)]
    told += await _rights(tx, payment, now)
    became = f"dispute.{to.lower()}"
    cause = Cause(
        id=said.cause_id,
        type=type_ or became,
        actor=f"provider:{moved.provider}",
        at=now,
        evidence_sha256=said.evidence_sha256,
        raw_state=said.raw_state,
    )
    await all_payments.note(tx, payment, cause)
    await record(tx, moved, became, now, cause.actor)
    return told


async def record(
    tx: AsyncConnection, dispute: Dispute, action: str, at: datetime, by: str = "workflow"
) -> None:
    """Put a line about a dispute into the audit trail."""
    deed = audit.Deed(
        tenant_id=dispute.tenant_id,
        actor=by,
        action=action,
        resource=dispute.id,
        provider=dispute.provider,
        at=at,
    )
    await audit.record(tx, deed)


async def _written(
    tx: AsyncConnection,
    payment: Payment,
    to: DisputeState,
    said: DisputeObservation,
    now: datetime,
) -> Dispute | None:
    facts = {
        "state": to,
        "amount_minor": said.money.amount_minor,
        "currency": said.money.currency,
        "fee_minor": said.fee.amount_minor if said.fee else 0,
        "fee_currency": said.fee.currency if said.fee else said.money.currency,
        "held": to in HELD | {DisputeState.LOST, DisputeState.WON},
        "reason": said.reason,
        "evidence_due_by": said.evidence_due_by,
        "looked_at": now,
        "updated_at": now,
    }
    row = (
        await tx.execute(
            upsert(disputes)
            .values(
                id=dispute_id(payment, said.reference),
                tenant_id=payment.order.tenant_id,
                payment_id=payment.id,
                account_id=payment.account_id,
                provider=payment.order.provider,
                provider_reference=said.reference,
                created_at=now,
                **facts,
            )
            .on_conflict_do_update(
                index_elements=["account_id", "provider_reference"],
                set_=facts | {"held": disputes.c.held | facts["held"]} | _heard_anew(to),
                # It goes on only: the guard of the table in domain.dispute.
                where=disputes.c.state.in_(sources(to)),
            )
            .returning(disputes)
        )
    ).one_or_none()
    return None if row is None else of_row(row)


def _heard_anew(to: DisputeState) -> dict[str, Any]:
    """The bank hears us once more when an inquiry becomes a dispute: what was said to that is past."""
    if to is not DisputeState.OPEN:
        return {}
    unheard = disputes.c.evidence_sent_at.is_(None)
    return {
        "evidence_wanted_at": case((unheard, disputes.c.evidence_wanted_at), else_=None),
        "evidence_sent_at": None,
        "reminders": 0,
    }


async def _rights(tx: AsyncConnection, payment: Payment, now: datetime) -> list[Announcement]:
    """Bring the payment's own state in step; what is told of rights that went or came back by that."""
    all_of_it = await find(tx, payment.id, None, 1_000, 0)
    status = dispute_status(all_of_it)
    if status is payment.dispute_status:
        return []
    before = await entitlements.of_payment(tx, payment.id, now)
    await tx.execute(
        update(payments).where(payments.c.id == payment.id).values(dispute_status=status, updated_at=now)
    )
    return right_announcements(before, await entitlements.of_payment(tx, payment.id, now))


async def note(tx: AsyncConnection, dispute_id: str, **facts: datetime | int | str | None) -> Dispute:
    """Remember something about a dispute that moves it nowhere."""
    row = (
        await tx.execute(
            update(disputes).where(disputes.c.id == dispute_id).values(**facts).returning(disputes)
        )
    ).one()
    return of_row(row)


async def looked_at(tx: AsyncConnection, dispute_id: str, now: datetime) -> Dispute | None:
    """The dispute, and that somebody minds it; None for an unknown one."""
    row = (
        await tx.execute(
            update(disputes).where(disputes.c.id == dispute_id).values(looked_at=now).returning(disputes)
        )
    ).one_or_none()
    return None if row is None else of_row(row)


async def statement(tx: AsyncConnection, dispute_id: str) -> str | None:
    """What the tenant has to say about it, in its own words."""
    query = select(disputes.c.statement).where(disputes.c.id == dispute_id)
    found: str | None = (await tx.execute(query)).scalar_one()
    return found


async def neglected(
    tx: AsyncConnection, wanted_before: datetime, looked_before: datetime, known: Sequence[str], limit: int
) -> list[DisputeRef]:
    """Disputes whose workflow may be missing, or has not heard what is wanted of it; ``known`` left out.

    Needs a system transaction.
    """
    overheard = and_(
        disputes.c.state.in_(ANSWERABLE),
        disputes.c.evidence_sent_at.is_(None),
        disputes.c.evidence_wanted_at < wanted_before,
    )
    rows = await tx.execute(
        select(disputes)
        .where(
            disputes.c.state.in_(UNSETTLED),
            or_(disputes.c.looked_at < looked_before, overheard),
            disputes.c.id.not_in(known),
        )
        .order_by(disputes.c.created_at)
        .limit(limit)
    )
    return [of_row(row).ref for row in rows]


def of_row(row: Row[Any]) -> Dispute:
    facts = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Dispute(
        money=Money(amount_minor=row.amount_minor, currency=row.currency),
        fee=Money(amount_minor=row.fee_minor, currency=row.fee_currency),
        **{name: facts[name] for name in Dispute.model_fields if name in facts},
    )
