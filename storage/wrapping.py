"""Who wraps tenants' data keys: the port to a key provider, and the one that has its keys itself.

A data key is stored wrapped only. The wrapped form says which key wrapped it, so that keys of several
providers, and old keys beside new ones, may be in use at the same time.
"""

import os
from hashlib import sha256
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE: Final = 12
KEY: Final = 32
_TAG: Final = 16
_KEY_ID: Final = 4


class KeyProvider(Protocol):
    """Wraps and unwraps data keys of 32 bytes with keys that never come to the database."""

    def label(self, wrapped: bytes) -> str | None:
        """Which key wrapped this, for people to read. None: another provider's work."""

    async def wrap(self, key: bytes, tenant_id: str) -> bytes:
        """``key`` under the current key, for this tenant's row only. Raises as ``unwrap``."""

    async def unwrap(self, wrapped: bytes, tenant_id: str) -> bytes:
        """What was wrapped for this tenant.

        Raises ``PermissionError`` when that is definitely impossible, an operator's problem, and
        ``TemporarilyUnavailable`` when nobody can say now. Neither holds any part of a key.
        """


class LocalKeys:
    """AES-256-GCM with keys of 32 bytes that were handed to us: the first wraps, all of them unwrap.

    The wrapped form is key id, nonce and ciphertext, 64 bytes.
    """

    _LENGTH: Final = _KEY_ID + NONCE + KEY + _TAG

    def __init__(self, keys: list[bytes]) -> None:
        self._current = keys[0]
        self._by_id = {_key_id(key): key for key in keys}

    def label(self, wrapped: bytes) -> str | None:
        return f"local:{wrapped[:_KEY_ID].hex()}" if len(wrapped) == self._LENGTH else None

    async def wrap(self, key: bytes, tenant_id: str) -> bytes:
        return _key_id(self._current) + encrypt(self._current, key, data_key_of(tenant_id))

    async def unwrap(self, wrapped: bytes, tenant_id: str) -> bytes:
        wrapping = self._by_id.get(wrapped[:_KEY_ID])
        if wrapping is None:
            raise PermissionError(NOT_CONFIGURED)
        return decrypt(wrapping, wrapped[_KEY_ID:], data_key_of(tenant_id))


NOT_CONFIGURED: Final = "The key this tenant's data key was wrapped with is not configured."
MISPLACED: Final = "A sealed value does not belong where it was found."


def data_key_of(tenant_id: str) -> str:
    """What a wrapped data key is bound to: moved to another tenant's row, it does not unwrap."""
    return f"data_key:{tenant_id}"


def encrypt(key: bytes, plain: bytes, bound_to: str) -> bytes:
    """A nonce, and the ciphertext with its tag."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound_to.encode())


def decrypt(key: bytes, sealed: bytes, bound_to: str) -> bytes:
    """Undo ``encrypt``. Raises ``PermissionError`` when key, binding or a single bit is another."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], bound_to.encode())
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        raise PermissionError(MISPLACED) from None


def _key_id(key: bytes) -> bytes:
    return sha256(b"paysaga vault key" + key).digest()[:_KEY_ID]
