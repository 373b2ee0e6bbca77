"""One comparison of an account's books with ours, from its Schedule or on demand."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation import Books, Trouble
    from activities.reconciliation import ReconciliationActivities as Step
    from workflows import policies

do = workflow.execute_activity_method

# A provider that is away for longer is asked by the next run.
_INSISTING = timedelta(hours=6)


def schedule_id(books: Books) -> str:
    return f"reconcile:{books.tenant_id}:{books.provider}"


def workflow_id(books: Books) -> str:
    """What the Schedule names its workflows by; it adds the time."""
    return f"reconciliation:{books.tenant_id}:{books.provider}"


@workflow.defn(name="Reconciliation")
class ReconciliationWorkflow:
    """Started by its Schedule alone, which never lets two of one account run at a time."""

    @workflow.run
    async def run(self, books: Books) -> str | None:
        at = f"the books of {books.provider}"
        workflow.set_current_details(f"Compares {at} with ours")
        reading = policies.step(
            policies.READ_BOOKS, books.tenant_id, 5, f"compare {at} with ours", _INSISTING
        )
        try:
            run_id = await do(Step.reconcile, books, **reading)
        except ActivityError as error:
            trouble = Trouble(books=books, why=str(error.cause))
            shut = policies.step(policies.STORE, books.tenant_id, 5, f"{at} stay shut")
            await do(Step.give_up, trouble, **shut)
            workflow.set_current_details(f"**Given up**: {at} stay shut until the next run")
            return None
        workflow.set_current_details(f"Run {run_id}")
        return run_id
