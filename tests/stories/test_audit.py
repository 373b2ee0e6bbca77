"""The audit trail as its tenant reads it: what is on record, that it is sealed soon, and that it verifies."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from domain import chain
from tests.house import DECLINED, House, Json, Tenant, eventually, refused
from tests.stories.company import Company, speaking_for
from tests.stories.tenancy import CREDENTIALS, LOGIN, SETTINGS, colleague

FIELDS = {
    *("id", "tenantId", "organization", "actor", "correlationId", "action", "resource", "provider", "result"),
    *("failure", "at", "number"),
}


async def trail(tenant: Tenant, **asked: Any) -> list[Json]:
    answer = await tenant.call("GET", "/v1/audit", params={"limit": 100} | asked)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


async def look_for(tenant: Tenant, **asked: Any) -> Json:
    """The one record that was asked for, once it is there."""

    async def look() -> Json | None:
        lines = await trail(tenant, **asked)
        assert len(lines) <= 1, lines
        return lines[0] if lines else None

    line: Json = await eventually(look)
    return line


async def verified(tenant: Tenant, **asked: Any) -> Json:
    answer = await tenant.call("GET", "/v1/audit/verify", params=asked)
    assert answer.status_code == 200, answer.text
    said: Json = answer.json()
    return said


async def settled(tenant: Tenant) -> Json:
    """What the verification says, once all is sealed."""

    async def look() -> Json | None:
        said = await verified(tenant)
        assert said["verified"], said
        return None if said["pending"] else said

    said: Json = await eventually(look)
    return said


# --- What is on record ----------------------------------------------------------------------------


async def test_a_record_says_who_did_what_for_whom_and_when(house: House) -> None:
    tenant = await house.tenant(organization="The whole group")
    await tenant.call("PATCH", SETTINGS, json={}, headers={"X-Request-Id": "the-request"})
    line = await look_for(tenant, action="tenant.settings_changed")
    assert line.keys() == FIELDS
    assert (line["tenantId"], line["organization"]) == (tenant.id, "The whole group")
    assert (line["resource"], line["correlationId"]) == (tenant.id, "the-request")
    assert (line["result"], line["failure"], line["provider"]) == ("ok", None, None)
    assert line["actor"].startswith("owner:owner:crd_")


async def test_a_payments_records_name_its_provider_and_organization(house: House) -> None:
    tenant = await house.tenant(organization="The whole group")
    payment = await tenant.open()
    lines = await trail(tenant, resource=payment["id"])
    assert [line["action"] for line in lines] == ["payment.pending", "payment.created"]
    assert {(line["provider"], line["organization"]) for line in lines} == {("sandbox", "The whole group")}


async def test_what_a_provider_said_without_changing_anything_is_on_record_once(tenant: Tenant) -> None:
    payment = await tenant.open()
    await tenant.pay(payment, DECLINED)
    line = await look_for(tenant, result="noted")
    assert (line["resource"], line["actor"], line["provider"]) == (
        payment["id"],
        "provider:sandbox",
        "sandbox",
    )
    history = (await tenant.get(payment))["events"]
    assert line["action"] in [event["type"] for event in history]
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await tenant.ended(payment)
    assert [each["action"] for each in await trail(tenant, result="noted")] == [line["action"]]


async def test_an_event_that_is_put_aside_is_on_record(tenant: Tenant, house: House) -> None:
    company, other = await speaking_for(tenant), await (await house.tenant()).open()
    await company.says(other)
    line = await look_for(tenant, action="event.quarantined")
    assert (line["actor"], line["failure"]) == ("provider:sandbox", "other_account")


@pytest.mark.parametrize("role", ["owner", "operator", "approver", "readonly"])
async def test_every_role_may_read_the_trail(tenant: Tenant, role: str) -> None:
    mate = await colleague(tenant, role)
    assert (await trail(mate, action="credential.added"))[0]["result"] == "ok"
    assert (await verified(mate))["verified"]


async def test_a_stranger_reads_another_trail(tenant: Tenant, house: House) -> None:
    await tenant.open()
    assert {line["action"] for line in await trail(await house.tenant())} == {
        "tenant.registered",
        "tenant.login",
    }
    refused(await house.http.get("/v1/audit"), 401, "unauthorized")


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({"action": "payment.created"}, lambda line: line["action"] == "payment.created"),
        ({"actor": "provider:sandbox"}, lambda line: line["actor"] == "provider:sandbox"),
        ({"provider": "sandbox"}, lambda line: line["provider"] == "sandbox"),
        ({"correlationId": "one"}, lambda line: line["correlationId"] == "one"),
        ({"result": "refused"}, lambda line: line["result"] == "refused"),
        ({"failure": "forbidden"}, lambda line: line["failure"] == "forbidden"),
    ],
)
async def test_a_trail_can_be_asked_for_one_thing(
    tenant: Tenant, wanted: Json, matches: Callable[[Json], bool]
) -> None:
    reader = await colleague(tenant, "readonly")
    await tenant.call("PATCH", SETTINGS, json={}, headers={"X-Request-Id": "one"})
    refused(await reader.create(), 403, "forbidden")
    await tenant.open()
    everything = await trail(tenant)
    due = [line["id"] for line in everything if matches(line)]
    assert [line["id"] for line in await trail(tenant, **wanted)] == due
    assert 0 < len(due) < len(everything)


async def test_a_trail_is_read_page_by_page_and_between_two_moments(tenant: Tenant) -> None:
    await tenant.open()
    everything = await trail(tenant)
    pages: list[str] = []
    cursor: Json = {}
    while True:
        page = (await tenant.call("GET", "/v1/audit", params={"limit": 2} | cursor)).json()
        pages += [line["id"] for line in page["data"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert pages == [line["id"] for line in everything]
    second = everything[-2]
    (found,) = await trail(tenant, **{"from": second["at"], "to": second["at"]})
    assert found["id"] == second["id"]


# --- Refusals -------------------------------------------------------------------------------------


async def test_a_refused_command_is_on_record_with_its_reason(tenant: Tenant) -> None:
    reader = await colleague(tenant, "readonly")
    refused(await reader.create(), 403, "forbidden")
    line = await look_for(tenant, result="refused")
    assert (line["action"], line["failure"], line["resource"]) == ("payment.create", "forbidden", tenant.id)
    assert line["actor"].startswith("readonly:the readonly:crd_")


async def test_refusals_of_every_kind_are_on_record(tenant: Tenant) -> None:
    payment = await tenant.open("key")
    tries: list[tuple[httpx.Response, str, str]] = [
        (await tenant.create("key", amount=77700), "payment.create", "idempotency_conflict"),
        (await tenant.create(amount=1), "payment.create", "amount_out_of_range"),
        (await tenant.create(userId=7), "payment.create", "validation_failed"),
        (await tenant.call("POST", "/v1/payments/pay_0/cancel"), "payment.cancel", "not_found"),
        (
            await tenant.call(
                "POST", f"/v1/payments/{payment['id']}/refunds", json={}, headers={"Idempotency-Key": "k"}
            ),
            "refund.create",
            "illegal_transition",
        ),
        (await tenant.call("DELETE", f"{CREDENTIALS}/crd_0"), "credential.revoke", "not_found"),
    ]
    lines = (await trail(tenant, result="refused"))[::-1]
    assert [(line["action"], line["failure"]) for line in lines] == [
        (action, code) for _, action, code in tries
    ]
    assert [line["correlationId"] for line in lines] == [
        answer.headers["x-request-id"] for answer, *_ in tries
    ]
    assert payment["id"] in [line["resource"] for line in lines]


async def test_what_is_refused_does_not_enter_the_record(tenant: Tenant) -> None:
    refused(await tenant.create(userId="canary", metadata={"canary": "\x00"}), 400, "malformed_json")
    refused(await tenant.call("POST", "/v1/payments/canary/cancel"), 404, "not_found")
    refused(await tenant.call("PATCH", SETTINGS, json={"canary": "canary"}), 422, "validation_failed")
    assert "canary" not in json.dumps(await trail(tenant))


async def test_a_refusal_that_cannot_be_recorded_is_a_refusal_all_the_same(
    tenant: Tenant, house: House
) -> None:
    reader = await colleague(tenant, "readonly")
    async with house.database(role="postgres") as db, db.transaction():
        await db.execute("LOCK TABLE audit_records IN ACCESS EXCLUSIVE MODE")
        refused(await reader.create(), 403, "forbidden")


async def test_reading_in_vain_leaves_no_record(tenant: Tenant) -> None:
    refused(await tenant.call("GET", "/v1/payments/pay_0"), 404, "not_found")
    assert await trail(tenant, result="refused") == []


async def test_a_login_with_a_wrong_secret_is_on_record(tenant: Tenant, house: House) -> None:
    wrong = {"appName": tenant.registered["appName"], "appSecret": "no secret"}
    refused(await house.http.post(LOGIN, json=wrong), 401, "unauthorized")
    line = await look_for(tenant, action="tenant.login", result="refused")
    assert (line["actor"], line["failure"]) == ("unknown", "unauthorized")


async def test_a_webhook_with_a_wrong_signature_is_on_record_once_a_minute(
    tenant: Tenant, company: Company
) -> None:
    forged = company.signed(b"{}") | {"webhook-signature": "v1,AAAA"}
    for _ in range(5):
        refused(await company.post(b"{}", **forged), 401, "signature_invalid")
    line = await look_for(tenant, action="webhook.receive")
    assert (line["actor"], line["provider"], line["resource"]) == (
        "claimed:sandbox",
        "sandbox",
        company.account,
    )
    assert (line["result"], line["failure"]) == ("refused", "signature_invalid")
    # What nobody signed is not on record at all: anybody could fill it.
    refused(await company.post(b"{}", webhook_signature=None), 400, "signature_missing")
    assert (await look_for(tenant, action="webhook.receive"))["id"] == line["id"]


# --- The chain ------------------------------------------------------------------------------------


async def test_what_happened_is_sealed_within_seconds(tenant: Tenant) -> None:
    await tenant.open()
    said = await settled(tenant)
    assert said["complete"]
    assert said["sealed"] == said["records"] == len(await trail(tenant))
    assert said["checkpoints"] >= 1
    assert sorted(line["number"] for line in await trail(tenant)) == list(range(1, said["sealed"] + 1))


async def test_a_tenant_can_compute_the_chain_from_what_it_reads(tenant: Tenant) -> None:
    await tenant.open()
    said = await settled(tenant)
    head = chain.genesis(tenant.id)
    for line in sorted(await trail(tenant), key=lambda line: int(line["number"])):
        head = chain.link(head, chain.leaf({name: line[name] for name in FIELDS - {"number"}}))
    assert head.hex() == said["head"]


@pytest.mark.slow
async def test_a_long_chain_is_verified_request_by_request(tenant: Tenant) -> None:
    whole = await settled(tenant)
    await tenant.open()
    last = await settled(tenant)
    first = await verified(tenant, limit=whole["sealed"])
    assert (first["complete"], first["until"]) == (False, whole["sealed"])
    rest = await verified(tenant, after=first["until"])
    assert (rest["complete"], rest["after"], rest["until"]) == (True, first["until"], last["until"])
    assert first["verified"]
    assert rest["verified"]
