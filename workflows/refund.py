"""One refund, from the reservation to the provider's last word."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.refund import Errand
    from activities.refund import RefundActivities as Step
    from domain.refund import RefundRef, RefundState
    from workflows import policies


def workflow_id(tenant_id: str, refund_id: str) -> str:
    return f"refund:{tenant_id}:{refund_id}"


@workflow.defn(name="Refund")
class RefundWorkflow:
    """Insists until the provider has said what became of it. Silence is neither success nor failure."""

    @workflow.run
    async def run(self, ref: RefundRef) -> RefundState:
        errand = Errand(ref=ref, since=workflow.now())
        config = policies.step(policies.PATIENT, ref.tenant_id, 1, f"give {ref.money} back")
        state = await workflow.execute_activity_method(Step.carry_out, errand, **config)
        workflow.set_current_details(f"**{state}**: {ref.money} of {ref.payment_id} at {ref.provider}")
        return state
