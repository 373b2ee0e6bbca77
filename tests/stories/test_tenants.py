"""Tenants: how they come to be, what they set, and the trail that their deeds leave."""

import asyncio

import httpx
import pytest

from tests.house import House, Json, Tenant, b64, refused, sandbox_keys
from tests.stories.tenancy import CREDENTIALS, ME, PROVIDERS, REGISTER, SETTINGS, colleague, keys

SHOP = {"name": "Paper shop", "contactEmail": "owner@example.com", "sandbox": True}
SHOP_ORDER = {"userId": "user-123", "amount": 1990000, "currency": "HUF"}


# --- Registration ---------------------------------------------------------------------------------


async def test_only_the_operator_registers_tenants(house: House, tenant: Tenant) -> None:
    refused(await house.http.post(REGISTER, json=SHOP), 401, "unauthorized")
    for key in ("", "adm_wrong", house.admin["X-Admin-Key"] + "x", "ä"):
        headers = httpx.Headers({"X-Admin-Key": key}, encoding="utf-8")
        refused(await house.http.post(REGISTER, json=SHOP, headers=headers), 401, "unauthorized")
    refused(await tenant.call("POST", REGISTER, json=SHOP), 401, "unauthorized")


async def test_a_new_tenant_is_told_its_secret_once(house: House) -> None:
    made = (await house.http.post(REGISTER, json=SHOP, headers=house.admin)).json()
    said = {"id", "appName", "appSecret", "name", "sandbox", "status", "createdAt"}
    assert made.keys() == said | {"webhookSecret"}
    assert (made["name"], made["sandbox"], made["status"]) == ("Paper shop", True, "active")
    assert made["webhookSecret"] is None
    tenant = Tenant(house, made)
    tenant.token = await tenant.login()
    for page in (ME, CREDENTIALS, PROVIDERS):
        assert made["appSecret"] not in (await tenant.call("GET", page)).text


async def test_namesakes_are_told_apart(house: House) -> None:
    one, two = await house.tenant(name="Büro & Co."), await house.tenant(name="Büro & Co.")
    assert one.registered["appName"] != two.registered["appName"]
    assert (await two.call("GET", ME)).json()["id"] == two.id


async def test_a_tenant_knows_itself(house: House) -> None:
    tenant = await house.tenant(organization="Paper Holding", sandbox=False)
    about = (await tenant.call("GET", ME)).json()
    assert (about["id"], about["appName"]) == (tenant.id, tenant.registered["appName"])
    assert (about["organization"], about["sandbox"], about["status"]) == ("Paper Holding", False, "active")
    assert about["settings"]["checkoutExpiresInSeconds"] == 900


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "https://192.168.1.1:8443/hook",
        "https://100.64.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00::1]/",
        "http://example.com/hook",
        "https://localhost.localdomain.internal/",
        "https://2130706433/",
        "https://0x7f.1/",
        "http://127.0.0.1.nip.io/",
        "http://127.0.0.2/",
        "ftp://example.com/",
        "https://user:word@example.com/",
    ],
)
async def test_a_webhook_goes_to_public_addresses_only(house: House, url: str) -> None:
    answer = await house.http.post(REGISTER, json=SHOP | {"webhookUrl": url}, headers=house.admin)
    no = refused(answer, 422, "validation_failed")
    assert [error["pointer"] for error in no["errors"]] == ["/webhookUrl"]
    assert url not in answer.text


async def test_a_developer_may_listen_on_his_own_machine(house: House) -> None:
    for url in ("http://localhost:9/hook", "http://127.0.0.1:9/hook", "https://example.com/hook"):
        tenant = await house.tenant(webhook_url=url)
        assert tenant.registered["webhookSecret"].startswith("whsec_")


# --- Provider accounts ----------------------------------------------------------------------------


