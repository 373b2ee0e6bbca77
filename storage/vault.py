"""Envelope encryption of secret columns: AES-256-GCM under a data key per tenant.

The data key lies wrapped in the tenant's row; the key that wraps it comes from the settings. What is
sealed is bound to its table, column, row and tenant: moved anywhere else, it does not open.
"""

import os
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE: Final = 12
_KEY_ID: Final = 4


class Vault:
    """Seals and opens. ``keys`` are raw 32-byte keys: the first wraps, all of them unwrap."""

    def __init__(self, keys: list[bytes]) -> None:
        self._current = keys[0]
        self._by_id = {_key_id(key): key for key in keys}

    def new_data_key(self, tenant_id: str) -> bytes:
        """A fresh data key for a tenant, wrapped: only this form may be stored."""
        sealed = _encrypt(self._current, AESGCM.generate_key(256), f"data_key:{tenant_id}")
        return _key_id(self._current) + sealed

    def seal(self, data_key: bytes, place: str, plain: str) -> bytes:
        """``plain``, readable only with this vault, for this ``place`` (table, column, row, tenant)."""
        return _encrypt(self._unwrap(data_key, place), plain.encode(), place)

    def open(self, data_key: bytes, place: str, sealed: bytes) -> str:
        """What was sealed for this place.

        Raises ``PermissionError`` when the key, the place or a single bit is not the one it was sealed
        with; that is an operator's problem, never a caller's.
        """
        return _decrypt(self._unwrap(data_key, place), sealed, place).decode()

    def _unwrap(self, data_key: bytes, place: str) -> bytes:
        wrapping = self._by_id.get(data_key[:_KEY_ID])
        if wrapping is None:
            raise PermissionError("The key this tenant's data key was wrapped with is not configured.")
        return _decrypt(wrapping, data_key[_KEY_ID:], f"data_key:{place.rpartition(':')[2]}")


def place(table: str, column: str, row: str, tenant_id: str) -> str:
    """Where a sealed value lives; the tenant comes last."""
    return f"{table}:{column}:{row}:{tenant_id}"


def _key_id(key: bytes) -> bytes:
    return sha256(b"paysaga vault key" + key).digest()[:_KEY_ID]


def _encrypt(key: bytes, plain: bytes, bound_to: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound_to.encode())


def _decrypt(key: bytes, sealed: bytes, bound_to: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to.encode())
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        raise PermissionError("A sealed value does not belong where it was found.") from None
