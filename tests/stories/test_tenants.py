"""Tenants: how they come to be, who may act for them, and what each may do."""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.tokens import Tokens
from domain.tenant import Credential, Role
from tests.house import House, Json, Tenant, b64, eventually, refused, sandbox_keys

REGISTER, LOGIN, ME = "/v1/tenants/register", "/v1/tenants/login", "/v1/tenants/me"
CREDENTIALS, PROVIDERS, SETTINGS = f"{ME}/credentials", f"{ME}/providers", f"{ME}/settings"
SHOP = {"name": "Paper shop", "contactEmail": "owner@example.com", "sandbox": True}
SHOP_ORDER = {"userId": "user-123", "amount": 1990000, "currency": "HUF"}
DAY = 86_400


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


# --- Login and tokens -----------------------------------------------------------------------------


async def test_a_login_answers_with_a_token_for_a_day(tenant: Tenant, house: House) -> None:
    body = {name: tenant.registered[name] for name in ("appName", "appSecret")}
    said = (await house.http.post(LOGIN, json=body)).json()
    assert said.keys() == {"accessToken", "tokenType", "expiresIn", "tenantId", "appName"}
    assert (said["tokenType"], said["expiresIn"]) == ("Bearer", DAY)
    assert (said["tenantId"], said["appName"]) == (tenant.id, tenant.registered["appName"])


async def test_failed_logins_do_not_tell_why(tenant: Tenant, house: House) -> None:
    app, secret = tenant.registered["appName"], tenant.registered["appSecret"]
    stranger = (await house.tenant()).registered
    answers = [
        await house.http.post(
            LOGIN, json={"appName": name, "appSecret": word}, headers={"X-Request-Id": "the-same"}
        )
        for name, word in [
            (app, secret[:-1] + ("A" if secret[-1] != "A" else "B")),
            (app, "nonsense"),
            (app, "pss_"),
            (app, stranger["appSecret"]),
            (stranger["appName"], secret),
            ("nobody-00000000", secret),
            (app.upper(), secret),
        ]
    ]
    assert {answer.content for answer in answers} == {answers[0].content}
    refused(answers[0], 401, "unauthorized")


async def test_a_token_verifies_against_the_published_keys(tenant: Tenant, house: House) -> None:
    keys = jwt.PyJWKSet.from_dict((await house.http.get("/.well-known/jwks.json")).json())
    header = jwt.get_unverified_header(tenant.token)
    assert (header["alg"], header["typ"]) == ("EdDSA", "at+jwt")
    home = house.ready["apiUrl"]
    claims = jwt.decode(tenant.token, keys[header["kid"]], ["EdDSA"], audience=home, issuer=home)
    assert claims["sub"] == tenant.id
    assert claims["exp"] - claims["iat"] == DAY
    assert (claims["role"], claims["name"]) == ("owner", "owner")


async def test_published_keys_are_public_halves_only(house: House) -> None:
    (key,) = (await house.http.get("/.well-known/jwks.json")).json()["keys"]
    assert key.keys() == {"kty", "crv", "use", "alg", "kid", "x"}


def signing_seed(house: House) -> bytes:
    """The platform's own signing key: what no outsider has."""
    return base64.b64decode(json.loads((house.data_dir / "secrets.json").read_text())["signing_key"])


async def test_an_expired_token_says_so(tenant: Tenant, house: House) -> None:
    claims = jwt.decode(tenant.token, options={"verify_signature": False})
    owner = Credential(
        id=claims["cid"], tenant_id=tenant.id, name="owner", role=Role.OWNER, version=1, revoked=False
    )
    maker = Tokens([signing_seed(house)], house.ready["apiUrl"], timedelta(seconds=DAY))
    now = datetime.now(UTC)
    tenant.token = maker.access(owner, now)
    assert (await tenant.call("GET", ME)).status_code == 200
    tenant.token = maker.access(owner, now - timedelta(seconds=DAY + 1))
    assert refused(await tenant.call("GET", ME), 401, "token_expired")["retryable"] is False


