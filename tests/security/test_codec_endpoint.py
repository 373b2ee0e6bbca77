"""Payloads are opened for the platform's operator alone, and for no page but Temporal's UI."""

import base64
import json
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import httpx
import pytest
import structlog
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payloads
from temporalio.converter import WorkflowSerializationContext

from api import codec
from api.codec import Pace
from domain.errors import TemporarilyUnavailable
from serve import application
from settings import Settings
from tests.house import Json, b64, refused
from workflows.payloads import data_converter, key_id

OLD, NEW, FOREIGN = bytes(31) + b"\x01", bytes(31) + b"\x02", bytes(31) + b"\x03"
SECRET = "Anna's order of 19 900 Ft"
ADMIN = "adm_" + "x" * 40
UI = "http://127.0.0.1:8233"
PASS = {"X-Admin-Key": ADMIN, "X-Namespace": "paysaga"}


def told(**more: Any) -> Settings:
    """An installation whose database and Temporal are away: nothing here needs them."""
    nowhere = {
        "database_url": "postgresql://paysaga_runtime@127.0.0.1:9/none",
        "temporal_address": "127.0.0.1:9",
        "temporal_namespace": "paysaga",
        "temporal_ui_url": f"{UI}/",
        "admin_key": ADMIN,
        "payload_keys": b64(NEW),
    }
    keys = dict.fromkeys(("signing_keys", "audit_keys", "vault_keys"), b64(OLD))
    return Settings.model_validate(nowhere | keys | more)


@pytest.fixture(scope="module")
async def door() -> AsyncIterator[httpx.AsyncClient]:
    app = application(told())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as http,
    ):
        yield http


@pytest.fixture
def log() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


async def body(*values: str, key: bytes = NEW) -> Json:
    workflow = data_converter([key]).with_context(WorkflowSerializationContext("paysaga", "payment:ten:1"))
    found: Json = MessageToDict(Payloads(payloads=await workflow.encode(values)))
    return found


def read(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [json.loads(base64.b64decode(each["data"])) for each in answer.json()["payloads"]]


async def test_an_operator_sees_what_was_sealed_and_the_log_says_so(
    door: httpx.AsyncClient, log: list[MutableMapping[str, Any]]
) -> None:
    answer = await door.post("/codec/decode", json=await body(SECRET, "and more"), headers=PASS)
    assert read(answer) == [SECRET, "and more"]
    assert answer.headers["Cache-Control"] == "no-store"
    (line,) = (line for line in log if line["event"] == "payloads_opened")
    assert (line["by"], line["payloads"]) == ("platform", 2)
    assert SECRET not in json.dumps(log)


async def test_temporals_command_line_may_send_the_key_as_it_can(door: httpx.AsyncClient) -> None:
    by = {"Authorization": f"Bearer {ADMIN}", "X-Namespace": "paysaga"}
    assert read(await door.post("/codec/decode", json=await body(SECRET), headers=by)) == [SECRET]


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"X-Admin-Key": ""},
        {"X-Admin-Key": ADMIN[:-1]},
        {"X-Admin-Key": "x", "Authorization": f"Bearer {ADMIN}"},
        {"Authorization": ADMIN},
        {"Authorization": f"Basic {ADMIN}"},
        {"Authorization": "Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ0ZW5fMSJ9.c2ln"},
        {"Cookie": f"session={ADMIN}"},
    ],
)
async def test_nobody_else_is_answered(door: httpx.AsyncClient, credentials: dict[str, str]) -> None:
    headers = {"X-Namespace": "paysaga"} | credentials
    refused(await door.post("/codec/decode", json=await body(SECRET), headers=headers), 401, "unauthorized")


async def test_a_strangers_body_is_not_even_looked_at(door: httpx.AsyncClient) -> None:
    answer = await door.post("/codec/decode", content=b"\xff{", headers={"X-Namespace": "paysaga"})
    refused(answer, 401, "unauthorized")


