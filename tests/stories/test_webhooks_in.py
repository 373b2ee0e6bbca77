"""What payment companies tell us: believed when signed, kept before it is acknowledged, taken once."""

import asyncio
import base64
import hmac
import json
import os
import signal
import time
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.house import House, Json, Receiver, Tenant, eventually, refused, sandbox_keys

RECEIVED = b'{"received":true}'
HOUR: Json = {"expiresInSeconds": 3600}


@dataclass(frozen=True)
class Company:
    """The payment company as it writes to us about one account; here we hold its pen."""

    house: House
    account: str
    secret: str

    async def post(self, body: bytes, path: str | None = None, **changes: Any) -> httpx.Response:
        """Deliver these bytes, signed unless a header is changed; None leaves one out."""
        where = path or f"/v1/billing/webhooks/sandbox/{self.account}"
        headers = self.signed(body) | {name.replace("_", "-"): value for name, value in changes.items()}
        sent = {name: value for name, value in headers.items() if value is not None}
        return await self.house.http.post(where, content=body, headers=sent)

    def signed(self, body: bytes, *, event: str = "evt_1", late: int = 0, secret: str = "") -> dict[str, str]:
        """The headers of Standard Webhooks 1.0.0, written down from the specification."""
        at = str(int(time.time()) - late)
        key = base64.b64decode((secret or self.secret).removeprefix("whsec_"))
        mac = base64.b64encode(hmac.digest(key, f"{event}.{at}.".encode() + body, "sha256")).decode()
        return {"webhook-id": event, "webhook-timestamp": at, "webhook-signature": f"v1,{mac}"}

    async def says(self, payment: Json, word: str = "complete/paid", **more: Any) -> httpx.Response:
        """A true-looking event about this payment; ``event`` names it."""
        event = more.pop("event", "evt_1")
        body = told(payment, word, **more)
        answer = await self.post(body, **self.signed(body, event=event))
        assert (answer.status_code, answer.content) == (200, RECEIVED), answer.text
        return answer


def told(payment: Json, word: str = "complete/paid", **more: Any) -> bytes:
    """The body of an event about this payment's checkout."""
    status, paid = word.split("/")
    money = {"amount": payment["amount"], "currency": payment["currency"]}
    if paid == "paid":
        money |= {"amount_captured": payment["amount"], "currency_captured": payment["currency"]}
    session = {"id": payment["providerReference"], "reference": payment["id"]}
    data = {"object": "checkout_session", "status": status, "payment_status": paid} | session | money | more
    return json.dumps({"id": "evt_1", "type": "checkout.told", "mode": "test", "data": data}).encode()


@pytest.fixture
async def company(tenant: Tenant, house: House) -> Company:
    """The real company says nothing to this tenant by itself; only we speak for it."""
    account = await tenant.account()
    await tenant.fault("webhook.send", "webhook", "lost", count=1000)
    await tenant.fault("checkout.read", "before", "status:503", count=1000)
    secret, _ = sandbox_keys(house, account)
    return Company(house, account, secret)


async def inbox(tenant: Tenant) -> list[Json]:
    return await tenant.rows("SELECT * FROM inbox ORDER BY received_at")


async def filed(tenant: Tenant, count: int = 1) -> list[Json]:
    """The inbox, once this many events have taken effect."""

    async def look() -> list[Json] | None:
        rows = await inbox(tenant)
        return rows if [row["state"] for row in rows].count("PROCESSED") == count else None

    found: list[Json] = await eventually(look)
    return found


async def looked_up_again(tenant: Tenant) -> list[Json]:
    """The inbox, once somebody has looked whether its first event can be matched by now."""

    async def look() -> list[Json] | None:
        rows = await inbox(tenant)
        return rows if rows and rows[0]["attempts"] > 0 else None

    found: list[Json] = await eventually(look)
    return found


