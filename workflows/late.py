"""What a provider says of a payment whose own workflow has ended."""

from collections import deque

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.payment import PaymentActivities as Step
    from domain.payment import Observation, PaymentRef, Report
    from workflows import policies


def workflow_id(tenant_id: str, payment_id: str) -> str:
    return f"late:{tenant_id}:{payment_id}"


@workflow.defn(name="Late")
class LateWorkflow:
    """Hears late reports and lets the payment's own rules decide. Runs anew with every late report."""

    @workflow.init
    def __init__(self, ref: PaymentRef) -> None:  # noqa: ARG002 - Temporal hands it to both
        self._reports: deque[Observation] = deque()

    @workflow.run
    async def run(self, ref: PaymentRef) -> None:
        while self._reports:
            said = self._reports.popleft()
            await workflow.execute_activity_method(
                Step.settle,
                Report(ref=ref, said=said),
                **policies.step(policies.STORE, ref.tenant_id, 1, f"{said.channel} says {said.word}"),
            )

    @workflow.signal
    def provider_reported(self, said: Observation) -> None:
        self._reports.append(said)