class Forger:
    """Makes tokens that nearly hold."""

    def __init__(self, tenant: Tenant) -> None:
        self.seed = signing_seed(tenant.house)
        self.key = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.token = tenant.token
        self.header = jwt.get_unverified_header(tenant.token)
        self.claims = jwt.decode(tenant.token, options={"verify_signature": False})

    def sign(self, header: Json | None = None, key: Any = None, alg: str = "EdDSA", **claims: Any) -> str:
        """The tenant's own token, but for these members; None leaves one out."""
        said = {name: value for name, value in (self.claims | claims).items() if value is not None}
        return jwt.encode(said, key or self.key, alg, headers=self.header | (header or {}))

    def unsigned(self, **header: str) -> str:
        """The claims with no signature at all, which RFC 7519 calls unsecured."""
        return jwt.encode(self.claims, cast("str", None), "none", headers=header)

    def swapped(self, **claims: object) -> str:
        """Other claims under the signature that was made for the true ones."""
        head, _, signature = self.token.split(".")
        payload = base64.urlsafe_b64encode(json.dumps(self.claims | claims).encode()).rstrip(b"=")
        return f"{head}.{payload.decode()}.{signature}"


STRANGERS_KEY = Ed25519PrivateKey.generate()
ENCLOSED = {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, "jku": "https://example.com/jwks"}
FORGERIES: dict[str, Callable[[Forger], str]] = {
    "no algorithm": lambda forger: forger.unsigned(typ="at+jwt"),
    "no algorithm under our kid": lambda forger: forger.unsigned(typ="at+jwt", kid=forger.header["kid"]),
    "the public key as a password": lambda forger: forger.sign(
        {"alg": "HS256"}, key=forger.key.public_key().public_bytes_raw(), alg="HS256"
    ),
    "a key nobody knows": lambda forger: forger.sign({"kid": "unknown"}),
    "a kid with a path": lambda forger: forger.sign({"kid": "../../../dev/null"}),
    "a stranger's key": lambda forger: forger.sign(key=STRANGERS_KEY),
    "a stranger's key, enclosed": lambda forger: forger.sign(ENCLOSED, key=STRANGERS_KEY),
    "an ordinary JWT": lambda forger: forger.sign({"typ": "JWT"}),
    "a checkout token's kind": lambda forger: forger.sign({"typ": "checkout+jwt"}),
    "for another audience": lambda forger: forger.sign(aud="https://example.com"),
    "from another issuer": lambda forger: forger.sign(iss="https://example.com"),
    "never ending": lambda forger: forger.sign(exp=None),
    "of no time": lambda forger: forger.sign(exp="tomorrow"),
    "from the future": lambda forger: forger.sign(nbf=forger.claims["nbf"] + 3600),
    "about nobody": lambda forger: forger.sign(sub=None),
    "of no role": lambda forger: forger.sign(role="emperor"),
    "of an older version": lambda forger: forger.sign(ver=0),
    "of another tenant": lambda forger: forger.sign(sub="ten_" + "0" * 26),
    "promoted": lambda forger: forger.swapped(role="owner", name="x"),
    "prolonged": lambda forger: forger.swapped(exp=forger.claims["exp"] + 1),
    "its signature cut off": lambda forger: forger.token.rsplit(".", 1)[0] + ".",
    "its signature bent": lambda forger: forger.token[:-9] + forger.token[-9:].swapcase(),
    "empty": lambda _: "",
    "dots": lambda _: "..",
    "garbage": lambda _: "not.a.token",
    "unicode": lambda _: "ä.ö.ü",
    "very long": lambda forger: forger.token + "A" * 8000,
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token_opens_nothing(tenant: Tenant, house: House, name: str) -> None:
    token = FORGERIES[name](Forger(tenant))
    bearer = httpx.Headers({"Authorization": f"Bearer {token}".strip()}, encoding="utf-8")
    refused(await house.http.get(ME, headers=bearer), 401, "unauthorized")
    refused(await house.http.post("/v1/payments", headers=bearer), 401, "unauthorized")


async def test_other_ways_to_say_who_one_is_are_not_understood(tenant: Tenant, house: House) -> None:
    app, secret = tenant.registered["appName"], tenant.registered["appSecret"]
    for headers in ({}, {"Authorization": tenant.token}, {"Authorization": f"Token {tenant.token}"}):
        refused(await house.http.get(ME, headers=headers), 401, "unauthorized")
    refused(await house.http.get(ME, auth=(app, secret)), 401, "unauthorized")
    refused(await house.http.get(ME, params={"token": tenant.token}), 401, "unauthorized")
    refused(await house.http.get(ME, headers={"Cookie": f"token={tenant.token}"}), 401, "unauthorized")


# --- Roles ----------------------------------------------------------------------------------------


async def colleague(tenant: Tenant, role: str) -> Tenant:
    """A second person of the same tenant, logged in with a secret of their own."""
    answer = await tenant.call("POST", CREDENTIALS, json={"name": f"the {role}", "role": role})
    assert answer.status_code == 201, answer.text
    assert answer.json().keys() == {"id", "name", "role", "appSecret"}
    other = replace(tenant, registered=tenant.registered | {"appSecret": answer.json()["appSecret"]})
    other.registered["credentialId"] = answer.json()["id"]
    other.token = await other.login()
    return other


@pytest.mark.parametrize("role", ["readonly", "approver"])
async def test_who_may_only_read_cannot_trade(tenant: Tenant, role: str) -> None:
    payment, reader = await tenant.open(), await colleague(tenant, role)
    refused(await reader.create(), 403, "forbidden")
    refused(await reader.call("POST", f"/v1/payments/{payment['id']}/cancel"), 403, "forbidden")
    assert (await reader.get(payment))["status"] == "PROVIDER_PENDING"
    assert (await reader.call("GET", "/v1/payments")).json()["total"] == 1


@pytest.mark.parametrize("role", ["readonly", "approver", "operator"])
async def test_only_owners_administer(tenant: Tenant, role: str) -> None:
    mate = await colleague(tenant, role)
    own = f"{CREDENTIALS}/{mate.registered['credentialId']}"
    deeds: list[tuple[str, str, Json]] = [
        ("POST", CREDENTIALS, {"name": "me too", "role": "owner"}),
        ("POST", f"{own}/rotate", {}),
        ("PUT", f"{PROVIDERS}/sandbox", await keys(mate)),
        ("PATCH", SETTINGS, {"checkoutExpiresInSeconds": 60}),
    ]
    for method, path, body in deeds:
        refused(await mate.call(method, path, json=body), 403, "forbidden")
    refused(await mate.call("DELETE", own), 403, "forbidden")
    refused(await mate.call("DELETE", f"{PROVIDERS}/sandbox"), 403, "forbidden")


async def test_an_operator_trades_and_an_owner_does_everything(tenant: Tenant) -> None:
    operator, owner = await colleague(tenant, "operator"), await colleague(tenant, "owner")
    payment = await operator.open()
    answer = await owner.call("POST", f"/v1/payments/{payment['id']}/cancel")
    assert answer.json()["status"] == "CANCELLED"
    assert (await colleague(owner, "readonly")).id == tenant.id
    claims = jwt.decode(operator.token, options={"verify_signature": False})
    assert (claims["role"], claims["name"], claims["sub"]) == ("operator", "the operator", tenant.id)


# --- Credentials ----------------------------------------------------------------------------------


async def opens(tenant: Tenant, secret: str) -> bool:
    """Whether this secret still logs in."""
    body = {"appName": tenant.registered["appName"], "appSecret": secret}
    answer = await tenant.house.http.post(LOGIN, json=body)
    assert answer.status_code in {200, 401}, answer.text
    return answer.status_code == 200


async def rotated(tenant: Tenant, credential: str, **body: int) -> str:
    answer = await tenant.call("POST", f"{CREDENTIALS}/{credential}/rotate", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["appSecret"])


async def test_a_rotated_secret_works_beside_the_new_one_and_two_is_the_most(tenant: Tenant) -> None:
    mate = (await colleague(tenant, "operator")).registered
    first = mate["appSecret"]
    second = await rotated(tenant, mate["credentialId"])
    assert [await opens(tenant, secret) for secret in (first, second)] == [True, True]
    third = await rotated(tenant, mate["credentialId"])
    assert [await opens(tenant, secret) for secret in (first, second, third)] == [False, True, True]


async def test_a_secret_rotated_without_overlap_dies_at_once(tenant: Tenant) -> None:
    mate = (await colleague(tenant, "operator")).registered
    second = await rotated(tenant, mate["credentialId"], overlapSeconds=0)
    assert not await opens(tenant, mate["appSecret"])
    assert await opens(tenant, second)


async def test_an_overlap_ends(tenant: Tenant) -> None:
    mate = (await colleague(tenant, "operator")).registered
    await rotated(tenant, mate["credentialId"], overlapSeconds=2)
    assert await opens(tenant, mate["appSecret"])

    async def ended() -> bool | None:
        return None if await opens(tenant, mate["appSecret"]) else True

    await eventually(ended, within=10)


async def test_a_rotation_needs_no_body(tenant: Tenant) -> None:
    mate = (await colleague(tenant, "operator")).registered
    answer = await tenant.call("POST", f"{CREDENTIALS}/{mate['credentialId']}/rotate")
    assert await opens(tenant, answer.json()["appSecret"])
    assert await opens(tenant, mate["appSecret"])


async def test_a_revoked_credential_does_not_log_in(tenant: Tenant) -> None:
    mate = (await colleague(tenant, "operator")).registered
    path = f"{CREDENTIALS}/{mate['credentialId']}"
    answer = await tenant.call("DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert not await opens(tenant, mate["appSecret"])
    refused(await tenant.call("DELETE", path), 404, "not_found")
    refused(await tenant.call("POST", f"{path}/rotate"), 404, "not_found")
    listed = (await tenant.call("GET", CREDENTIALS)).json()["data"]
    assert [credential["name"] for credential in listed] == ["owner"]


@pytest.mark.timeout(60)
async def test_a_revocation_ends_tokens_that_are_out_already(tenant: Tenant) -> None:
    seen, unseen = await colleague(tenant, "operator"), await colleague(tenant, "operator")
    assert (await seen.call("GET", ME)).status_code == 200
    for mate in (seen, unseen):
        await tenant.call("DELETE", f"{CREDENTIALS}/{mate.registered['credentialId']}")
    refused(await unseen.call("GET", ME), 401, "unauthorized")

    async def ended() -> bool | None:
        return None if (await seen.call("GET", ME)).status_code == 200 else True

    # A token that was just verified is believed for a while.
    await eventually(ended, within=40)
    refused(await seen.call("GET", ME), 401, "unauthorized")


async def test_an_owner_cannot_lock_everybody_out(tenant: Tenant) -> None:
    (owner,) = (await tenant.call("GET", CREDENTIALS)).json()["data"]
    refused(await tenant.call("DELETE", f"{CREDENTIALS}/{owner['id']}"), 409, "illegal_transition")
    assert await opens(tenant, tenant.registered["appSecret"])


async def test_a_strangers_credential_looks_exactly_like_none(tenant: Tenant, house: House) -> None:
    mate = (await colleague(await house.tenant(), "operator")).registered
    for method, path in (("POST", "/{}/rotate"), ("DELETE", "/{}")):
        answers = [
            await tenant.call(method, CREDENTIALS + path.format(name), headers={"X-Request-Id": "the-same"})
            for name in (mate["credentialId"], "crd_" + "0" * 26)
        ]
        refused(answers[0], 404, "not_found")
        assert answers[0].content == answers[1].content
    assert await opens(Tenant(house, mate), mate["appSecret"])


# --- Provider accounts ----------------------------------------------------------------------------


async def keys(tenant: Tenant) -> Json:
    """What the payment company gives whoever opens an account of their own there."""
    known = await tenant.house.control("POST", "accounts", {"account": f"shop-{tenant.id}"})
    return {"credentials": {name: known[name] for name in ("apiKey", "webhookSecret")}}


async def test_a_provider_account_is_set_and_its_secrets_never_come_back(tenant: Tenant) -> None:
    sent, home = await keys(tenant), tenant.house.ready["apiUrl"]
    await tenant.call("DELETE", f"{PROVIDERS}/sandbox")
    answers = [await tenant.call("PUT", f"{PROVIDERS}/sandbox", json=sent)]
    answers += [await tenant.call("GET", page) for page in (PROVIDERS, ME)]
    account = answers[0].json()
    assert account.keys() == {"accountId", "provider", "webhookUrl", "createdAt"}
    assert account["webhookUrl"] == f"{home}/v1/billing/webhooks/sandbox/{account['accountId']}"
    assert answers[1].json() == {"data": [account]}
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
    assert answer.json() == account
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


async def test_settings_that_cannot_be_are_refused(tenant: Tenant) -> None:
    several: list[Json] = [
        *({"checkoutExpiresInSeconds": seconds} for seconds in (59, 86401, None)),
        *({"defaultProvider": name} for name in ("stripe", "")),
        {"sandbox": False},
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


async def test_refused_deeds_leave_nothing_behind(tenant: Tenant) -> None:
    reader = await colleague(tenant, "readonly")
    before = await trail(tenant)
    refused(await reader.create(), 403, "forbidden")
    refused(await reader.call("PATCH", SETTINGS, json={}), 403, "forbidden")
    refused(await tenant.create(amount=1), 422, "amount_out_of_range")
    assert await trail(tenant) == before
