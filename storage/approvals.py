"""Approvals in PostgreSQL: asked for once and answered once, in one transaction with all that follows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.approval import Approval, ApprovalKind, ApprovalRef, ApprovalState
from domain.errors import IllegalTransition, NotFound, PaymentDisputed
from domain.money import Money
from domain.payment import DISPUTED, Payment, PaymentStatus
from domain.refund import Refund, RefundState
from domain.values import Value, new_id
from domain.verdicts import Choice
from storage import audit, payments, refunds
from storage.payments import Cause
from storage.refunds import NOBODY
from storage.tables import approvals
from storage.tables import payments as payment_rows


class Asker(Value):
    """Who wants something approved, why, and for how long the question stands."""

    by: str
    credential_id: str | None
    """None for an operator of the platform."""
    reason: str | None
    until: datetime
    correlation_id: str | None = None


class Decision(Value):
    """What somebody decided, or that nobody did."""

    state: ApprovalState
    by: str = NOBODY
    credential_id: str | None = None
    correlation_id: str | None = None


async def ask(tx: AsyncConnection, refund: Refund, asker: Asker, now: datetime) -> Approval:
    """Write down that this refund must be approved, in the transaction that requested it."""
    if refund.approval_id is None:
        raise ValueError(f"{refund.id} needs no approval")
    approval = Approval(
        id=refund.approval_id,
        tenant_id=refund.tenant_id,
        kind=ApprovalKind.REFUND,
        payment_id=refund.payment_id,
        refund_id=refund.id,
        money=refund.money,
        reason=asker.reason,
        requested_by=asker.by,
        requester_credential_id=asker.credential_id,
        correlation_id=asker.correlation_id,
        created_at=now,
        expires_at=asker.until,
    )
    await _add(tx, approval)
    return approval


async def ask_review(
    tx: AsyncConnection, payment_id: str, choice: Choice, asker: Asker, now: datetime
) -> Approval:
    """Write down what somebody would do with money under review.

    Raises ``IllegalTransition`` when the payment is not under review, or is being decided about already.
    """
    payment = await payments.get(tx, payment_id, lock=True)
    if payment.status is not PaymentStatus.REVIEW or payment.captured is None:
        raise IllegalTransition(
            f"A payment that is {payment.status}, not under review, leaves nothing to decide."
        )
    approval = Approval(
        id=new_id("apr", now),
        tenant_id=payment.order.tenant_id,
        kind=ApprovalKind.REVIEW,
        payment_id=payment.id,
        choice=choice,
        money=payment.captured,
        reason=asker.reason,
        requested_by=asker.by,
        requester_credential_id=asker.credential_id,
        correlation_id=asker.correlation_id,
        created_at=now,
        expires_at=asker.until,
    )
    if not await _add(tx, approval):
        raise IllegalTransition("This payment is being decided about already.", paymentId=payment.id)
    await _record(tx, payment, approval, "review.requested", asker.by, now)
    return approval


async def _add(tx: AsyncConnection, approval: Approval) -> bool:
    facts = approval.model_dump(exclude={"money"}) | approval.money.model_dump()
    added = await tx.execute(upsert(approvals).values(facts).on_conflict_do_nothing())
    return bool(added.rowcount)


async def decide(
    tx: AsyncConnection, asked: Approval, decision: Decision, now: datetime
) -> tuple[Approval, list[str]] | None:
    """Answer the question, and let follow what follows; names the endpoints to wake.

    None: it was answered before, or its time is up, and nothing has changed. Of many answers at once one
    counts: a single UPDATE tells which. Raises ``PaymentDisputed``, as a request would be refused by now.
    """
    # In this order everywhere: whoever holds the payment may take its refunds and what is asked about them.
    payment = await payments.get(tx, asked.payment_id, lock=True)
    guard = and_(approvals.c.id == asked.id, approvals.c.state == ApprovalState.PENDING)
    if decision.state is not ApprovalState.EXPIRED:
        guard = and_(guard, approvals.c.expires_at > now)
    row = (
        await tx.execute(
            update(approvals)
            .where(guard)
            .values(
                state=decision.state,
                decided_by=None if decision.by == NOBODY else decision.by,
                decider_credential_id=decision.credential_id,
                decided_at=now,
            )
            .returning(approvals)
        )
    ).one_or_none()
    if row is None:
        return None
    answered = _approval(row)
    if answered.kind is ApprovalKind.REVIEW:
        await _record(tx, payment, answered, f"review.{answered.state.lower()}", decision.by, now)
        return answered, []
    return answered, await _refund_decided(tx, payment, answered, decision, now)


_LEADS_TO: Final = {
    ApprovalState.APPROVED: RefundState.PENDING,
    ApprovalState.REJECTED: RefundState.REJECTED,
    ApprovalState.EXPIRED: RefundState.REJECTED,
}


async def _refund_decided(
    tx: AsyncConnection, payment: Payment, answered: Approval, decision: Decision, now: datetime
) -> list[str]:
    if payment.dispute_status in DISPUTED and answered.state is ApprovalState.APPROVED:
        raise PaymentDisputed
    action = "refund.approved" if answered.state is ApprovalState.APPROVED else "refund.rejected"
    cause = Cause(id=_cause_id(answered), type=action, actor=decision.by, at=now)
    await audit.record(tx, _deed(answered, action, decision.by, decision.correlation_id, now))
    return await refunds.decided(tx, str(answered.refund_id), _LEADS_TO[answered.state], cause)


async def _record(
    tx: AsyncConnection, payment: Payment, approval: Approval, action: str, by: str, now: datetime
) -> None:
    """What was done about a review, in the payment's history and the audit trail."""
    await payments.note(tx, payment, Cause(id=_cause_id(approval), type=action, actor=by, at=now))
    await audit.record(tx, _deed(approval, action, by, approval.correlation_id, now))


