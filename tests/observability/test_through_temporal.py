"""How a trace goes on through Temporal: from a message to the steps that it sets going."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from domain.values import new_id
from tests.house import House, eventually
from tests.observability.errands import Errands, run_errand
from workflows import tracing


@dataclass
class Post:
    """A client and a worker that have traces, or none, and what they made of spans."""

    client: Client
    queue: str
    made: InMemorySpanExporter

    async def begin(
        self, first: str | None = None, *, signal: str | None = None
    ) -> WorkflowHandle[Errands, list[str]]:
        return await self.client.start_workflow(
            Errands.run,
            first,
            id=f"errands:{self.queue}",
            task_queue=self.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="wish" if signal else None,
            start_signal_args=[signal] if signal else [],
        )

    async def step(self, number: int = 1) -> ReadableSpan:
        """The span of the step that came as the so many-th."""

        async def look() -> ReadableSpan | None:
            steps = [span for span in self.made.get_finished_spans() if span.name == "run_errand"]
            return steps[number - 1] if len(steps) >= number else None

        found: ReadableSpan = await eventually(look)
        return found

    def named(self, name: str) -> Sequence[ReadableSpan]:
        return [span for span in self.made.get_finished_spans() if span.name == name]


@pytest.fixture
async def post(house: House, spans: InMemorySpanExporter) -> AsyncIterator[Post]:
    async for each in _post(house, spans, traces=True):
        yield each


@pytest.fixture
async def silent(house: House, spans: InMemorySpanExporter) -> AsyncIterator[Post]:
    async for each in _post(house, spans, traces=False):
        yield each


async def _post(house: House, spans: InMemorySpanExporter, *, traces: bool) -> AsyncIterator[Post]:
    plain = await house.temporal()
    queue = new_id("test", datetime.now(UTC))
    config = plain.config() | {"interceptors": [tracing.Tracing()] if traces else []}
    client = Client(**config)
    # Workflows run in the SDK's sandbox here, as in all tests.
    async with Worker(client, task_queue=queue, workflows=[Errands], activities=[run_errand]):
        yield Post(client, queue, spans)


async def test_a_request_an_update_with_start_and_the_step_are_one_trace(post: Post) -> None:
    with trace.get_tracer("test").start_as_current_span("request") as request:
        start = WithStartWorkflowOperation(
            Errands.run,
            id=f"errands:{post.queue}",
            task_queue=post.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        await post.client.execute_update_with_start_workflow(
            Errands.ask, "bread", start_workflow_operation=start
        )
    (message,), step = post.named("Errands.ask"), await post.step()
    assert message.parent is not None
    assert message.parent.span_id == request.get_span_context().span_id
    assert step.parent is not None
    assert step.parent.span_id == message.context.span_id
    assert step.context.trace_id == request.get_span_context().trace_id
    told = dict(step.attributes or {})
    assert told.pop("temporalRunID")
    assert told == {"temporalWorkflowID": f"errands:{post.queue}", "paysaga.attempt": 1}
    await (await post.begin(signal="end")).result()


async def test_a_step_belongs_to_the_latest_message(post: Post) -> None:
    with trace.get_tracer("test").start_as_current_span("first"):
        await post.begin("bread")
    first = await post.step()
    with trace.get_tracer("test").start_as_current_span("second") as second:
        errands = await post.begin(signal="end")
    await errands.result()
    last = await post.step(2)
    assert first.context.trace_id != last.context.trace_id == second.get_span_context().trace_id


async def test_a_run_that_goes_on_as_a_new_one_keeps_its_trace(post: Post) -> None:
    with trace.get_tracer("test").start_as_current_span("request") as request:
        errands = await post.begin("anew")
    await errands.result()
    assert (await post.step()).context.trace_id == request.get_span_context().trace_id


def test_what_comes_much_later_is_a_trace_of_its_own_with_a_link(spans: InMemorySpanExporter) -> None:
    with trace.get_tracer("test").start_as_current_span("request") as request:
        (header,) = tracing.handed_on({}).values()
    soon, _ = tracing._origin({tracing._HEADER: header})
    assert trace.get_current_span(soon).get_span_context().span_id == request.get_span_context().span_id
    carrier = tracing._JSON.from_payload(header)
    old = tracing._JSON.to_payload(carrier | {"since": time.time() - 3600})
    later, links = tracing._origin({tracing._HEADER: old})
    assert not later
    assert [link.context.span_id for link in links] == [request.get_span_context().span_id]
    assert spans.get_finished_spans()


async def test_a_step_that_fails_says_its_class_and_no_word(post: Post) -> None:
    errands = await post.begin("fail")
    with pytest.raises(WorkflowFailureError):
        await errands.result()
    step = await post.step()
    assert step.status.status_code is StatusCode.ERROR
    assert (step.attributes or {})["error.type"] == "ProviderRejected"
    assert "whsec" not in step.to_json()


async def test_not_yet_is_no_failure(post: Post) -> None:
    errands = await post.begin("not yet")
    early, again = await post.step(), await post.step(2)
    assert (early.status.status_code, again.status.status_code) == (StatusCode.UNSET, StatusCode.UNSET)
    assert [(span.attributes or {})["paysaga.attempt"] for span in (early, again)] == [1, 2]
    await (await post.begin(signal="end")).result()
    assert errands.id


@pytest.mark.parametrize(
    "odd", [b"", b"null", b"[]", b'{"traceparent": 7}', b'{"traceparent": "x", "since": "y"}']
)
def test_a_header_that_is_none_costs_no_step(odd: bytes) -> None:
    headers = tracing._JSON.to_payload("")
    headers.data = odd
    context, links = tracing._origin({tracing._HEADER: headers})
    assert (dict(context), links) == ({}, [])


async def test_where_traces_are_off_nothing_is_added_to_a_history(silent: Post) -> None:
    with trace.get_tracer("test").start_as_current_span("request"):
        errands = await silent.begin("bread", signal="end")
    await errands.result()
    history = await errands.fetch_history()
    assert b"_tracer-data" not in b"".join(event.SerializeToString() for event in history.events)
    assert silent.named("run_errand") == []
