"""What a provider says of a payment whose own workflow has ended."""

from collections import deque

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.payment import PaymentActivities as Step
    from domain.payment import Observation, PaymentRef, Settlement, decide
    from workflows import policies

do = workflow.execute_activity_method


def workflow_id(tenant_id: str, payment_id: str) -> str:
    return f"late:{tenant_id}:{payment_id}"


@workflow.defn(name="Late")
class LateWorkflow:
    """Hears late reports and lets the payment's own rules decide. Runs anew with every late report."""

    @workflow.init
    def __init__(self, ref: PaymentRef) -> None:
        self._reports: deque[Observation] = deque()

    @workflow.run
    async def run(self, ref: PaymentRef) -> None:
        urgent = policies.fair(ref.tenant_id, 1)
        progress = await do(Step.recall, ref, priority=urgent, **policies.STORE)
        while self._reports:
            said = self._reports.popleft()
            verdict = decide(ref, progress.status, said)
            progress = await do(
                Step.settle,
                Settlement(ref=ref, verdict=verdict, observation=said),
                summary=f"{said.word}: {verdict.note}",
                priority=urgent,
                **policies.STORE,
            )

    @workflow.signal
    def provider_reported(self, said: Observation) -> None:
        self._reports.append(said)
