"""A collector of traces, and spans that stay in this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from traces import sampler


@dataclass
class Collector:
    """A real HTTP server that takes OTLP and remembers it, or behaves badly."""

    url: str = ""
    taken: list[ExportTraceServiceRequest] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answer: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    """What it says; None: nothing, for as long as it is asked."""
    asked: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def spans(self) -> dict[str, list[Span]]:
        """All spans, by the service that made them."""
        found: dict[str, list[Span]] = {}
        for each in [resource for request in self.taken for resource in request.resource_spans]:
            names = [
                fact.value.string_value for fact in each.resource.attributes if fact.key == "service.name"
            ]
            found.setdefault(names[0], []).extend(span for scope in each.scope_spans for span in scope.spans)
        return found

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator["Collector"]:
        collector = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                collector.paths.append(self.path)
                collector.taken.append(ExportTraceServiceRequest.FromString(raw))
                collector.asked.set()
                if collector.answer is None:
                    collector.over.wait()
                self.wfile.write(collector.answer or b"")
                self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield collector
        finally:
            collector.over.set()
            server.shutdown()
            serving.join()
            server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector.listening() as listening:
        yield listening


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What this process makes of spans while a test runs, all of them. Afterwards it makes none."""
    made = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler(1), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(made))
    # A process sets its own once and for ever; this one is many tests'.
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield made
    provider.shutdown()


def facts(span: Span) -> dict[str, str | int]:
    """What a span that was sent says of itself."""
    return {
        fact.key: fact.value.string_value or fact.value.int_value or fact.value.bool_value
        for fact in span.attributes
    }
