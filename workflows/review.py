"""Money under review: what somebody would do with it, from the question to its effect."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.payment import PaymentActivities as Step
    from domain.approval import ApprovalRef, ApprovalState
    from workflows import policies
    from workflows.approval import Awaited


def workflow_id(tenant_id: str, approval_id: str) -> str:
    return f"review:{tenant_id}:{approval_id}"


@workflow.defn(name="Review")
class ReviewWorkflow:
    """Waits for a second person, and does what they approve of. Else the payment stays under review."""

    def __init__(self) -> None:
        self._approval = Awaited()

    @workflow.run
    async def run(self, ref: ApprovalRef) -> ApprovalState:
        answer = await self._approval.answer(ref)
        if answer.ruling is not None:
            config = policies.step(policies.STORE, ref.tenant_id, 1, f"{answer.ruling.choice} the money")
            await workflow.execute_activity_method(Step.rule, answer.ruling, **config)
        workflow.set_current_details(f"**{answer.state}**: {ref.payment_id}")
        return answer.state

    @workflow.signal
    def decided(self) -> None:
        self._approval.tell()
