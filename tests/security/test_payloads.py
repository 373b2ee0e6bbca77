"""What Temporal keeps of us says nothing to whoever reads it, and nobody changes or moves it unseen."""

import base64
import json
from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    WorkflowSerializationContext,
)
from temporalio.exceptions import ApplicationError

from api import codec
from api.codec import Pace
from domain.errors import TemporarilyUnavailable
from local.keys import load_or_make
from serve import application
from settings import Settings
from tests.house import Json, b64, refused
from workflows.payloads import data_converter, key_id

OLD, NEW, FOREIGN = bytes(31) + b"\x01", bytes(31) + b"\x02", bytes(31) + b"\x03"
SECRET = "Anna's order of 19 900 Ft"


def payment(number: int, *keys: bytes) -> DataConverter:
    """What seals and opens for one payment's workflow."""
    return data_converter(keys).with_context(WorkflowSerializationContext("paysaga", f"payment:ten:{number}"))


async def opened(converter: DataConverter, payloads: list[Payload]) -> Any:
    (value,) = await converter.decode(payloads)
    return value


# --- Sealing --------------------------------------------------------------------------------------


async def test_what_is_sealed_shows_nothing_and_opens_to_what_it_was() -> None:
    sealed = await payment(1, NEW).encode([SECRET])
    assert b"Anna" not in sealed[0].SerializeToString()
    # How it was encoded is inside, too.
    assert b"json" not in sealed[0].SerializeToString()
    assert await opened(payment(1, NEW), sealed) == SECRET


async def test_the_same_words_are_never_sealed_to_the_same_bytes() -> None:
    first, again = await payment(1, NEW).encode([SECRET, SECRET])
    assert first.data != again.data


@pytest.mark.parametrize("place", range(0, 90, 7))
async def test_one_bit_changed_is_found_wherever_it_is(place: int) -> None:
    (sealed,) = await payment(1, NEW).encode([SECRET])
    data = bytearray(sealed.data)
    data[place % len(data)] ^= 1
    with pytest.raises(PermissionError, match="was changed"):
        await opened(payment(1, NEW), [Payload(metadata=dict(sealed.metadata), data=bytes(data))])


@pytest.mark.parametrize("length", [0, 11, 12, 27])
async def test_what_was_cut_off_is_refused(length: int) -> None:
    (sealed,) = await payment(1, NEW).encode([SECRET])
    with pytest.raises(PermissionError, match="was changed"):
        await opened(payment(1, NEW), [Payload(metadata=dict(sealed.metadata), data=sealed.data[:length])])


async def test_a_payload_does_not_open_in_another_workflow_nor_with_its_label_changed() -> None:
    (sealed,) = await payment(1, NEW).encode([SECRET])
    with pytest.raises(PermissionError, match="another workflow"):
        await opened(payment(2, NEW), [sealed])
    (of_the_other,) = await payment(2, NEW).encode(["another"])
    relabelled = Payload(metadata=dict(of_the_other.metadata), data=sealed.data)
    unlabelled = Payload(metadata=dict(sealed.metadata), data=sealed.data)
    del unlabelled.metadata["for"]
    for moved in relabelled, unlabelled:
        with pytest.raises(PermissionError, match="was changed"):
            await opened(payment(2, NEW), [moved])


async def test_a_workflow_and_its_steps_read_each_other() -> None:
    step = data_converter([NEW]).with_context(
        ActivitySerializationContext(
            namespace="paysaga",
            activity_id="1",
            activity_type="settle",
            activity_task_queue="payments",
            workflow_id="payment:ten:1",
            workflow_type="Payment",
            is_local=False,
        )
    )
    assert await opened(step, await payment(1, NEW).encode([SECRET])) == SECRET
    assert await opened(payment(1, NEW), await step.encode([SECRET])) == SECRET