async def test_a_provider_account_is_set_and_its_secrets_never_come_back(tenant: Tenant) -> None:
    sent, home = await keys(tenant), tenant.house.ready["apiUrl"]
    await tenant.call("DELETE", f"{PROVIDERS}/sandbox")
    answers = [await tenant.call("PUT", f"{PROVIDERS}/sandbox", json=sent)]
    answers += [await tenant.call("GET", page) for page in (PROVIDERS, ME)]
    account = answers[0].json()
    assert account.keys() == {"accountId", "provider", "webhookUrl", "createdAt"}
    assert account["webhookUrl"] == f"{home}/v1/billing/webhooks/sandbox/{account['accountId']}"
    well = {"state": "ok", "since": None, "lastFailure": None}
    assert answers[1].json() == {"data": [account | {"health": well}]}
    for secret in sent["credentials"].values():
        assert not any(secret in answer.text for answer in answers)


async def test_an_account_of_ones_own_takes_payments(tenant: Tenant, house: House) -> None:
    await tenant.call("DELETE", f"{PROVIDERS}/sandbox")
    await tenant.call("PUT", f"{PROVIDERS}/sandbox", json=await keys(tenant))
    payment = await tenant.open()
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    assert (await house.ledger(payment))["captures"][0]["account"] == f"shop-{tenant.id}"


async def test_secrets_rotate_under_an_account_and_running_payments_finish(
    tenant: Tenant, house: House
) -> None:
    (account,) = (await tenant.call("GET", PROVIDERS)).json()["data"]
    payment, (old, key) = await tenant.open(expiresInSeconds=3600), sandbox_keys(house, account["accountId"])
    new = {"apiKey": key, "webhookSecret": "whsec_" + b64(b"n" * 32), "previousWebhookSecret": old}
    answer = await tenant.call("PUT", f"{PROVIDERS}/sandbox", json={"credentials": new})
    assert answer.json() == {name: fact for name, fact in account.items() if name != "health"}
    await tenant.pay(payment)
    paid = await tenant.eventually(payment, "SUCCEEDED")
    assert paid["events"][-1]["cause"].startswith("evt_")


async def test_five_people_may_set_the_account_at_once(tenant: Tenant) -> None:
    await tenant.call("DELETE", f"{PROVIDERS}/sandbox")
    sent = await keys(tenant)
    answers = await asyncio.gather(*(tenant.call("PUT", f"{PROVIDERS}/sandbox", json=sent) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len({answer.json()["accountId"] for answer in answers}) == 1


async def test_without_an_account_there_are_no_new_payments_and_running_ones_finish(tenant: Tenant) -> None:
    payment = await tenant.open()
    answer = await tenant.call("DELETE", f"{PROVIDERS}/sandbox")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await tenant.call("GET", PROVIDERS)).json() == {"data": []}
    refused(await tenant.call("DELETE", f"{PROVIDERS}/sandbox"), 404, "not_found")
    no = refused(await tenant.create(), 422, "validation_failed")
    assert [error["pointer"] for error in no["errors"]] == ["/provider"]
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")


async def test_a_provider_nobody_knows_is_not_found(tenant: Tenant) -> None:
    sent = await keys(tenant)
    for name in ("paypal", "Sandbox", "sandbox%20", "s" * 900):
        refused(await tenant.call("PUT", f"{PROVIDERS}/{name}", json=sent), 404, "not_found")
        refused(await tenant.call("DELETE", f"{PROVIDERS}/{name}"), 404, "not_found")


async def test_an_account_may_not_point_into_our_own_network(tenant: Tenant) -> None:
    for url in ("http://169.254.169.254/", "https://10.0.0.1/", "http://example.com/"):
        answer = await tenant.call("PUT", f"{PROVIDERS}/sandbox", json=await keys(tenant) | {"apiBase": url})
        no = refused(answer, 422, "validation_failed")
        assert [error["pointer"] for error in no["errors"]] == ["/apiBase"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"apiKey": ""},
        {"apiKey": None},
        {"webhookSecret": "whsec_Y2FuYXJ5"},
        {"webhookSecret": "canary-that-is-long-enough-but-no-secret"},
        {"webhookSecret": "whsec_canary!canary!canary!canary!canary!"},
        {"previousWebhookSecret": "whsec_Y2FuYXJ5"},
        {"previousWebhookSecret": "canary-that-is-long-enough-but-no-secret"},
        {"canary": "canary"},
        {"apiKey": "sk_canary\r\nX-Canary: 1"},
        {"apiKey": "sk_canary_ä"},
    ],
)
async def test_secrets_that_open_nothing_are_refused_unseen(tenant: Tenant, wrong: Json) -> None:
    sent = await keys(tenant)
    sent["credentials"] |= wrong
    answer = await tenant.call("PUT", f"{PROVIDERS}/sandbox", json=sent)
    refused(answer, 422, "validation_failed")
    assert "canary" not in answer.text
    payment = await tenant.open()
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")


