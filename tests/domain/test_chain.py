"""The arithmetic of tamper evidence, on its own."""

import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import chain
from domain.chain import Checkpoint
from domain.custody import Breach, Examination, Kind, Seal

hashes = st.binary(min_size=32, max_size=32)
trees = st.lists(hashes, min_size=1, max_size=70)
texts = st.text(st.characters(exclude_categories=["Cs"]))
documents = st.dictionaries(texts, st.none() | st.booleans() | st.integers() | texts, max_size=8)


def record(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": chain.record_name(number), "actor": "owner", "action": f"deed {number}"} | changes


# --- Bytes ----------------------------------------------------------------------------------------


@given(documents)
def test_a_document_has_one_spelling_whatever_the_order_of_its_members(document: dict[str, Any]) -> None:
    other = dict(reversed(document.items()))
    assert chain.canonical(document) == chain.canonical(other)
    assert json.loads(chain.canonical(document)) == document


@given(documents, documents)
def test_two_documents_have_two_spellings(one: dict[str, Any], other: dict[str, Any]) -> None:
    # Python holds True to be 1; JSON does not.
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (chain.canonical(one) == chain.canonical(other)) is same


def test_the_spelling_is_the_one_that_is_documented() -> None:
    document = {"b": None, "a": 'Zoë "\n\x01/€', "c": [1, True]}
    assert chain.canonical(document) == '{"a":"Zoë \\"\\n\\u0001/€","b":null,"c":[1,true]}'.encode()


def test_a_moment_is_spelt_in_utc_to_the_microsecond() -> None:
    at = datetime(2026, 3, 1, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=1)))
    assert chain.instant(at) == "2026-03-01T00:02:03.000004Z"


# --- Chain ----------------------------------------------------------------------------------------


@given(hashes, hashes, hashes)
def test_a_link_seals_everything_before_it(one: bytes, other: bytes, leaf: bytes) -> None:
    assert (chain.link(one, leaf) == chain.link(other, leaf)) is (one == other)


def test_chains_of_two_tenants_have_nothing_in_common() -> None:
    assert chain.genesis("ten_1") != chain.genesis("ten_2")


# --- Trees ----------------------------------------------------------------------------------------