async def test_what_a_schedule_was_given_opens_in_each_workflow_it_starts() -> None:
    def of(workflow_id: str) -> DataConverter:
        return data_converter([NEW]).with_context(WorkflowSerializationContext("paysaga", workflow_id))

    given = await of("reconciliation:ten:sandbox").encode([SECRET])
    assert await opened(of("reconciliation:ten:sandbox-2026-11-22T05:00:00Z"), given) == SECRET
    with pytest.raises(PermissionError, match="another workflow"):
        await opened(of("reconciliation:ten:stripe-2026-11-22T05:00:00Z"), given)


# --- Keys -----------------------------------------------------------------------------------------


async def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    before = await payment(1, OLD).encode([SECRET])
    ready = payment(1, OLD, NEW)
    turned = payment(1, NEW, OLD)
    after = await turned.encode([SECRET])
    # Those that know the new key only as their second read what the first ones to turn have written.
    assert [await opened(each, after) for each in (ready, turned)] == [SECRET, SECRET]
    assert await opened(turned, before) == SECRET
    with pytest.raises(PermissionError, match=f"key {key_id(OLD)}, which is not configured"):
        await opened(payment(1, NEW), before)


async def test_an_unknown_key_is_named_and_what_is_no_name_is_not_repeated() -> None:
    (sealed,) = await payment(1, FOREIGN).encode([SECRET])
    with pytest.raises(PermissionError, match=key_id(FOREIGN)):
        await opened(payment(1, NEW), [sealed])
    sealed.metadata["key-id"] = b"\xff<script>"
    with pytest.raises(PermissionError, match="key of another form"):
        await opened(payment(1, NEW), [sealed])


async def test_what_was_plain_before_there_were_keys_is_read_unless_that_was_ended() -> None:
    plain = await data_converter().encode([SECRET])
    assert await opened(payment(1, NEW), plain) == SECRET
    with pytest.raises(PermissionError, match="not sealed"):
        await opened(data_converter([NEW], plain_allowed=False), plain)


async def test_without_keys_all_stays_plain_and_what_is_sealed_is_refused_by_name() -> None:
    assert SECRET.encode() in (await data_converter().encode([SECRET]))[0].data
    with pytest.raises(PermissionError, match=key_id(NEW)):
        await opened(data_converter(), await payment(1, NEW).encode([SECRET]))


def test_a_data_directory_keeps_the_keys_it_has_sealed_with(tmp_path: Path) -> None:
    keys = load_or_make(tmp_path / "secrets.json")
    assert keys.payload_keys == ""
    made = keys.with_payload_keys("")
    assert len(base64.b64decode(made.payload_keys)) == 32
    assert made.with_payload_keys("") == made
    turned = made.with_payload_keys(b64(NEW))
    assert turned.payload_keys == f"{b64(NEW)},{made.payload_keys}"
    assert turned.with_payload_keys(b64(NEW)) == turned


# --- Failures -------------------------------------------------------------------------------------


def refuse(why: str) -> None:
    raise ApplicationError(why, {"order": why}, type="ProviderRejected") from ValueError(why)


async def test_a_failure_gives_neither_its_words_nor_its_place_away() -> None:
    failure = Failure()
    with pytest.raises(ApplicationError) as caught:
        refuse(SECRET)
    await payment(1, NEW).encode_failure(caught.value, failure)
    raw = failure.SerializeToString()
    assert b"Anna" not in raw
    assert b"test_payloads.py" not in raw
    # What retries are decided by stays readable.
    assert failure.application_failure_info.type == "ProviderRejected"
    found = await payment(1, NEW).decode_failure(failure)
    assert isinstance(found, ApplicationError)
    assert (found.message, found.details, str(found.__cause__)) == (
        SECRET,
        ({"order": SECRET},),
        f"ValueError: {SECRET}",
    )


# --- The door for operators -----------------------------------------------------------------------

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
    found: Json = MessageToDict(Payloads(payloads=await payment(1, key).encode(values)))
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