def _cause_id(approval: Approval) -> str:
    return f"{approval.id}:{approval.state}"


def _deed(approval: Approval, action: str, by: str, request: str | None, at: datetime) -> audit.Deed:
    return audit.Deed(
        tenant_id=approval.tenant_id,
        actor=by,
        action=action,
        resource=approval.refund_id or approval.payment_id,
        correlation_id=request,
        at=at,
    )


async def get(tx: AsyncConnection, approval_id: str) -> Approval:
    """Raises ``NotFound``; another tenant's approval looks exactly like none."""
    row = (await tx.execute(select(approvals).where(approvals.c.id == approval_id))).one_or_none()
    if row is None:
        raise NotFound
    return _approval(row)


async def find(tx: AsyncConnection, state: ApprovalState | None, limit: int, offset: int) -> list[Approval]:
    """The tenant's approvals, newest first, perhaps of one state only."""
    query = select(approvals).order_by(approvals.c.created_at.desc(), approvals.c.id.desc())
    if state is not None:
        query = query.where(approvals.c.state == state)
    return [_approval(row) for row in await tx.execute(query.limit(limit).offset(offset))]


async def open_reviews(
    tx: AsyncConnection, before: datetime, known: Sequence[str], limit: int
) -> list[ApprovalRef]:
    """Reviews that wait for a person, by their own id, or for their effect, by their payment's.

    Those ``known`` to be looked after are left out. Needs a system transaction.
    """
    rows = await tx.execute(
        select(approvals)
        .join(payment_rows, payment_rows.c.id == approvals.c.payment_id)
        .where(
            approvals.c.kind == ApprovalKind.REVIEW,
            approvals.c.created_at < before,
            payment_rows.c.status == PaymentStatus.REVIEW,
            or_(
                and_(approvals.c.state == ApprovalState.PENDING, approvals.c.id.not_in(known)),
                and_(approvals.c.state == ApprovalState.APPROVED, approvals.c.payment_id.not_in(known)),
            ),
        )
        .order_by(approvals.c.created_at)
        .limit(limit)
    )
    return [_approval(row).ref for row in rows]


def _approval(row: Row[Any]) -> Approval:
    facts = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Approval(
        money=Money(amount_minor=row.amount_minor, currency=row.currency),
        **{name: facts[name] for name in Approval.model_fields if name in facts},
    )
