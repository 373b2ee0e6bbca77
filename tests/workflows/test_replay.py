"""Today's code must still lead every payment that yesterday's code began.

Histories are taken from the house as it runs, and kept in ``histories``. A change of a workflow that breaks
the kept ones breaks running payments: put it behind ``workflow.patched``. What the new code does is kept by
``PAYSAGA_RECORD_HISTORIES=1 pytest tests/workflows/test_replay.py``.
"""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

from tests.house import House
from tests.workflows.paths import OTHERS, PATHS, live
from tests.workflows.releases import (
    Careless,
    CarelessCourier,
    CarelessDispute,
    CarelessLate,
    CarelessReconciliation,
    CarelessRefund,
    CarelessReview,
    CarelessSubscription,
    OneStepMore,
)
from workflows.courier import CourierWorkflow
from workflows.dispute import DisputeWorkflow
from workflows.late import LateWorkflow
from workflows.payloads import data_converter
from workflows.payment import PaymentWorkflow
from workflows.reconciliation import ReconciliationWorkflow
from workflows.refund import RefundWorkflow
from workflows.review import ReviewWorkflow
from workflows.subscription import SubscriptionWorkflow

TODAY = (
    *(PaymentWorkflow, LateWorkflow, RefundWorkflow, ReviewWorkflow),
    *(DisputeWorkflow, CourierWorkflow, ReconciliationWorkflow, SubscriptionWorkflow),
)
AT_ONCE = 10
KEPT = Path(__file__).parent / "histories"
# What differs from run to run and is of no use to a replay.
NOISE = {
    "stackTrace",
    "taskId",
    "identity",
    "requestId",
    "workerVersion",
    "meteringMetadata",
    "header",
    "historySizeBytes",
}


# --- The paths a payment may take -----------------------------------------------------------------


NAMES = [path.__name__ for path in PATHS]
ALL = [*NAMES, *(other.__name__ for other in OTHERS)]
# Begun before a step that is behind ``workflow.patched`` today.
EARLIER = ["refund_approved_before_marks", "refund_nobody_approved_before_marks"]


@pytest.fixture(scope="module")
async def histories(house: House) -> dict[str, WorkflowHistory]:
    """One of each path, some at a time: payments that live for seconds need a machine that has time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def taken_in_turn(way: Awaitable[WorkflowHistory]) -> WorkflowHistory:
        async with turns:
            return await way

    ways = [*(live(house, path) for path in PATHS), *(other(house) for other in OTHERS)]
    taken = await asyncio.gather(*(taken_in_turn(way) for way in ways))
    found = dict(zip(ALL, taken, strict=True))
    if os.environ.get("PAYSAGA_RECORD_HISTORIES"):
        for name, history in found.items():
            (KEPT / f"{name}.json").write_text(written(history))
    return found


def written(history: WorkflowHistory) -> str:
    """A history as it is kept: one event a line, without the noise."""
    events = ",\n".join(json.dumps(_without_noise(event)) for event in history.to_json_dict()["events"])
    # A worker's own queue is named after its machine.
    events = re.sub(r'"name": "[^"]*@[^"]*"', '"name": "sticky"', events)
    return f'{{"workflowId": "{history.workflow_id}", "events": [\n{events}\n]}}\n'


def _without_noise(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _without_noise(value) for name, value in part.items() if name not in NOISE}
    return [_without_noise(item) for item in part] if isinstance(part, list) else part


async def replay(history: WorkflowHistory, *releases: type, keys: Sequence[bytes] = ()) -> None:
    """Run code against what happened, today's or another. Raises when it would have done something else.

    ``keys`` open a history that is sealed.
    """
    await Replayer(
        workflows=releases or TODAY,
        data_converter=data_converter(keys),
        # The sandbox would import other releases anew, and with them the tests.
        workflow_runner=UnsandboxedWorkflowRunner() if releases else SandboxedWorkflowRunner(),
    ).replay_workflow(history)


def kept(path: str) -> WorkflowHistory:
    found = json.loads((KEPT / f"{path}.json").read_text())
    return WorkflowHistory.from_json(found.pop("workflowId"), found)


# --- Tests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ALL)
@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_what_has_just_happened_replays(
    house: House, histories: dict[str, WorkflowHistory], path: str
) -> None:
    await replay(histories[path], keys=house.payload_keys)
    # As it would be kept, it replays as well.
    as_kept = json.loads(written(histories[path]))
    await replay(WorkflowHistory.from_json(as_kept.pop("workflowId"), as_kept), keys=house.payload_keys)


@pytest.mark.parametrize("path", [*ALL, *EARLIER])
async def test_what_was_kept_replays(path: str) -> None:
    await replay(kept(path))


@pytest.mark.parametrize("path", ALL)
async def test_a_step_more_would_be_noticed(path: str) -> None:
    careless = (
        *(Careless, CarelessLate, CarelessRefund, CarelessReview),
        *(CarelessDispute, CarelessCourier, CarelessReconciliation, CarelessSubscription),
    )
    with pytest.raises(NondeterminismError):
        await replay(kept(path), *careless)


@pytest.mark.parametrize("path", NAMES)
async def test_a_step_more_behind_a_patch_leads_every_payment_on(path: str) -> None:
    await replay(kept(path), OneStepMore)


def test_every_history_that_was_kept_is_replayed() -> None:
    # The one that waits is replayed among the named regressions.
    assert {file.stem for file in KEPT.glob("*.json")} == {*ALL, *EARLIER, "waiting"}
