"""Where a tenant listens: several endpoints, each with its choice of events, and what it missed."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.house import House, Json, Receiver, Tenant, eventually, refused
from tests.stories.tenancy import colleague

ENDPOINTS = "/v1/webhook-endpoints"
NOWHERE = "http://localhost:9/hook"
FIELDS = {
    *("id", "url", "events", "description", "status", "disabledReason", "failingSince"),
    *("createdAt", "updatedAt", "previousSecretExpiresAt"),
}


async def asked(tenant: Tenant, method: str, path: str, status: int, **more: Any) -> Any:
    """What is answered to a request that must have this status."""
    answer = await tenant.call(method, path, **more)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def endpoint(tenant: Tenant, url: str, **wish: Any) -> Json:
    made: Json = await asked(tenant, "POST", ENDPOINTS, 201, json={"url": url} | wish)
    return made


async def change(tenant: Tenant, made: Json, **wish: Any) -> Json:
    found: Json = await asked(tenant, "PATCH", f"{ENDPOINTS}/{made['id']}", 200, json=wish)
    return found


async def recover(tenant: Tenant, made: Json, since: datetime) -> int:
    wish = {"since": since.isoformat()}
    found = await asked(tenant, "POST", f"{ENDPOINTS}/{made['id']}/recover", 202, json=wish)
    assert found.keys() == {"recovered", "complete"}
    assert found["complete"]
    return int(found["recovered"])


async def deliveries(tenant: Tenant, made: Json, **wanted: Any) -> list[Json]:
    path = f"{ENDPOINTS}/{made['id']}/deliveries"
    found: list[Json] = (await asked(tenant, "GET", path, 200, params={"limit": 100} | wanted))["data"]
    return found


async def told(tenant: Tenant, made: Json, *types: str) -> list[Json]:
    """The deliveries of an endpoint, once just these have arrived there."""

    async def look() -> list[Json] | None:
        found = await deliveries(tenant, made, status="delivered")
        return found if sorted(one["eventType"] for one in found) == sorted(types) else None

    found: list[Json] = await eventually(look)
    return found


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
async def quiet(tenant: Tenant) -> Json:
    """An endpoint that hears of nothing that happens here, and that nobody answers at."""
    return await endpoint(tenant, NOWHERE, events=["reconciliation.mismatch"])


# --- To have some ---------------------------------------------------------------------------------


async def test_an_endpoint_is_shown_as_it_was_made_and_its_secret_once(tenant: Tenant) -> None:
    made = await endpoint(tenant, NOWHERE, events=["refund.failed", "payment.failed"], description="Alarms")
    assert made.pop("secret").startswith("whsec_")
    assert made.keys() == FIELDS
    assert made["id"].startswith("whe_")
    assert (made["events"], made["description"]) == (["refund.failed", "payment.failed"], "Alarms")
    assert (made["status"], made["disabledReason"], made["failingSince"]) == ("enabled", None, None)
    assert await asked(tenant, "GET", f"{ENDPOINTS}/{made['id']}", 200) == made
    assert await asked(tenant, "GET", ENDPOINTS, 200) == {"data": [made]}


async def test_what_an_endpoint_cannot_be_is_refused_when_it_is_made_and_later(
    tenant: Tenant, quiet: Json
) -> None:
    wrong: list[tuple[Json, str]] = [
        ({"events": []}, "/events"),
        ({"events": ["payment.succeded"]}, "/events/0"),
        ({"events": ["payment.failed", "payment.failed"]}, "/events"),
        ({"events": "payment.failed"}, "/events"),
        ({"url": "https://10.0.0.1/hook"}, "/url"),
        ({"url": "http://shop.example/hook"}, "/url"),
        ({"url": "ftp://shop.example/hook"}, "/url"),
        ({"url": None}, "/url"),
        ({"description": "4242 4242 4242 4242"}, "/description"),
        ({"secret": "whsec_mine"}, ""),
    ]
    for wish, pointer in wrong:
        for method, path, body in (
            ("POST", ENDPOINTS, {"url": NOWHERE} | wish),
            ("PATCH", f"{ENDPOINTS}/{quiet['id']}", wish),
        ):
            problem = refused(await tenant.call(method, path, json=body), 422, "validation_failed")
            assert problem["errors"][0]["pointer"] == pointer, problem
    for wish in ({"status": None}, {"status": "deleted"}, {"disabledReason": "gone"}):
        answer = await tenant.call("PATCH", f"{ENDPOINTS}/{quiet['id']}", json=wish)
        refused(answer, 422, "validation_failed")
    assert [made["id"] for made in (await asked(tenant, "GET", ENDPOINTS, 200))["data"]] == [quiet["id"]]


async def test_a_tenant_has_at_most_16_endpoints_also_when_it_asks_for_many_at_once(tenant: Tenant) -> None:
    for _ in range(14):
        made = await endpoint(tenant, NOWHERE)
    answers = await asyncio.gather(*(tenant.call("POST", ENDPOINTS, json={"url": NOWHERE}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409]
    refused(max(answers, key=lambda answer: answer.status_code), 409, "limit_exceeded")
    await asked(tenant, "DELETE", f"{ENDPOINTS}/{made['id']}", 204)
    await endpoint(tenant, NOWHERE)


async def test_an_endpoint_can_be_told_to_be_another(tenant: Tenant, quiet: Json) -> None:
    since = datetime.now(UTC) - timedelta(days=4)
    await tenant.rows("UPDATE webhook_endpoints SET failing_since = $1", since)
    found = await change(tenant, quiet, events=None, description="Everything")
    assert (found["events"], found["description"], found["url"]) == (None, "Everything", NOWHERE)
    assert found["failingSince"] is not None
    assert found["updatedAt"] > quiet["updatedAt"]
    moved = await change(tenant, quiet, url=f"{NOWHERE}/2", description=None)
    assert (moved["url"], moved["description"], moved["failingSince"]) == (f"{NOWHERE}/2", None, None)
    assert await change(tenant, quiet) == moved
    assert await asked(tenant, "GET", f"{ENDPOINTS}/{quiet['id']}", 200) == moved


# --- What it hears --------------------------------------------------------------------------------


async def test_an_endpoint_hears_what_it_listens_to_and_no_more(tenant: Tenant, receiver: Receiver) -> None:
    every = await endpoint(tenant, receiver.url)
    some = await endpoint(tenant, receiver.url, events=["payment.pending", "payment.failed"])
    await tenant.open()
    (heard,) = await deliveries(tenant, some)
    assert (heard["eventType"], heard["endpointId"]) == ("payment.pending", some["id"])
    await told(tenant, every, "payment.created", "payment.pending")
    await told(tenant, some, "payment.pending")
    by_some = [one for one in receiver.received if is_signed(one.raw, one.headers, some["secret"])]
    assert [one.body["type"] for one in by_some] == ["payment.pending"]


def is_signed(raw: bytes, headers: dict[str, str], secret: str) -> bool:
    try:
        Webhook(secret).verify(raw, headers)
    except Exception:  # noqa: BLE001 - whatever the library says, it is not signed with this secret
        return False
    return True


async def test_another_choice_of_events_counts_from_now_on(tenant: Tenant, receiver: Receiver) -> None:
    made = await endpoint(tenant, receiver.url, events=["payment.created"])
    await tenant.open()
    await told(tenant, made, "payment.created")
    await change(tenant, made, events=["payment.pending"])
    await tenant.open()
    await told(tenant, made, "payment.created", "payment.pending")


async def test_a_disabled_endpoint_is_sent_nothing_and_enabled_all_of_it_at_once(
    tenant: Tenant, receiver: Receiver
) -> None:
    made = await endpoint(tenant, receiver.url)
    off = await change(tenant, made, status="disabled")
    assert (off["status"], off["disabledReason"]) == ("disabled", "tenant")
    await tenant.open()
    waiting = await deliveries(tenant, made)
    assert [(one["status"], one["nextAttemptAt"]) for one in waiting] == [("pending", None)] * 2
    assert receiver.received == []
    # As if they had been tried in vain before.
    await tenant.rows("UPDATE deliveries SET attempts = 7, due_at = now() + interval '1 day'")
    on = await change(tenant, made, status="enabled", url=f"{receiver.url}?again")
    assert (on["status"], on["disabledReason"], on["failingSince"]) == ("enabled", None, None)
    await told(tenant, made, "payment.created", "payment.pending")
    begun = await tenant.rows("SELECT begun_at_attempt FROM deliveries")
    assert [row["begun_at_attempt"] for row in begun] == [7, 7]


async def test_a_deleted_endpoint_is_gone_and_what_waited_for_it_is_dropped(tenant: Tenant) -> None:
    made = await endpoint(tenant, NOWHERE)
    await change(tenant, made, status="disabled")
    await tenant.open()
    (first, *_) = await deliveries(tenant, made)
    await asked(tenant, "DELETE", f"{ENDPOINTS}/{made['id']}", 204)
    for method, path in (
        *(("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/deliveries")),
        *(("POST", "/rotate-secret"), ("POST", "/test"), ("POST", "/recover")),
    ):
        body = {"since": an_hour_ago().isoformat()} if path == "/recover" else {}
        more: Json = {} if method in {"GET", "DELETE"} else {"json": body}
        refused(await tenant.call(method, f"{ENDPOINTS}/{made['id']}{path}", **more), 404, "not_found")
    assert await asked(tenant, "GET", ENDPOINTS, 200) == {"data": []}
    assert (await asked(tenant, "GET", f"/v1/deliveries/{first['id']}", 200))["status"] == "dropped"
    refused(await tenant.call("POST", f"/v1/deliveries/{first['id']}/redeliver"), 409, "illegal_transition")
    await tenant.open()

    async def dropped() -> bool | None:
        found = [row["state"] for row in await tenant.rows("SELECT state FROM deliveries")]
        assert len(found) == 2
        return found == ["DROPPED"] * 2 or None

    await eventually(dropped)


async def test_a_test_reaches_the_one_endpoint_whatever_it_listens_to(
    tenant: Tenant, receiver: Receiver
) -> None:
    every = await endpoint(tenant, receiver.url)
    some = await endpoint(tenant, receiver.url, events=["payment.failed"])
    sent = await asked(tenant, "POST", f"{ENDPOINTS}/{some['id']}/test", 202)
    assert (sent["endpointId"], sent["eventType"], sent["sequence"]) == (some["id"], "endpoint.test", 1)
    arrived = await receiver.event("endpoint.test")
    assert Webhook(some["secret"]).verify(arrived.raw, arrived.headers) == arrived.body
    assert arrived.body["eventId"] == sent["eventId"]
    assert arrived.body["data"]["endpointId"] == some["id"]
    assert await deliveries(tenant, every) == []
    made_up = {"type": "payment.succeeded"}
    refused(
        await tenant.call("POST", f"{ENDPOINTS}/{some['id']}/test", json=made_up), 422, "validation_failed"
    )
    await change(tenant, some, status="disabled")
    refused(await tenant.call("POST", f"{ENDPOINTS}/{some['id']}/test"), 409, "illegal_transition")


# --- Its secret -----------------------------------------------------------------------------------


async def test_a_new_secret_has_the_old_one_beside_it_for_as_long_as_asked(
    tenant: Tenant, receiver: Receiver
) -> None:
    made = await endpoint(tenant, receiver.url)
    path = f"{ENDPOINTS}/{made['id']}"
    first = await asked(tenant, "POST", f"{path}/rotate-secret", 200)
    assert first.keys() == {"secret"}
    expires = (await asked(tenant, "GET", path, 200))["previousSecretExpiresAt"]
    # A day, as this house counts.
    overlap = datetime.fromisoformat(expires) - datetime.now(UTC)
    assert timedelta(minutes=23) < overlap <= timedelta(minutes=24)
    second = await asked(tenant, "POST", f"{path}/rotate-secret", 200, json={"overlapSeconds": 0})
    assert (await asked(tenant, "GET", path, 200))["previousSecretExpiresAt"] is None
    await asked(tenant, "POST", f"{path}/test", 202)
    arrived = await receiver.event("endpoint.test")
    secrets = (made["secret"], first["secret"], second["secret"])
    assert [is_signed(arrived.raw, arrived.headers, secret) for secret in secrets] == [False, False, True]


# --- Its deliveries -------------------------------------------------------------------------------


async def test_a_delivery_says_what_was_sent_and_what_came_back(tenant: Tenant) -> None:
    made = await endpoint(tenant, NOWHERE)
    await change(tenant, made, status="disabled")
    await tenant.open()
    (row, _) = await tenant.rows("UPDATE deliveries SET attempts = 2 RETURNING id")
    await tenant.rows(
        "INSERT INTO delivery_attempts (delivery_id, number, tenant_id, at, duration_ms, url,"
        " request_headers, status, error, answer_headers, answer) SELECT $1, number, $2, now(), 17, $3,"
        ' \'{"webhook-id": "evt_x"}\', status, error, headers::jsonb, answer FROM (VALUES'
        " (1, NULL::int, 'ConnectTimeout', NULL, NULL::bytea),"
        " (2, 500, NULL, '{\"server\": \"x\"}', '\\x6f6866ff'::bytea))"
        " AS met (number, status, error, headers, answer)",
        *(row["id"], tenant.id, NOWHERE),
    )
    found = await asked(tenant, "GET", f"/v1/deliveries/{row['id']}", 200)
    first, second = found["attempts"]
    assert (first["number"], first["status"], first["error"]) == (1, None, "ConnectTimeout")
    assert first["response"] is None
    assert (second["status"], second["durationMs"]) == (500, 17)
    assert second["response"] == {"headers": {"server": "x"}, "body": "ohf�"}
    sent = second["request"]
    assert (sent["url"], sent["headers"]) == (NOWHERE, {"webhook-id": "evt_x"})
    event = await asked(tenant, "GET", f"/v1/events/{found['eventId']}", 200)
    assert json.loads(sent["body"]) == event
    (listed,) = [one for one in await deliveries(tenant, made) if one["id"] == row["id"]]
    assert "body" not in listed["attempts"][1]["request"]
    for attempt in found["attempts"]:
        del attempt["request"]["body"]
    assert listed == found


async def test_deliveries_are_found_page_by_page(tenant: Tenant) -> None:
    made, other = await endpoint(tenant, NOWHERE), await endpoint(tenant, NOWHERE)
    for each in (made, other):
        await change(tenant, each, status="disabled")
    await tenant.open()
    await tenant.open()
    every = await deliveries(tenant, made)
    assert [one["sequence"] for one in every] == [4, 3, 2, 1]
    path, seen, cursor = f"{ENDPOINTS}/{made['id']}/deliveries", [], None
    while True:
        page = await asked(
            tenant, "GET", path, 200, params={"limit": 3} | ({"cursor": cursor} if cursor else {})
        )
        seen += page["data"]
        if (cursor := page["nextCursor"]) is None:
            break
    assert seen == every
    pending = await deliveries(tenant, made, eventType="payment.pending", status="pending")
    assert [one["sequence"] for one in pending] == [4, 2]
    assert await deliveries(tenant, made, status="exhausted") == []
    theirs = (await deliveries(tenant, other))[0]["id"]
    for wrong in (
        *({"cursor": theirs}, {"cursor": "x"}, {"status": "PENDING"}, {"eventType": "payment"}),
        *({"limit": 0}, {"limit": 101}),
    ):
        refused(await tenant.call("GET", path, params=wrong), 422, "validation_failed")


async def test_a_delivery_goes_out_again_however_often_it_is_asked_for(
    tenant: Tenant, receiver: Receiver
) -> None:
    made = await endpoint(tenant, receiver.url, events=["payment.created"])
    await tenant.open()
    (delivery,) = await told(tenant, made, "payment.created")
    path = f"/v1/deliveries/{delivery['id']}/redeliver"
    for again in await asyncio.gather(*(asked(tenant, "POST", path, 202) for _ in range(2))):
        assert (again["id"], again["eventId"]) == (delivery["id"], delivery["eventId"])
    await receiver.count(2)
    assert {one.headers["webhook-id"] for one in receiver.received} == {delivery["eventId"]}
    assert len({one.raw for one in receiver.received}) == 1
    await told(tenant, made, "payment.created")
    assert len(await tenant.rows("SELECT FROM deliveries")) == 1
    await change(tenant, made, status="disabled")
    refused(await tenant.call("POST", path), 409, "illegal_transition")
    refused(await tenant.call("POST", path.replace(delivery["id"], "dlv_unknown")), 404, "not_found")


# --- What it missed -------------------------------------------------------------------------------


async def test_an_endpoint_is_brought_what_it_missed_and_listens_to(
    tenant: Tenant, receiver: Receiver
) -> None:
    await tenant.open()
    made = await endpoint(tenant, receiver.url, events=["payment.created"])
    assert await recover(tenant, made, since=an_hour_ago()) == 1
    await told(tenant, made, "payment.created")
    assert await recover(tenant, made, since=an_hour_ago()) == 0
    await change(tenant, made, events=None)
    assert await recover(tenant, made, since=datetime.now(UTC)) == 0
    assert await recover(tenant, made, since=an_hour_ago()) == 1
    await told(tenant, made, "payment.created", "payment.pending")
    # As if all attempts had been in vain.
    await tenant.rows("UPDATE deliveries SET state = 'EXHAUSTED', attempts = 10, delivered_at = NULL")
    assert await recover(tenant, made, since=an_hour_ago()) == 2
    await told(tenant, made, "payment.created", "payment.pending")
    long_ago = {"since": (datetime.now(UTC) - timedelta(days=90, minutes=1)).isoformat()}
    refused(
        await tenant.call("POST", f"{ENDPOINTS}/{made['id']}/recover", json=long_ago),
        422,
        "validation_failed",
    )


async def test_a_test_of_another_endpoint_is_nothing_that_was_missed(tenant: Tenant) -> None:
    one, other = await endpoint(tenant, NOWHERE), await endpoint(tenant, NOWHERE)
    await asked(tenant, "POST", f"{ENDPOINTS}/{one['id']}/test", 202)
    assert await recover(tenant, other, since=an_hour_ago()) == 0


# --- Who may --------------------------------------------------------------------------------------


async def test_the_owner_decides_where_events_go_and_an_operator_may_send_them_again(
    tenant: Tenant, quiet: Json
) -> None:
    path = f"{ENDPOINTS}/{quiet['id']}"
    sent = await asked(tenant, "POST", f"{path}/test", 202)
    again, wish = f"/v1/deliveries/{sent['id']}/redeliver", {"since": an_hour_ago().isoformat()}
    owners: list[tuple[str, str, Json | None]] = [
        ("POST", ENDPOINTS, {"url": NOWHERE}),
        ("PATCH", path, {"description": "x"}),
        ("POST", f"{path}/rotate-secret", None),
        ("DELETE", path, None),
    ]
    traders: list[tuple[str, str, Json | None]] = [
        ("POST", f"{path}/test", None),
        ("POST", again, None),
        ("POST", f"{path}/recover", wish),
    ]
    for role, may_trade in (("operator", True), ("readonly", False)):
        mate = await colleague(tenant, role)
        for read in (ENDPOINTS, path, f"{path}/deliveries", again.rpartition("/")[0], "/v1/events"):
            await asked(mate, "GET", read, 200)
        for method, where, body in owners:
            refused(await mate.call(method, where, json=body), 403, "forbidden")
        for method, where, body in traders:
            answer = await mate.call(method, where, json=body)
            assert answer.status_code == (202 if may_trade else 403), answer.text


async def test_a_stranger_finds_no_endpoint_and_no_delivery(
    tenant: Tenant, quiet: Json, house: House
) -> None:
    path, stranger = f"{ENDPOINTS}/{quiet['id']}", await house.tenant()
    sent = await asked(tenant, "POST", f"{path}/test", 202)
    for method, where, body in (
        *(("GET", path, None), ("DELETE", path, None), ("PATCH", path, {"url": NOWHERE})),
        *(("GET", f"{path}/deliveries", None), ("POST", f"{path}/test", None)),
        *(("POST", f"{path}/rotate-secret", None), ("GET", f"/v1/events/{sent['eventId']}", None)),
        ("POST", f"{path}/recover", {"since": an_hour_ago().isoformat()}),
        *(
            ("GET", f"/v1/deliveries/{sent['id']}", None),
            ("POST", f"/v1/deliveries/{sent['id']}/redeliver", None),
        ),
    ):
        refused(await stranger.call(method, where, json=body), 404, "not_found")
    assert await asked(stranger, "GET", ENDPOINTS, 200) == {"data": []}


async def test_each_deed_is_on_record(tenant: Tenant) -> None:
    made = await endpoint(tenant, NOWHERE)
    path = f"{ENDPOINTS}/{made['id']}"
    sent = await asked(tenant, "POST", f"{path}/test", 202)
    await asked(tenant, "POST", f"/v1/deliveries/{sent['id']}/redeliver", 202)
    await recover(tenant, made, since=an_hour_ago())
    await asked(tenant, "POST", f"{path}/rotate-secret", 200)
    await change(tenant, made, status="disabled")
    await asked(tenant, "DELETE", path, 204)
    deeds = [
        *("endpoint.created", "endpoint.tested", "delivery.redelivered", "endpoint.recovered"),
        *("endpoint.secret_rotated", "endpoint.updated", "endpoint.deleted"),
    ]
    lines = await tenant.rows("SELECT action, resource, actor FROM audit_records ORDER BY id")
    ours = [line for line in lines if line["action"] in deeds]
    assert [line["action"] for line in ours] == deeds
    assert {line["resource"] for line in ours} == {made["id"], sent["id"]}
    assert all(line["actor"].startswith("owner:owner:") for line in ours)
