"""Whatever goes wrong, the answer is one problem document, and it never repeats what was sent."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Self

import asyncpg
import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI, Header, HTTPException, Query
from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import exc
from temporalio.service import RPCError, RPCStatusCode

from api import problems
from api.edge import Edge
from api.strict import Model, StrictRoute
from domain import errors
from domain.text import Email, FreeText, IdempotencyKey

MARK = "m4rk-of-the-caller"
CARD = "4242 4242 4242 4242"


class Line(Model):
    item_name: Annotated[str, FreeText(10)]


class Order(Model):
    user_id: Annotated[str, FreeText(10)]
    amount: int
    email: Email = "a@b.example"
    lines: tuple[Line, ...] = ()
    metadata: dict[Annotated[str, FreeText(20)], Annotated[str, FreeText(20, min_length=0)]] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if self.amount < 100:
            raise errors.AmountOutOfRange(errors=(("/amount", "at least 100"),))
        return self


router = APIRouter(route_class=StrictRoute)


@router.post("/orders")
async def make(order: Order, key: Annotated[IdempotencyKey, Header(alias="Idempotency-Key")]) -> str:
    return order.user_id + key


@router.get("/orders")
async def find(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> int:
    return limit


def _upper(text: str) -> str:
    raise KeyError(text)


@router.get("/bug")
async def bug(text: Annotated[str, AfterValidator(_upper)]) -> str:
    return text


FAILURES: dict[str, BaseException] = {}


@router.get("/fail/{name}")
async def fail(name: str) -> None:
    raise FAILURES[name]


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    app.add_middleware(Edge)
    problems.install(app, "https://pay.example/")
    app.include_router(router, prefix="/v1")
    return app


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://pay.example"
    ) as client:
        yield client


async def send(api: httpx.AsyncClient, body: Any, key: str | None = "k") -> httpx.Response:
    headers = {"X-Request-Id": "req-1"} | ({} if key is None else {"Idempotency-Key": key})
    return await api.post("/v1/orders", json=body, headers=headers)


async def failing(api: httpx.AsyncClient, error: BaseException) -> httpx.Response:
    FAILURES["now"] = error
    answer = await api.get("/v1/fail/now")
    assert MARK not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


async def test_a_problem_tells_a_program_what_to_do(api: httpx.AsyncClient) -> None:
    answer = await send(api, {"userId": "", "amount": "x", "lines": [{"itemName": 1}]})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "https://pay.example/docs/errors#validation_failed",
        "title": "Some fields are not acceptable",
        "status": 422,
        "detail": "Some fields are not acceptable",
        "instance": "req-1",
        "code": "validation_failed",
        "retryable": False,
        "errors": [
            {"pointer": "/userId", "message": "String should have at least 1 character"},
            {"pointer": "/amount", "message": "Input should be a valid integer"},
            {"pointer": "/lines/0/itemName", "message": "Input should be a valid string"},
        ],
    }


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"userId": CARD, "amount": 100}, "/userId"),
        ({"userId": MARK, "amount": 100}, "/userId"),
        ({"userId": "u", "amount": MARK}, "/amount"),
        ({"userId": "u", "amount": 100, MARK: 1}, ""),
        ({"userId": "u", "amount": 100, CARD: 1}, ""),
        ({"userId": "u", "amount": 100, "lines": [{"itemName": "i", MARK: 1}]}, "/lines/0"),
        ({"userId": "u", "amount": 100, "metadata": {MARK: 1}}, "/metadata"),
        ({"userId": "u", "amount": 100, "metadata": {CARD: "x"}}, "/metadata"),
        ({"userId": "u", "amount": 100, "metadata": {"k": CARD}}, "/metadata"),
        ({"userId": "u", "amount": 100, "email": MARK}, "/email"),
        ({"userId": "u", "amount": 100, "email": f"{MARK}@@x y"}, "/email"),
        ([MARK], ""),
        (MARK, ""),
    ],
    ids=str,
)
async def test_input_is_pointed_at_and_never_repeated(
    api: httpx.AsyncClient, body: Any, pointer: str
) -> None:
    answer = await send(api, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert MARK not in answer.text
    assert CARD not in answer.text


async def test_many_faults_make_a_short_answer(api: httpx.AsyncClient) -> None:
    unknown = {f"x{number}": 1 for number in range(3000)}
    answer = await send(api, {"userId": "u", "amount": 100, **unknown})
    assert answer.json()["errors"] == [{"pointer": "", "message": "unknown members are not accepted here"}]
    answer = await send(api, {"userId": "u", "amount": 100, "lines": [{}] * 3000})
    assert len(answer.json()["errors"]) == problems.MAX_ERRORS


@pytest.mark.parametrize("limit", ["0", "101", "ten", "", "1.5", "9" * 5000])
async def test_a_bad_filter_is_422_and_named(api: httpx.AsyncClient, limit: str) -> None:
    answer = await api.get("/v1/orders", params={"limit": limit})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/limit")


async def test_a_missing_or_empty_key_is_400_even_when_the_body_is_wrong_too(api: httpx.AsyncClient) -> None:
    for key in (None, ""):
        answer = await send(api, {"userId": "u", "amount": 100}, key)
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert (await send(api, {}, None)).json()["code"] == "idempotency_key_missing"


@pytest.mark.parametrize("key", [b"k" * 256, "schlüssel".encode(), b"\x7f"])
async def test_a_key_outside_the_contract_is_422(api: httpx.AsyncClient, key: bytes) -> None:
    body = b'{"userId":"u","amount":100}'
    headers = [(b"idempotency-key", key), (b"content-type", b"application/json")]
    answer = await api.post("/v1/orders", content=body, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/header/Idempotency-Key")


async def test_a_validator_may_give_its_own_reason(api: httpx.AsyncClient) -> None:
    answer = (await send(api, {"userId": "u", "amount": 99})).json()
    assert (answer["code"], answer["errors"]) == (
        "amount_out_of_range",
        [{"pointer": "/amount", "message": "at least 100"}],
    )


async def test_a_refusal_carries_its_facts_and_its_patience(api: httpx.AsyncClient) -> None:
    answer = await failing(api, errors.OrderAlreadyPaid("Paid", payment_id="pay_1"))
    assert (answer.status_code, answer.json()["paymentId"]) == (409, "pay_1")
    answer = await failing(api, errors.ProviderUnavailable(retry_after=7))
    assert (answer.headers["retry-after"], answer.json()["retryable"]) == ("7", True)
    answer = await failing(api, errors.Unauthorized())
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_frameworks_own_refusals_are_problems_too(api: httpx.AsyncClient) -> None:
    unknown = await api.get(f"/v1/{MARK}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert MARK not in unknown.text
    method = await api.put("/v1/orders")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert "allow" in method.headers
    for status, code in (
        (400, "bad_request"),
        (403, "forbidden"),
        (418, "i_m_a_teapot"),
        (501, "not_implemented"),
    ):
        answer = await failing(api, HTTPException(status, MARK))
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_bug_is_500_without_a_word_about_itself_but_logged(api: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as log:
        answer = await failing(api, RuntimeError(MARK))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.headers["x-request-id"] == answer.json()["instance"]
    bug_line, request_line = log
    assert (bug_line["error"], request_line["status"]) == ("RuntimeError", 500)
    assert any(place.endswith(" fail") for place in bug_line["where"])
    assert MARK not in str(log)


async def test_a_bug_in_a_validator_is_500_as_well(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/bug", params={"text": MARK})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert MARK not in answer.text


def _driver_error(cause: BaseException, kind: type[exc.DBAPIError] = exc.DBAPIError) -> exc.DBAPIError:
    """Wrap an error as SQLAlchemy's asyncpg dialect does."""
    original = Exception(MARK)
    original.__cause__ = cause
    return kind("SELECT", {"p": MARK}, original)


