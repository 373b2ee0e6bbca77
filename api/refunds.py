"""Refunds over HTTP: asked for here, reserved at once, carried out by their own workflow."""

from typing import Annotated

import structlog
from fastapi import APIRouter, BackgroundTasks, Query
from pydantic import Field

from api.approvals import asker
from api.deps import About, AnyCaller, House, IdempotencyKey, TheHouse, Trader, actor
from api.strict import Answer, Instant, Model, StrictRoute
from domain.errors import IllegalTransition, PaymentDisputed, RefundExceedsCaptured
from domain.events import refund_announcement
from domain.money import Money
from domain.payment import DISPUTED, Payment, PaymentStatus
from domain.refund import Origin, Refund, RefundState
from domain.text import FreeText
from storage import approvals, audit, events, payments, refunds, tenants

router = APIRouter(prefix="/v1", tags=["refunds"], route_class=StrictRoute)
log = structlog.get_logger(__name__)


class NewRefund(Model):
    amount: Annotated[int, Field(ge=1, le=2**53)] | None = None
    """All that is left, unless one is named."""
    reason: Annotated[str, FreeText(500)] | None = None


class RefundAnswer(Answer):
    id: str
    payment_id: str
    amount: int
    currency: str
    status: RefundState
    reason: str | None
    approval_id: str | None
    """The approval it needs, or needed, to go out."""
    failure_code: str | None
    failure_message: str | None
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, refund: Refund) -> "RefundAnswer":
        return cls(
            amount=refund.money.amount_minor,
            currency=refund.money.currency,
            status=refund.state,
            **refund.model_dump(include=set(cls.model_fields)),
        )


class RefundList(Answer):
    data: list[RefundAnswer]


@router.post("/payments/{payment_id}/refunds", status_code=202)
async def create_refund(
    payment_id: str,
    body: NewRefund,
    key: IdempotencyKey,
    who: Trader,
    here: TheHouse,
    about: About,
    later: BackgroundTasks,
) -> RefundAnswer:
    """Give money back, all that is left unless an amount is named. The provider may take its time.

    More than the tenant's `refundApprovalThreshold` waits for an approver first: `PENDING_APPROVAL`.
    """
    now, digest = here.world.clock(), body.digest(payment=payment_id)
    async with here.world.database.tenant(who.tenant_id) as tx:
        payment = await payments.get(tx, payment_id, lock=True)
        known = await refunds.by_key(tx, key, digest)
        if known is not None:
            about.headers["Idempotent-Replayed"] = "true"
            return RefundAnswer.of(known)
        money = _money(payment, body.amount)
        wish = refunds.Wish(
            name=f"key:{key}",
            money=money,
            needs_approval=(await tenants.get(tx, who.tenant_id)).settings.needs_approval(money),
            origin=Origin.TENANT,
            reason=body.reason,
            by=actor(who),
            idempotency_key=key,
            digest=digest,
            correlation_id=about.request_id,
        )
        refund = await refunds.request(tx, payment, wish, now)
        if wish.needs_approval:
            await approvals.ask(tx, refund, asker(here, who, body.reason, about), now)
        await audit.record(tx, refunds.deed(refund, wish.by, "refund.requested", now))
        told = [refund_announcement(refund, "refund.requested")]
        endpoints = await events.announce(tx, who.tenant_id, told, now)
    later.add_task(_begin, here, refund, endpoints)
    return RefundAnswer.of(refund)


def _money(payment: Payment, amount: int | None) -> Money:
    """How much goes back. Raises ``IllegalTransition``, ``PaymentDisputed`` and ``RefundExceedsCaptured``."""
    if payment.status is not PaymentStatus.SUCCEEDED or payment.captured is None:
        raise IllegalTransition(f"A payment that is {payment.status} has nothing to refund.")
    if payment.dispute_status in DISPUTED:
        raise PaymentDisputed
    left = payment.captured.amount_minor - payment.refund_reserved
    if left <= 0:
        raise RefundExceedsCaptured(paymentId=payment.id)
    return Money(amount_minor=left if amount is None else amount, currency=payment.captured.currency)


async def _begin(here: House, refund: Refund, endpoints: list[str]) -> None:
    try:
        await here.world.start_refund(refund.ref)
        await here.world.wake(refund.tenant_id, endpoints)
    except Exception as error:  # noqa: BLE001 - it is on record, and the sweep starts what was not started
        log.warning("refund_postponed", refund_id=refund.id, reason=type(error).__name__)


@router.get("/refunds/{refund_id}")
async def get_refund(refund_id: str, who: AnyCaller, here: TheHouse) -> RefundAnswer:
    async with here.world.database.tenant(who.tenant_id) as tx:
        return RefundAnswer.of(await refunds.get(tx, refund_id))


@router.get("/refunds")
async def list_refunds(
    who: AnyCaller,
    here: TheHouse,
    payment_id: Annotated[str | None, Query(alias="paymentId", max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> RefundList:
    """The tenant's refunds, newest first, perhaps of one payment only."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await refunds.find(tx, payment_id, limit, offset)
    return RefundList(data=[RefundAnswer.of(refund) for refund in found])
