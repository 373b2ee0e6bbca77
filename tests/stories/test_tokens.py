"""Logins and tokens: what they say, how long they hold, and that no forged one opens anything."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.tokens import Tokens
from domain.tenant import Credential, Role
from tests.house import House, Json, Tenant, refused
from tests.stories.tenancy import LOGIN, ME

DAY = 86_400


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
        id=claims["client_id"], tenant_id=tenant.id, name="owner", role=Role.OWNER, version=1, revoked=False
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
