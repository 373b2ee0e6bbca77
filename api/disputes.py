"""Disputes over HTTP: what payers' banks want back, and the tenant's word in it."""

from typing import Annotated, Self

import structlog
from fastapi import APIRouter, BackgroundTasks, Query

from api.deps import About, AnyCaller, House, TheHouse, Trader, actor
from api.strict import Answer, Instant, Model, StrictRoute
from domain.dispute import ANSWERABLE, Dispute, DisputeState
from domain.errors import IllegalTransition
from domain.money import Money
from domain.text import FreeText
from storage import audit, disputes
from workflows import messages

router = APIRouter(prefix="/v1/disputes", tags=["disputes"], route_class=StrictRoute)
log = structlog.get_logger(__name__)


class Evidence(Model):
    statement: Annotated[str, FreeText(5000)] | None = None
    """What the tenant has to say, beside what we know of the payment."""


class DisputeAnswer(Answer):
    id: str
    payment_id: str
    amount: int
    currency: str
    fee: int
    fee_currency: str
    """Some companies charge it in the currency they settle in."""
    status: DisputeState
    reason: str | None
    evidence_due_by: Instant | None
    evidence_sent_at: Instant | None
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, dispute: Dispute) -> Self:
        fee = dispute.fee or Money(amount_minor=0, currency=dispute.money.currency)
        return cls(
            amount=dispute.money.amount_minor,
            currency=dispute.money.currency,
            fee=fee.amount_minor,
            fee_currency=fee.currency,
            status=dispute.state,
            **dispute.model_dump(include=set(cls.model_fields) - {"fee", "fee_currency"}),
        )


class DisputeList(Answer):
    data: list[DisputeAnswer]


@router.get("")
async def list_disputes(
    who: AnyCaller,
    here: TheHouse,
    payment_id: Annotated[str | None, Query(alias="paymentId", max_length=64)] = None,
    status: DisputeState | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> DisputeList:
    """The tenant's disputes, newest first."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await disputes.find(tx, payment_id, status, limit, offset)
    return DisputeList(data=[DisputeAnswer.of(dispute) for dispute in found])


@router.get("/{dispute_id}")
async def get_dispute(dispute_id: str, who: AnyCaller, here: TheHouse) -> DisputeAnswer:
    async with here.world.database.tenant(who.tenant_id) as tx:
        return DisputeAnswer.of(await disputes.get(tx, dispute_id))


@router.post("/{dispute_id}/evidence", status_code=202)
async def submit_evidence(
    dispute_id: str, body: Evidence, who: Trader, here: TheHouse, about: About, later: BackgroundTasks
) -> DisputeAnswer:
    """Hand in what we know of the payment, with the tenant's own words. Once: a bank hears us once."""
    now = here.world.clock()
    async with here.world.database.tenant(who.tenant_id) as tx:
        dispute = await disputes.get(tx, dispute_id, lock=True)
        if dispute.state not in ANSWERABLE or dispute.evidence_sent_at is not None:
            raise IllegalTransition(f"A dispute that is {dispute.state} takes no evidence any more.")
        dispute = await disputes.note(
            tx, dispute_id, statement=body.statement, evidence_wanted_at=now, updated_at=now
        )
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "dispute.evidence_wanted", dispute_id))
    later.add_task(_nudge, here, dispute)
    return DisputeAnswer.of(dispute)


async def _nudge(here: House, dispute: Dispute) -> None:
    try:
        await messages.nudge_dispute(here.temporal, dispute.ref)
    except Exception as error:  # noqa: BLE001 - the wish is on record, and the sweep passes it on
        log.warning("dispute_nudge_lost", dispute_id=dispute.id, reason=type(error).__name__)