@pytest.mark.parametrize("namespace", [None, "", "default", "PAYSAGA"])
async def test_a_payload_of_another_namespace_is_not_ours_to_open(
    door: httpx.AsyncClient, namespace: str | None
) -> None:
    headers = {"X-Admin-Key": ADMIN} | ({} if namespace is None else {"X-Namespace": namespace})
    refused(await door.post("/codec/decode", json=await body(SECRET), headers=headers), 400, "bad_request")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b'{"payloads": [], "payloads": []}', "malformed_json"),
        (b'{"payloads": [' + b"[" * 40 + b"]" * 40 + b"]}", "malformed_json"),
        (b'{"payloads": [{"data": NaN}]}', "malformed_json"),
        (b"[]", "payload_unreadable"),
        (b"null", "payload_unreadable"),
        (b'{"payloads": 1}', "payload_unreadable"),
        (b'{"payloads": [1]}', "payload_unreadable"),
        (b'{"payloads": [null]}', "payload_unreadable"),
        (b'{"payloads": [{"data": 1}]}', "payload_unreadable"),
        (b'{"payloads": [{"data": "A"}]}', "payload_unreadable"),
        (b'{"payloads": [{"metadata": []}]}', "payload_unreadable"),
        (b'{"payloads": [{"metadata": {"encoding": {}}}]}', "payload_unreadable"),
        (b'{"payloads": [{"surprise": "anna@example.com"}]}', "payload_unreadable"),
        (b'{"payloads": [{"@type": "x", "data": "anna@example.com"}]}', "payload_unreadable"),
        (b'{"payloads": {"data": {"data": {"data": ""}}}}', "payload_unreadable"),
    ],
)
async def test_what_is_no_list_of_payloads_is_refused_and_not_repeated(
    door: httpx.AsyncClient, content: bytes, code: str
) -> None:
    headers = PASS | {"Content-Type": "application/json"}
    answer = await door.post("/codec/decode", content=content, headers=headers)
    refused(answer, 400, code)
    assert "anna" not in answer.text


async def test_what_cannot_be_opened_is_refused_with_the_keys_name(door: httpx.AsyncClient) -> None:
    answer = await door.post("/codec/decode", json=await body(SECRET, key=FOREIGN), headers=PASS)
    assert key_id(FOREIGN) in refused(answer, 400, "payload_unreadable")["detail"]
    changed = await body(SECRET)
    changed["payloads"][0]["data"] = b64(bytes(80))
    refused(await door.post("/codec/decode", json=changed, headers=PASS), 400, "payload_unreadable")


async def test_what_never_was_sealed_comes_back_as_it_is(door: httpx.AsyncClient) -> None:
    plain = MessageToDict(Payloads(payloads=await data_converter().encode([SECRET])))
    assert read(await door.post("/codec/decode", json=plain, headers=PASS)) == [SECRET]


async def test_too_much_at_once_is_refused(door: httpx.AsyncClient) -> None:
    refused(
        await door.post("/codec/decode", json=await body("x" * 300_000), headers=PASS), 413, "body_too_large"
    )


async def test_only_json_is_read(door: httpx.AsyncClient) -> None:
    # Whatever a form on somebody's page can send, a browser asks nobody about.
    content = json.dumps(await body(SECRET))
    headers = PASS | {"Content-Type": "text/plain"}
    answer = await door.post("/codec/decode", content=content, headers=headers)
    refused(answer, 415, "unsupported_media_type")


async def test_nothing_seals_for_others(door: httpx.AsyncClient) -> None:
    answer = await door.post("/codec/encode", json=await body(SECRET), headers=PASS)
    refused(answer, 404, "not_found")


async def test_where_nothing_is_sealed_there_is_no_door() -> None:
    app = application(told(env="development", payload_keys=""))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as http,
    ):
        refused(await http.post("/codec/decode", json=await body(SECRET), headers=PASS), 404, "not_found")


async def test_a_page_of_temporals_ui_may_ask_and_read(door: httpx.AsyncClient) -> None:
    asking = {
        "Origin": UI,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-namespace",
    }
    may = await door.options("/codec/decode", headers=asking)
    assert may.status_code == 204
    allowed = may.headers["Access-Control-Allow-Headers"].lower()
    assert {"content-type", "x-namespace"} <= set(allowed.split(", "))
    answer = await door.post("/codec/decode", json=await body(SECRET), headers=PASS | {"Origin": UI})
    assert read(answer) == [SECRET]
    for each in may, answer:
        assert each.headers["Access-Control-Allow-Origin"] == UI
        assert each.headers["Access-Control-Allow-Credentials"] == "true"
        assert each.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", ["null", "", "http://127.0.0.1:8234", "https://127.0.0.1:8233", f"{UI}/", f"{UI}.example.com"]
)
async def test_no_other_page_may(door: httpx.AsyncClient, origin: str) -> None:
    for answer in (
        await door.options("/codec/decode", headers={"Origin": origin}),
        await door.post("/codec/decode", json=await body(SECRET), headers=PASS | {"Origin": origin}),
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers
        refused(answer, 403, "forbidden")


def test_tenants_are_not_told_of_it() -> None:
    assert not any(getattr(route, "include_in_schema", True) for route in codec.router.routes)


def test_a_copy_of_everything_takes_its_time() -> None:
    now = 0.0
    pace = Pace(per_second=10, at_once=100, clock=lambda: now)
    pace.take(100)
    with pytest.raises(TemporarilyUnavailable):
        pace.take(1)
    now = 2.0
    pace.take(20)
    with pytest.raises(TemporarilyUnavailable):
        pace.take(1)
