"""Logins and tokens: what they say, and how long they hold. What opens nothing is in tests/security."""

import jwt

from tests.house import House, Tenant, refused
from tests.stories.tenancy import LOGIN

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
    assert claims.keys() >= {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}, "RFC 9068, section 2.2"
    assert (claims["role"], claims["name"]) == ("owner", "owner")


async def test_published_keys_are_public_halves_only(house: House) -> None:
    (key,) = (await house.http.get("/.well-known/jwks.json")).json()["keys"]
    assert key.keys() == {"kty", "crv", "use", "alg", "kid", "x"}
