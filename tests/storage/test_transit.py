"""Data keys wrapped by HashiCorp Vault: bound to their tenant, seldom fetched, at hand in an outage."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.errors import TemporarilyUnavailable
from installation import open_vault
from settings import KeySettings
from storage import transit
from storage.tables import provider_accounts
from storage.vault import Vault, place
from tests.house import eventually
from tests.vault_company import ROLE, SECRET_ID, TOKEN, TransitKey, VaultCompany, token_file

HERE = place(provider_accounts.c.secrets, "acc_1", "ten_1")
LOCAL_KEY = base64.b64encode(bytes(32)).decode()

Opened = Callable[..., AbstractAsyncContextManager[Vault]]


@pytest.fixture
async def company() -> AsyncIterator[VaultCompany]:
    async with VaultCompany.open() as company:
        yield company


@pytest.fixture
def opened(company: VaultCompany, tmp_path: Path) -> Opened:
    """A vault whose keys the company wraps, as an installation opens it: a process of its own, so to say."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Vault]:
        usual: dict[str, Any] = {
            "database_url": "postgresql://nobody",
            "transit_address": company.url,
            "transit_token_file": None if "transit_role_id" in settings else token_file(tmp_path),
        }
        async with open_vault(KeySettings(**usual | settings)) as vault:
            yield vault

    return opened


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may be slow, and after trouble the next one tries at once: but where that counts."""
    monkeypatch.setattr(transit, "_ANSWER_SECONDS", 30)
    monkeypatch.setattr(transit, "_TURN_SECONDS", 30)
    monkeypatch.setattr(transit, "_REST_SECONDS", 0)


async def test_another_process_opens_what_was_sealed_under_a_key_of_vaults(opened: Opened) -> None:
    async with opened() as one, opened() as other:
        data_key = await one.new_data_key("ten_1")
        assert data_key.startswith(b"transit:transit/paysaga:vault:v1:")
        assert await other.open(data_key, HERE, await one.seal(data_key, HERE, "secret")) == "secret"


async def test_a_key_that_is_at_hand_costs_no_call_and_goes_on_without_vault(
    company: VaultCompany, opened: Opened
) -> None:
    async with opened() as one, opened() as vault:
        data_key, stranger = await one.new_data_key("ten_1"), await one.new_data_key("ten_2")
        sealed = await vault.seal(data_key, HERE, "secret")
        company.asked.clear()
        company.sealed = True
        assert await vault.open(data_key, HERE, sealed) == "secret"
        assert company.asked == []
        with pytest.raises(TemporarilyUnavailable) as away:
            await vault.seal(stranger, HERE.replace("ten_1", "ten_2"), "secret")
        assert (away.value.retryable, away.value.status) == (True, 503)
        company.sealed = False
        await vault.seal(stranger, HERE.replace("ten_1", "ten_2"), "secret")


async def test_a_key_is_forgotten_when_its_time_is_up_used_or_not(
    company: VaultCompany, opened: Opened
) -> None:
    async with opened(data_key_life=timedelta(milliseconds=50)) as vault:
        await vault.new_data_key("ten_1")
        assert len(vault._at_hand) == 1

        async def forgotten() -> bool | None:
            return not vault._at_hand or None

        await eventually(forgotten)
    async with opened(data_key_life=timedelta(0)) as vault:
        data_key = await vault.new_data_key("ten_1")
        company.asked.clear()
        for _ in range(2):
            await vault.seal(data_key, HERE, "secret")
        assert len(company.asked) == 2


async def test_no_more_keys_are_at_hand_than_a_process_may_hold(opened: Opened) -> None:
    async with opened() as vault:
        small = Vault(vault._providers, most_at_hand=3)
        for number in range(5):
            await small.new_data_key(f"ten_{number}")
        assert [tenant for _, tenant in small._at_hand] == ["ten_2", "ten_3", "ten_4"]


async def test_a_wrapped_key_in_another_tenants_row_does_not_unwrap(opened: Opened) -> None:
    there = HERE.replace("ten_1", "ten_2")
    async with opened() as vault:
        data_key = await vault.new_data_key("ten_1")
        with pytest.raises(PermissionError, match="does not belong"):
            await vault.seal(data_key, there, "secret")


async def test_a_vault_that_ignores_what_a_key_is_bound_to_is_found_out(
    company: VaultCompany, opened: Opened
) -> None:
    company.knows_associated_data = False
    async with opened() as vault:
        with pytest.raises(PermissionError, match="does not bind"):
            await vault.current()


async def test_after_a_rotation_in_vault_old_and_new_open_until_the_old_version_is_retired(
    company: VaultCompany, opened: Opened
) -> None:
    async with opened() as vault:
        data_key = await vault.new_data_key("ten_1")
        sealed = await vault.seal(data_key, HERE, "secret")
        company.keys["paysaga"].rotate()
        assert vault.label(data_key) == "transit:transit/paysaga:v1"
        assert await vault.current() == "transit:transit/paysaga:v2"
        rewrapped = await vault.rewrapped(data_key, "ten_1")
        assert vault.label(rewrapped) == await vault.current()
    company.keys["paysaga"].min_decryption_version = 2
    async with opened() as later:
        assert await later.open(rewrapped, HERE, sealed) == "secret"
        with pytest.raises(PermissionError, match="min_decryption_version"):
            await later.open(data_key, HERE, sealed)
        # The version is no more than a label: written over, it does not open either.
        with pytest.raises(PermissionError, match="does not belong"):
            await later.open(data_key.replace(b":v1:", b":v2:"), HERE, sealed)


async def test_one_key_of_vaults_follows_the_other(company: VaultCompany, opened: Opened) -> None:
    company.keys["newer"] = TransitKey()
    async with (
        opened() as old,
        opened(transit_keys="newer,paysaga") as both,
        opened(transit_keys="newer") as new,
    ):
        data_key = await old.new_data_key("ten_1")
        sealed = await old.seal(data_key, HERE, "secret")
        rewrapped = await both.rewrapped(data_key, "ten_1")
        assert await new.open(rewrapped, HERE, sealed) == "secret"
        with pytest.raises(PermissionError, match="not configured"):
            await new.open(data_key, HERE, sealed)


async def test_local_keys_and_vault_work_side_by_side_in_both_directions(opened: Opened) -> None:
    async with (
        opened(vault_keys=LOCAL_KEY, key_provider="local") as local,
        opened(vault_keys=LOCAL_KEY) as there,
        opened() as alone,
    ):
        before = await local.new_data_key("ten_1")
        sealed = await local.seal(before, HERE, "secret")
        moved = await there.rewrapped(before, "ten_1")
        assert (len(before), local.label(before)[:6]) == (64, "local:")
        assert await alone.open(moved, HERE, sealed) == "secret"
        assert await local.open(moved, HERE, sealed) == "secret"
        back = await local.rewrapped(moved, "ten_1")
        assert local.label(back) == local.label(before)


@pytest.mark.parametrize("status", [403, 404, 412, 429, 473, 500, 502, 503])
async def test_what_may_pass_is_tried_again(company: VaultCompany, opened: Opened, status: int) -> None:
    async with opened() as vault:
        company.status = status
        with pytest.raises(TemporarilyUnavailable):
            await vault.new_data_key("ten_1")
        company.status = None
        await vault.new_data_key("ten_1")


async def test_a_token_that_the_agent_renewed_is_taken_up(
    company: VaultCompany, opened: Opened, tmp_path: Path
) -> None:
    async with opened() as vault:
        company.tokens = {"hvs.renewed"}
        with pytest.raises(TemporarilyUnavailable):
            await vault.new_data_key("ten_1")
        token_file(tmp_path, "hvs.renewed")
        await vault.new_data_key("ten_1")
        for nothing in ("", "two\nlines"):
            token_file(tmp_path, nothing)
            with pytest.raises(TemporarilyUnavailable):
                await vault.new_data_key("ten_1")


async def test_a_role_logs_in_once_and_again_when_its_token_was_revoked(
    company: VaultCompany, opened: Opened
) -> None:
    async with opened(transit_role_id=ROLE, transit_secret_id=SECRET_ID) as vault:
        await asyncio.gather(*(vault.new_data_key("ten_1") for _ in range(3)))
        logins = company.logins
        await vault.new_data_key("ten_1")
        assert company.logins == logins
        company.tokens.clear()
        await vault.new_data_key("ten_1")
        assert company.logins == logins + 1
    async with opened(transit_role_id=ROLE, transit_secret_id="wrong") as vault:
        with pytest.raises(TemporarilyUnavailable):
            await vault.new_data_key("ten_1")


async def test_a_namespace_goes_along(company: VaultCompany, opened: Opened) -> None:
    company.namespace = "payments"
    async with opened(transit_namespace="payments") as vault:
        await vault.new_data_key("ten_1")


async def test_whoever_waits_for_a_vault_that_hangs_is_refused_and_few_wait(
    company: VaultCompany, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transit, "_ANSWER_SECONDS", 3.0)
    monkeypatch.setattr(transit, "_TURN_SECONDS", 0.5)
    monkeypatch.setattr(transit, "_REST_SECONDS", 60)
    async with opened() as vault:
        company.hangs = True
        done = await asyncio.gather(
            *(vault.new_data_key(f"ten_{number}") for number in range(20)), return_exceptions=True
        )
        assert {type(each) for each in done} == {TemporarilyUnavailable}
        # The others found all hands busy; and now it rests, and nobody asks.
        with pytest.raises(TemporarilyUnavailable):
            await vault.new_data_key("ten_1")
        assert len(company.asked) <= 4


async def test_a_certificate_that_nobody_vouches_for_is_not_accepted(tmp_path: Path) -> None:
    settings = KeySettings(
        database_url="postgresql://nobody",
        transit_address="https://vault.example.com",
        transit_token_file=token_file(tmp_path),
    )
    async with open_vault(settings) as vault:
        http: httpx.AsyncClient = vault._providers[0]._http  # type: ignore[attr-defined]
        context = http._transport._pool._ssl_context  # type: ignore[attr-defined]
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"


@pytest.mark.parametrize("trouble", ["away", "hangs", "refused", "misplaced"])
async def test_no_error_and_no_log_line_carries_a_key_or_a_token(
    company: VaultCompany,
    opened: Opened,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(transit, "_ANSWER_SECONDS", 0.2)
    key = bytes(range(32))
    async with opened() as vault:
        provider = vault._providers[0]
        company.hangs = trouble == "hangs"
        company.tokens = set() if trouble == "refused" else company.tokens
        if trouble == "away":
            provider._http.base_url = httpx.URL("http://127.0.0.1:9/v1/")  # type: ignore[attr-defined]
        with pytest.raises((TemporarilyUnavailable, PermissionError)) as raised:
            await provider.unwrap(await provider.wrap(key, "ten_1"), "ten_2")
    told, error = [*capsys.readouterr()], raised.value
    chain: list[BaseException | None] = [error]
    while chain[-1] is not None:
        told += [repr(chain[-1]), str(vars(chain[-1]))]
        chain.append(chain[-1].__cause__ or chain[-1].__context__)
    for secret in (TOKEN, base64.b64encode(key).decode(), repr(key)[2:20]):
        assert not any(secret in each for each in told)
    assert not any(isinstance(each, httpx.HTTPError) for each in chain)
