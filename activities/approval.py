"""The steps of waiting for a second person: look how things stand, and end what nobody decided about."""

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.world import World
from domain.approval import Answer, Approval, ApprovalKind, ApprovalRef, ApprovalState
from domain.verdicts import Ruling
from storage import approvals, payments
from storage.approvals import Decision


class ApprovalActivities:
    def __init__(self, world: World) -> None:
        self._world = world

    @activity.defn
    async def look(self, ref: ApprovalRef) -> Answer:
        """How the approval stands."""
        async with self._world.database.tenant(ref.tenant_id) as tx:
            return await _answer(tx, await approvals.get(tx, ref.approval_id))

    @activity.defn
    async def expire(self, ref: ApprovalRef) -> Answer:
        """End the waiting, unless somebody decided just now: then that counts. Safe to repeat.

        The time it waits is told by the workflow's timer; here no clock is asked.
        """
        world, now = self._world, self._world.clock()
        endpoints: list[str] = []
        async with world.database.tenant(ref.tenant_id) as tx:
            approval = await approvals.get(tx, ref.approval_id)
            ended = await approvals.decide(tx, approval, Decision(state=ApprovalState.EXPIRED), now)
            if ended is not None:
                _, endpoints = ended
            answer = await _answer(tx, await approvals.get(tx, ref.approval_id))
        await world.wake(ref.tenant_id, endpoints)
        return answer


async def _answer(tx: AsyncConnection, approval: Approval) -> Answer:
    ruling = None
    if approval.state is ApprovalState.APPROVED and approval.kind is ApprovalKind.REVIEW:
        ruling = await _ruling(tx, approval)
    return Answer(state=approval.state, expires_at=approval.expires_at, ruling=ruling)


async def _ruling(tx: AsyncConnection, approval: Approval) -> Ruling:
    payment = await payments.get(tx, approval.payment_id)
    by, at = approval.decided_by, approval.decided_at
    if approval.choice is None or by is None or at is None:
        raise ValueError(f"{approval.id} is approved, but not by anybody")
    return Ruling(ref=payment.ref, choice=approval.choice, id=approval.id, by=by, at=at)
