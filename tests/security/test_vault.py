"""Stored secrets are of no use where they do not belong, and their keys change while payments go on."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev import Platform
from storage import accounts, data_keys
from storage.vault import Vault
from storage.wrapping import LocalKeys
from tests.house import House, Json, Receiver, Tenant
from tests.stories.test_commands import paysaga
from tests.vault_company import VaultCompany, token_file
from tests.world import world_of

# Counted sixty times as fast, it outlasts a restart of everything.
DAY: Json = {"expiresInSeconds": 86_400}


def fresh_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def vault_key(house: House) -> str:
    return str(json.loads((house.data_dir / "secrets.json").read_text())["vault_key"])


# --- Somebody who can write to the database ---------------------------------------------------------


async def swapped(house: House, change: str, *arguments: Any) -> None:
    async with house.database(role="postgres") as db:
        assert await db.execute(change, *arguments) == "UPDATE 1"


async def test_a_secret_that_was_put_into_another_row_column_or_tenant_does_not_open(
    house: House, receiver: Receiver
) -> None:
    us, them = [await house.tenant(receiver.url) for _ in range(2)]
    account, endpoint = await us.account(), (await us.rows("SELECT id FROM webhook_endpoints"))[0]["id"]
    their_account = await them.account()
    set_secrets = "UPDATE provider_accounts SET secrets = ({}) WHERE id = $1"
    async with world_of(house) as world:

        async def opens(tenant: Tenant, account: str) -> None:
            async with world.database.tenant(tenant.id) as tx:
                await accounts.unlock(tx, world.vault, account)

        await opens(us, account)
        kept = (await us.rows("SELECT secrets FROM provider_accounts"))[0]["secrets"]
        for elsewhere, source in (
            ("SELECT secrets FROM provider_accounts WHERE id = $2", their_account),
            ("SELECT secret FROM webhook_endpoints WHERE id = $2", endpoint),
        ):
            await swapped(house, set_secrets.format(elsewhere), account, source)
            with pytest.raises(PermissionError):
                await opens(us, account)
        await swapped(house, set_secrets.format("$2"), account, kept)
        # Their whole envelope in our rows: key and secret fit each other, and not the place.
        data_key = (await us.rows("SELECT data_key FROM tenants"))[0]["data_key"]
        steal = "UPDATE tenants SET data_key = (SELECT data_key FROM tenants WHERE id = $2) WHERE id = $1"
        await swapped(house, steal, us.id, them.id)
        with pytest.raises(PermissionError):
            await opens(us, account)
        await swapped(house, "UPDATE tenants SET data_key = $2 WHERE id = $1", us.id, data_key)
        await opens(us, account)


# --- Keys that change -------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_tenants_new_data_key_seals_all_its_secrets_anew_and_payments_go_on(
    house: House, receiver: Receiver
) -> None:
    tenant = await house.tenant(receiver.url)
    payment = await tenant.open(**DAY)
    (endpoint,) = (await tenant.call("GET", "/v1/webhook-endpoints")).json()["data"]
    rotated = await tenant.call("POST", f"/v1/webhook-endpoints/{endpoint['id']}/rotate-secret", json={})
    assert rotated.status_code == 200, rotated.text

    async def held() -> list[bytes]:
        rows = await tenant.rows(
            "SELECT data_key AS held FROM tenants UNION ALL SELECT secrets FROM provider_accounts UNION ALL"
            " SELECT unnest(ARRAY[secret, previous_secret]) FROM webhook_endpoints"
        )
        return [row["held"] for row in rows]

    before = await held()
    code, printed = await paysaga("vault", "rotate", tenant.id, house=house)
    assert code == 0, printed
    assert "3 secrets" in printed
    assert not {*before} & {*await held()}
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await receiver.event("payment.succeeded")


async def test_whoever_changes_a_key_first_wins_and_the_other_finds_it_done(
    house: House, tenant: Tenant
) -> None:
    async with world_of(house) as world:
        newer = Vault([LocalKeys([os.urandom(32), base64.b64decode(vault_key(house))])])
        (found,) = [key async for id_, key in data_keys.every(world.database) if id_ == tenant.id]
        fresh = await world.vault.new_data_key(tenant.id)
        async with world.database.tenant(tenant.id) as tx:
            assert await data_keys.rotate(tx, world.vault, tenant.id, fresh) == 1
        # It had read the key before that, and would have put it back.
        assert not await data_keys.rewrap(world.database, newer, tenant.id, found)
        async with world.database.tenant(tenant.id) as tx:
            await accounts.unlock(tx, world.vault, await tenant.account())


@pytest.mark.slow
async def test_status_names_the_keys_and_none_of_their_bytes(house: House) -> None:
    code, printed = await paysaga("vault", "status", "--json", house=house)
    assert code == 0, printed
    told = json.loads(printed)
    assert told["current"].startswith("local:")
    assert told["tenants"][told["current"]] >= 1
    secret = vault_key(house)
    assert secret not in printed
    assert base64.b64decode(secret).hex() not in printed


def own_ports() -> int:
    """Where this process's house and others of its stories are not; nor connections that anybody opens."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 80 + 20 * number