def types(payment: Json) -> list[str]:
    return [event["type"] for event in payment["events"]]


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
    right = company.signed(body)["webhook-signature"]
    for others in (f"v1,AAAA {right}", f"{right} v1,AAAA", f"v1a,AAAA v2,BBBB {right} nonsense"):
        assert (await company.post(body, webhook_signature=others)).status_code == 200


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
    for body in (b'{"data": {}}', b'{"data": {"object": "customer", "id": "cus_1"}}'):
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


# --- Whose payment it is --------------------------------------------------------------------------


async def test_an_event_about_a_payment_nobody_knows_waits(tenant: Tenant, company: Company) -> None:
    known = await tenant.open(**HOUR)
    await company.says(known | {"id": "pay_" + "0" * 26})
    (row,) = await inbox(tenant)
    assert (row["state"], row["payment_id"]) == ("UNMATCHED", None)
    assert (await tenant.get(known))["status"] == "PROVIDER_PENDING"


async def test_an_account_cannot_speak_about_another_tenants_payment(
    tenant: Tenant, company: Company, house: House
) -> None:
    stranger = await house.tenant()
    theirs = await stranger.open(**HOUR, entitlements=[{"feature": "pro"}])
    await company.says(theirs)
    assert [row["state"] for row in await looked_up_again(tenant)] == ["UNMATCHED"]
    assert await inbox(stranger) == []
    assert types(await stranger.get(theirs)) == ["payment.created", "payment.pending"]
    assert not (await stranger.entitled("pro"))["entitled"]


async def test_an_account_cannot_speak_about_a_payment_of_another_account(
    tenant: Tenant, company: Company, house: House
) -> None:
    payment = await tenant.open(**HOUR, entitlements=[{"feature": "pro"}])
    secret = "whsec_" + base64.b64encode(b"m" * 32).decode()
    await tenant.call("DELETE", "/v1/tenants/me/providers/sandbox")
    keys = {"credentials": {"apiKey": "sk_sandbox_mine", "webhookSecret": secret}}
    mine = (await tenant.call("PUT", "/v1/tenants/me/providers/sandbox", json=keys)).json()["accountId"]
    await Company(house, mine, secret).says(payment)
    assert [row["state"] for row in await looked_up_again(tenant)] == ["UNMATCHED"]
    assert types(await tenant.get(payment)) == ["payment.created", "payment.pending"]
    assert not (await tenant.entitled("pro"))["entitled"]
    await tenant.pay(payment)
    await company.says(payment)
    await tenant.eventually(payment, "SUCCEEDED")


# --- Once, in any order ---------------------------------------------------------------------------


