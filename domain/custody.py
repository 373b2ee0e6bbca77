"""Whether a trail is still as it was sealed, and if not, what was done to it and where.

Fed row by row in the order of the chain, so that a trail of any length is examined in little memory.
"""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from itertools import combinations
from typing import Any, Final, NamedTuple

from domain import chain
from domain.chain import Checkpoint
from domain.values import Value

IN_FLIGHT: Final = timedelta(seconds=60)
"""A record is on disk this long after its time at the latest: waits for a connection (5 s), for a lock (5 s),
a statement (15 s), a pause between two (30 s), and clocks that differ a little. One that shows up later,
among records sealed long before, was not written when it says."""

MOST: Final = 100
"""So many breaches are named; the rest is counted."""

Trusted = Callable[[str, bytes, bytes], bool]
"""(key id, what was signed, signature): whether a key that we were given signed this."""


class Kind(StrEnum):
    EDITED = "edited"
    DELETED = "deleted"
    INSERTED = "inserted"
    SWAPPED = "swapped"
    TRUNCATED = "truncated"
    RESEALED = "resealed"
    """Records and seals agree with each other, and not with what was signed."""
    FORGED = "forged"
    """A checkpoint that is not signed by us, or does not follow the one before."""


class Breach(Value):
    """One thing that was done to a trail. ``number`` is its place in the chain."""

    kind: Kind
    number: int
    record: str | None = None
    detail: str


class Seal(NamedTuple):
    """A record's place in the chain, and the chain's hash there."""

    number: int
    record_id: int
    hash: bytes


class _Suspect(NamedTuple):
    seal: Seal
    previous: bytes
    record: dict[str, Any]


class _Gap(NamedTuple):
    """Places whose records are gone."""

    first: int
    last: int
    record: str | None


