"""Waiting for a second person, as every workflow does it that needs one."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.approval import ApprovalActivities as Step
    from domain.approval import Answer, ApprovalRef, ApprovalState
    from workflows import policies


class Awaited:
    """The answer to one question. The row tells it; a signal only says that it is worth looking."""

    def __init__(self) -> None:
        self._told = False

    def tell(self) -> None:
        """Somebody decided, as far as the sender knows."""
        self._told = True

    async def answer(self, ref: ApprovalRef) -> Answer:
        """What was decided, however long that takes; what is not decided in time has expired.

        The first look finds out until when to wait, and what was decided before this workflow began.
        """
        while True:
            self._told = False
            answer = await workflow.execute_activity_method(Step.look, ref, **_by(ref, "look it up"))
            left = answer.expires_at - workflow.now()
            if answer.state is not ApprovalState.PENDING:
                return answer
            workflow.set_current_details(f"waits for an approver until {answer.expires_at:%Y-%m-%d %H:%M}Z")
            try:
                await workflow.wait_condition(
                    lambda: self._told,
                    timeout=max(left, policies.AT_ONCE),
                    timeout_summary="an approver decides",
                )
            except TimeoutError:
                # Whoever decides at this moment meets this step at the row: one of them is the first.
                return await workflow.execute_activity_method(
                    Step.expire, ref, **_by(ref, "nobody decided in time")
                )


def _by(ref: ApprovalRef, summary: str) -> workflow.ActivityConfig:
    return policies.step(policies.STORE, ref.tenant_id, 1, summary)