async def test_twenty_deliveries_at_once_take_effect_once(tenant: Tenant, company: Company) -> None:
    payment = await tenant.open(**HOUR, entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    await asyncio.gather(*(company.says(payment) for _ in range(20)))
    paid = await tenant.eventually(payment, "SUCCEEDED")
    await filed(tenant)
    await tenant.ended(payment)
    assert types(paid) == ["payment.created", "payment.pending", "payment.succeeded"]
    assert len(await inbox(tenant)) == 1
    assert len(await tenant.rows("SELECT FROM ledger_entries")) == 2
    assert len(await tenant.rows("SELECT FROM entitlements")) == 1
    assert len(await tenant.rows("SELECT FROM events WHERE type = 'payment.succeeded'")) == 1


async def test_twenty_events_that_say_the_same_pay_once(tenant: Tenant, company: Company) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    await asyncio.gather(*(company.says(payment, event=f"evt_{number}") for number in range(20)))
    await filed(tenant, 20)
    await tenant.ended(payment)
    assert types(await tenant.get(payment)).count("payment.succeeded") == 1
    assert len(await tenant.rows("SELECT FROM ledger_entries")) == 2


async def test_a_duplicate_after_the_end_is_swallowed(tenant: Tenant, company: Company) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    await company.says(payment)
    await filed(tenant)
    await tenant.ended(payment)
    before = await tenant.get(payment)
    await company.says(payment)
    assert await tenant.get(payment) == before
    assert len(await inbox(tenant)) == 1


@pytest.mark.parametrize("word", ["expired/unpaid", "complete/failed", "cancelled/unpaid", "open/unpaid"])
async def test_nothing_undoes_a_success(tenant: Tenant, company: Company, word: str) -> None:
    payment = await tenant.open(**HOUR, entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    await company.says(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await company.says(payment, word, event="evt_late")
    await filed(tenant, 2)
    assert (await tenant.get(payment))["status"] == "SUCCEEDED"
    assert (await tenant.entitled("pro"))["entitled"]


# --- Money that does not match --------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["wrongAmount", "wrongCurrency"])
async def test_other_money_than_ordered_is_reviewed_and_grants_nothing(
    house: House, receiver: Receiver, fault: str
) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    await tenant.fault("checkout.pay", "after", fault)
    payment = await tenant.open(orderId="order-1", entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    held = await tenant.eventually(payment, "REVIEW")
    assert held["failureCode"] == "amount_mismatch"
    said = await receiver.event("payment.review")
    assert (said.body["data"]["paymentId"], said.body["data"]["status"]) == (payment["id"], "REVIEW")
    assert not (await tenant.entitled("pro"))["entitled"]
    refused(await tenant.create(orderId="order-1"), 409, "order_has_open_payment")


@pytest.mark.parametrize(
    "lie", [{"amount_captured": 1}, {"currency_captured": "EUR"}, {"amount_captured": 0}]
)
async def test_an_event_that_names_other_money_pays_nothing(
    tenant: Tenant, company: Company, lie: Json
) -> None:
    payment = await tenant.open(**HOUR, entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)
    await company.says(payment, **lie)
    await tenant.eventually(payment, "REVIEW")
    await filed(tenant)
    assert not (await tenant.entitled("pro"))["entitled"]
    assert await tenant.rows("SELECT FROM entitlements") == []


# --- Before the answer, and while Temporal is away ------------------------------------------------


async def test_an_event_may_come_before_the_answer_it_is_about(tenant: Tenant, house: House) -> None:
    await tenant.fault("checkout.create", "webhook", "beforeAnswer")
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await filed(tenant, 2)
    assert "payment.attempt_failed" in types(await tenant.get(payment))
    assert len((await house.ledger(payment))["captures"]) == 1


async def test_the_money_may_come_before_the_answer_too(tenant: Tenant, house: House) -> None:
    await tenant.fault("checkout.create", "after", "hang", seconds=2)
    creating = asyncio.create_task(tenant.create(**HOUR))

    async def offered() -> Json | None:
        placed = (await tenant.call("GET", "/v1/payments")).json()["data"]
        sessions = (await house.ledger(placed[0]))["sessions"] if placed else []
        return {"checkoutUrl": f"{house.ready['sandboxUrl']}/pay/{sessions[0]['id']}"} if sessions else None

    await tenant.pay(await eventually(offered))
    assert [row["state"] for row in await inbox(tenant)] != ["PROCESSED"]
    payment = (await creating).json()
    await tenant.eventually(payment, "SUCCEEDED")
    await filed(tenant)
    assert len((await house.ledger(payment))["captures"]) == 1


@pytest.mark.timeout(90)
async def test_what_is_told_while_temporal_is_away_is_kept_and_takes_effect_later(
    tenant: Tenant, company: Company, house: House
) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    os.kill(house.pid("temporal"), signal.SIGSTOP)
    try:
        await company.says(payment)
        (row,) = await inbox(tenant)
        assert (row["state"], row["payment_id"]) == ("RECEIVED", payment["id"])
        assert (await tenant.get(payment))["status"] == "PROVIDER_PENDING"
    finally:
        os.kill(house.pid("temporal"), signal.SIGCONT)
    await tenant.eventually(payment, "SUCCEEDED", within=60)
    await filed(tenant)
