"""Tokens that were not issued for what they are shown for: every kind is refused, in the very same words."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import httpx
import pytest

from tests.house import House, Json, Tenant, refused
from tests.security.forger import Forger
from tests.security.forgeries import FORGERIES, STRANGER
from tests.stories.tenancy import CREDENTIALS, ME, colleague

SAME = {"X-Request-Id": "the-same"}
# Reading, commands with a body and without one, an administrator's, and one that reads its token by itself.
DOORS = (
    ("GET", ME),
    ("POST", "/v1/payments"),
    ("GET", "/v1/payments/pay_x"),
    ("POST", "/v1/payments/pay_x/cancel"),
    ("DELETE", f"{CREDENTIALS}/crd_x"),
    ("GET", "/v1/reports/payments.csv"),
)


@dataclass(frozen=True)
class Scene:
    """A tenant with an open payment, a stranger, and a server of an attacker's that nobody should call."""

    tenant: Tenant
    payment: Json
    stranger: Tenant
    access: Forger
    checkout: Forger
    no: bytes
    """What somebody is told who shows nothing at all."""
    trapped: list[object]

    async def shows(self, token: str, method: str = "GET", path: str = ME) -> httpx.Response:
        """Show this as an access token."""
        bearer = httpx.Headers({"Authorization": f"Bearer {token}".strip(), **SAME}, encoding="utf-8")
        return await self.tenant.house.http.request(method, path, headers=bearer)

    async def looks(self, token: str) -> httpx.Response:
        """Show this as the payment's checkout token."""
        path = f"/v1/payments/{self.payment['id']}"
        return await self.tenant.house.http.get(path, params={"token": token}, headers=SAME)