class Examination:
    """Goes along one tenant's chain, from its beginning or from a checkpoint that was examined before."""

    def __init__(
        self,
        tenant_id: str,
        trusted: Trusted | None,
        start: Checkpoint | None = None,
        exported: Checkpoint | None = None,
    ) -> None:
        """Without ``trusted`` no signature is looked at. Without ``exported``, the newest checkpoint that was
        kept elsewhere, records that are gone with their seals are not missed. Whoever reports must say so.
        """
        self.tenant_id = tenant_id
        self._trusted = trusted
        self._exported = exported
        self.last = start
        self.number = 0 if start is None else start.number
        self.checkpoints = 0
        self.uncounted = 0
        self._hash: bytes | None = chain.genesis(tenant_id) if start is None else start.head
        self._leaves: list[bytes] = []
        self._complete = True
        self._doubted = False
        self._suspects: list[_Suspect] = []
        self._gaps: list[_Gap] = []
        self._found: list[Breach] = []

    def sealed(self, seal: Seal, record: dict[str, Any] | None) -> None:
        """The next seal, and its record if that is there."""
        if seal.number > self.number + 1:
            self._gone(self.number + 1, seal.number - 1, None)
            self._hash = None
        self.number = seal.number
        if record is None:
            self._gone(seal.number, seal.number, chain.record_name(seal.record_id))
        else:
            leaf = chain.leaf(record)
            self._leaves.append(leaf)
            if self._hash is not None and chain.link(self._hash, leaf) != seal.hash:
                self._suspect(_Suspect(seal, self._hash, record))
        # What follows is held against the seal as it is: one wrong record is one breach, not a thousand.
        self._hash = seal.hash

    def checkpoint(self, point: Checkpoint) -> None:
        """The checkpoint behind the seal that was shown last."""
        if point.number > self.number:
            self._gone(self.number + 1, point.number, None)
            self.number, self._hash = point.number, point.head
        self._look_at(point)
        self._hold_against(point)
        self.checkpoints += 1
        self.last, self._hash, self._leaves = point, point.head, []
        self._complete, self._doubted = True, False

    def _look_at(self, point: Checkpoint) -> None:
        expected = (chain.NOTHING, 1) if self.last is None else (self.last.digest, self.last.number + 1)
        if point.tenant_id != self.tenant_id or (point.previous, point.first) != expected:
            self._note(Kind.FORGED, point.number, "this checkpoint does not follow the one before it")
        elif not self._is_signed(point):
            self._note(Kind.FORGED, point.number, f"not signed by a trusted key (it names {point.key_id})")
        elif self._exported and self._exported.number == point.number:
            if self._exported.digest != point.digest:
                self._note(Kind.FORGED, point.number, "an exported checkpoint says something else")
            self._exported = None

    def _is_signed(self, point: Checkpoint) -> bool:
        return self._trusted is None or self._trusted(point.key_id, point.signed, point.signature)

    def _hold_against(self, point: Checkpoint) -> None:
        """The batch's records and seals against what was signed of them."""
        suspects = [suspect for suspect in self._suspects if suspect.seal.number >= point.first]
        if self._complete and chain.root(self._leaves) == point.root:
            if self._doubted or self._hash != point.head:
                self._suspects = [suspect for suspect in self._suspects if suspect not in suspects]
                place = suspects[0].seal.number if suspects else point.number
                self._note(
                    Kind.RESEALED, place, "its seal was changed; the records are those that were signed"
                )
        elif self._hash != point.head or (self._complete and not self._doubted):
            places = f"{point.first} to {point.number}"
            self._note(Kind.RESEALED, point.first, f"records {places} are not those that were signed")

    def slipped_in(self, record_id: int, behind: int) -> None:
        """A record without a seal that says it was written ``behind`` that place, and was not."""
        name = chain.record_name(record_id)
        self._note(Kind.INSERTED, behind, f"{name} was slipped in behind this place", name)

    def end(self, *, of_chain: bool = True) -> list[Breach]:
        """All that was found, by place. Nothing more may be shown after that."""
        if of_chain:
            self._look_behind()
        for gap in self._gaps:
            until = "" if gap.first == gap.last else f" to {gap.last}"
            if of_chain and gap.last == self.number:
                self._note(Kind.TRUNCATED, gap.first, f"{gap.first}{until}, the end, is gone", gap.record)
            else:
                self._note(Kind.DELETED, gap.first, f"{gap.first}{until} is gone", gap.record)
        self._name_suspects()
        return sorted(self._found, key=lambda breach: (breach.number, breach.kind))

    def _look_behind(self) -> None:
        """What the chain's own end cannot tell."""
        reached = 0 if self.last is None else self.last.number
        if self.number > reached:
            self._note(Kind.FORGED, reached + 1, "sealed, but no checkpoint was signed for it")
        if self._exported is None:
            return
        if not self._is_signed(self._exported):
            self._note(Kind.FORGED, self._exported.number, "an exported checkpoint is not signed by us")
        elif self._exported.number > reached:
            detail = f"the chain ends at {reached}, an exported checkpoint says {self._exported.number}"
            self._note(Kind.TRUNCATED, reached + 1, detail)
        else:
            self._note(Kind.FORGED, self._exported.number, "a checkpoint that was exported is not there")

    def _name_suspects(self) -> None:
        swapped: set[int] = set()
        for one, other in combinations(self._suspects, 2):
            if {one.seal.number, other.seal.number} & swapped or not _changed_places(one, other):
                continue
            swapped |= {one.seal.number, other.seal.number}
            places = f"{one.seal.number} and {other.seal.number} have changed places"
            self._note(Kind.SWAPPED, one.seal.number, places, chain.record_name(one.seal.record_id))
        for suspect in self._suspects:
            if suspect.seal.number not in swapped:
                name = chain.record_name(suspect.seal.record_id)
                self._note(Kind.EDITED, suspect.seal.number, f"{name} is not as it was sealed", name)

    def _suspect(self, suspect: _Suspect) -> None:
        self._doubted = True
        if len(self._suspects) < MOST:
            self._suspects.append(suspect)
        else:
            self.uncounted += 1

    def _gone(self, first: int, last: int, record: str | None) -> None:
        self._complete = False
        if self._gaps and self._gaps[-1].last == first - 1:
            before = self._gaps.pop()
            first, record = before.first, before.record
        if len(self._gaps) < MOST:
            self._gaps.append(_Gap(first, last, record))
        else:
            self.uncounted += 1

    def _note(self, kind: Kind, number: int, detail: str, record: str | None = None) -> None:
        if len(self._found) < MOST:
            self._found.append(Breach(kind=kind, number=number, record=record, detail=detail))
        else:
            self.uncounted += 1


def _changed_places(one: _Suspect, other: _Suspect) -> bool:
    """Whether each fits where the other is: as it is, or when the two have exchanged all but their ids."""
    return _fits(one, other) and _fits(other, one)


def _fits(place: _Suspect, moved: _Suspect) -> bool:
    as_it_is, under_this_id = moved.record, moved.record | {"id": place.record["id"]}
    return any(
        chain.link(place.previous, chain.leaf(record)) == place.seal.hash
        for record in (as_it_is, under_this_id)
    )
