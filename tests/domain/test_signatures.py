"""A webhook is believed when a live secret signed these bytes just now, and not otherwise."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SignatureInvalid, SignatureMissing
from domain.signatures import new_secret, sign, verify

NOW = datetime.now(UTC)
STAMP = int(NOW.timestamp())
SECRET = new_secret(bytes(range(32)))
OTHER = new_secret(bytes(range(1, 33)))
BODY = b'{"type":"payment.succeeded"}'


def headers(**changes: str) -> dict[str, str]:
    signed = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(STAMP),
        "webhook-signature": sign(SECRET, "evt_1", STAMP, BODY),
    }
    return signed | {f"webhook-{name}": value for name, value in changes.items()}


@given(st.binary(min_size=24, max_size=64), st.text(alphabet="abcXYZ_-09", min_size=1), st.text())
def test_the_reference_library_agrees_with_us_both_ways(entropy: bytes, webhook_id: str, text: str) -> None:
    secret, judge = new_secret(entropy), standardwebhooks.Webhook(new_secret(entropy))
    ours = sign(secret, webhook_id, STAMP, text.encode())
    assert ours == judge.sign(webhook_id, NOW, text)
    sent = {"webhook-id": webhook_id, "webhook-timestamp": str(STAMP), "webhook-signature": ours}
    judge.verify(text.encode(), sent, json_parse=False)
    assert verify([secret], sent, text.encode(), NOW) == webhook_id


def test_bodies_are_bytes_and_need_not_be_text() -> None:
    sent = headers(signature=sign(SECRET, "evt_1", STAMP, b"\xff\x00"))
    assert verify([SECRET], sent, b"\xff\x00", NOW) == "evt_1"


def test_header_names_are_read_in_any_case() -> None:
    assert verify([SECRET], {name.title(): value for name, value in headers().items()}, BODY, NOW) == "evt_1"


class Spy(str):
    """Text that tells when it is compared as any text is: up to the first difference, and no further."""

    __slots__ = ()
    compared: ClassVar[list[object]] = []

    def __eq__(self, other: object) -> bool:
        self.compared.append(other)
        return str.__eq__(self, other)

    __hash__ = str.__hash__

    def split(self, *_: object) -> list[str]:
        return [Spy(part) for part in str.split(self, " ")]


def test_no_signature_is_compared_with_equals() -> None:
    right = headers()["webhook-signature"]
    assert (Spy(right) == right, Spy.compared) == (True, [right])
    Spy.compared.clear()
    sent: Mapping[str, str] = headers() | {"webhook-signature": Spy(f"v1,AAAA {right}")}
    assert verify([OTHER, SECRET], sent, BODY, NOW) == "evt_1"
    assert Spy.compared == []


def test_every_live_secret_and_every_signature_is_tried() -> None:
    both = f"v1a,else {sign(OTHER, 'evt_1', STAMP, BODY)} {headers()['webhook-signature']}"
    for secrets in ([SECRET], [OTHER], [new_secret(bytes(24)), SECRET]):
        assert verify(secrets, headers(signature=both), BODY, NOW) == "evt_1"
    assert verify([OTHER, SECRET], headers(), BODY, NOW) == "evt_1"


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_the_clock_may_differ_by_the_tolerance(seconds: int) -> None:
    assert verify([SECRET], headers(), BODY, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-(10**9), -301, 301, 10**9])
def test_stale_and_future_signatures_are_refused(seconds: int) -> None:
    with pytest.raises(SignatureInvalid):
        verify([SECRET], headers(), BODY, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "evt_2"},
        {"timestamp": str(STAMP + 1)},
        {"timestamp": "-1"},
        {"timestamp": "9" * 20},
        {"signature": "v1," + "A" * 43 + "="},
        {"signature": "v1,garbage"},
        {"signature": "v1," + "é".encode().hex()},
        {"signature": sign(SECRET, "evt_1", STAMP, BODY).replace("v1,", "v2,")},
        {"signature": sign(SECRET, "evt_1", STAMP, BODY).removesuffix("=")},
        {"signature": sign(OTHER, "evt_1", STAMP, BODY)},
        {"signature": sign(SECRET, "evt_1", STAMP, BODY + b" ")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_wrong_signature_is_401(changes: dict[str, str]) -> None:
    with pytest.raises(SignatureInvalid):
        verify([SECRET], headers(**changes), BODY, NOW)


UNREADABLE = ["", " ", ",", "v1", "v1,", "é,é", "\ud800", "\x00", "x y"]


@pytest.mark.parametrize(
    "changes",
    [{"signature": value} for value in UNREADABLE]
    + [
        {"timestamp": value}
        for value in (*UNREADABLE, "1.5", "1e9", "٣", "+1", "0x1", "NaN", "9" * 21, "9" * 10_000)
    ]
    + [{"id": value} for value in ("", " ", "é", "\ud800", "a b", "evt.1", "x" * 256, "a\n")],
    ids=lambda changes: next(iter(changes)),
)
def test_an_unreadable_header_is_400(changes: dict[str, str]) -> None:
    with pytest.raises(SignatureMissing):
        verify([SECRET], headers(**changes), BODY, NOW)


@pytest.mark.parametrize("name", headers())
def test_a_missing_header_is_400(name: str) -> None:
    sent = headers()
    del sent[name]
    with pytest.raises(SignatureMissing):
        verify([SECRET], sent, BODY, NOW)


@given(st.dictionaries(st.sampled_from(list(headers())), st.text(st.characters())), st.binary())
def test_no_header_makes_anything_but_a_refusal(changes: dict[str, str], body: bytes) -> None:
    with pytest.raises((SignatureMissing, SignatureInvalid)):
        verify([SECRET], {**headers(), **changes}, body + b"?", NOW)


def test_id_and_timestamp_cannot_trade_places() -> None:
    with pytest.raises(ValueError, match="full stop"):
        sign(SECRET, f"evt.{STAMP}", 2, BODY)


def _encoded(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_é",
        "whsec_" + "A" * 31,
        _encoded(b"x" * 23),
        _encoded(b"x" * 65),
        SECRET[6:],
        SECRET + "\n",
    ],
)
def test_a_malformed_secret_of_ours_is_an_error_not_a_refusal(secret: str) -> None:
    for secrets in ([secret], [SECRET, secret]):
        with pytest.raises(ValueError, match="24 to 64 bytes"):
            verify(secrets, headers(), BODY, NOW)


def test_no_secret_at_all_vouches_for_nothing() -> None:
    with pytest.raises(ValueError, match="no secret"):
        verify([], headers(), BODY, NOW)


@pytest.mark.parametrize("size", [0, 16, 23, 65])
def test_a_new_secret_has_enough_entropy(size: int) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        new_secret(bytes(size))
