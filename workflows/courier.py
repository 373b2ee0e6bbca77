"""Carries events to one tenant endpoint: what is due goes out, then it sleeps till the next is."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.courier import CourierActivities as Step
    from activities.courier import Round
    from workflows import policies


def workflow_id(tenant_id: str, endpoint_id: str) -> str:
    return f"courier:{tenant_id}:{endpoint_id}"


@workflow.defn(name="Courier")
class CourierWorkflow:
    """One per endpoint, so a slow endpoint delays nobody but itself. Ends when nothing waits."""

    @workflow.init
    def __init__(self, errand: Round) -> None:  # noqa: ARG002 - Temporal hands it to both
        self._woken = False

    @workflow.run
    async def run(self, errand: Round) -> None:
        while True:
            self._woken = False
            workflow.set_current_details(f"Carries what is due to {errand.endpoint_id}")
            next_due = await workflow.execute_activity_method(
                Step.carry,
                errand,
                **policies.step(policies.CARRY, errand.tenant_id, 4, "carry what is due"),
            )
            if workflow.info().is_continue_as_new_suggested():
                # The new run begins by carrying, so a wake-up is not lost with this one.
                workflow.continue_as_new(errand)
            if self._woken:
                continue
            if next_due is None:
                return
            workflow.set_current_details(
                f"**Retries**: the next attempt is due at {next_due:%Y-%m-%d %H:%M:%S} UTC"
            )
            # A second at least: our clock and Temporal's may differ by less than that, and must not spin.
            await self._sleep(max((next_due - workflow.now()).total_seconds(), 1))

    async def _sleep(self, seconds: float) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._woken, timeout=seconds, timeout_summary="until the next attempt"
            )
        except TimeoutError:
            return

    @workflow.signal
    def wake(self) -> None:
        self._woken = True
