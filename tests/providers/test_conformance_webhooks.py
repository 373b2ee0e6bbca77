"""A webhook is believed when a live secret signed these very bytes just now; all else is refused.

Nothing but the three refusals may come out of a verifier, whatever it is given; and what is not signed is
not even looked at.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.datastructures import Headers

from domain.errors import SignatureInvalid, SignatureMissing, UnreadableEvent
from providers.base import Heard
from providers.sandbox import Sandbox
from tests.providers.case import NAMES, Case, case_of, changed, paths
from tests.providers.discretion import check_discreet, told_by
from tests.providers.verbs import NOW, is_storable

GOOD: Final = frozenset({"paid", "succeeded", "won", "active"})
REFUSALS: Final = (SignatureMissing, SignatureInvalid, UnreadableEvent)
SIGNATURE: Final = (SignatureMissing, SignatureInvalid)
TOLERATED: Final = timedelta(seconds=300)


def _sends(_: httpx.Request) -> httpx.Response:
    raise AssertionError("reading a webhook asks nobody anything")


NOWHERE: Final = httpx.AsyncClient(transport=httpx.MockTransport(_sends))


def read(
    case: Case,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime = NOW,
    secrets: Mapping[str, str] | None = None,
) -> list[Heard]:
    """What the adapter hears. What it refuses, it refuses discreetly; nothing else may come out."""
    adapter = case.adapter(NOWHERE, None, secrets)
    try:
        return adapter.read_webhook(headers, body, now)
    except REFUSALS as refused:
        check_discreet(case, told_by(refused), "a refusal")
        raise
    except Exception as escaped:
        raise AssertionError(f"{case.provider.name} lets {escaped!r:.200} out of a webhook") from escaped


def signed(case: Case, body: bytes, at: datetime = NOW, *secrets: str) -> dict[str, str]:
    return case.sign(secrets or (case.secrets[case.webhook_secrets[0]],), body, at)


def without(case: Case, name: str) -> dict[str, str]:
    return {one: secret for one, secret in case.secrets.items() if one != name}


def body_of(case: Case, name: str = "paid") -> bytes:
    return json.dumps(case.events[name].body, ensure_ascii=False).encode()


def test_what_the_company_signs_is_understood(case: Case) -> None:
    assert "paid" in case.events, "the case has no event of a payment that was paid"
    for name, event in case.events.items():
        body = body_of(case, name)
        assert event.understood(read(case, signed(case, body), body)), name


def test_an_event_is_known_by_the_same_name_each_time_it_comes(case: Case) -> None:
    body = body_of(case)
    first, again = [
        read(case, signed(case, body, NOW + late), body) for late in (timedelta(0), TOLERATED / 2)
    ]
    assert [said.cause_id for said in first] == [said.cause_id for said in again]
    assert first[0].evidence_sha256 == again[0].evidence_sha256 is not None


def test_header_names_may_be_written_in_any_case(case: Case) -> None:
    body = body_of(case)
    for write in (str.upper, str.title, str.lower):
        sent = {write(name): value for name, value in signed(case, body).items()}
        assert read(case, sent, body)
    assert read(case, Headers(signed(case, body)), body)


def test_it_may_be_five_minutes_old_or_early_and_not_a_second_more(case: Case) -> None:
    body = body_of(case)
    for late in (-TOLERATED, timedelta(0), TOLERATED):
        assert read(case, signed(case, body, NOW - late), body)
    second = timedelta(seconds=1)
    for late in (TOLERATED + second, -TOLERATED - second, timedelta(days=1), -timedelta(days=3650)):
        with pytest.raises(SignatureInvalid):
            read(case, signed(case, body, NOW - late), body)


def test_every_live_secret_is_tried_against_every_signature(case: Case) -> None:
    body, (present, old) = body_of(case), case.webhook_secrets
    strange = case.other[present]
    for secrets in (
        [case.secrets[old]],
        [strange, case.secrets[present]],
        [case.secrets[old], strange],
        [strange, case.other[old], case.secrets[old]],
    ):
        assert read(case, signed(case, body, NOW, *secrets), body)
    for secrets in ([strange], [strange, case.other[old]]):
        with pytest.raises(SignatureInvalid):
            read(case, signed(case, body, NOW, *secrets), body)
    # The old one is live no more.
    with pytest.raises(SignatureInvalid):
        read(case, signed(case, body, NOW, case.secrets[old]), body, NOW, without(case, old))


@pytest.mark.parametrize("secret", ["", " ", "\t\n", "whsec_"])
def test_a_secret_that_is_none_makes_no_account(case: Case, secret: str) -> None:
    for name in case.webhook_secrets:
        with pytest.raises(ValidationError) as refused:
            read(case, {}, b"", NOW, {**case.secrets, name: secret})
        check_discreet(case, told_by(refused.value), "a refused secret")


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_one_changed_bit_anywhere_and_it_is_refused(name: str, data: st.DataObject) -> None:
    case = case_of(name)
    body = body_of(case)
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    flipped = bytearray(body)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SignatureInvalid):
        read(case, signed(case, body), bytes(flipped))
    # A header's characters stay characters; base64's last one has bits that say nothing.
    headers = signed(case, body)
    header = data.draw(st.sampled_from(sorted(headers)))
    value = headers[header]
    place = data.draw(st.integers(0, len(value.rstrip("=")) - 2))
    other = data.draw(
        st.characters(min_codepoint=33, max_codepoint=126).filter(lambda one: one != value[place])
    )
    with pytest.raises(SIGNATURE):
        read(case, headers | {header: value[:place] + other + value[place + 1 :]}, body)


ODD: Final[Sequence[str]] = (
    "",
    " ",
    "0",
    "-1",
    "nan",
    "é",
    "\ud800",
    "\0",
    "9" * 400,
    "٣",
    ",",
    "=",
    "t=",
    "v1",
    "v1=",
    "v1,",
    "t=,v1=",
    "t=1,t=2,v1=x",
    "v1=é",
    "v1,é",
    "t=9e9,v1=00",
    "t=" + "9" * 400 + ",v1=00",
    "v1," * 10_000,
    "x" * 100_000,
)


def test_odd_headers_are_refused_and_nothing_else_happens(case: Case) -> None:
    body = body_of(case)
    headers = signed(case, body)
    for name, value in headers.items():
        rest = {one: sent for one, sent in headers.items() if one != name}
        with pytest.raises(SignatureMissing):
            read(case, rest, body)
        # Twice the same name, with another value first or last: one of them is looked at, or none.
        for twice in ([(name, "odd"), (name, value)], [(name, value), (name, "odd")]):
            raw = [(one.encode(), sent.encode()) for one, sent in [*rest.items(), *twice]]
            with contextlib.suppress(*SIGNATURE):
                read(case, Headers(raw=raw), body)
        for odd in ODD:
            with pytest.raises(SIGNATURE):
                read(case, headers | {name: odd}, body)
    with pytest.raises(SignatureMissing):
        read(case, {}, body)


@pytest.mark.parametrize("name", NAMES)
@given(
    st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4), st.text(max_size=60), st.binary()
)
@settings(deadline=None, max_examples=60)
def test_whatever_comes_that_nobody_signed_is_refused(
    name: str, headers: dict[str, str], signature: str, body: bytes
) -> None:
    case = case_of(name)
    for sent in (headers, headers | {case.signature_header: signature}):
        with pytest.raises(SIGNATURE):
            read(case, sent, body)


GARBAGE: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "no UTF-8": b'{"id": "\xff\xfe"}',
    "another encoding": '{"id": "x"}'.encode("utf-16"),
    "no JSON": b"<xml/>",
    "half of it": b'{"id": ',
    "too deep": b"[" * 200_000,
    "deep objects": b'{"data":' * 50_000,
    "not a number": b'{"data": NaN, "id": Infinity}',
    "a long number": b'{"data": ' + b"9" * 10_000 + b"}",
    "a list": b"[]",
    "a text": b'"event"',
    "null": b"null",
    "an object": b"{}",
    "wrong shapes": b'{"id": [], "type": {}, "data": [], "object": 1}',
    "a surrogate": b'{"id": "\\ud800", "type": "\\ud800", "data": {"object": "\\ud800"}}',
    "twice": b'{"data": {"object": 1}, "data": {"object": {}}, "type": 1, "type": "x"}',
}


def test_signed_garbage_cannot_be_read_and_unsigned_garbage_is_not_looked_at(case: Case) -> None:
    for what, body in GARBAGE.items():
        try:
            heard = read(case, signed(case, body), body)
        except UnreadableEvent:
            heard = []
        assert heard == [], what
        wrong = signed(case, body, NOW, case.other[case.webhook_secrets[0]])
        with pytest.raises(SignatureInvalid):
            read(case, wrong, body)


NASTY: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "?",
    "2026-11-21T12:00:00",
    "\ud800",
    "\0",
    "x" * 10_000,
    [],
    {},
    [[]],
)


def test_nonsense_in_a_signed_event_is_unreadable_or_unclear_and_never_success(case: Case) -> None:
    for name, event in case.events.items():
        for number, path in enumerate(paths(event.body)):
            # Other values from place to place; all of them where a word stands for a state.
            some = [NASTY[(number * 4 + turn) % len(NASTY)] for turn in range(4)]
            for value in NASTY if path in event.states else some:
                body = json.dumps(changed(event.body, path, value)).encode()
                try:
                    heard = read(case, signed(case, body), body)
                except UnreadableEvent:
                    continue
                assert all(is_storable(said) for said in heard), f"{name}: {path} is {value!r:.40}"
                if path in event.states:
                    assert not any(getattr(said, "word", None) in GOOD for said in heard), (
                        f"{name}: {path} is {value!r:.40}"
                    )


def test_a_word_nobody_knows_is_told_as_it_was(case: Case) -> None:
    for name, event in case.events.items():
        for path in event.states:
            body = json.dumps(changed(event.body, path, "never_heard_of")).encode()
            (said,) = read(case, signed(case, body), body)
            assert (getattr(said, "word", None), "never_heard_of" in said.raw_state) == ("unclear", True), (
                f"{name}: {path}"
            )


# --- That these checks can fail ---------------------------------------------------------------------


@pytest.mark.usefixtures("unregistered")
def test_a_verifier_that_is_too_kind_does_not_pass() -> None:
    case = case_of("sandbox")

    class Patient(Sandbox):
        name = "patient"

        def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Heard]:
            sent = datetime.fromtimestamp(int(headers.get("webhook-timestamp", 0)), now.tzinfo)
            return super().read_webhook(headers, body, max(now, sent))

    class Curious(Sandbox):
        name = "curious"

        def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Heard]:
            json.loads(body)
            return super().read_webhook(headers, body, now)

    with pytest.raises(pytest.fail.Exception):
        test_it_may_be_five_minutes_old_or_early_and_not_a_second_more(replace(case, provider=Patient))
    with pytest.raises(AssertionError, match="curious lets JSONDecodeError"):
        test_signed_garbage_cannot_be_read_and_unsigned_garbage_is_not_looked_at(
            replace(case, provider=Curious)
        )
