"""Headers, sizes, paths, methods and queries nobody should send: refused, and never repeated."""

import json
from collections.abc import AsyncIterator, Mapping

import pytest

from tests.house import Tenant, refused
from tests.stories.visitor import CANARY, DOORS, ORDER, Visitor

# --- Headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        (None, 400, "idempotency_key_missing"),
        (b"", 400, "idempotency_key_missing"),
        (b"k" * 256, 422, "validation_failed"),
        (b"canary\ttab", 422, "validation_failed"),
        ("canary-é".encode(), 422, "validation_failed"),
        (b"canary-\xff", 422, "validation_failed"),
    ],
)
@pytest.mark.usefixtures("nothing_is_written")
async def test_a_key_is_needed_and_it_is_printable(
    visitor: Visitor, key: bytes | None, status: int, code: str
) -> None:
    headers = [(b"Authorization", f"Bearer {visitor.tenant.token}".encode())]
    headers += [] if key is None else [(b"Idempotency-Key", key)]
    answer = await visitor.tenant.house.http.post("/v1/payments", json=ORDER, headers=headers)
    refused(answer, status, code)
    assert CANARY not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json, text/plain"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br"},
        {"Content-Encoding": "identity, gzip"},
    ],
    ids=str,
)
@pytest.mark.usefixtures("nothing_is_written")
async def test_only_plain_json_is_read(visitor: Visitor, headers: Mapping[str, str]) -> None:
    for door in DOORS.values():
        answer = await visitor.send(door, json.dumps(door.good), **headers)
        refused(answer, 415, "unsupported_media_type")


async def test_json_may_say_that_it_is_utf_8(tenant: Tenant) -> None:
    for media_type in ("application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"'):
        headers = {"Content-Type": media_type, "Idempotency-Key": "key"}
        answer = await tenant.call("POST", "/v1/payments", content=json.dumps(ORDER), headers=headers)
        assert answer.status_code == 201, answer.text


# --- Size -----------------------------------------------------------------------------------------

TOO_MUCH = 70 * 1024


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 4096):
        yield body[start : start + 4096]


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.usefixtures("nothing_is_written")
async def test_a_body_of_70_kib_is_too_large_also_in_pieces_of_no_declared_length(
    visitor: Visitor, name: str
) -> None:
    body = json.dumps(DOORS[name].good).encode().ljust(TOO_MUCH)
    refused(await visitor.send(DOORS[name], body), 413, "body_too_large")
    refused(await visitor.send(DOORS[name], in_pieces(body)), 413, "body_too_large")


# --- Paths and methods ----------------------------------------------------------------------------

ODD = [
    "%00",
    "%00pay_1",
    "pay_%0d%0aSet-Cookie:canary",
    "%ff%fe",
    "%ed%a0%80",
    "p" * 1000,
    "p" * 5000,
    "%F0%9F%98%80",
    "ä" * 200,
    "..%2f..%2fv1%2ftenants%2fme",
    "'; DROP TABLE payments; --",
    "${jndi:ldap://canary}",
    "<script>canary</script>",
    "%25s%25n",
    "pay_" + "0" * 26,
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:30])
@pytest.mark.usefixtures("nothing_is_written")
async def test_an_odd_name_names_nothing(visitor: Visitor, odd: str) -> None:
    tries: list[tuple[str, str]] = [
        ("GET", f"/v1/payments/{odd}"),
        ("POST", f"/v1/payments/{odd}/cancel"),
        ("DELETE", f"/v1/tenants/me/credentials/{odd}"),
        ("POST", f"/v1/tenants/me/credentials/{odd}/rotate"),
        ("DELETE", f"/v1/tenants/me/providers/{odd}"),
        ("POST", f"/v1/tenants/{odd}/suspend"),
        ("POST", f"/v1/billing/webhooks/{odd}/acc_1"),
        ("POST", f"/v1/billing/webhooks/sandbox/{odd}"),
        ("GET", f"/v1/{odd}"),
    ]
    for method, path in tries:
        answer = await visitor.tenant.call(method, path, headers=visitor.tenant.house.admin)
        refused(answer, 404, "not_found")
        assert CANARY not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/payments"),
        ("PUT", "/v1/payments"),
        ("PATCH", "/v1/payments/pay_1"),
        ("DELETE", "/v1/payments/pay_1"),
        ("GET", "/v1/payments/pay_1/cancel"),
        ("GET", "/v1/tenants/register"),
        ("GET", "/v1/tenants/login"),
        ("DELETE", "/v1/tenants/me"),
        ("PUT", "/v1/tenants/me/settings"),
        ("POST", "/v1/tenants/me/providers/sandbox"),
        ("GET", "/v1/billing/webhooks/sandbox/acc_1"),
        ("POST", "/v1/entitlements/check"),
        ("OPTIONS", "/v1/payments"),
        ("TRACE", "/v1/payments"),
        ("CANARY", "/v1/payments"),
    ],
)
async def test_a_method_that_a_resource_does_not_know_is_named_as_such(
    visitor: Visitor, method: str, path: str
) -> None:
    answer = await visitor.tenant.call(method, path)
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]
    assert CANARY not in answer.text


async def test_what_is_not_there_is_not_there_for_anyone(visitor: Visitor) -> None:
    for path in ("/v1/nope", "/v1", "/v1/", "/nope", "/v1/payments/", "/v1//payments", "/V1/payments"):
        refused(await visitor.tenant.call("GET", path), 404, "not_found")
        refused(await visitor.tenant.house.http.get(path), 404, "not_found")


UNREADABLE = ["%00", "userId=%00", "userId=%ff", "userId=%ed%a0%80", "userId=" + "u" * 9000]


@pytest.mark.parametrize("query", UNREADABLE, ids=lambda query: query[:20])
async def test_a_query_that_cannot_be_read_is_refused(visitor: Visitor, query: str) -> None:
    answer = await visitor.tenant.house.http.get(f"/v1/payments?{query}")
    refused(answer, 400, "bad_request")


async def test_a_request_id_is_taken_over_or_made(tenant: Tenant) -> None:
    for offered in ("order-1.2_3", "x" * 128):
        answer = await tenant.call("GET", "/v1/nope", headers={"X-Request-Id": offered})
        assert refused(answer, 404, "not_found")["instance"] == offered
    for odd in ("", "x" * 129, "with space", "<canary>", "a,b"):
        answer = await tenant.call("GET", "/v1/nope", headers={"X-Request-Id": odd})
        assert refused(answer, 404, "not_found")["instance"] != odd
        assert CANARY not in str(answer.headers)
