"""What a provider says of a payment whose own workflow has ended."""

from collections import deque

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.payment import PaymentActivities as Step
    from activities.refund import Hearing, RefundActivities
    from domain.evidence import Observation
    from domain.payment import PaymentRef
    from domain.refund import RefundObservation
    from domain.verdicts import Report
    from workflows import policies

do = workflow.execute_activity_method


def workflow_id(tenant_id: str, payment_id: str) -> str:
    return f"late:{tenant_id}:{payment_id}"


@workflow.defn(name="Late")
class LateWorkflow:
    """Hears what comes late and lets the payment's own rules decide. Runs anew whenever something does."""

    @workflow.init
    def __init__(self, ref: PaymentRef) -> None:
        self._ref = ref
        self._heard: deque[Observation | RefundObservation] = deque()

    @workflow.run
    async def run(self, ref: PaymentRef) -> None:  # noqa: ARG002 - Temporal hands it to both
        while self._heard:
            workflow.set_current_details(f"{len(self._heard)} reports wait to be heard")
            await self._take(self._heard.popleft())
        workflow.set_current_details("All that came late was heard")

    @workflow.signal
    def provider_reported(self, said: Observation) -> None:
        self._heard.append(said)

    @workflow.signal
    def refund_reported(self, said: RefundObservation) -> None:
        self._heard.append(said)

    async def _take(self, heard: Observation | RefundObservation) -> None:
        try:
            if isinstance(heard, RefundObservation):
                hearing = Hearing(ref=self._ref, said=heard)
                await do(RefundActivities.hear, hearing, **self._by(f"a refund: {heard.word}"))
                return
            report = Report(ref=self._ref, said=heard)
            await do(Step.settle, report, **self._by(f"{heard.channel} says {heard.word}"))
        except ActivityError:
            # The event is back in the inbox, which tries it again; it must not hold up the others.
            if heard.inbox_id is None:
                raise

    def _by(self, summary: str) -> workflow.ActivityConfig:
        return policies.step(policies.STORE, self._ref.tenant_id, 1, summary)
