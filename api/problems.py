"""Every answer of 400 and above is an RFC 9457 problem document, and this is the only place that writes one.

A document says what a program needs (``code``, ``retryable``) and where to read on; it never repeats input.
"""

import re
import traceback
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema, models_json_schema
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from temporalio.service import RPCError, RPCStatusCode

from api.strict import Answer, wire_names
from domain.errors import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    IdempotencyKeyMissing,
    MethodNotAllowed,
    NotFound,
    Refusal,
    RequestTimeout,
    TemporarilyUnavailable,
    Unauthorized,
    UnsupportedMediaType,
    ValidationFailed,
    refusals,
)

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 50
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

RAW_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}
"""``openapi_extra`` of a route that reads the raw bytes itself, which FastAPI cannot see."""

_log = structlog.get_logger(__name__)


class FieldError(Answer):
    """One fault. ``pointer`` is a JSON pointer (RFC 6901) into the body, or ``/query/…``, ``/header/…``."""

    pointer: str
    message: str


class Problem(Answer):
    """The document itself. Further members are facts of the one refusal, such as another payment's id."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    # What is not there is left out: a client that is told of a null would look for one.
    instance: str | SkipJsonSchema[None] = Field(default_factory=lambda: None)
    code: str
    retryable: bool
    errors: tuple[FieldError, ...] | SkipJsonSchema[None] = Field(default_factory=lambda: None)


Told = Callable[[Request, Response], Awaitable[None]]


async def _tell_nobody(_request: Request, _response: Response) -> None:
    return


def install(app: FastAPI, public_url: str, told: Told = _tell_nobody) -> None:
    """Answer every failure of ``app`` with a problem whose type is a page below ``public_url``.

    ``told`` hears of each that a route's own code, or what the framework does for it, led to.
    """
    app.state.problems_told = told
    app.state.problem_types = f"{public_url.rstrip('/')}/docs/errors#"
    for kind in (Refusal, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _handle)
    _describe(app)


async def _handle(request: Request, error: Exception) -> Response:
    response = respond(request, error)
    await request.app.state.problems_told(request, response)
    return response


def respond(request: Request, error: Exception) -> Response:
    """Render ``error``. A bug is logged by its kind and place only: its text may hold input or secrets."""
    refusal = refusal_for(error)
    if refusal is not error and refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]]
        _log.error(refusal.code, error=type(error).__qualname__, where=where)
    # For the access log, which sees only the status.
    request.state.problem_code = refusal.code
    headers = dict(getattr(error, "headers", None) or {})
    if refusal.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, section 11.6.1: a 401 names a scheme
    if refusal.retry_after is not None or refusal.status in (429, 503):
        headers["Retry-After"] = str(refusal.retry_after or 1)
    return Response(
        document(request, refusal).model_dump_json(exclude_none=True),
        status_code=refusal.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def _allowed(request: Request) -> list[str]:
    """What can be done with this resource: the framework names only what its first route there can."""
    # Of its own, since matching writes into it.
    scope = {"type": "http", "headers": [], "root_path": "", "path": request.scope["path"]}
    routes = request.app.router.routes

    def is_known(method: str) -> bool:
        return any(route.matches(scope | {"method": method})[0] is Match.FULL for route in routes)

    return [method for method in _METHODS if is_known(method)]


def document(request: Request, refusal: Refusal) -> Problem:
    """Describe ``refusal`` as the answer to ``request``."""
    errors: Sequence[tuple[str, str]] = refusal.errors if isinstance(refusal, ValidationFailed) else ()
    return Problem(
        type=request.app.state.problem_types + refusal.code,
        title=refusal.title,
        status=refusal.status,
        detail=refusal.detail,
        instance=getattr(request.state, "request_id", None),
        code=refusal.code,
        retryable=refusal.retryable,
        errors=tuple(FieldError(pointer=pointer, message=message) for pointer, message in errors) or None,
        **{to_camel(name): fact for name, fact in refusal.facts.items()},
    )


def refusal_for(error: Exception) -> Refusal:
    """Say what a caller should hear about ``error``; a plain ``Refusal`` means "a bug of ours"."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RequestValidationError):
        return _refuse_fields(error)
    if isinstance(error, HTTPException):
        return _http_refusal(error.status_code)
    return TemporarilyUnavailable() if _is_outage(error) else Refusal()


