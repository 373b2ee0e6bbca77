"""Hands the context of a trace on through Temporal: to workflows, from them to their steps, and onwards.

Workflows make no spans: they may run anywhere, and again. They keep the context of the latest message they
got, and give it to the steps they begin. A step that runs soon after its message is part of that message's
trace; what a timer, a retry or a poll brings later begins a trace of its own, linked to it. So a trace tells
of one cause and what followed at once, and a courier's or a subscription's does not grow for years.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import (
    ContinueAsNewInput,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    StartActivityInput,
)

_Headers = Mapping[str, Payload]
# As the SDK's own interceptors name it, so that tools which read theirs read ours.
_HEADER: Final = "_tracer-data"
_SINCE: Final = "since"
_AT_ONCE_SECONDS: Final = 60.0
_W3C: Final = TraceContextTextMapPropagator()
_JSON: Final = PayloadConverter.default


class Tracing(client.Interceptor, worker.Interceptor):
    """For the client of a process whose traces are on; its workers take it from there."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:  # noqa: A002
        return _Calls(next)

    def intercept_activity(
        self,
        next: worker.ActivityInboundInterceptor,  # noqa: A002
    ) -> worker.ActivityInboundInterceptor:
        return _Steps(next)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: A002, ARG002
    ) -> type["_Arriving"]:
        return _Arriving


def handed_on(headers: _Headers) -> _Headers:
    """These headers and the context of the present span; without one, these headers."""
    carrier: dict[str, str | float] = {}
    _W3C.inject(carrier)
    if not carrier:
        return headers
    return {**headers, _HEADER: _JSON.to_payload(carrier | {_SINCE: time.time()})}


# --- Whoever talks to workflows -------------------------------------------------------------------


@contextmanager
def calling(name: str, workflow_id: str) -> Iterator[Span]:
    """A span round one message to a workflow."""
    with _tracer().start_as_current_span(
        name, kind=SpanKind.PRODUCER, attributes={"temporalWorkflowID": workflow_id}
    ) as span:
        yield span


class _Calls(client.OutboundInterceptor):
    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:  # noqa: A002
        name = f"{input.workflow}.{input.start_signal}" if input.start_signal else f"start {input.workflow}"
        with calling(name, input.id):
            input.headers = handed_on(input.headers)
            return await super().start_workflow(input)

    async def start_update_with_start_workflow(
        self,
        input: client.StartWorkflowUpdateWithStartInput,  # noqa: A002
    ) -> client.WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        with calling(f"{start.workflow}.{update.update}", start.id):
            start.headers, update.headers = handed_on(start.headers), handed_on(update.headers)
            return await super().start_update_with_start_workflow(input)


# --- In a workflow: no clock, no span, only headers ------------------------------------------------


class _Arriving(worker.WorkflowInboundInterceptor):
    """Remembers the context of the latest message. Without one, nothing is remembered, and nothing added."""

    def __init__(self, next: worker.WorkflowInboundInterceptor) -> None:  # noqa: A002
        super().__init__(next)
        self.latest: Payload | None = None

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_Leaving(outbound, self))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002
        # A signal may be handled before the start it came with, and is no older than that.
        self.latest = self.latest or input.headers.get(_HEADER)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002
        self.latest = input.headers.get(_HEADER, self.latest)
        await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002
        self.latest = input.headers.get(_HEADER, self.latest)
        return await super().handle_update_handler(input)


class _Leaving(worker.WorkflowOutboundInterceptor):
    def __init__(self, next: worker.WorkflowOutboundInterceptor, arriving: _Arriving) -> None:  # noqa: A002
        super().__init__(next)
        self._arriving = arriving

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002
        input.headers = self._with_context(input.headers)
        return super().start_activity(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:  # noqa: A002
        input.headers = self._with_context(input.headers)
        super().continue_as_new(input)

    def _with_context(self, headers: _Headers) -> _Headers:
        latest = self._arriving.latest
        return headers if latest is None else {**headers, _HEADER: latest}


# --- In a step ------------------------------------------------------------------------------------


class _Steps(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        info = activity.info()
        attributes: dict[str, str | int] = {
            "temporalWorkflowID": info.workflow_id or "",
            "temporalRunID": info.workflow_run_id or "",
            "paysaga.attempt": info.attempt,
        }
        context, links = _origin(input.headers)
        with _tracer().start_as_current_span(
            info.activity_type,
            context,
            SpanKind.CONSUMER,
            attributes,
            links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await super().execute_activity(input)
            except ApplicationError as refusal:
                # "Not yet" is an answer like any other.
                if refusal.category is not ApplicationErrorCategory.BENIGN:
                    span.set_attribute("error.type", refusal.type or type(refusal).__name__)
                    span.set_status(Status(StatusCode.ERROR))
                raise


def _origin(headers: _Headers) -> tuple[Context, list[Link]]:
    """Below what a step's span stands, and what it is only linked to. Never raises."""
    try:
        carrier = _JSON.from_payload(headers[_HEADER])
        found = trace.get_current_span(_W3C.extract(carrier, Context())).get_span_context()
        age = time.time() - float(carrier[_SINCE])
    except Exception:  # noqa: BLE001 - no trace is worth a payment
        return Context(), []
    # Not remote, as a caller's would be: whether it is kept was decided by one of us.
    known = SpanContext(found.trace_id, found.span_id, is_remote=False, trace_flags=found.trace_flags)
    if not known.is_valid:
        return Context(), []
    if age > _AT_ONCE_SECONDS:
        return Context(), [Link(known)]
    return trace.set_span_in_context(NonRecordingSpan(known), Context()), []


def _tracer() -> trace.Tracer:
    return trace.get_tracer("paysaga.workflows")
