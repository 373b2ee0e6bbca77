"""What Temporal keeps for us, sealed before it leaves the process: AES-256-GCM under a key named beside it.

A sealed payload carries the id of its key and, where the SDK says whose it is, a digest of its workflow's id.
Both are authenticated: moved to another workflow it does not open there.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

# The word that Temporal's own examples use, and its tools know.
_ENCODING: Final = b"binary/encrypted"
_KEY_NAME: Final = "key-id"
_OWNER_NAME: Final = "for"
_KEY_ID: Final = re.compile("[0-9a-f]{8}")
_NONCE: Final = 12
# What a Schedule adds to the id of each workflow it starts.
_STARTED_AT: Final = re.compile(r"-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")


def data_converter(keys: Sequence[bytes] = (), *, plain_allowed: bool = True) -> DataConverter:
    """How values become what Temporal keeps. Every client, worker and replay of ours has it from here.

    ``keys`` are raw 32-byte keys: the first seals, all of them open. Without one, values stay readable, and
    what was sealed is refused by name.
    """
    codec = SealedPayloads(keys, plain_allowed=plain_allowed)
    if not keys:
        return replace(pydantic_data_converter, payload_codec=codec)
    # Else messages and stack traces of failures would stay plain: they are no payloads.
    failures = DefaultFailureConverterWithEncodedAttributes
    return replace(pydantic_data_converter, payload_codec=codec, failure_converter_class=failures)


class SealedPayloads(PayloadCodec, WithSerializationContext):
    """Seals and opens payloads, whole: their data and what says how it is encoded.

    ``plain_allowed``: whether what was never sealed is taken as it is, such as histories older than the keys.
    """

    def __init__(self, keys: Sequence[bytes], *, plain_allowed: bool = True) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self._current = key_id(keys[0]) if keys else None
        self._plain_allowed = plain_allowed
        self._owner = b""

    @property
    def seals(self) -> bool:
        """Whether what it encodes can be read by nobody without a key."""
        return self._current is not None

    def with_context(self, context: SerializationContext) -> Self:
        """The same keys, for the payloads of one workflow and its steps."""
        owner = b""
        if isinstance(context, WorkflowSerializationContext | ActivitySerializationContext):
            owner = _owner(context.workflow_id or "")
        if owner == self._owner:
            return self
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__, _owner=owner)
        return bound

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Seal each under the current key."""
        return list(payloads) if self._current is None else [self._seal(each) for each in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Open each.

        Raises ``PermissionError`` for one that has been changed or moved, or whose key we do not have, and
        for a plain one where none is allowed. That is an operator's problem: a workflow that meets it waits.
        """
        return [self._open(each) for each in payloads]

    def show(self, payloads: Sequence[Payload]) -> list[Payload]:
        """As ``decode``, for people to look at: what was never sealed is shown wherever it was found."""
        return [self._open(each) if _is_sealed(each) else each for each in payloads]

    def is_current(self, payload: Payload) -> bool:
        """Whether this would be sealed now as it is: by the current key, or not at all."""
        key = payload.metadata.get(_KEY_NAME, b"").decode("ascii", "replace")
        return key == (self._current or "")

    def _seal(self, payload: Payload) -> Payload:
        key, nonce = self._current or "", os.urandom(_NONCE)
        sealed = self._ciphers[key].encrypt(nonce, payload.SerializeToString(), _bound(key, self._owner))
        metadata = {"encoding": _ENCODING, _KEY_NAME: key.encode()}
        if self._owner:
            metadata[_OWNER_NAME] = self._owner
        return Payload(metadata=metadata, data=nonce + sealed)

    def _open(self, sealed: Payload) -> Payload:
        if not _is_sealed(sealed):
            if not self._plain_allowed:
                raise PermissionError("A payload is not sealed, and plain ones are not allowed here.")
            return sealed
        # Whoever shows a history to people, the codec endpoint, is not told whose it is: there the
        # digest that came with it must do.
        owner = sealed.metadata.get(_OWNER_NAME, b"")
        if owner and self._owner and owner != self._owner:
            raise PermissionError("A sealed payload belongs to another workflow.")
        key = sealed.metadata.get(_KEY_NAME, b"").decode("ascii", "replace")
        cipher = self._ciphers.get(key)
        if cipher is None:
            name = key if _KEY_ID.fullmatch(key) else "of another form"
            raise PermissionError(f"A payload is sealed with key {name}, which is not configured.")
        nonce, data = sealed.data[:_NONCE], sealed.data[_NONCE:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, data, _bound(key, owner)))
        except (InvalidTag, ValueError, DecodeError):  # ValueError: too short to hold a nonce
            raise PermissionError(f"A payload under key {key} was changed after it was sealed.") from None


def key_id(key: bytes) -> str:
    """How a key is named where everybody can read it."""
    return sha256(b"paysaga payload key" + key).hexdigest()[:8]


def _is_sealed(payload: Payload) -> bool:
    return payload.metadata.get("encoding") == _ENCODING


def _bound(key: str, owner: bytes) -> bytes:
    # The key's id has one length, so no two triples come to the same bytes.
    return _ENCODING + key.encode() + owner


@lru_cache(maxsize=4_096)
def _owner(workflow_id: str) -> bytes:
    return sha256(_STARTED_AT.sub("", workflow_id).encode()).digest()[:16] if workflow_id else b""
