"""One dispute, from the bank's first word to its last, with the deadline in between."""

from collections import deque

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.dispute import DisputeActivities as Act
    from activities.dispute import DisputeHearing, Errand
    from domain.dispute import Agenda, DisputeObservation, DisputeRef, Step
    from workflows import policies

do = workflow.execute_activity_method


def workflow_id(ref: DisputeRef) -> str:
    return f"dispute:{ref.tenant_id}:{ref.provider}:{ref.dispute_id}"


@workflow.defn(name="Dispute")
class DisputeWorkflow:
    """Hears the provider, reminds the tenant, and answers before it is too late.

    Whoever hears something of the dispute first starts it; what there is to do it reads from the row, so a
    new run goes on where a lost one stood.
    """

    @workflow.init
    def __init__(self, ref: DisputeRef) -> None:
        self._ref = ref
        self._heard: deque[DisputeObservation] = deque()
        self._nudged = False
        self._attached = False

    @workflow.run
    async def run(self, ref: DisputeRef) -> None:
        while True:
            while self._heard:
                await self._hear(self._heard.popleft())
            self._nudged = False
            due = await do(
                Act.look_at_dispute, Errand(ref=ref, attached=self._attached), **self._store("what is due?")
            )
            if self._heard:
                continue
            if due is None:
                return
            workflow.set_current_details(f"**{due.state}**: {ref.money} of {ref.payment_id}; then {due.step}")
            if await self._undisturbed(due):
                await self._take(due.step)
            if workflow.info().is_continue_as_new_suggested() and not self._heard:
                workflow.continue_as_new(ref)

    @workflow.signal
    def provider_reported(self, said: DisputeObservation) -> None:
        self._heard.append(said)

    @workflow.signal
    def nudge(self) -> None:
        """Something about it has changed in our own books."""
        self._nudged = True

    async def _undisturbed(self, due: Agenda) -> bool:
        """Wait until the step is due; False when there is news before."""
        left = due.at - workflow.now()
        try:
            await workflow.wait_condition(
                lambda: bool(self._heard) or self._nudged,
                timeout=max(left, policies.AT_ONCE),
                timeout_summary=f"until it is time to {due.step}",
            )
        except TimeoutError:
            return True
        return False

    async def _hear(self, said: DisputeObservation) -> None:
        try:
            hearing = DisputeHearing(ref=self._ref, said=said)
            await do(Act.hear_dispute, hearing, **self._store(f"the bank: {said.word}"))
        except ActivityError:
            # The event is back in the inbox, which tries it again.
            if said.inbox_id is None:
                raise

    async def _take(self, step: Step) -> None:
        if step is Step.REMIND:
            await do(Act.remind_of_evidence, self._ref, **self._store("the bank waits for evidence"))
            return
        insisting = policies.step(
            policies.PROVIDER, self._ref.tenant_id, 3, f"{step} at {self._ref.provider}", policies.PATIENCE
        )
        try:
            if step is Step.ASK:
                await do(Act.ask_about_dispute, self._ref, **insisting)
            else:
                submit = step is Step.SUBMIT
                await do(Act.answer_dispute, Errand(ref=self._ref, submit=submit), **insisting)
                self._attached = True
        except ActivityError:
            # Nobody is there, or nothing can be done any more. The agenda comes round again.
            await workflow.wait_condition(lambda: bool(self._heard), timeout=policies.PATIENCE)

    def _store(self, summary: str) -> workflow.ActivityConfig:
        return policies.step(policies.STORE, self._ref.tenant_id, 1, summary)
