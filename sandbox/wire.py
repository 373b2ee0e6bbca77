"""Reading requests strictly and laying out answers: the same manners on every route."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.clock import to_microseconds
from sandbox.dialects import Dialect
from sandbox.errors import Refused, invalid
from sandbox.store import Page, Query, R
from sandbox.world import World

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
LARGEST_BODY = 256 * 1024
LARGEST_AMOUNT = 10**14


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")) or not value.isprintable() or " " in value:
        raise ValueError("an absolute http or https address")
    return value


Reference = Annotated[str, Field(min_length=1, max_length=128)]
WebAddress = Annotated[str, Field(max_length=2048), AfterValidator(_web_address)]
Instant = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]


class Body(BaseModel):
    """A JSON body: unknown fields and look-alike types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Filters(BaseModel):
    """The query string of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reference: str | None = None
    created_from: Instant | None = None
    created_to: Instant | None = None
    cursor: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=100)] = 20

    def query(self, account: str) -> Query:
        """Look among the caller's own records only."""
        return Query(
            account=account,
            reference=self.reference,
            created_from=self.created_from,
            created_to=self.created_to,
            after=self.cursor,
            limit=self.limit,
        )


B = TypeVar("B", bound=BaseModel)


async def read(request: Request, model: type[B]) -> B:
    """Read a JSON body or refuse it, without echoing what was in it."""
    raw = await request.body()
    if len(raw) > LARGEST_BODY:
        raise Refused(413, "body_too_large", "a body is at most 256 KiB")
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise _explained(error) from None


def read_query(request: Request, model: type[B]) -> B:
    """Read a query string or refuse it."""
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise _explained(error) from None


def _explained(error: ValidationError) -> Refused:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return invalid(f"{place}: {first['msg']}" if place else first["msg"])


def world_of(request: Request) -> World:
    """Find the company a request is for."""
    world: World = request.app.state.world
    return world


def caller(request: Request, authorization: str | None = None) -> str:
    """Name the account that calls, by its header unless told otherwise; refuse a key that does not verify."""
    world = world_of(request)
    account = world.accounts.recognise(authorization or request.headers.get("authorization"))
    if account is None:
        with world.store.transaction():
            world.store.sql.execute(
                "INSERT INTO requests (operation, status, at_us) VALUES ('unauthorised', 401, ?)",
                (to_microseconds(world.clock.real()),),
            )
        raise Refused(401, "unauthorized", "this API key is not valid")
    return account


def listing(page: Page[R]) -> dict[str, Any]:
    """Lay out one page of a list."""
    return {
        "data": [item.wire() for item in page.items],
        "has_more": page.next_cursor is not None,
        "next_cursor": page.next_cursor,
    }


def shown_instant(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


ExceptionHandlers = dict[Any, Callable[[Request, Exception], Coroutine[Any, Any, Response]]]


def refusing(dialect: Dialect) -> ExceptionHandlers:
    """Make an application answer refusals in a dialect, the framework's own (no such route) among them."""

    async def on_refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
        if not isinstance(error, Refused):
            raise error
        return dialect.refusal(error)

    async def on_http_error(request: Request, error: Exception) -> Response:  # noqa: ARG001
        if not isinstance(error, HTTPException):
            raise error
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
        return dialect.refusal(Refused(error.status_code, code, str(error.detail)))

    return {Refused: on_refused, HTTPException: on_http_error}


async def livez(request: Request) -> Response:  # noqa: ARG001
    """Say that the port is open and the store can be used."""
    return JSONResponse({"status": "ok"})
