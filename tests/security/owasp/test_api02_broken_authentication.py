"""OWASP API2:2023. Who one is, is proven by the whole secret at the one place for it, or not at all.

Forged tokens: ``tests/security/test_tokens.py``; guessing: ``test_limits.py``; ending what is stolen:
``test_rotation.py``.
"""

import asyncio
from typing import Any

import jwt
import pytest

from tests.house import House, Tenant, refused
from tests.stories.tenancy import LOGIN, ME, colleague


async def test_a_secret_opens_only_the_app_it_was_made_for(tenant: Tenant, house: House) -> None:
    other = await house.tenant()
    mixed = {"appName": other.registered["appName"], "appSecret": tenant.registered["appSecret"]}
    refused(await house.http.post(LOGIN, json=mixed), 401, "unauthorized")


@pytest.mark.parametrize("cut", [1, 8, 40])
async def test_no_part_of_a_secret_is_enough(tenant: Tenant, house: House, cut: int) -> None:
    body = {"appName": tenant.registered["appName"], "appSecret": tenant.registered["appSecret"][:-cut]}
    refused(await house.http.post(LOGIN, json=body), 401, "unauthorized")


async def test_secrets_are_not_taken_from_addresses_cookies_or_basic_authentication(
    tenant: Tenant, house: House
) -> None:
    app, secret = tenant.registered["appName"], tenant.registered["appSecret"]
    ways: tuple[Any, ...] = (
        {"params": {"access_token": tenant.token}},
        {"params": {"token": tenant.token}},
        {"headers": {"Cookie": f"access_token={tenant.token}; paysaga_session={tenant.token}"}},
        {"headers": {"X-Api-Key": secret}},
        {"auth": (app, secret)},
    )
    for more in ways:
        refused(await house.http.get(ME, **more), 401, "unauthorized")


async def test_a_token_says_nothing_of_how_its_bearer_logged_in(tenant: Tenant) -> None:
    claims = jwt.decode(tenant.token, options={"verify_signature": False})
    said = str(claims)
    assert tenant.registered["appSecret"] not in said
    assert claims.keys() <= {
        *("iss", "aud", "sub", "client_id", "name", "role", "ver", "jti", "iat", "nbf", "exp"),
    }


async def test_a_role_is_the_credentials_and_no_wish_of_the_bearer(tenant: Tenant, house: House) -> None:
    reader = await colleague(tenant, "readonly")
    body = {"appName": tenant.registered["appName"], "appSecret": reader.registered["appSecret"]}
    refused(await house.http.post(LOGIN, json=body | {"role": "owner"}), 422, "validation_failed")
    again = await house.http.post(LOGIN, json=body, headers={"X-Role": "owner"})
    reader.token = again.json()["accessToken"]
    refused(await reader.create(), 403, "forbidden")


async def test_others_are_served_while_many_secrets_are_being_checked(house: House) -> None:
    """Checking one takes tens of milliseconds of a core: the loop must not be the one to spend them."""
    wrong = {"appName": "nobody-00000000", "appSecret": "pss_" + "x" * 60}
    logins = [asyncio.create_task(house.http.post(LOGIN, json=wrong)) for _ in range(8)]
    done = asyncio.gather(*logins)
    assert (await house.http.get("/livez")).status_code == 200
    assert not done.done(), "an answer in between"
    assert {answer.status_code for answer in await done} <= {401, 429}