# --- The framework's refusals ---------------------------------------------------------------------


def _http_refusal(status: int) -> Refusal:
    ours: tuple[type[Refusal], ...] = (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        RequestTimeout,
        BodyTooLarge,
        UnsupportedMediaType,
        ValidationFailed,
        TemporarilyUnavailable,
    )
    for kind in ours:
        if kind.status == status:
            return kind()
    phrase = HTTPStatus(status).phrase
    code = re.sub("[^a-z]+", "_", phrase.lower())
    unforeseen: type[Refusal] = type(
        "HttpRefusal", (Refusal,), {"status": status, "code": code, "title": phrase}
    )
    return unforeseen()


def _refuse_fields(error: RequestValidationError) -> Refusal:
    faults = error.errors()
    for fault in faults:
        place = [str(part).lower() for part in fault["loc"]]
        if fault["type"] == "missing" and place == ["header", "idempotency-key"]:
            return IdempotencyKeyMissing()
    # The same fault at the same place says nothing new: unknown members all point at their object.
    errors = dict.fromkeys((_pointer(fault), _message(fault)) for fault in faults)
    return ValidationFailed(errors=tuple(errors)[:MAX_ERRORS])


def _pointer(fault: dict[str, Any]) -> str:
    """Point as deep as the names are ours: a member's name can be input, and input is never repeated."""
    place, *parts = fault["loc"]
    if place != "body":
        return "/" + "/".join(str(part) for part in fault["loc"])
    pointer = ""
    for part in parts:
        if (isinstance(part, str) and part not in wire_names) or fault["type"] == "json_invalid":
            break
        pointer += f"/{part}"
    return pointer


def _message(fault: dict[str, Any]) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return "unknown members are not accepted here"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "an object is needed"
        case "value_error":
            return str(fault["ctx"]["error"])
        # These quote what was sent.
        case "union_tag_invalid" | "uuid_parsing" | "json_invalid":
            return "this value is not acceptable"
        case _:
            return str(fault["msg"])


# --- Outages --------------------------------------------------------------------------------------

# SQLSTATE classes that pass by themselves: connection, rollback, resources, intervention; lock time-outs.
_PASSING_STATES = ("08", "40", "53", "57", "55P03")
_PASSING_RPCS = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
)


def _is_outage(error: BaseException) -> bool:
    """Whether PostgreSQL or Temporal is away or overloaded, so that the same request may pass later."""
    if isinstance(error, RPCError):
        return error.status in _PASSING_RPCS
    if isinstance(error, DBAPIError):
        cause = getattr(error.orig, "__cause__", None)
        return error.connection_invalidated or (cause is not None and _is_outage(cause))
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_PASSING_STATES)
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # these mean a bad argument, not a lost connection
    return isinstance(error, OSError | PoolTimeoutError)


# --- OpenAPI --------------------------------------------------------------------------------------


def _describe(app: FastAPI) -> None:
    """Make ``app.openapi()`` declare our problems instead of FastAPI's own error bodies."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        components = schema.setdefault("components", {})
        if "responses" not in components:
            _declare_problems(schema, components)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema


def _declare_problems(schema: dict[str, Any], components: dict[str, Any]) -> None:
    _, definitions = models_json_schema(
        [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
    )
    schemas = components.setdefault("schemas", {})
    schemas.update(definitions["$defs"])
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    codes: dict[int, set[str]] = {}
    for kind in refusals():
        codes.setdefault(kind.status, set()).add(f"`{kind.code}`")
    components["responses"] = {
        f"Problem{status}": {"description": ", ".join(sorted(names)), "content": content}
        for status, names in sorted(codes.items())
    }
    for operation in (operation for path in schema["paths"].values() for operation in path.values()):
        for status in codes:
            operation["responses"][str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