# --- Settings and suspension ----------------------------------------------------------------------


async def test_settings_change_one_at_a_time(tenant: Tenant) -> None:
    await tenant.call("PATCH", SETTINGS, json={"checkoutExpiresInSeconds": 1200})
    answer = await tenant.call("PATCH", SETTINGS, json={"defaultProvider": "sandbox"})
    chosen = {"checkoutExpiresInSeconds": 1200, "defaultProvider": "sandbox"}
    assert answer.json() == answer.json() | chosen
    about = (await tenant.call("GET", ME)).json()
    assert about["settings"] == about["settings"] | chosen
    assert (await tenant.call("PATCH", SETTINGS, json={})).json() == answer.json()


FREE_TEXTS = ("name", "address", "taxNumber", "email")


async def test_what_invoices_say_is_chosen_whole_and_may_be_taken_back(tenant: Tenant) -> None:
    nothing = (await tenant.call("PATCH", SETTINGS, json={})).json()
    usual = {"rateBasisPoints": 0, "inclusive": True, "label": "VAT"}
    facts = {"afterDunning": "cancel", "billingZone": "UTC", "tax": usual, "invoiceIssuer": None}
    assert nothing == nothing | facts
    chosen: Json = {
        "afterDunning": "unpaid",
        "billingZone": "Europe/Budapest",
        "tax": {"rateBasisPoints": 2700, "inclusive": False, "label": "ÁFA"},
        "invoiceIssuer": {"name": "Shop", "address": "A\nB", "taxNumber": "1-2-3", "email": "a@b.hu"},
    }
    assert (await tenant.call("PATCH", SETTINGS, json=chosen)).json() == nothing | chosen
    less = {"tax": {"rateBasisPoints": 500}, "invoiceIssuer": None}
    left = (await tenant.call("PATCH", SETTINGS, json=less)).json()
    assert left == nothing | chosen | {"tax": usual | {"rateBasisPoints": 500}, "invoiceIssuer": None}


async def test_settings_that_cannot_be_are_refused(tenant: Tenant) -> None:
    several: list[Json] = [
        *({"checkoutExpiresInSeconds": seconds} for seconds in (59, 86401, None)),
        *({"defaultProvider": name} for name in ("stripe", "")),
        {"sandbox": False},
        *({"afterDunning": word} for word in ("active", "", None)),
        *({"billingZone": zone} for zone in ("Mars/Base", "../etc/passwd", "localtime", "", None, 1)),
        *({"tax": {"rateBasisPoints": rate}} for rate in (-1, 10_001, 27.0, "2700", None)),
        *({"tax": tax} for tax in (None, {}, {"rateBasisPoints": 1, "label": ""})),
        *({"invoiceIssuer": issuer} for issuer in ({}, {"name": ""}, {"name": "a" * 161})),
        *({"invoiceIssuer": {"name": "a", member: "4242 4242 4242 4242"}} for member in FREE_TEXTS),
    ]
    for wrong in several:
        refused(await tenant.call("PATCH", SETTINGS, json=wrong), 422, "validation_failed")
    assert (await tenant.call("GET", ME)).json()["settings"]["checkoutExpiresInSeconds"] == 900


