"""Secret columns: sealed under their tenant's key for one place only, and never to be read from the disk."""

from collections.abc import Iterator
from typing import NamedTuple, cast

import pytest
from sqlalchemy import Column, LargeBinary

from storage import data_keys
from storage.tables import metadata, provider_accounts, tenants, webhook_endpoints
from storage.vault import Vault, place
from storage.wrapping import LocalKeys
from tests.house import House, Receiver, sandbox_keys

OLD_KEY, NEW_KEY, FOREIGN_KEY = (bytes([number]) * 32 for number in (1, 2, 3))
SECRETS, SECRET_OF_ENDPOINT = provider_accounts.c.secrets, webhook_endpoints.c.secret
HERE = place(SECRETS, "acc_1", "ten_1")
SECRET = "whsec_plain-to-see"


def local(*keys: bytes) -> Vault:
    return Vault([LocalKeys(list(keys))])


class Sealed(NamedTuple):
    vault: Vault
    data_key: bytes
    secret: bytes


@pytest.fixture(scope="module")
async def ours() -> Sealed:
    vault = local(OLD_KEY)
    data_key = await vault.new_data_key("ten_1")
    return Sealed(vault, data_key, await vault.seal(data_key, HERE, SECRET))


@pytest.mark.parametrize("plain", ["", SECRET, "\0", "é\U0001f512", "x" * 10_000])
async def test_what_is_sealed_opens_in_its_place(ours: Sealed, plain: str) -> None:
    sealed = await ours.vault.seal(ours.data_key, HERE, plain)
    assert await ours.vault.open(ours.data_key, HERE, sealed) == plain


async def test_what_is_sealed_cannot_be_read_and_never_looks_the_same_twice(ours: Sealed) -> None:
    assert SECRET.encode() not in ours.secret
    assert OLD_KEY not in ours.data_key
    assert await ours.vault.seal(ours.data_key, HERE, SECRET) != ours.secret
    assert await ours.vault.new_data_key("ten_1") != ours.data_key


@pytest.mark.parametrize(
    "elsewhere",
    [
        place(SECRET_OF_ENDPOINT, "acc_1", "ten_1"),
        HERE.replace(":secrets:", ":api_base:"),
        place(SECRETS, "acc_2", "ten_1"),
        place(SECRETS, "acc_1", "ten_2"),
    ],
)
async def test_moved_to_another_table_column_row_or_tenant_it_does_not_open(
    ours: Sealed, elsewhere: str
) -> None:
    with pytest.raises(PermissionError):
        await ours.vault.open(ours.data_key, elsewhere, ours.secret)


async def test_a_data_key_serves_its_own_tenant_only(ours: Sealed) -> None:
    vault, data_key, sealed = ours
    there = place(SECRETS, "acc_1", "ten_2")
    their_key = await vault.new_data_key("ten_2")
    theirs = await vault.seal(their_key, there, SECRET)
    assert await vault.open(their_key, there, theirs) == SECRET
    for key, where, what in (
        (their_key, HERE, sealed),
        (their_key, HERE, theirs),
        (data_key, there, theirs),
        # A tenant's earlier or later key is another key: what it has sealed cannot be put back.
        (await vault.new_data_key("ten_1"), HERE, sealed),
    ):
        with pytest.raises(PermissionError):
            await vault.open(key, where, what)
    with pytest.raises(PermissionError):
        await vault.seal(data_key, there, SECRET)


