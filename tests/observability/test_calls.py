"""What is told of a call to a payment company: to the collector, and to the company."""

from collections.abc import Callable

import httpx
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from domain.errors import OutcomeUnknown, ProviderRejected
from providers.line import Line
from providers.wire import Request, Wire

SECRET = "sk_live_c2VjcmV0"
CALL = Request(
    "POST", f"https://company.example/v1/things?key={SECRET}", {"Authorization": f"Bearer {SECRET}"}
)


class Company:
    """What arrives at a payment company, and what it says."""

    def __init__(self, answer: Callable[[], httpx.Response]) -> None:
        self.heard: list[httpx.Headers] = []
        self._answer = answer

    def wire(self) -> Wire:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._take))
        return Wire("company", http, Line(), lambda _status, _said: None)

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.heard.append(request.headers)
        return self._answer()


def broken() -> httpx.Response:
    raise httpx.ReadError(SECRET)


async def test_a_call_is_a_span_and_the_company_is_told_whose_trace_and_nothing_else(
    spans: InMemorySpanExporter,
) -> None:
    company = Company(lambda: httpx.Response(200, stream=httpx.ByteStream(b"{}")))
    with trace.get_tracer("test").start_as_current_span("step"):
        token = context.attach(baggage.set_baggage("user", "jane"))
        await company.wire().send(CALL)
        context.detach(token)
    call, step = spans.get_finished_spans()
    assert (call.name, call.kind) == ("POST company", SpanKind.CLIENT)
    assert call.parent is not None
    assert call.parent.span_id == step.context.span_id
    assert dict(call.attributes or {}) == {
        "paysaga.provider": "company",
        "http.request.method": "POST",
        "http.response.status_code": 200,
    }
    (heard,) = company.heard
    named = f"00-{call.context.trace_id:032x}-{call.context.span_id:016x}-"
    assert heard["traceparent"].startswith(named)
    assert not {"baggage", "tracestate"} & set(heard)


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [
        (lambda: httpx.Response(400, stream=httpx.ByteStream(SECRET.encode())), ProviderRejected, 400),
        (broken, OutcomeUnknown, None),
    ],
)
async def test_a_call_that_fails_is_told_by_its_status(
    spans: InMemorySpanExporter,
    answer: Callable[[], httpx.Response],
    error: type[Exception],
    status: int | None,
) -> None:
    with pytest.raises(error):
        await Company(answer).wire().send(CALL)
    (call,) = spans.get_finished_spans()
    assert call.status.status_code is StatusCode.ERROR
    assert (call.attributes or {}).get("http.response.status_code") == status
    # What its exception says stays in this process: see `test_leaving`.
    assert SECRET not in f"{call.name} {dict(call.attributes or {})}"


async def test_where_traces_are_off_a_company_is_told_of_none() -> None:
    company = Company(lambda: httpx.Response(200, stream=httpx.ByteStream(b"{}")))
    await company.wire().send(CALL)
    assert "traceparent" not in company.heard[0]