OUTAGES: list[BaseException] = [
    ConnectionRefusedError(MARK),
    OSError(MARK),
    TimeoutError(MARK),
    exc.TimeoutError(MARK),
    exc.DBAPIError("SELECT", {}, Exception(MARK), connection_invalidated=True),
    _driver_error(asyncpg.ConnectionDoesNotExistError(MARK)),
    _driver_error(asyncpg.AdminShutdownError(MARK), exc.OperationalError),
    _driver_error(asyncpg.InterfaceError(MARK), exc.InterfaceError),
    _driver_error(asyncpg.SerializationError(MARK)),
    asyncpg.CannotConnectNowError(MARK),
    asyncpg.TooManyConnectionsError(MARK),
    asyncpg.PostgresConnectionError(MARK),
    asyncpg.InterfaceError(MARK),
    RPCError(MARK, RPCStatusCode.UNAVAILABLE, b""),
    RPCError(MARK, RPCStatusCode.DEADLINE_EXCEEDED, b""),
]


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
async def test_an_outage_asks_to_try_again(api: httpx.AsyncClient, error: BaseException) -> None:
    answer = await failing(api, error)
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    assert (answer.headers["retry-after"], answer.json()["retryable"]) == ("1", True)


BUGS: list[BaseException] = [
    _driver_error(asyncpg.exceptions._base.DataError(MARK), exc.InterfaceError),
    _driver_error(asyncpg.UniqueViolationError(MARK), exc.IntegrityError),
    _driver_error(asyncpg.UndefinedTableError(MARK), exc.ProgrammingError),
    exc.NoResultFound(MARK),
    RPCError(MARK, RPCStatusCode.INVALID_ARGUMENT, b""),
    ValueError(MARK),
]


@pytest.mark.parametrize("error", BUGS, ids=lambda error: type(error).__name__)
async def test_a_bug_is_never_called_an_outage(api: httpx.AsyncClient, error: BaseException) -> None:
    assert (await failing(api, error)).status_code == 500


async def test_without_the_edge_a_bug_is_still_a_problem(app: FastAPI) -> None:
    app.user_middleware.clear()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example") as api:
        assert (await failing(api, RuntimeError(MARK))).json()["code"] == "internal"


def test_openapi_declares_the_problems_and_no_other_error_body(app: FastAPI) -> None:
    schema = app.openapi()
    assert app.openapi() is schema
    operation = schema["paths"]["/v1/orders"]["post"]
    assert operation["requestBody"]
    assert operation["responses"]["422"] == {"$ref": "#/components/responses/Problem422"}
    assert "`amount_out_of_range`" in schema["components"]["responses"]["Problem422"]["description"]
    assert {"Problem", "FieldError"} < schema["components"]["schemas"].keys()
    assert "HTTPValidationError" not in str(schema)
