"""Secrets are replaced while everybody goes on: two APIs behind a balancer, and not one failed request."""

import asyncio
import base64
import os
from pathlib import Path

import jwt
import pytest

from tests.house import House, Json, Tenant, eventually, refused
from tests.security.fleet import Fleet, Server, Trade
from tests.stories.tenancy import CREDENTIALS, ME, colleague

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def said_by(token: str) -> Json:
    said: Json = jwt.decode(token, options={"verify_signature": False})
    return said


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def created(tenant: Tenant) -> Json:
    """The answer to one and the same order, once its checkout is there: it is repeated until then."""

    async def look() -> Json | None:
        answer = await tenant.create("the-key", expiresInSeconds=86_400)
        assert answer.status_code in {201, 202}, answer.text
        return answer.json() if answer.status_code == 201 else None

    found: Json = await eventually(look)
    return found


async def opens(tenant: Tenant, payment: Json) -> int:
    """How the payment's own token is answered."""
    answer = await tenant.house.http.get(
        f"/v1/payments/{payment['id']}", params={"token": payment["checkoutToken"]}
    )
    return answer.status_code


async def test_signing_keys_rotate_without_one_failed_request(house: House, tmp_path: Path) -> None:
    async with Fleet.of(house, tmp_path) as fleet:
        through = fleet.house(house)
        shops = [await through.tenant() for _ in range(3)]
        shop = shops[0]
        first = await created(shop)
        old, old_token = fleet.setting("PAYSAGA_SIGNING_KEYS"), shop.token
        new, ((a,), _) = new_key(), await fleet.keys()
        async with Trade.of(shops) as trade:
            # 1. Known everywhere, before anything is signed with it.
            await fleet.roll(PAYSAGA_SIGNING_KEYS=f"{old},{new}")
            (_, b), other = await fleet.keys()
            assert other == [a, b]
            assert await created(shop) == first
            assert kid(await shop.login()) == a
            # 2. Now it signs, and what the old one signed is still good.
            await fleet.roll(PAYSAGA_SIGNING_KEYS=f"{new},{old}")
            assert await fleet.keys() == [[b, a]] * 2
            again = await created(shop)
            assert {name for name in first if first[name] != again[name]} == {"checkoutToken"}
            assert [kid(payment["checkoutToken"]) for payment in (first, again)] == [a, b]
            assert said_by(first["checkoutToken"]) == said_by(again["checkoutToken"])
            assert [await opens(shop, payment) for payment in (first, again)] == [200, 200]
            # 3. Nobody needs the old one any more. In life that takes a day and an hour.
            await trade.everybody_logs_in_anew()
            # 4. Gone.
            await fleet.roll(PAYSAGA_SIGNING_KEYS=new)
            assert await fleet.keys() == [[b]] * 2
            await trade.everybody_logs_in_anew()
        assert all(server.served > 10 for server in fleet.servers)
        assert [await opens(shop, payment) for payment in (first, again)] == [401, 200]
        shop.token = old_token
        refused(await shop.call("GET", ME), 401, "unauthorized")


async def test_a_key_that_signs_before_it_is_known_everywhere_fails_requests(
    house: House, tmp_path: Path
) -> None:
    """What the order of the steps is for, and that the test above would see it."""
    async with Fleet.of(house, tmp_path) as fleet:
        old = fleet.setting("PAYSAGA_SIGNING_KEYS")
        shop = await fleet.house(house).tenant()

        async def in_a_hurry() -> None:
            async with Trade.of([shop]) as trade:
                await fleet.restart(0, PAYSAGA_SIGNING_KEYS=f"{new_key()},{old}")
                await trade.everybody_logs_in_anew()

        with pytest.raises(AssertionError, match="unauthorized"):
            await in_a_hurry()


async def test_app_secrets_rotate_without_one_failed_login(house: House, tmp_path: Path) -> None:
    async with Fleet.of(house, tmp_path) as fleet:
        through = fleet.house(house)
        shops = [await through.tenant() for _ in range(3)]
        async with Trade.of(shops) as trade:
            for _ in range(2):
                before = [shop.registered["appSecret"] for shop in shops]
                new = [await rotated(shop) for shop in shops]
                # Programs go on with the one they have, until they are told of the next.
                await trade.everybody_logs_in_anew()
                for shop, secret in zip(shops, new, strict=True):
                    shop.registered["appSecret"] = secret
                await trade.everybody_logs_in_anew()
            # Without an overlap the one of before ends at once, in each of them.
            for shop in shops:
                shop.registered["appSecret"] = await rotated(shop, overlapSeconds=0)
        for server in fleet.servers:
            for shop, secret in zip(shops, before, strict=True):
                body = {"appName": shop.registered["appName"], "appSecret": secret}
                refused(await server.http.post("/v1/tenants/login", json=body), 401, "unauthorized")


async def rotated(shop: Tenant, **body: int) -> str:
    claims = said_by(shop.token)
    answer = await shop.call("POST", f"{CREDENTIALS}/{claims['client_id']}/rotate", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["appSecret"])


async def test_a_revocation_ends_a_token_within_a_minute_in_every_process(
    house: House, tmp_path: Path
) -> None:
    async with Fleet.of(house, tmp_path) as fleet:
        owner = await house.tenant()
        believed, unseen = await colleague(owner, "operator"), await colleague(owner, "operator")
        bearer = {"Authorization": f"Bearer {believed.token}"}
        for server in fleet.servers:
            assert (await server.http.get(ME, headers=bearer)).status_code == 200
        for mate in (believed, unseen):
            answer = await owner.call("DELETE", f"{CREDENTIALS}/{mate.registered['credentialId']}")
            assert answer.status_code == 204

        async def ends(server: Server) -> None:
            async def ended() -> bool | None:
                return (await server.http.get(ME, headers=bearer)).status_code == 401 or None

            # Believed for twenty seconds, and never longer for being asked again and again.
            await eventually(ended, within=60)
            refused(await server.http.get(ME, headers=bearer), 401, "unauthorized")
            stranger = {"Authorization": f"Bearer {unseen.token}"}
            refused(await server.http.get(ME, headers=stranger), 401, "unauthorized")

        await asyncio.gather(*(ends(server) for server in fleet.servers))


async def test_the_admin_key_is_rotated_while_both_are_let_in(house: House, tmp_path: Path) -> None:
    async with Fleet.of(house, tmp_path) as fleet:
        old, new = fleet.setting("PAYSAGA_ADMIN_KEY"), "adm_" + new_key()
        tenant = await house.tenant()

        async def answers(key: str) -> list[int]:
            path, shown = f"/v1/tenants/{tenant.id}/resume", {"X-Admin-Key": key}
            return [(await server.http.post(path, headers=shown)).status_code for server in fleet.servers]

        await fleet.roll(PAYSAGA_ADMIN_KEY=new, PAYSAGA_PREVIOUS_ADMIN_KEY=old)
        assert [await answers(key) for key in (old, new, f"{old},{new}", "")] == [
            [200] * 2,
            [200] * 2,
            [401] * 2,
            [401] * 2,
        ]
        await fleet.roll(PAYSAGA_ADMIN_KEY=new, PAYSAGA_PREVIOUS_ADMIN_KEY="")
        assert [await answers(key) for key in (old, new, "")] == [[401] * 2, [200] * 2, [401] * 2]
        actors = await tenant.rows("SELECT DISTINCT actor FROM audit_records WHERE action = 'tenant.resumed'")
        assert [row["actor"] for row in actors] == ["platform"]
