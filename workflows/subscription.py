"""One subscription, from the checkout that begins it to its end, through all its periods."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import TypedSearchAttributes

with workflow.unsafe.imports_passed_through():
    from activities.subscription import Agenda, Tick
    from activities.subscription import SubscriptionActivities as Step
    from domain.standing import SubscriptionRef
    from workflows import policies

# However long nothing is due: a look now and then costs little, and mends what nobody told us.
_LONGEST = timedelta(days=7)


def workflow_id(tenant_id: str, subscription_id: str) -> str:
    return f"subscription:{tenant_id}:{subscription_id}"


@workflow.defn(name="Subscription")
class SubscriptionWorkflow:
    """Sleeps until the next deadline, or until somebody says that something has changed.

    It remembers nothing but its name: every look begins with the row, so a new run goes on where a lost one
    stood, and a long life costs no more than a short one.
    """

    @workflow.init
    def __init__(self, ref: SubscriptionRef) -> None:  # noqa: ARG002 - Temporal hands it to both
        self._woken = False

    @workflow.run
    async def run(self, ref: SubscriptionRef) -> str:
        while True:
            self._woken = False
            agenda = await workflow.execute_activity_method(
                Step.advance,
                Tick(ref=ref, at=workflow.now()),
                **policies.step(policies.LEAD, ref.tenant_id, 3, "whatever is due"),
            )
            self._show(agenda)
            if agenda.ended and not self._woken:
                return agenda.status
            if workflow.info().is_continue_as_new_suggested():
                # The new run begins by looking, so a wake-up is not lost with this one.
                workflow.continue_as_new(ref)
            if not self._woken:
                await self._sleep(agenda)

    async def _sleep(self, agenda: Agenda) -> None:
        wait = _LONGEST if agenda.next_at is None else min(agenda.next_at - workflow.now(), _LONGEST)
        if wait <= timedelta(0):
            # More is due: the next step is for the next look.
            return
        try:
            await workflow.wait_condition(
                lambda: self._woken, timeout=wait, timeout_summary=f"{agenda.status}, next {agenda.next_at}"
            )
        except TimeoutError:
            return

    @workflow.signal
    def wake(self) -> None:
        self._woken = True

    def _show(self, agenda: Agenda) -> None:
        due = "waits" if agenda.next_at is None else f"next {agenda.next_at:%Y-%m-%d %H:%M:%S} UTC"
        workflow.set_current_details(f"**{agenda.status}**: {agenda.price}; {due}")


def attributes(ref: SubscriptionRef) -> TypedSearchAttributes:
    """What operators filter subscriptions by."""
    return policies.found_by(ref.tenant_id)
