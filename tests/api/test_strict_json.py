"""Bodies are read in one way only, or not at all."""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, ValidationError

from api import problems
from api.strict import MAX_DEPTH, Answer, Instant, Model, StrictRoute, strict_loads
from domain.errors import MalformedJson
from domain.text import FreeText

AMBIGUOUS = [
    b'{"amount":1,"amount":2}',
    b'{"a":[{"b":1,"b":1}]}',
    b'{"a":1,"\\u0061":2}',
    b"NaN",
    b'{"a":Infinity}',
    b'{"a":-Infinity}',
    b"1e400",
    b"-1e999",
    b"9" * 4301,
    b'"\\ud800"',
    b'"\\udfff\\ud800"',
    b'{"\\ud800":1}',
    b'"\\u0000"',
    b'{"a\\u0000":1}',
    b'"\x00"',
    b'"a\nb"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\xc0\xaf"',
    b"\xef\xbb\xbf{}",
    '{"a":1}'.encode("utf-16"),
    b"",
    b" ",
    b"{} {}",
    b"{'a':1}",
    b'{"a":1,}',
    b'{"a":01}',
    b'{"a":0x1}',
    b'{"a":+1}',
    b"[" * 33 + b"]" * 33,
    b"[" * 100_000,
    b'{"a":' * 100_000,
]


@pytest.mark.parametrize("body", AMBIGUOUS, ids=lambda body: repr(body[:24]))
def test_what_two_readers_could_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJson) as refused:
        strict_loads(body)
    assert refused.value.__cause__ is None


def test_a_refusal_never_repeats_the_document() -> None:
    for body in (b'{"secret":secret}', b'{"secret":1,"secret":2}', b'["secret\\ud800"]'):
        with pytest.raises(MalformedJson) as refused:
            strict_loads(body)
        assert "secret" not in str(refused.value)


def test_documents_may_nest_to_the_limit() -> None:
    assert strict_loads(b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aé😀\\"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=20,
)


@given(_json, st.booleans())
def test_unambiguous_documents_are_read_as_json_reads_them(value: Any, ascii_only: bool) -> None:  # noqa: FBT001
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert strict_loads(body) == json.loads(body)


@given(st.binary())
def test_any_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    with contextlib.suppress(MalformedJson):
        strict_loads(body)


class Part(Model):
    part_name: Annotated[str, FreeText(10)]


class Order(Model):
    user_id: Annotated[str, FreeText(10)]
    amount_minor: int = 1
    paid: bool = False
    since: AwareDatetime | None = None
    parts: tuple[Part, ...] = ()


@pytest.mark.parametrize(
    "member",
    [
        {"amountMinor": True},
        {"amountMinor": "12"},
        {"amountMinor": 1.0},
        {"amountMinor": 1e3},
        {"amountMinor": None},
        {"paid": 1},
        {"paid": "true"},
        {"userId": 1},
        {"since": 1_700_000_000},
        {"since": "2026-01-01T00:00:00"},
        {"amount_minor": 1},
        {"surprise": 1},
        {"parts": [{"partName": "x", "surprise": 1}]},
        {"parts": {"partName": "x"}},
    ],
    ids=str,
)
def test_a_model_takes_only_its_own_names_and_types(member: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Order.model_validate({"userId": "u", **member})


def test_a_model_reads_what_json_has_to_spell_as_text_and_lists() -> None:
    order = Order.model_validate(
        {"userId": "u", "since": "2026-01-01T01:00:00+01:00", "parts": [{"partName": "p"}]}
    )
    assert order.since == datetime(2026, 1, 1, tzinfo=UTC)
    assert order.parts[0].part_name == "p"


class Receipt(Answer):
    user_id: str
    paid_at: Instant
    seen_at: Instant | None = None


def test_answers_are_camel_case_with_utc_instants() -> None:
    receipt = Receipt(user_id="u", paid_at=datetime.fromisoformat("2026-01-01T01:00:00+01:00"))
    assert json.loads(receipt.model_dump_json()) == {
        "userId": "u",
        "paidAt": "2026-01-01T00:00:00.000Z",
        "seenAt": None,
    }
    with pytest.raises(ValidationError):
        Receipt(user_id="u", paid_at=datetime(2026, 1, 1))  # noqa: DTZ001  (an instant without a zone is the point)


router = APIRouter(prefix="/v1", route_class=StrictRoute)


@router.post("/orders")
async def make(order: Order) -> Order:
    return order


@router.post("/maybe")
async def maybe(order: Order | None = None) -> str:
    return "an order" if order else "nothing"


@router.post("/raw")
async def raw(request: Request) -> int:
    return len(await request.body())


@router.delete("/orders")
async def forget() -> str:
    return "gone"


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app, "https://pay.example")
    app.include_router(router)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example") as client:
        yield client


JSON = {"content-type": "application/json"}


async def test_a_route_reads_strictly(api: httpx.AsyncClient) -> None:
    assert (await api.post("/v1/orders", json={"userId": "u"})).json()["userId"] == "u"
    for body in AMBIGUOUS:
        answer = await api.post("/v1/orders", content=body, headers=JSON)
        # An empty body is no body at all: a required one is then missing.
        assert (answer.status_code, answer.json()["code"]) == (
            (400, "malformed_json") if body else (422, "validation_failed")
        )


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "text/json"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json, text/plain"},
        {"content-type": ""},
        {"content-type": "json"},
        {**JSON, "content-encoding": "gzip"},
        {**JSON, "content-encoding": "br"},
        {},
    ],
    ids=str,
)
async def test_a_body_that_is_not_plain_json_is_415(api: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await api.post("/v1/orders", content=b'{"userId":"u"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_two_content_types_or_an_unreadable_one_are_none(api: httpx.AsyncClient) -> None:
    for types in ([b"application/json", b"text/plain"], ["application/jsön".encode()]):
        headers = [(b"content-type", content_type) for content_type in types]
        assert (await api.post("/v1/orders", content=b"{}", headers=headers)).status_code == 415


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/cloudevents+json",
        'application/json;charset="utf-8"',
    ],
)
async def test_every_spelling_of_utf8_json_is_taken(api: httpx.AsyncClient, content_type: str) -> None:
    answer = await api.post("/v1/orders", content=b'{"userId":"u"}', headers={"content-type": content_type})
    assert answer.status_code == 200


async def test_an_optional_body_may_be_absent(api: httpx.AsyncClient) -> None:
    assert (await api.post("/v1/maybe")).json() == "nothing"
    assert (await api.post("/v1/maybe", json={"userId": "u"})).json() == "an order"
    assert (await api.post("/v1/maybe", content=b"{", headers=JSON)).status_code == 400


async def test_routes_without_a_json_body_are_left_alone(api: httpx.AsyncClient) -> None:
    assert (await api.post("/v1/raw", content=b"\xff\x00", headers={"content-encoding": "gzip"})).json() == 2
    assert (await api.request("DELETE", "/v1/orders", content=b"junk")).json() == "gone"