async def test_only_the_operator_suspends_and_resumes(tenant: Tenant, house: House) -> None:
    for deed, status in (("suspend", "suspended"), ("resume", "active")):
        path = f"/v1/tenants/{tenant.id}/{deed}"
        refused(await tenant.call("POST", path), 401, "unauthorized")
        refused(await house.http.post(path, headers={"X-Admin-Key": "adm_wrong"}), 401, "unauthorized")
        for _ in range(2):
            answer = await house.http.post(path, headers=house.admin)
            assert (answer.status_code, answer.json()["status"]) == (200, status)
        assert (await tenant.call("GET", ME)).json()["status"] == status
        unknown = path.replace(tenant.id, "ten_" + "0" * 26)
        refused(await house.http.post(unknown, headers=house.admin), 404, "not_found")


# --- The trail ------------------------------------------------------------------------------------


async def trail(tenant: Tenant) -> list[Json]:
    return await tenant.rows("SELECT * FROM audit_records ORDER BY id")


async def test_what_an_owner_does_leaves_a_line_with_who_and_why(tenant: Tenant) -> None:
    mate = (await colleague(tenant, "operator")).registered["credentialId"]
    own, sandbox, account = f"{CREDENTIALS}/{mate}", f"{PROVIDERS}/sandbox", await tenant.account()
    _, login, added, _ = await trail(tenant)
    assert (login["action"], added["action"], added["resource"]) == ("tenant.login", "credential.added", mate)
    deeds: list[tuple[str, str, Json, str, str]] = [
        ("POST", f"{own}/rotate", {}, "credential.rotated", mate),
        ("DELETE", own, {}, "credential.revoked", mate),
        ("PUT", sandbox, await keys(tenant), "provider_account.set", account),
        ("DELETE", sandbox, {}, "provider_account.retired", "sandbox"),
        ("PATCH", SETTINGS, {}, "tenant.settings_changed", tenant.id),
    ]
    for method, path, body, action, resource in deeds:
        assert (await tenant.call(method, path, json=body, headers={"X-Request-Id": action})).is_success
        line = (await trail(tenant))[-1]
        assert (line["action"], line["resource"], line["correlation_id"]) == (action, resource, action)
        assert line["actor"] == f"owner:owner:{login['resource']}"


async def test_what_the_operator_of_the_platform_does_leaves_a_line(tenant: Tenant, house: House) -> None:
    for deed in ("suspend", "resume"):
        answer = await house.http.post(f"/v1/tenants/{tenant.id}/{deed}", headers=house.admin)
        assert answer.is_success, answer.text
    lines = [line for line in await trail(tenant) if line["actor"] == "platform"]
    assert [line["action"] for line in lines] == ["tenant.registered", "tenant.suspended", "tenant.resumed"]
    assert {line["resource"] for line in lines} == {tenant.id}


async def test_a_payment_leaves_a_line_with_who_asked_and_who_answered(tenant: Tenant) -> None:
    operator = await colleague(tenant, "operator")
    body, headers = SHOP_ORDER, {"Idempotency-Key": "key", "X-Request-Id": "the-order"}
    payment = (await operator.call("POST", "/v1/payments", json=body, headers=headers)).json()
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    lines = [line for line in await trail(tenant) if line["resource"] == payment["id"]]
    assert [line["action"] for line in lines] == ["payment.created", "payment.pending", "payment.succeeded"]
    assert lines[0]["correlation_id"] == "the-order"
    assert lines[0]["actor"].startswith("operator:the operator:crd_")
    assert {line["actor"] for line in lines[1:]} == {"provider:sandbox"}


async def test_refused_deeds_leave_that_they_were_refused_and_nothing_else(tenant: Tenant) -> None:
    reader = await colleague(tenant, "readonly")
    before = await trail(tenant)
    refused(await reader.create(), 403, "forbidden")
    refused(await reader.call("PATCH", SETTINGS, json={}), 403, "forbidden")
    refused(await tenant.create(amount=1), 422, "amount_out_of_range")
    after = await trail(tenant)
    assert after[: len(before)] == before
    assert [line["failure"] for line in after[len(before) :]] == [
        "forbidden",
        "forbidden",
        "amount_out_of_range",
    ]
