"""The arithmetic of tamper evidence: canonical bytes, a chain of hashes, Merkle trees and checkpoints.

Pure and small enough to be written again in another language: docs/operations/audit.md says it in words.
Trees and paths are those of RFC 6962, section 2.1.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, Self

from domain.values import Value

CHECKPOINT: Final = "paysaga.audit.checkpoint.v1"
NOTHING: Final = bytes(32)
"""Stands where the first checkpoint would name the one before it."""

# What is hashed begins with its kind, so that no kind can be mistaken for another.
_LEAF, _NODE, _LINK = b"\x00", b"\x01", b"\x02"

_SPELLING: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)

Document = Mapping[str, Any]


def canonical(document: Document) -> bytes:
    """The only spelling of a document: UTF-8 JSON, members sorted, no white space, no needless escapes."""
    return _SPELLING.encode(document).encode()


def instant(at: datetime) -> str:
    """A moment to the microsecond, in UTC with ``Z``."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def record_name(record_id: int) -> str:
    """How a record of the trail is called outside of the database. Sorts as it was written."""
    return f"aud_{record_id:019d}"


# --- The chain ------------------------------------------------------------------------------------


def leaf(document: Document) -> bytes:
    """The hash of one record: all of it."""
    return sha256(_LEAF + canonical(document)).digest()


def link(previous: bytes, leaf_hash: bytes) -> bytes:
    """The chain's next hash. It seals its own record and, through ``previous``, every one before."""
    return sha256(_LINK + previous + leaf_hash).digest()


def genesis(tenant_id: str) -> bytes:
    """Where a tenant's chain begins, so that no record fits into another tenant's."""
    return sha256(b"paysaga audit chain v1\n" + tenant_id.encode()).digest()


# --- Trees ----------------------------------------------------------------------------------------


def root(leaves: Sequence[bytes]) -> bytes:
    """The hash that stands for all of these leaves in their order."""
    if len(leaves) == 1:
        return leaves[0]
    if not leaves:
        return sha256().digest()
    split = _split(len(leaves))
    return _node(root(leaves[:split]), root(leaves[split:]))


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What must be known beside leaf ``index`` to compute the root: a hash for each level, from below."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*path(leaves[:split], index), root(leaves[split:])]
    return [*path(leaves[split:], index - split), root(leaves[:split])]


def climb(leaf_hash: bytes, index: int, size: int, steps: Sequence[bytes]) -> bytes | None:
    """The root that this path leads to; None when no tree of this size has such a path there."""
    if not 0 <= index < size:
        return None
    if size == 1:
        return None if steps else leaf_hash
    if not steps:
        return None
    split, sibling = _split(size), steps[-1]
    if index < split:
        below = climb(leaf_hash, index, split, steps[:-1])
        return None if below is None else _node(below, sibling)
    below = climb(leaf_hash, index - split, size - split, steps[:-1])
    return None if below is None else _node(sibling, below)


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


# --- Checkpoints ----------------------------------------------------------------------------------


class Checkpoint(Value):
    """What is signed after each batch: how far the chain goes, and what it comes to there."""

    tenant_id: str
    first: int
    number: int
    """The batch's first and last place in the chain."""
    head: bytes
    """The chain's hash at ``number``."""
    root: bytes
    """Of the tree over the batch's records."""
    highest: int
    """The highest id of a record sealed so far."""
    latest: datetime
    """The latest time of a record sealed so far, as far as it had come by ``at``."""
    previous: bytes
    """The digest of the checkpoint before, or ``NOTHING``."""
    at: datetime
    key_id: str
    signature: bytes = b""

    @property
    def statement(self) -> dict[str, Any]:
        """What the signature says."""
        return {
            "type": CHECKPOINT,
            "tenantId": self.tenant_id,
            "first": self.first,
            "number": self.number,
            "head": self.head.hex(),
            "root": self.root.hex(),
            "highestRecord": record_name(self.highest),
            "latestRecordAt": instant(self.latest),
            "previous": self.previous.hex(),
            "at": instant(self.at),
            "keyId": self.key_id,
        }

    @property
    def signed(self) -> bytes:
        return canonical(self.statement)

    @property
    def digest(self) -> bytes:
        """Names this checkpoint, and through ``previous`` all before it."""
        return sha256(self.signed).digest()

    @property
    def document(self) -> dict[str, Any]:
        """As it is shown, exported and put into proofs."""
        return self.statement | {"signature": self.signature.hex()}

    @classmethod
    def read(cls, document: Document) -> Self:
        """Raises ``ValueError`` for what is not the document of a checkpoint, to the letter."""
        try:
            found = cls(
                tenant_id=document["tenantId"],
                first=document["first"],
                number=document["number"],
                head=bytes.fromhex(document["head"]),
                root=bytes.fromhex(document["root"]),
                highest=int(document["highestRecord"].removeprefix("aud_")),
                latest=datetime.fromisoformat(document["latestRecordAt"]),
                previous=bytes.fromhex(document["previous"]),
                at=datetime.fromisoformat(document["at"]),
                key_id=document["keyId"],
                signature=bytes.fromhex(document["signature"]),
            )
            same = canonical(found.document) == canonical(document)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("this is not a checkpoint") from error
        if not same:
            raise ValueError("this is not a checkpoint as we write them")
        return found