@asynccontextmanager
async def running(folder: Path, ports: int, **settings: str) -> AsyncIterator[House]:
    """A platform of its own, told these settings. What one has begun, the next goes on with."""
    platform = Platform(
        folder,
        ports,
        time_scale=60,
        settings={f"PAYSAGA_{name.upper()}": it for name, it in settings.items()},
    )
    async with (
        platform,
        httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=15) as http,
    ):
        yield House(platform.ready, http, folder)


async def moved(house: House, tenant: Tenant, receiver: Receiver, to: str, **settings: str) -> None:
    """All keys are put under the current one while payments go on."""
    names = {f"PAYSAGA_{name.upper()}": it for name, it in settings.items()}
    stop = asyncio.Event()

    async def buyers() -> int:
        bought = 0
        while not stop.is_set() or not bought:
            await tenant.paid(**DAY)
            bought += 1
        return bought

    buying = asyncio.create_task(buyers())
    for _ in range(2):
        code, printed = await paysaga("vault", "rewrap", house=house, **names)
        assert code == 0, printed
    stop.set()
    assert await buying
    assert "0 tenants' keys" in printed
    code, printed = await paysaga("vault", "status", "--json", house=house, **names)
    told = json.loads(printed)
    assert (code, told["toRewrap"], [*told["tenants"]]) == (0, 0, [told["current"]])
    assert told["current"].startswith(to)
    await receiver.event("payment.succeeded")


async def goes_on(house: House, tenant: Tenant, payment: Json) -> None:
    """A payment from before is finished, and another one made."""
    tenant = Tenant(house, tenant.registered, tenant.token)
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await tenant.paid(**DAY)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_an_old_key_is_taken_away_after_a_rewrap_and_then_local_keys_give_way_to_vault(
    tmp_path: Path, receiver: Receiver
) -> None:
    old, new, ports = fresh_key(), fresh_key(), own_ports()
    async with running(tmp_path, ports, vault_keys=old) as house:
        tenant = await house.tenant(receiver.url)
        payments = [await tenant.open(**DAY) for _ in range(3)]
    both = {"vault_keys": f"{new},{old}"}
    async with running(tmp_path, ports, **both) as house:
        tenant.house = house
        await moved(house, tenant, receiver, "local:", **both)
        await goes_on(house, tenant, payments[0])
    async with VaultCompany.open() as company:
        vault = {"transit_address": company.url, "transit_token_file": str(token_file(tmp_path))}
        beside = {"vault_keys": new} | vault
        async with running(tmp_path, ports, **beside) as house:
            tenant.house = house
            await goes_on(house, tenant, payments[1])
            company.keys["paysaga"].rotate()
            await moved(house, tenant, receiver, "transit:transit/paysaga:v2", **beside)
        company.keys["paysaga"].min_decryption_version = 2
        # Nobody has the local key any more.
        async with running(tmp_path, ports, vault_keys="", **vault) as house:
            tenant.house = house
            await goes_on(house, tenant, payments[2])
            # Vault is away: who was served goes on, who was not is asked to come again.
            company.sealed = True
            await tenant.paid(**DAY)
            wish = {"name": "Late", "contactEmail": "late@example.com", "sandbox": True}
            answer = await house.http.post("/v1/tenants/register", json=wish, headers=house.admin)
            assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
            assert answer.headers["retry-after"]
            company.sealed = False
