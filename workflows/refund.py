"""One refund, from the reservation to the provider's last word, by way of an approver where one is needed."""

from temporalio import workflow
from temporalio.common import TypedSearchAttributes

with workflow.unsafe.imports_passed_through():
    from activities.refund import Errand
    from activities.refund import RefundActivities as Step
    from domain.approval import ApprovalRef, ApprovalState
    from domain.refund import RefundRef, RefundState
    from workflows import policies
    from workflows.approval import Awaited


def workflow_id(tenant_id: str, refund_id: str) -> str:
    return f"refund:{tenant_id}:{refund_id}"


@workflow.defn(name="Refund")
class RefundWorkflow:
    """Insists until the provider has said what became of it. Silence is neither success nor failure."""

    def __init__(self) -> None:
        self._approval = Awaited()

    @workflow.run
    async def run(self, ref: RefundRef) -> RefundState:
        if await self._is_refused(ref):
            return self._stands(ref, RefundState.REJECTED)
        self._stands(ref, RefundState.PENDING)
        errand = Errand(ref=ref, since=workflow.now())
        config = policies.step(policies.PATIENT, ref.tenant_id, 1, f"give {ref.money} back")
        return self._stands(ref, await workflow.execute_activity_method(Step.carry_out, errand, **config))

    @workflow.signal
    def decided(self) -> None:
        self._approval.tell()

    async def _is_refused(self, ref: RefundRef) -> bool:
        if ref.approval_id is None or not ref.awaits_approval:
            return False
        asked = ApprovalRef(tenant_id=ref.tenant_id, approval_id=ref.approval_id, payment_id=ref.payment_id)
        answer = await self._approval.answer(asked)
        if workflow.patched("refund-waits-no-more"):
            workflow.upsert_search_attributes([policies.PAYMENT_STATUS.value_unset()])
        return answer.state is not ApprovalState.APPROVED

    def _stands(self, ref: RefundRef, state: RefundState) -> RefundState:
        workflow.set_current_details(f"**{state}**: {ref.money} of {ref.payment_id} at {ref.provider}")
        return state


def attributes(ref: RefundRef) -> TypedSearchAttributes:
    """What operators filter refunds by. One that waits for an approver says so until it does no more."""
    status = RefundState.PENDING_APPROVAL if ref.awaits_approval else None
    return policies.found_by(ref.tenant_id, ref.provider, ref.money, status)
