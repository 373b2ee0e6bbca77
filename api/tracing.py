"""A span for each request: the route's template, status and our ids; never its address, headers or body."""

from typing import Final

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.affairs import Affair
from api.edge import route_of

# FastAPI makes spans of its own where it finds a provider, with the query, in which checkout tokens are. And
# it would set up exporters of its own, if the environment said so.
NOT_BY_ITSELF: Final[TelemetryConfig] = {
    "tracing": False,
    "operation_spans": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}
# Asked every few seconds by machines; nothing follows from it.
_PROBES: Final = frozenset({"/livez", "/readyz", "/metrics"})
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_W3C: Final = TraceContextTextMapPropagator()


class Traced:
    """Outside of ``Edge``, whose line in the log is part of the trace. Only where traces are on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within its span, which ends with the answer's last byte.

        What is done after the answer is part of the trace all the same.
        """
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        span = trace.get_tracer("paysaga.api").start_span(
            method, _caller(scope), SpanKind.SERVER, {"http.request.method": method}
        )
        status = 499

        async def heard(message: Message) -> None:
            nonlocal status
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body", False):
                _end(span, scope, status)

        with trace.use_span(span, end_on_exit=False, record_exception=False):
            try:
                await self._app(scope, receive, heard)
            finally:
                _end(span, scope, status)


def _caller(scope: Scope) -> Context:
    """The trace our caller named, if it did. Not its state or baggage: who knows what they hold."""
    named = Headers(scope=scope).get("traceparent")
    return _W3C.extract({"traceparent": named}, Context()) if named else Context()


def _end(span: Span, scope: Scope, status: int) -> None:
    """Say how it went, and end it; once."""
    if not span.is_recording():
        return
    known, route = scope.get("state", {}), route_of(scope)
    affair: Affair | None = known.get("affair")
    facts = {
        "http.route": route,
        "http.response.status_code": status,
        "paysaga.request_id": known.get("request_id"),
        "paysaga.code": known.get("problem_code"),
        "paysaga.tenant": affair.tenant_id if affair else None,
    }
    span.set_attributes({name: value for name, value in facts.items() if value is not None})
    if route is not None:
        span.update_name(f"{scope['method']} {route}")
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
    span.end()
