"""Secret columns: sealed under their tenant's key for one place only, and never to be read from the disk."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.vault import Vault, place
from tests.house import House, Receiver, sandbox_keys

OLD_KEY, NEW_KEY, FOREIGN_KEY = (bytes([number]) * 32 for number in (1, 2, 3))
HERE = place("provider_accounts", "secrets", "acc_1", "ten_1")
SECRET = "whsec_plain-to-see"

vault = Vault([OLD_KEY])
data_key = vault.new_data_key("ten_1")
sealed = vault.seal(data_key, HERE, SECRET)


@given(st.text())
def test_what_is_sealed_opens_in_its_place(plain: str) -> None:
    assert vault.open(data_key, HERE, vault.seal(data_key, HERE, plain)) == plain


def test_what_is_sealed_cannot_be_read_and_never_looks_the_same_twice() -> None:
    assert SECRET.encode() not in sealed
    assert OLD_KEY not in data_key
    assert vault.seal(data_key, HERE, SECRET) != sealed
    assert vault.new_data_key("ten_1") != data_key


@pytest.mark.parametrize(
    "elsewhere",
    [
        place("webhook_endpoints", "secrets", "acc_1", "ten_1"),
        place("provider_accounts", "api_base", "acc_1", "ten_1"),
        place("provider_accounts", "secrets", "acc_2", "ten_1"),
        place("provider_accounts", "secrets", "acc_1", "ten_2"),
    ],
)
def test_moved_to_another_table_column_row_or_tenant_it_does_not_open(elsewhere: str) -> None:
    with pytest.raises(PermissionError):
        vault.open(data_key, elsewhere, sealed)


def test_a_data_key_serves_its_own_tenant_only() -> None:
    there = place("provider_accounts", "secrets", "acc_1", "ten_2")
    their_key = vault.new_data_key("ten_2")
    theirs = vault.seal(their_key, there, SECRET)
    assert vault.open(their_key, there, theirs) == SECRET
    for key, where, what in (
        (their_key, HERE, sealed),
        (their_key, HERE, theirs),
        (data_key, there, theirs),
        (vault.new_data_key("ten_1"), HERE, sealed),
    ):
        with pytest.raises(PermissionError):
            vault.open(key, where, what)
    with pytest.raises(PermissionError):
        vault.seal(data_key, there, SECRET)


def flipped(whole: bytes) -> Iterator[bytes]:
    for position in range(len(whole) * 8):
        broken = bytearray(whole)
        broken[position // 8] ^= 1 << position % 8
        yield bytes(broken)


def test_a_flipped_bit_anywhere_is_noticed() -> None:
    for broken in flipped(sealed):
        with pytest.raises(PermissionError):
            vault.open(data_key, HERE, broken)
    for broken in flipped(data_key):
        with pytest.raises(PermissionError):
            vault.open(broken, HERE, sealed)


def test_what_was_cut_short_does_not_open() -> None:
    for length in range(len(sealed)):
        with pytest.raises(PermissionError):
            vault.open(data_key, HERE, sealed[:length])
    for length in range(len(data_key)):
        with pytest.raises(PermissionError):
            vault.open(data_key[:length], HERE, sealed)


def test_after_a_rotation_the_old_still_opens_and_the_new_is_in_use() -> None:
    rotated = Vault([NEW_KEY, OLD_KEY])
    assert rotated.open(data_key, HERE, sealed) == SECRET
    fresh = rotated.new_data_key("ten_1")
    assert Vault([NEW_KEY]).open(fresh, HERE, rotated.seal(fresh, HERE, SECRET)) == SECRET
    with pytest.raises(PermissionError):
        vault.open(fresh, HERE, rotated.seal(fresh, HERE, SECRET))


def test_a_data_key_that_was_wrapped_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(PermissionError, match="not configured"):
        Vault([FOREIGN_KEY]).open(data_key, HERE, sealed)
    with pytest.raises(PermissionError, match="not configured"):
        Vault([FOREIGN_KEY]).seal(data_key, HERE, SECRET)


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
