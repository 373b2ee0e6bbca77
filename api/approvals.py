"""Approvals over HTTP: what waits for a second person, and what that person decides, once."""

from typing import Annotated

import structlog
from fastapi import APIRouter, BackgroundTasks, Query

from api.deps import About, AnyCaller, Exchange, House, TheHouse, Trader, actor
from api.strict import Answer, Instant, Model, StrictRoute
from domain.approval import LIFE, Approval, ApprovalKind, ApprovalState, check_decider
from domain.errors import IllegalTransition
from domain.session import PLATFORM
from domain.tenant import Caller
from domain.text import FreeText
from domain.verdicts import Choice
from storage import approvals, refunds
from storage.approvals import Asker, Decision
from workflows import messages

router = APIRouter(prefix="/v1", tags=["approvals"], route_class=StrictRoute)
log = structlog.get_logger(__name__)


class ApprovalAnswer(Answer):
    id: str
    kind: ApprovalKind
    status: ApprovalState
    payment_id: str
    refund_id: str | None
    decision: Choice | None
    """What would be done with money under review."""
    amount: int
    currency: str
    reason: str | None
    requested_by: str
    decided_by: str | None
    decided_at: Instant | None
    created_at: Instant
    expires_at: Instant

    @classmethod
    def of(cls, approval: Approval) -> "ApprovalAnswer":
        return cls(
            status=approval.state,
            decision=approval.choice,
            amount=approval.money.amount_minor,
            currency=approval.money.currency,
            **approval.model_dump(include=set(cls.model_fields)),
        )


class ApprovalList(Answer):
    data: list[ApprovalAnswer]


class NewReview(Model):
    decision: Choice
    reason: Annotated[str, FreeText(500)] | None = None


def asker(here: House, who: Caller, reason: str | None, about: Exchange) -> Asker:
    """The caller as one who needs a second person, from now on."""
    return Asker(
        by=actor(who),
        credential_id=who.credential_id,
        reason=reason,
        until=here.world.clock() + here.world.scaled(LIFE),
        correlation_id=about.request_id,
    )


def operators_asker(here: House, reason: str | None, about: Exchange) -> Asker:
    """The platform's operator as one who needs a second person, who is the tenant's."""
    return Asker(
        by=PLATFORM,
        credential_id=None,
        reason=reason,
        until=here.world.clock() + here.world.scaled(LIFE),
        correlation_id=about.request_id,
    )


@router.post("/payments/{payment_id}/review", status_code=202)
async def review_payment(
    payment_id: str, body: NewReview, who: Trader, here: TheHouse, about: About, later: BackgroundTasks
) -> ApprovalAnswer:
    """Ask an approver to have money under review accepted, or given back."""
    wanted = asker(here, who, body.reason, about)
    return await propose(here, who.tenant_id, payment_id, (body.decision, wanted), later)


async def propose(
    here: House, tenant_id: str, payment_id: str, proposal: tuple[Choice, Asker], later: BackgroundTasks
) -> ApprovalAnswer:
    """Put the question, whoever asks it. Raises ``NotFound`` or ``IllegalTransition``."""
    async with here.world.database.tenant(tenant_id) as tx:
        approval = await approvals.ask_review(tx, payment_id, *proposal, here.world.clock())
    later.add_task(_tell, here, approval, [])
    return ApprovalAnswer.of(approval)


@router.get("/approvals")
async def list_approvals(
    who: AnyCaller,
    here: TheHouse,
    status: ApprovalState | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ApprovalList:
    """What the tenant's people asked each other, newest first."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await approvals.find(tx, status, limit, offset)
    return ApprovalList(data=[ApprovalAnswer.of(approval) for approval in found])


@router.get("/approvals/{approval_id}")
async def get_approval(approval_id: str, who: AnyCaller, here: TheHouse) -> ApprovalAnswer:
    async with here.world.database.tenant(who.tenant_id) as tx:
        return ApprovalAnswer.of(await approvals.get(tx, approval_id))


@router.post("/approvals/{approval_id}/approve")
async def approve(
    approval_id: str, who: AnyCaller, here: TheHouse, about: About, later: BackgroundTasks
) -> ApprovalAnswer:
    """Let it happen. The role `approver` decides, and never about what the same credential asked for."""
    return await _decide(here, approval_id, who, _decision(who, ApprovalState.APPROVED, about), later)


@router.post("/approvals/{approval_id}/reject")
async def reject(
    approval_id: str, who: AnyCaller, here: TheHouse, about: About, later: BackgroundTasks
) -> ApprovalAnswer:
    """Keep it from happening."""
    return await _decide(here, approval_id, who, _decision(who, ApprovalState.REJECTED, about), later)


def _decision(who: Caller, state: ApprovalState, about: Exchange) -> Decision:
    return Decision(
        state=state, by=actor(who), credential_id=who.credential_id, correlation_id=about.request_id
    )


async def _decide(
    here: House, approval_id: str, who: Caller, decision: Decision, later: BackgroundTasks
) -> ApprovalAnswer:
    endpoints: list[str] = []
    async with here.world.database.tenant(who.tenant_id) as tx:
        asked = await approvals.get(tx, approval_id)
        check_decider(asked, who)
        done = await approvals.decide(tx, asked, decision, here.world.clock())
        if done is not None:
            approval, endpoints = done
        else:
            approval = await approvals.get(tx, approval_id)
            _check_repeat(approval, decision)
    later.add_task(_tell, here, approval, endpoints)
    return ApprovalAnswer.of(approval)


def _check_repeat(approval: Approval, decision: Decision) -> None:
    """Raise ``IllegalTransition`` unless this very decision stands, made by the same credential."""
    if approval.state is ApprovalState.PENDING:
        raise IllegalTransition("It is too late to decide.")
    if (approval.state, approval.decider_credential_id) != (decision.state, decision.credential_id):
        raise IllegalTransition(f"This is {approval.state} already.")


async def _tell(here: House, approval: Approval, endpoints: list[str]) -> None:
    try:
        if approval.refund_id is None:
            await messages.start_review(here.temporal, approval.ref)
        else:
            async with here.world.database.tenant(approval.tenant_id) as tx:
                refund = await refunds.get(tx, approval.refund_id)
            await here.world.start_refund(refund.ref)
        await here.world.wake(approval.tenant_id, endpoints)
    except Exception as error:  # noqa: BLE001 - it is on record, and the sweep tells whoever was not told
        log.warning("approval_postponed", approval_id=approval.id, reason=type(error).__name__)
