"""Traces of this process, sent to a collector over OTLP/HTTP where one is set; without one nothing is made.

Spans are made in ``api.tracing``, ``workflows.tracing``, ``providers.wire`` and ``activities.courier`` alone.
They leave by one door, which lets only known names through, whoever made them.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

import requests
import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Status

from logs import redact
from settings import Settings

log = structlog.get_logger(__name__)

# What may be said of a span: our ids, templates, statuses, classes of errors. No address, no body, no text.
TOLD: Final = frozenset(
    {
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "paysaga.attempt",
        "paysaga.code",
        "paysaga.delivery",
        "paysaga.endpoint",
        "paysaga.provider",
        "paysaga.request_id",
        "paysaga.tenant",
        # As Temporal's own SDKs name them.
        "temporalRunID",
        "temporalWorkflowID",
    }
)
# A collector that takes longer is away; what piles up meanwhile beyond the queue is dropped.
PATIENCE_SECONDS: Final = 5.0
QUEUE: Final = 2_048
# How long a process that stops waits for its last spans.
LAST_SECONDS: Final = 1.5


@contextmanager
def traced(settings: Settings, service: Literal["paysaga-api", "paysaga-worker"]) -> Iterator[None]:
    """Make and send this process's traces until it is left, and wait a moment for the last of them.

    Nobody but the sending thread ever waits for the collector. Enter it once in a process's life.
    """
    if settings.otlp_endpoint is None:
        yield
        return
    # What it says in our log would be another's words, with every batch. The door says it once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    session = requests.Session()
    session.trust_env = False
    address = f"{str(settings.otlp_endpoint).rstrip('/')}/v1/traces"
    door = Door(OTLPSpanExporter(address, session=session, timeout=PATIENCE_SECONDS))
    provider = provided(door, settings.traces_sampled, service)
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        leave(provider)


def provided(door: SpanExporter, share: float, service: str) -> TracerProvider:
    """What makes the spans of one process."""
    made = TracerProvider(
        sampler=sampler(share), resource=Resource.create({"service.name": service}), shutdown_on_exit=False
    )
    made.add_span_processor(BatchSpanProcessor(door, max_queue_size=QUEUE))
    return made


def leave(provider: TracerProvider) -> None:
    """Send what is left, within ``LAST_SECONDS``; the rest is lost."""
    # By itself it waits for half a minute.
    last = threading.Thread(target=provider.shutdown, daemon=True)
    last.start()
    last.join(LAST_SECONDS)


def sampler(share: float) -> Sampler:
    """This share of all traces, each of them whole.

    Who calls us from outside may name the trace, and not decide whether we keep it: so its id decides, as for
    traces of our own. What our own processes tell each other is no remote parent (``workflows.tracing``).
    """
    ours = TraceIdRatioBased(share)
    return ParentBased(ours, remote_parent_sampled=ours, remote_parent_not_sampled=ours)


class Door(SpanExporter):
    """Sends spans on with nothing in them but ``TOLD``, ids, times and links.

    Events and descriptions of statuses hold the texts of exceptions, which may be others'; of an exception
    only its class is told.
    """

    def __init__(self, out: SpanExporter) -> None:
        self._out = out
        self._shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._out.export([discreet(span) for span in spans])
        if self._shut is (result is SpanExportResult.SUCCESS):
            self._shut = not self._shut
            log.warning("traces_not_exported" if self._shut else "traces_exported_again")
        return result

    def shutdown(self) -> None:
        self._out.shutdown()


def discreet(span: ReadableSpan) -> ReadableSpan:
    """The span as others may see it."""
    told: dict[str, Any] = {name: value for name, value in (span.attributes or {}).items() if name in TOLD}
    for event in span.events:
        if (kind := (event.attributes or {}).get("exception.type")) is not None:
            told.setdefault("error.type", str(kind).rpartition(".")[2])
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        # A request's id is its caller's choice.
        attributes=dict(redact(None, "", told)),
        links=[trace.Link(link.context) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