def test_roots_are_those_of_rfc_6962() -> None:
    # The vectors of the reference implementation, leaf by leaf.
    data = [bytes.fromhex(each) for each in ("", "00", "10", "2021", "3031", "40414243")]
    leaves = [sha256(b"\x00" + each).digest() for each in data]
    assert chain.root(leaves[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert chain.root(leaves[:2]).hex() == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert chain.root(leaves[:3]).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
    assert chain.root([]) == sha256().digest()


@given(trees, st.data())
def test_every_leaf_has_a_path_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = chain.path(leaves, index)
    assert len(path) <= (len(leaves) - 1).bit_length()
    assert chain.climb(leaves[index], index, len(leaves), path) == chain.root(leaves)


@given(trees, st.data())
def test_no_other_leaf_place_or_path_leads_there(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path, size = chain.path(leaves, index), len(leaves)
    other = data.draw(hashes.filter(lambda leaf: leaf != leaves[index]))
    assert chain.climb(other, index, size, path) != chain.root(leaves)
    assert chain.climb(leaves[index], index, size, [*path, other]) != chain.root(leaves)
    assert chain.climb(leaves[index], size, size, path) is None
    assert chain.climb(leaves[index], -1, size, path) is None
    if path:
        assert chain.climb(leaves[index], index, size, path[1:]) != chain.root(leaves)


# --- Checkpoints ----------------------------------------------------------------------------------

AT = datetime(2026, 3, 1, tzinfo=UTC)


def sealed(count: int, batch: int = 4) -> tuple[list[Seal], list[dict[str, Any]], list[Checkpoint]]:
    """A chain of so many records, with a checkpoint after each batch."""
    records = [record(number) for number in range(1, count + 1)]
    head, seals, points = chain.genesis("ten_1"), list[Seal](), list[Checkpoint]()
    for number, each in enumerate(records, 1):
        head = chain.link(head, chain.leaf(each))
        seals.append(Seal(number, number, head))
        if number % batch == 0 or number == count:
            first = points[-1].number + 1 if points else 1
            points.append(
                Checkpoint(
                    tenant_id="ten_1",
                    first=first,
                    number=number,
                    head=head,
                    root=chain.root([chain.leaf(one) for one in records[first - 1 : number]]),
                    highest=number,
                    latest=AT,
                    previous=points[-1].digest if points else chain.NOTHING,
                    at=AT,
                    key_id="key",
                    signature=b"signed",
                )
            )
    return seals, records, points


def trusts(key: str, _signed: bytes, signature: bytes) -> bool:
    return (key, signature) == ("key", b"signed")


def examined(
    seals: list[Seal],
    records: dict[int, dict[str, Any]],
    points: list[Checkpoint],
    exported: Checkpoint | None = None,
) -> list[Breach]:
    examination = Examination("ten_1", trusts, exported=exported)
    ends = {point.number: point for point in points}
    for number in sorted({*(seal.number for seal in seals), *ends}):
        for seal in seals:
            if seal.number == number:
                examination.sealed(seal, records.get(seal.record_id))
        if number in ends:
            examination.checkpoint(ends[number])
    return examination.end()


def places(breaches: list[Breach]) -> list[tuple[str, int]]:
    return [(str(breach.kind), breach.number) for breach in breaches]


@given(st.integers(1, 30), st.integers(1, 8))
def test_what_nobody_touched_is_sound(count: int, batch: int) -> None:
    seals, records, points = sealed(count, batch)
    assert examined(seals, dict(enumerate(records, 1)), points, exported=points[-1]) == []


@given(st.integers(2, 30), st.integers(1, 8), st.data())
def test_one_touch_is_one_breach_at_its_place(count: int, batch: int, data: st.DataObject) -> None:
    seals, records, points = sealed(count, batch)
    place, other = data.draw(st.lists(st.integers(1, count), min_size=2, max_size=2, unique=True))
    sound = dict(enumerate(records, 1))
    edited = sound | {place: record(place, action="another deed")}
    assert places(examined(seals, edited, points)) == [("edited", place)]
    gone = {number: each for number, each in sound.items() if number != place}
    assert places(examined(seals, gone, points)) == [("truncated" if place == count else "deleted", place)]
    exchanged = sound | {place: sound[other], other: sound[place]}
    assert places(examined(seals, exchanged, points)) == [("swapped", min(place, other))]
    renamed = sound | {
        place: sound[other] | {"id": sound[place]["id"]},
        other: sound[place] | {"id": sound[other]["id"]},
    }
    assert places(examined(seals, renamed, points)) == [("swapped", min(place, other))]


def test_a_chain_that_was_made_anew_from_a_place_on_is_not_what_was_signed() -> None:
    _, records, points = sealed(12)
    records[5]["action"] = "another deed"
    head, seals = chain.genesis("ten_1"), list[Seal]()
    for number, each in enumerate(records, 1):
        head = chain.link(head, chain.leaf(each))
        seals.append(Seal(number, number, head))
    found = examined(seals, dict(enumerate(records, 1)), points)
    assert {(breach.kind, breach.number) for breach in found} >= {(Kind.RESEALED, 5)}


def test_a_chain_that_was_cut_is_missed_by_what_was_kept_elsewhere() -> None:
    seals, records, points = sealed(12)
    rest = dict(enumerate(records[:8], 1))
    assert places(examined(seals[:8], rest, points[:2])) == []
    assert places(examined(seals[:8], rest, points[:2], exported=points[2])) == [("truncated", 9)]


def test_a_chain_that_was_cut_and_went_on_otherwise_is_found() -> None:
    seals, records, points = sealed(12)
    other = points[2].model_copy(update={"at": AT + timedelta(seconds=1)})
    found = examined(seals, dict(enumerate(records, 1)), [*points[:2], other], exported=points[2])
    assert places(found) == [("forged", 12)]


def test_a_checkpoint_by_another_key_is_found() -> None:
    seals, records, points = sealed(12)
    forged = points[1].model_copy(update={"signature": b"other"})
    found = examined(seals, dict(enumerate(records, 1)), [points[0], forged, points[2]])
    assert places(found) == [("forged", 8)]


def test_seals_without_a_checkpoint_stand_for_nothing() -> None:
    seals, records, points = sealed(12)
    assert places(examined(seals, dict(enumerate(records, 1)), points[:2])) == [("forged", 9)]


def test_a_trail_in_ruins_is_told_in_a_hundred_lines_and_a_number() -> None:
    seals, records, points = sealed(400)
    ruins = {number: each | {"actor": "nobody"} for number, each in enumerate(records, 1)}
    examination = Examination("ten_1", trusts)
    for seal in seals:
        examination.sealed(seal, ruins[seal.record_id])
        if seal.number % 4 == 0:
            examination.checkpoint(points[seal.number // 4 - 1])
    assert len(examination.end()) == 100
    assert examination.uncounted == 300


def test_a_checkpoint_is_read_as_it_was_written_or_not_at_all() -> None:
    point = sealed(4)[2][0]
    assert Checkpoint.read(point.document) == point
    for wrong in (
        {"first": True},
        {"number": "4"},
        {"head": point.head.hex().upper()},
        {"at": "2026-03-01T01:00:00.000000+01:00"},
        {"type": "another"},
        {"more": 1},
        {"signature": None},
    ):
        with pytest.raises(ValueError, match=r"checkpoint|field|hex|format|validation"):
            Checkpoint.read(point.document | wrong)
    with pytest.raises(ValueError, match="not a checkpoint"):
        Checkpoint.read({})