@pytest.fixture(scope="module")
async def scene(house: House) -> AsyncIterator[Scene]:
    tenant, stranger = await house.tenant(), await house.tenant()
    payment = await tenant.open(expiresInSeconds=86_400)
    nothing = await house.http.get(ME, headers=SAME)
    refused(nothing, 401, "unauthorized")
    trapped: list[object] = []

    def caught(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trapped.append(writer.get_extra_info("peername"))
        writer.close()

    async with await asyncio.start_server(caught, "127.0.0.1", 0) as server:
        trap = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
        access, checkout = (
            Forger(tenant, token, stranger, trap) for token in (tenant.token, payment["checkoutToken"])
        )
        yield Scene(tenant, payment, stranger, access, checkout, nothing.content, trapped)


@pytest.mark.parametrize("kind", FORGERIES)
async def test_a_forged_access_token_opens_nothing_and_is_told_nothing(scene: Scene, kind: str) -> None:
    for (name, forge), door in zip(FORGERIES[kind]().items(), cycle(DOORS), strict=False):
        answer = await scene.shows(forge(scene.access), *door)
        assert answer.content == scene.no, name
        assert answer.headers["www-authenticate"] == "Bearer", name
    assert scene.trapped == []


@pytest.mark.parametrize("kind", FORGERIES)
async def test_a_forged_checkout_token_opens_nothing_and_is_told_nothing(scene: Scene, kind: str) -> None:
    for name, forge in FORGERIES[kind]().items():
        assert (await scene.looks(forge(scene.checkout))).content == scene.no, name
    assert scene.trapped == []


async def test_what_the_forger_makes_opens_when_nothing_about_it_is_wrong(scene: Scene) -> None:
    for token in (scene.access.token, scene.access.sign(), scene.access.sign(later="claims are passed over")):
        assert (await scene.shows(token)).status_code == 200
    for token in (scene.checkout.token, scene.checkout.sign()):
        assert (await scene.looks(token)).status_code == 200


# --- Claims that only access tokens have ----------------------------------------------------------

ODD_CLAIMS: dict[str, tuple[Any, ...]] = {
    "client_id": (None, 1, [], "", "crd_" + "0" * 26, "\0", "'; --"),
    "name": (None, 1, [], "", "somebody else"),
    "role": (None, 1, [], "", "emperor", "OWNER", ["owner"], "readonly"),
    "ver": (0, 2, -1, "1", 1.0, True, None, 10**30, []),
    "jti": (None, 1, []),
    "sub": ("", "ten_" + "0" * 26, "'; DROP TABLE tenants; --"),
}


@pytest.mark.parametrize("name", ODD_CLAIMS)
async def test_a_token_says_of_its_credential_what_is_so(scene: Scene, name: str) -> None:
    """Even one that we have signed: its credential is to have this very tenant, name, role and version."""
    for value in ODD_CLAIMS[name]:
        assert (await scene.shows(scene.access.sign(**{name: value}))).content == scene.no, value
    assert (await scene.shows(scene.access.without(name))).content == scene.no


async def test_a_credential_is_good_for_its_own_tenant_only(scene: Scene) -> None:
    theirs = scene.access.of(scene.stranger)
    crossed = [
        scene.access.sign(client_id=theirs.claims["client_id"]),
        scene.access.sign(sub=theirs.claims["sub"]),
        theirs.swapped(sub=scene.tenant.id),
        f"{theirs.head}.{scene.access.body}.{theirs.signature}",
    ]
    for token in crossed:
        assert (await scene.shows(token)).content == scene.no


async def test_a_token_that_was_good_is_refused_in_the_same_words_once_its_credential_is_not(
    scene: Scene,
) -> None:
    mate = await colleague(scene.tenant, "operator")
    path = f"{CREDENTIALS}/{mate.registered['credentialId']}"
    assert (await scene.tenant.call("DELETE", path)).status_code == 204
    older = scene.access.of(mate)
    for token in (mate.token, older.sign(ver=2), older.sign(ver=1)):
        assert (await scene.shows(token)).content == scene.no


# --- One kind for another, and other ways to show a token -----------------------------------------


async def test_each_kind_of_token_opens_its_own_doors_only(scene: Scene) -> None:
    access, checkout = scene.access, scene.checkout
    for token in (checkout.token, checkout.sign({"typ": "at+jwt"}), checkout.swapped(sub=scene.tenant.id)):
        assert (await scene.shows(token)).content == scene.no
    for token in (access.token, access.sign({"typ": "checkout+jwt"}), access.swapped(ten=scene.tenant.id)):
        assert (await scene.looks(token)).content == scene.no
    # The payment's token beside a token of its tenant's is the one that counts.
    answer = await scene.tenant.call(
        "GET", f"/v1/payments/{scene.payment['id']}", params={"token": scene.access.token}, headers=SAME
    )
    assert answer.content == scene.no


async def test_a_payers_token_vouches_for_one_payment_of_one_tenant(scene: Scene) -> None:
    other = await scene.stranger.open()
    crossed = [
        scene.checkout.sign(sub=other["id"]),
        scene.checkout.sign(ten=scene.stranger.id),
        scene.checkout.sign(ten=""),
        scene.checkout.sign(sub="pay_" + "0" * 26),
        other["checkoutToken"],
    ]
    for token in crossed:
        refused(await scene.looks(token), 404, "not_found")
    for token in (scene.checkout.without("ten"), scene.checkout.sign(ten=1), scene.checkout.sign(ten=None)):
        assert (await scene.looks(token)).content == scene.no


async def test_a_token_that_has_run_out_says_so_and_only_if_it_was_good(scene: Scene) -> None:
    over = {"exp": scene.access.claims["nbf"] - 1}
    answer = await scene.shows(scene.access.sign(**over))
    assert refused(answer, 401, "token_expired")["retryable"] is False
    refused(await scene.looks(scene.checkout.sign(**over)), 401, "token_expired")
    for token in (scene.access.sign(key=STRANGER, **over), scene.access.swapped(**over)):
        assert (await scene.shows(token)).content == scene.no


SHOWN: dict[str, Callable[[str], list[tuple[str, str]]]] = {
    "twice": lambda good: [("Authorization", f"Bearer {good}")] * 2,
    "and another": lambda good: [("Authorization", f"Bearer {good}"), ("Authorization", "Bearer x")],
    "after another": lambda good: [("Authorization", "Bearer x"), ("Authorization", f"Bearer {good}")],
    "beside a password": lambda good: [("Authorization", f"Bearer {good}"), ("authorization", "Basic eDp5")],
    "in one header": lambda good: [("Authorization", f"Bearer {good}, Bearer {good}")],
    "Bearer Bearer": lambda good: [("Authorization", f"Bearer Bearer {good}")],
    "after a colon": lambda good: [("Authorization", f"Bearer: {good}")],
    "in quotes": lambda good: [("Authorization", f'Bearer "{good}"')],
    "with parameters": lambda good: [("Authorization", f'Bearer token="{good}"')],
    "with more behind it": lambda good: [("Authorization", f"Bearer {good} x")],
    "without a scheme": lambda good: [("Authorization", good)],
    "another scheme": lambda good: [("Authorization", f"Token {good}")],
    "a basic scheme": lambda good: [("Authorization", f"Basic {good}")],
    "a proxy's header": lambda good: [("Proxy-Authorization", f"Bearer {good}")],
    "a header of one's own": lambda good: [("X-Access-Token", good), ("X-Forwarded-Authorization", good)],
    "a cookie": lambda good: [("Cookie", f"token={good}; accessToken={good}; Authorization=Bearer {good}")],
    "no header": lambda _: [],
}


@pytest.mark.parametrize("name", SHOWN)
async def test_a_token_is_shown_once_and_in_one_place(scene: Scene, name: str) -> None:
    http = scene.tenant.house.http
    headers = [*SHOWN[name](scene.access.token), *SAME.items()]
    assert (await http.get(ME, headers=headers)).content == scene.no
    # RFC 6750 also knows these two places; addresses end up in logs.
    for query in ({"access_token": scene.access.token}, {"token": scene.access.token}):
        assert (await http.get(ME, headers=headers, params=query)).content == scene.no
    answer = await http.post("/v1/payments", headers=headers, json={"access_token": scene.access.token})
    assert answer.content == scene.no


async def test_an_app_secret_is_not_a_token(scene: Scene) -> None:
    app, secret = (scene.tenant.registered[name] for name in ("appName", "appSecret"))
    assert (await scene.shows(secret)).content == scene.no
    answer = await scene.tenant.house.http.get(ME, auth=(app, secret), headers=SAME)
    assert answer.content == scene.no


async def test_an_admin_key_is_shown_once_and_in_one_place(scene: Scene) -> None:
    house, path = scene.tenant.house, f"/v1/tenants/{scene.tenant.id}/resume"
    key = house.ready["adminKey"]
    shown: list[list[tuple[str, str]]] = [
        [],
        [("X-Admin-Key", key)] * 2,
        [("X-Admin-Key", "adm_wrong"), ("X-Admin-Key", key)],
        [("X-Admin-Key", "")],
        [("X-Admin-Key", f"{key}x")],
        [("X-Admin-Key", key[:-1])],
        [("X-Admin-Key", key.swapcase())],
        [("X-Admin-Key", f"{key},{key}")],
        [("Authorization", f"Bearer {key}")],
        [("Authorization", f"Bearer {scene.access.token}")],
        [("X-Admin-Key", scene.access.token)],
        [("Cookie", f"X-Admin-Key={key}")],
    ]
    for headers in shown:
        answer = await house.http.post(path, headers=[*headers, *SAME.items()])
        assert answer.content == scene.no
    assert (await house.http.post(path, headers=house.admin)).status_code == 200
