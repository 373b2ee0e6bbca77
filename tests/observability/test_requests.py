"""What a request's span says, whose trace it belongs to, and what its line in the log has to do with it."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from io import StringIO

import httpx
import pytest
import structlog
from fastapi import BackgroundTasks, FastAPI, Request
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import serve
from api import problems
from api.affairs import Affair, concerns
from api.edge import Edge
from api.tracing import NOT_BY_ITSELF, Traced
from domain.errors import NotFound
from logs import configure_logging
from tests.test_settings import settings

CALLERS = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{CALLERS}-b7ad6b7169203331-01"


def application() -> FastAPI:
    app = FastAPI(telemetry=NOT_BY_ITSELF)

    @app.get("/livez")
    async def livez() -> str:
        return "here"

    @app.get("/v1/things/{thing}")
    async def get_thing(thing: str, request: Request, later: BackgroundTasks) -> str:
        concerns(request, Affair(tenant_id="ten_1", actor="backend"))
        if thing == "none":
            raise NotFound
        if thing == "bug":
            raise RuntimeError("whsec_c2VjcmV0LW9mLXNvbWVib2R5")
        later.add_task(afterwards)
        return thing

    async def afterwards() -> None:
        with trace.get_tracer("test").start_as_current_span("afterwards"):
            pass

    async def unrecorded(_request: Request, _response: object) -> None:
        pass

    problems.install(app, "http://api", unrecorded)
    app.add_middleware(Edge)
    app.add_middleware(Traced)
    return app


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    wire = httpx.ASGITransport(application(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=wire, base_url="http://api") as client:
        yield client


async def test_a_span_has_the_routes_template_the_status_and_our_ids(
    http: httpx.AsyncClient, spans: InMemorySpanExporter
) -> None:
    await http.get("/v1/things/blue?token=eyJsecret", headers={"X-Request-Id": "req-1", "Cookie": "secret"})
    span = spans.get_finished_spans()[0]
    assert span.name == "GET /v1/things/{thing}"
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/v1/things/{thing}",
        "http.response.status_code": 200,
        "paysaga.request_id": "req-1",
        "paysaga.tenant": "ten_1",
    }


@pytest.mark.parametrize(
    ("thing", "status", "code", "verdict"),
    [("none", 404, "not_found", StatusCode.UNSET), ("bug", 500, "internal", StatusCode.ERROR)],
)
async def test_a_span_tells_how_it_was_refused_and_not_in_whose_words(
    http: httpx.AsyncClient,
    spans: InMemorySpanExporter,
    thing: str,
    status: int,
    code: str,
    verdict: StatusCode,
) -> None:
    await http.get(f"/v1/things/{thing}")
    (span,) = spans.get_finished_spans()
    assert (span.attributes or {})["http.response.status_code"] == status
    assert (span.attributes or {})["paysaga.code"] == code
    assert span.status.status_code is verdict
    assert "whsec" not in span.to_json()


async def test_an_address_that_is_nobodys_is_not_told(
    http: httpx.AsyncClient, spans: InMemorySpanExporter
) -> None:
    await http.request("SECRET", "/v1/whsec_c2VjcmV0?token=eyJsecret")
    (span,) = spans.get_finished_spans()
    assert span.name == "_OTHER"
    assert "ecret" not in span.to_json().lower().replace("_other", "")


async def test_the_whole_application_makes_no_other_spans(spans: InMemorySpanExporter) -> None:
    whole = serve.application(settings(otlp_endpoint="http://127.0.0.1:1"))
    wire = httpx.ASGITransport(whole)
    async with httpx.AsyncClient(transport=wire, base_url="http://api") as http:
        assert (await http.get("/v1/nothing?token=eyJsecret")).status_code == 404
    (span,) = spans.get_finished_spans()
    assert span.name == "GET"
    assert "token" not in span.to_json()


async def test_a_callers_trace_goes_on_without_its_state_and_baggage(
    http: httpx.AsyncClient, spans: InMemorySpanExporter
) -> None:
    await http.get(
        "/v1/things/blue",
        headers={"traceparent": TRACEPARENT, "tracestate": "vendor=private", "baggage": "user=jane"},
    )
    span = spans.get_finished_spans()[0]
    assert f"{span.context.trace_id:032x}" == CALLERS
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert not span.context.trace_state


@pytest.mark.parametrize(
    "named", ["", "garbage", "00-" + "0" * 32 + "-b7ad6b7169203331-01", f"ff-{CALLERS}-b7ad6b7169203331-01"]
)
async def test_a_name_that_is_none_is_not_taken(
    http: httpx.AsyncClient, spans: InMemorySpanExporter, named: str
) -> None:
    answer = await http.get("/v1/things/blue", headers={"traceparent": named})
    assert answer.status_code == 200
    assert spans.get_finished_spans()[0].parent is None


async def test_what_is_done_after_the_answer_is_part_of_the_trace(
    http: httpx.AsyncClient, spans: InMemorySpanExporter
) -> None:
    await http.get("/v1/things/blue")
    request, afterwards = spans.get_finished_spans()
    assert afterwards.parent is not None
    assert afterwards.parent.span_id == request.context.span_id
    assert (request.end_time or 0) <= (afterwards.start_time or 0)


async def test_probes_leave_no_trace(http: httpx.AsyncClient, spans: InMemorySpanExporter) -> None:
    await http.get("/livez")
    assert spans.get_finished_spans() == ()


async def test_the_requests_line_names_its_trace_even_where_an_id_looks_like_a_card(
    http: httpx.AsyncClient, spans: InMemorySpanExporter
) -> None:
    configure_logging(settings())
    written = StringIO()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    digits = "42424242424242424242424242424242"
    await http.get("/v1/things/blue", headers={"traceparent": f"00-{digits}-4242424242424242-01"})
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    (line,) = [line for line in lines if line["event"] == "request"]
    span = spans.get_finished_spans()[0]
    assert (line["trace_id"], line["span_id"]) == (digits, f"{span.context.span_id:016x}")


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
