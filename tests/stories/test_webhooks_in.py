"""What payment companies tell us: believed when signed, and kept only when it can be read."""

import base64
import json
from typing import Any

import pytest

from tests.house import House, Json, Tenant, refused, sandbox_keys
from tests.stories.company import HOUR, RECEIVED, Company, filed, inbox, told

# --- Who may tell us anything ---------------------------------------------------------------------


async def test_a_signed_event_is_received_and_takes_effect(tenant: Tenant, company: Company) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    await company.says(payment)
    paid = await tenant.eventually(payment, "SUCCEEDED")
    assert paid["events"][-1]["cause"] == "evt_1"
    (row,) = await filed(tenant)
    assert (row["event_id"], row["payment_id"], row["note"]) == ("evt_1", payment["id"], "paid")
    assert bytes(row["body"]) == told(payment)


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook_id": None},
        {"webhook_timestamp": None},
        {"webhook_signature": None},
        {"webhook_id": ""},
        {"webhook_id": "two words"},
        {"webhook_id": "evt.1"},
        {"webhook_id": "e" * 256},
        {"webhook_timestamp": "now"},
        {"webhook_timestamp": "1e9"},
        {"webhook_timestamp": "9" * 30},
        {"webhook_signature": "nonsense"},
        {"webhook_signature": "v1,"},
    ],
    ids=str,
)
async def test_without_a_readable_signature_nothing_is_heard(
    tenant: Tenant, company: Company, changes: Json
) -> None:
    payment = await tenant.open(**HOUR)
    refused(await company.post(told(payment), **changes), 400, "signature_missing")
    assert await inbox(tenant) == []


async def test_a_signature_that_does_not_fit_is_refused(tenant: Tenant, company: Company) -> None:
    body = told(await tenant.open(**HOUR))
    right = company.signed(body)
    bent = body.replace(b"paid", b"pa1d")
    stranger = company.signed(body, secret="whsec_" + base64.b64encode(b"s" * 32).decode())
    forgeries: list[tuple[bytes, dict[str, str]]] = [
        (body, stranger),
        (bent, right),
        (body + b" ", right),
        (b"", right),
        (body, right | {"webhook-id": "evt_2"}),
        (body, right | {"webhook-timestamp": str(int(right["webhook-timestamp"]) + 1)}),
        (body, right | {"webhook-signature": right["webhook-signature"][:-4] + "AAA="}),
        (body, right | {"webhook-signature": right["webhook-signature"].replace("v1,", "v2,")}),
        (body, right | {"webhook-signature": "v1,AAAA v1,BBBB"}),
    ]
    for sent, headers in forgeries:
        refused(await company.post(sent, **headers), 401, "signature_invalid")
    assert await inbox(tenant) == []


async def test_a_signature_of_another_account_is_refused(
    tenant: Tenant, company: Company, house: House
) -> None:
    stranger = await house.tenant()
    secret, _ = sandbox_keys(house, await stranger.account())
    body = told(await tenant.open(**HOUR))
    refused(await company.post(body, **company.signed(body, secret=secret)), 401, "signature_invalid")
    assert await inbox(tenant) == []


@pytest.mark.parametrize("late", [301, 3600, -303, -3600])
async def test_a_signature_of_another_time_is_refused(tenant: Tenant, company: Company, late: int) -> None:
    body = told(await tenant.open(**HOUR))
    refused(await company.post(body, **company.signed(body, late=late)), 401, "signature_invalid")
    assert await inbox(tenant) == []


@pytest.mark.parametrize("late", [295, -295])
async def test_clocks_may_differ_by_five_minutes(tenant: Tenant, company: Company, late: int) -> None:
    body = told(await tenant.open(**HOUR))
    assert (await company.post(body, **company.signed(body, late=late))).status_code == 200


async def test_one_right_signature_among_others_is_enough(tenant: Tenant, company: Company) -> None:
    body = told(await tenant.open(**HOUR))
    signed = company.signed(body)
    right = signed["webhook-signature"]
    for others in (f"v1,AAAA {right}", f"{right} v1,AAAA", f"v1a,AAAA v2,BBBB {right} nonsense"):
        assert (await company.post(body, **(signed | {"webhook-signature": others}))).status_code == 200


async def test_an_address_nobody_has_is_not_found(tenant: Tenant, company: Company) -> None:
    body = told(await tenant.open(**HOUR))
    paths = [
        "sandbox/acc_" + "0" * 26,
        f"paypal/{company.account}",
        f"Sandbox/{company.account}",
        f"sandbox/{company.account.upper()}",
        f"sandbox/{tenant.id}",
    ]
    for path in paths:
        refused(await company.post(body, path=f"/v1/billing/webhooks/{path}"), 404, "not_found")
    assert await inbox(tenant) == []


