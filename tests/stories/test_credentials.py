"""Credentials: what each role may do, and how secrets are rotated and revoked."""

import jwt
import pytest

from tests.house import House, Json, Tenant, eventually, refused
from tests.stories.tenancy import CREDENTIALS, LOGIN, ME, PROVIDERS, SETTINGS, colleague, keys

# --- Roles ----------------------------------------------------------------------------------------


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
@pytest.mark.slow
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