def flipped(whole: bytes) -> Iterator[bytes]:
    for position in range(len(whole) * 8):
        broken = bytearray(whole)
        broken[position // 8] ^= 1 << position % 8
        yield bytes(broken)


async def test_a_flipped_bit_anywhere_is_noticed(ours: Sealed) -> None:
    vault, data_key, sealed = ours
    for broken in flipped(sealed):
        with pytest.raises(PermissionError):
            await vault.open(data_key, HERE, broken)
    for broken in flipped(data_key):
        with pytest.raises(PermissionError):
            await vault.open(broken, HERE, sealed)


async def test_what_was_cut_short_does_not_open(ours: Sealed) -> None:
    vault, data_key, sealed = ours
    for length in range(len(sealed)):
        with pytest.raises(PermissionError):
            await vault.open(data_key, HERE, sealed[:length])
    for length in range(len(data_key)):
        with pytest.raises(PermissionError):
            await vault.open(data_key[:length], HERE, sealed)


async def test_after_a_rotation_the_old_still_opens_and_the_new_is_in_use(ours: Sealed) -> None:
    rotated = local(NEW_KEY, OLD_KEY)
    assert await rotated.open(ours.data_key, HERE, ours.secret) == SECRET
    fresh = await rotated.new_data_key("ten_1")
    sealed = await rotated.seal(fresh, HERE, SECRET)
    assert await local(NEW_KEY).open(fresh, HERE, sealed) == SECRET
    with pytest.raises(PermissionError):
        await ours.vault.open(fresh, HERE, sealed)


async def test_a_data_key_that_was_rewrapped_opens_what_it_has_sealed(ours: Sealed) -> None:
    rotated = local(NEW_KEY, OLD_KEY)
    assert rotated.label(ours.data_key) != await rotated.current()
    rewrapped = await rotated.rewrapped(ours.data_key, "ten_1")
    assert rotated.label(rewrapped) == await rotated.current()
    assert await local(NEW_KEY).open(rewrapped, HERE, ours.secret) == SECRET
    # What was wrapped by a release that knew no other provider, byte for byte.
    assert len(ours.data_key) == len(rewrapped) == 64


async def test_a_data_key_that_was_wrapped_with_an_unknown_key_is_refused(ours: Sealed) -> None:
    with pytest.raises(PermissionError, match="not configured"):
        await local(FOREIGN_KEY).open(ours.data_key, HERE, ours.secret)
    with pytest.raises(PermissionError, match="not configured"):
        await local(FOREIGN_KEY).seal(ours.data_key, HERE, SECRET)


async def test_what_a_release_without_key_providers_wrapped_and_sealed_still_opens() -> None:
    data_key = bytes.fromhex(
        "a73cd6a6a9bbfe430cdbad1328abb243297e9130be11a668b8e973af205e9f84"
        "600b83da7380e61de8c6d76e54684abc9b29ceed1fe1536fe45a48ddaaafe44b"
    )
    sealed = bytes.fromhex(
        "081717362343ea6ecf8ddc06abd1a84e19a9c8cd819e7722288da50530e7ed7c69f7246fa2570381ec6f9d48e61f"
    )
    assert await local(OLD_KEY).open(data_key, HERE, sealed) == SECRET


def test_nothing_is_sealed_for_a_column_that_a_rotation_would_not_find() -> None:
    with pytest.raises(ValueError, match="not declared as sealed"):
        place(cast("Column[bytes]", tenants.c.name), "ten_1", "ten_1")


def test_every_column_of_secrets_is_declared_as_sealed() -> None:
    held = {f"{each.table.name}.{each.name}" for each in data_keys.sealed_columns()}
    assert held == {
        "provider_accounts.secrets",
        "webhook_endpoints.secret",
        "webhook_endpoints.previous_secret",
    }
    # Whatever else is bytes is a hash, a signature, a wrapped key, or was said to us or by us in the open.
    others = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary) and not column.info.get("sealed")
    }
    assert others == {
        "tenants.data_key",
        "inbox.body",
        "delivery_attempts.answer",
        "audit_seals.hash",
        "audit_checkpoints.head",
        "audit_checkpoints.root",
        "audit_checkpoints.previous",
        "audit_checkpoints.signature",
        "console_sessions.digest",
        "console_sessions.bound_to",
    }


async def test_the_database_holds_no_secret_in_the_clear(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant(receiver.url)
    account = (await tenant.rows("SELECT id, secrets FROM provider_accounts"))[0]
    endpoint = (await tenant.rows("SELECT id, secret FROM webhook_endpoints"))[0]
    plain = [*sandbox_keys(house, account["id"]), tenant.registered["webhookSecret"]]
    hashes = await tenant.rows("SELECT secret_hash FROM credentials")
    for secret in [*plain, tenant.registered["appSecret"]]:
        stored = account["secrets"] + endpoint["secret"] + hashes[0]["secret_hash"].encode()
        assert secret.encode() not in stored
        # Nor its random part, whose characters may be any.
        assert secret[-20:].encode() not in stored
