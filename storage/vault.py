"""Envelope encryption of secret columns: AES-256-GCM under a data key per tenant.

The data key lies wrapped in the tenant's row; a key provider unwraps it. What is sealed is bound to its
table, column, row and tenant: moved anywhere else, it does not open. Nor does it under another data key, so
no version of the key needs to be bound as well: a value and the key it was sealed with change together.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column

from storage.wrapping import NOT_CONFIGURED, KeyProvider, decrypt, encrypt

_MOST_AT_HAND: Final = 10_000
_NOBODY: Final = "nobody"


class Vault:
    """Seals and opens. The first provider wraps new data keys, each unwraps what it has wrapped.

    Data keys that were unwrapped stay in memory for ``life``, at most so many: reading a secret costs a
    call to the provider once in a while, and while that is away, tenants at hand are served all the same.
    """

    def __init__(
        self,
        providers: Sequence[KeyProvider],
        life: timedelta = timedelta(minutes=5),
        *,
        most_at_hand: int = _MOST_AT_HAND,
    ) -> None:
        self._providers = providers
        self._life = life.total_seconds()
        self._most = most_at_hand
        self._at_hand: OrderedDict[tuple[bytes, str], bytes] = OrderedDict()

    async def new_data_key(self, tenant_id: str) -> bytes:
        """A fresh data key for a tenant, wrapped: only this form may be stored.

        Raises ``TemporarilyUnavailable`` while the provider is away, as everything here.
        """
        return await self._wrapped(AESGCM.generate_key(256), tenant_id)

    async def seal(self, data_key: bytes, place: str, plain: str) -> bytes:
        """``plain``, readable only with this vault, for this ``place``."""
        return encrypt(await self._unwrapped(data_key, _tenant(place)), plain.encode(), place)

    async def open(self, data_key: bytes, place: str, sealed: bytes) -> str:
        """What was sealed for this place.

        Raises ``PermissionError`` when the key, the place or a single bit is not the one it was sealed
        with; that is an operator's problem, never a caller's.
        """
        return decrypt(await self._unwrapped(data_key, _tenant(place)), sealed, place).decode()

    # --- Changing the keys that wrap ---------------------------------------------------------------

    def label(self, data_key: bytes) -> str:
        """Which key wrapped this, for people to read."""
        found = (provider.label(data_key) for provider in self._providers)
        return next(filter(None, found), "a provider that is not configured")

    async def current(self) -> str:
        """The label of the key that wraps now, after a trial of it.

        Raises ``PermissionError`` for one that does not unwrap what it wrapped, or does it for anybody: no
        data key is to be entrusted to it.
        """
        provider, key = self._providers[0], AESGCM.generate_key(256)
        wrapped = await provider.wrap(key, _NOBODY)
        if await provider.unwrap(wrapped, _NOBODY) != key:
            raise PermissionError("The current key gives back another key than it wrapped.")
        try:
            await provider.unwrap(wrapped, "somebody else")
        except PermissionError:
            return self.label(wrapped)
        raise PermissionError("The current key does not bind what it wraps to a tenant.")

    async def rewrapped(self, data_key: bytes, tenant_id: str) -> bytes:
        """The same data key under the current key. It was unwrapped anew before it is given out."""
        plain = await self._of(data_key).unwrap(data_key, tenant_id)
        wrapped = await self._wrapped(plain, tenant_id)
        if await self._of(wrapped).unwrap(wrapped, tenant_id) != plain:
            raise PermissionError("The current key gives back another key than it wrapped.")
        return wrapped

    # --- What is at hand ---------------------------------------------------------------------------

    async def _wrapped(self, plain: bytes, tenant_id: str) -> bytes:
        wrapped = await self._providers[0].wrap(plain, tenant_id)
        self._keep(wrapped, tenant_id, plain)
        return wrapped

    async def _unwrapped(self, data_key: bytes, tenant_id: str) -> bytes:
        # By tenant, too: one that lies in another's row must not be found here either.
        known = self._at_hand.get((data_key, tenant_id))
        if known is None:
            known = await self._of(data_key).unwrap(data_key, tenant_id)
            self._keep(data_key, tenant_id, known)
        return known

    def _of(self, data_key: bytes) -> KeyProvider:
        for provider in self._providers:
            if provider.label(data_key) is not None:
                return provider
        raise PermissionError(NOT_CONFIGURED)

    def _keep(self, data_key: bytes, tenant_id: str, plain: bytes) -> None:
        entry = data_key, tenant_id
        if not self._life or entry in self._at_hand:
            return
        self._at_hand[entry] = plain
        if len(self._at_hand) > self._most:
            self._at_hand.popitem(last=False)
        # In use or not, it is gone then: a key that was taken away stops working within this time.
        asyncio.get_running_loop().call_later(self._life, self._at_hand.pop, entry, None)


def place(column: Column[bytes], row: str, tenant_id: str) -> str:
    """Where a sealed value lives: table, column, row, tenant. Takes columns made by ``tables.base.sealed``.

    Raises ``ValueError`` for any other: a rotation of keys would not find it there.
    """
    if not column.info.get("sealed"):
        raise ValueError(f"{column} is not declared as sealed")
    return f"{column.table.name}:{column.name}:{row}:{tenant_id}"


def _tenant(place: str) -> str:
    return place.rpartition(":")[2]
