"""One dispute, from the bank's first word to its last, with the deadline in between."""

from collections import deque

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.dispute import DisputeActivities as Act
    from activities.dispute import DisputeErrand
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
        # Whoever starts us has something for us to look at.
        self._nudged = True
        self._attached = False
        self._due: Agenda | None = None

    @workflow.run
    async def run(self, ref: DisputeRef) -> None:
        while self._heard or self._nudged or self._due is not None:
            if self._heard or self._nudged:
                self._due = await self._look()
            elif self._due is not None and await self._undisturbed(self._due):
                self._due = await self._take(self._due)
            if self._due is not None:
                due = self._due
                workflow.set_current_details(
                    f"**{due.state}**: {ref.money} of {ref.payment_id}; next: {due.step}"
                )
            if workflow.info().is_continue_as_new_suggested() and not self._heard:
                workflow.continue_as_new(ref)

    @workflow.signal
    def provider_reported(self, said: DisputeObservation) -> None:
        self._heard.append(said)

    @workflow.signal
    def nudge(self) -> None:
        """Something about it has changed in our own books."""
        self._nudged = True

    async def _look(self) -> Agenda | None:
        """Hear one thing that was said, if anything was, and see what is due."""
        said = self._heard.popleft() if self._heard else None
        self._nudged = False
        errand = DisputeErrand(ref=self._ref, said=said, attached=self._attached)
        config = policies.step(
            policies.STORE, self._ref.tenant_id, 1, f"the bank: {said.word}" if said else "what is due?"
        )
        try:
            return await do(Act.look_at_dispute, errand, **config)
        except ActivityError:
            # The event is back in the inbox, which tries it again.
            if said is None or said.inbox_id is None:
                raise
            return self._due

    async def _undisturbed(self, due: Agenda) -> bool:
        """Wait until the step is due; False when there is news before."""
        left = due.at - workflow.now()
        if left <= policies.AT_ONCE:
            return True
        try:
            await workflow.wait_condition(
                lambda: bool(self._heard) or self._nudged,
                timeout=left,
                timeout_summary=f"until it is time to {due.step}",
            )
        except TimeoutError:
            return True
        return False

    async def _take(self, due: Agenda) -> Agenda | None:
        submit = due.step is Step.SUBMIT
        errand = DisputeErrand(ref=self._ref, attached=self._attached, submit=submit)
        if due.step is Step.REMIND:
            reminding = policies.step(policies.STORE, self._ref.tenant_id, 1, "the bank waits for evidence")
            return await do(Act.remind_of_evidence, errand, **reminding)
        insisting = policies.step(
            policies.PROVIDER,
            self._ref.tenant_id,
            3,
            f"{due.step} at {self._ref.provider}",
            policies.PATIENCE,
        )
        try:
            if due.step is Step.ASK:
                return await do(Act.ask_about_dispute, errand, **insisting)
            after = await do(Act.answer_dispute, errand, **insisting)
        except ActivityError:
            # Nobody is there, or nothing can be done any more. It is tried again a little later.
            return due.model_copy(update={"at": workflow.now() + policies.PATIENCE})
        self._attached = True
        return after
