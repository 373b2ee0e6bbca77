"""The Schedules of reconciliation: one for each account whose books can be read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.reconciliation import Books
from workflows import policies, reconciliation
from workflows.payloads import SealedPayloads
from workflows.reconciliation import ReconciliationWorkflow

_QUICK: Final = timedelta(seconds=5)


async def keep(client: Client, books: Books, every: timedelta) -> None:
    """Make sure these books are looked at every so often. A Schedule that is there is left as it is.

    Only what it gives its workflows is sealed anew once the key is another: it is given for as long as the
    account is there, and would need the old key for as long.
    """
    try:
        await client.create_schedule(
            reconciliation.schedule_id(books), _schedule(books, every), rpc_timeout=_QUICK
        )
    except ScheduleAlreadyRunningError:
        await _seal_anew(client, books, every)


async def _seal_anew(client: Client, books: Books, every: timedelta) -> None:
    codec = client.data_converter.payload_codec
    handle = client.get_schedule_handle(reconciliation.schedule_id(books))
    action = (await handle.describe(rpc_timeout=_QUICK)).schedule.action
    if not isinstance(codec, SealedPayloads) or not isinstance(action, ScheduleActionStartWorkflow):
        return
    if all(codec.is_current(given) for given in action.args):
        return

    def sealed_anew(known: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(replace(known.description.schedule, action=_schedule(books, every).action))

    await handle.update(sealed_anew, rpc_timeout=_QUICK)


def _schedule(books: Books, every: timedelta) -> Schedule:
    # Intervals are counted from 1970: without an offset all accounts would have their turn at once. The
    # first turn is a whole interval from now.
    since_1970 = datetime.now(UTC) - datetime.fromtimestamp(0, UTC)
    return Schedule(
        action=ScheduleActionStartWorkflow(
            ReconciliationWorkflow.run,
            books,
            id=reconciliation.workflow_id(books),
            task_queue=policies.QUEUE,
            typed_search_attributes=policies.found_by(books.tenant_id, books.provider),
            static_summary=f"the books of {books.provider} against ours",
            priority=policies.fair(books.tenant_id, 5),
        ),
        spec=ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=every, offset=since_1970 % every)], jitter=every / 8
        ),
        # One that was missed is not made up for: each run looks back far enough.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=max(every / 2, _QUICK * 2)),
    )


async def begin(client: Client, books: Books, every: timedelta, *, queue: bool) -> None:
    """Have the books looked at now. ``queue``: after the run that may just be ending; else in its stead."""
    await keep(client, books, every)
    overlap = ScheduleOverlapPolicy.BUFFER_ONE if queue else ScheduleOverlapPolicy.SKIP
    handle = client.get_schedule_handle(reconciliation.schedule_id(books))
    await handle.trigger(overlap=overlap, rpc_timeout=_QUICK)


async def drop(client: Client, books: Books) -> None:
    """Look at these books no more. Safe to repeat."""
    try:
        await client.get_schedule_handle(reconciliation.schedule_id(books)).delete(rpc_timeout=_QUICK)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