async def test_a_body_is_at_most_256_kib(tenant: Tenant, company: Company) -> None:
    body = told(await tenant.open(**HOUR))
    refused(await company.post(body.ljust(257 * 1024)), 413, "body_too_large")
    assert await inbox(tenant) == []
    assert (await company.post(body.ljust(256 * 1024))).status_code == 200


async def test_a_company_tries_again_what_was_refused(tenant: Tenant, house: House) -> None:
    # So that only a webhook can tell us.
    await tenant.fault("checkout.read", "before", "status:503", count=1000)
    for trick in ("badSignature", "staleTimestamp"):
        payment = await tenant.open(**HOUR)
        await tenant.fault("webhook.send", "webhook", trick)
        await tenant.pay(payment)
        await tenant.eventually(payment, "SUCCEEDED")
        (event,) = (await house.control("GET", "webhooks", reference=payment["id"]))["data"]
        assert [attempt["status"] for attempt in event["attempts"]][:1] == [401]


# --- What cannot be read --------------------------------------------------------------------------

SESSION: Json = {"object": "checkout_session", "status": "complete", "payment_status": "paid"}


def about(**data: Any) -> bytes:
    return json.dumps({"data": SESSION | data}).encode()


UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"canary",
    "half of it": b'{"data": {"object": "checkout_session"',
    "a list": b"[]",
    "null": b"null",
    "a string": b'"canary"',
    "no data": b"{}",
    "data that is a list": b'{"data": []}',
    "data that is a word": b'{"data": "canary"}',
    "not UTF-8": b'{"data": {"object": "\xff"}}',
    "lists too deep to read": b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects too deep to read": b'{"data": ' + b'{"a":' * 40_000 + b"1" + b"}" * 40_000 + b"}",
    "an amount in words": about(amount_captured="12", currency="HUF"),
    "half an amount": about(amount_captured=1.5, currency="HUF"),
    "a true amount": about(amount_captured=True, currency="HUF"),
    "an amount that is no number": about(amount_captured=float("nan"), currency="HUF"),
    "an amount of a thousand digits": about(amount_captured=10**1000, currency="HUF"),
    "an amount beyond all books": about(amount_captured=2**63, currency="HUF"),
    "money of no currency": about(amount_captured=12),
    "money of an odd currency": about(amount_captured=12, currency="forints"),
    "a reference that is a number": about(reference=12),
    "a reference with half a surrogate": about(reference="\ud800"),
    "a reference with NUL": about(reference="pay_\0"),
    "a reference of a thousand characters": about(reference="p" * 1000),
    "an id with NUL": about(id="cs_\0"),
    "an id of a thousand characters": about(id="c" * 1000),
    "a status with NUL": about(status="com\0plete"),
    "an error that is a word": about(last_error="canary"),
    "an error with NUL": about(last_error={"code": "card_declined\0"}),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_authentic_body_that_cannot_be_read_is_422_and_never_our_fault(
    tenant: Tenant, company: Company, name: str
) -> None:
    answer = await company.post(UNREADABLE[name])
    refused(answer, 422, "validation_failed")
    assert "canary" not in answer.text
    assert await inbox(tenant) == []


async def test_an_event_about_something_else_is_acknowledged_and_forgotten(
    tenant: Tenant, company: Company
) -> None:
    for body in (b'{"data": {}}', b'{"data": {"object": "payout", "id": "po_1"}}'):
        answer = await company.post(body)
        assert (answer.status_code, answer.content) == (200, RECEIVED)
    assert await inbox(tenant) == []


async def test_a_word_nobody_knows_settles_nothing(tenant: Tenant, company: Company) -> None:
    payment = await tenant.open(**HOUR)
    await company.says(payment, "sideways/upside-down")
    (row,) = await filed(tenant)
    assert row["note"] == "unclear"
    assert (await tenant.get(payment))["status"] == "PROVIDER_PENDING"


async def test_texts_longer_than_our_columns_fail_nobodys_payment(tenant: Tenant, company: Company) -> None:
    payment = await tenant.open(**HOUR)
    error = {"code": "c" * 1000, "message": "m" * 10_000}
    await company.says(payment, "open/unpaid", event="evt_declined", last_error=error)
    await company.says(payment, "complete/failed", event="evt_failed", last_error=error)
    failed = await tenant.eventually(payment, "FAILED")
    assert failed["failureCode"].startswith("ccc")
    assert failed["failureMessage"].startswith("mmm")
