"""A workflow with one kind of step, for traces to go through."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory


@activity.defn
async def run_errand(what: str) -> str:
    if what == "fail":
        raise ApplicationError("whsec_c2VjcmV0LW9mLXNvbWVib2R5", type="ProviderRejected", non_retryable=True)
    if what == "not yet" and activity.info().attempt == 1:
        raise ApplicationError("soon", category=ApplicationErrorCategory.BENIGN)
    return what


@workflow.defn
class Errands:
    """Runs an errand for each that is asked for, until it is asked for the end."""

    @workflow.init
    def __init__(self, first: str | None = None) -> None:
        self._asked = [first] if first else []
        self._done: list[str] = []

    @workflow.run
    async def run(self, first: str | None = None) -> list[str]:  # noqa: ARG002 - Temporal hands it to both
        while "end" not in self._done:
            await workflow.wait_condition(lambda: bool(self._asked))
            what = self._asked.pop(0)
            if what == "anew":
                workflow.continue_as_new("end")
            try:
                await workflow.execute_activity(
                    run_errand, what, start_to_close_timeout=timedelta(seconds=10), summary=what
                )
            finally:
                self._done.append(what)
        return self._done

    @workflow.update
    async def ask(self, what: str) -> str:
        self._asked.append(what)
        await workflow.wait_condition(lambda: what in self._done)
        return what

    @workflow.signal
    def wish(self, what: str) -> None:
        self._asked.append(what)
