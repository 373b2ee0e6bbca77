"""Text from outside is storable, holds no card number, and is what it claims to be."""

import re
import uuid
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.errors import IdempotencyKeyMissing
from domain.text import Email, FreeText, IdempotencyKey, Url, check_characters, holds_card_number

NAME = TypeAdapter[str](Annotated[str, FreeText(40)])
VISA = "4242424242424242"


def luhn_completed(digits: str) -> str:
    """``digits`` with the check digit that makes them card-shaped, found by trying all ten."""
    return next(digits + check for check in "0123456789" if holds_card_number(digits + check))


@pytest.mark.parametrize(
    "text",
    [
        VISA,
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242-4242 4242-4242",
        " ".join(VISA),
        "3782 822463 10005",
        "378282246310005",
        "4222222222222",
        "6304000000000000000"[:18] + "0",
        "1234567812345670",
        "my card is 4242 4242 4242 4242 12/27 123, thanks",
        "order 12 4242 4242 4242 4242",
        "4242 4242 4242 4242 123",
        f"x{VISA}y",
        f"card:{VISA}.",
        f"a\n{VISA}\tb",
        "４２４２４２４２４２４２４２４２",
        "٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢",
        "4242\u00a04242\u20114242\u20134242",
    ],
)
def test_a_card_number_is_found_wherever_it_stands(text: str) -> None:
    assert holds_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Pro, yearly",
        "4242424242424241",
        "424242424242",
        "4242  4242  4242  4242",
        "4242/4242/4242/4242",
        "4242.4242.4242.4242",
        VISA + "4242",
        "+36 1 234 5678",
        "2026-01-01T00:00:00Z",
        "42424242-4242-4242-4242-424242424242",
        "pay_01jabcdefghjkmnpqrstvwxyz0",
    ],
)
def test_other_text_is_left_in_peace(text: str) -> None:
    assert not holds_card_number(text)


@given(st.uuids())
def test_a_uuid_is_never_a_card(value: uuid.UUID) -> None:
    assert not holds_card_number(f"user {value}, {str(value).upper()}")


@given(st.text("123456789", min_size=12, max_size=18))
def test_exactly_one_check_digit_makes_a_card(digits: str) -> None:
    assert sum(holds_card_number(f"{digits}{check}") for check in range(10)) == 1


@given(st.text("123456789", min_size=12, max_size=18), st.data())
def test_separators_do_not_hide_a_card(digits: str, data: st.DataObject) -> None:
    card = luhn_completed(digits)
    joints = data.draw(st.lists(st.sampled_from(["", " ", "-"]), min_size=len(card), max_size=len(card)))
    assert holds_card_number("".join(map("".join, zip(card, joints, strict=True))))


@pytest.mark.parametrize(
    "text", ["", "x" * 41, "a\0b", "a\x1bb", "a\rb", "\x7f", "\x85", "\ud800", VISA, 1, b"x", None]
)
def test_free_text_refuses_what_no_store_should_hold(text: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        NAME.validate_python(text)
    assert VISA not in refused.value.errors()[0]["msg"]


def test_characters_are_checked_without_pydantic_too() -> None:
    for text in ("\ud800", "a\0"):
        with pytest.raises(ValueError, match="not accepted"):
            check_characters(text)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Nd"]), min_size=1, max_size=40))
def test_free_text_takes_any_script_as_it_is(text: str) -> None:
    assert NAME.validate_python(text) == text


def test_free_text_may_have_lines_and_may_be_allowed_to_be_empty() -> None:
    assert NAME.validate_python("a\n\tb")
    assert TypeAdapter(Annotated[str, FreeText(5, min_length=0)]).validate_python("") == ""


def test_lengths_and_characters_are_part_of_the_schema() -> None:
    schema = NAME.json_schema()
    pattern = schema.pop("pattern")
    assert schema == {"type": "string", "minLength": 1, "maxLength": 40}
    assert [re.search(pattern, f"a{control}b") for control in "\0\b\v\r\x1b\x7f\x85"] == [None] * 7
    assert all(re.search(pattern, text) for text in ("", "line\nfeed\ttab", "ű😀\xa0"))


@pytest.mark.parametrize(
    "email", ["a@b.hu", "a.b+c@sub.example.com", "dev@acme.test", "root@box.local", "ő@péld.hu"]
)
def test_addresses_people_use_are_taken_as_written(email: str) -> None:
    assert TypeAdapter[str](Email).validate_python(email) == email


@pytest.mark.parametrize(
    "email",
    ["", "a", "a@", "@b.hu", "a@b", "a@b..hu", "a b@c.hu", "Bob <a@b.hu>", "<a@b.hu>", "a@b.hu\n",
     " a@b.hu", "a@[127.0.0.1]",
     "a@b.hu,c@d.hu", "\ud800@b.hu", "a\0@b.hu", "a@" + "b." * 130 + "hu", f"{VISA}@b.hu"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_an_echo(email: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter[str](Email).validate_python(email)
    (error,) = refused.value.errors()
    assert error["msg"].endswith(("not an e-mail address", "not accepted anywhere"))


@pytest.mark.parametrize(
    "url",
    ["https://shop.example", "http://localhost:3000/ok?x={CHECKOUT_SESSION_ID}#top",
     "HTTPS://EXAMPLE.com/", "https://[::1]/", "https://a.hu/" + "x" * 2035],
)  # fmt: skip
def test_absolute_web_urls_are_taken_as_written(url: str) -> None:
    assert TypeAdapter[str](Url).validate_python(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "/ok", "//a.hu", "https:", "https://", "https:///x", "https:a.hu", "ftp://a.hu",
     "javascript:alert(1)", "data:,x",
     "https://u@a.hu", "https://u:p@a.hu", "https://@a.hu", "https://a.hu\\@b.hu", "https://a.hu/ x",
     "https://a.hu/\n", " https://a.hu",
     "https://a.hu\0", "https://péld.hu", "https://a.hu:x/", "https://a.hu:0/", "https://a.hu:65536/",
     "https://[::1", "https://[x]/",
     "https://a.hu/" + "x" * 2036, "\ud800"],
)  # fmt: skip
def test_what_is_no_absolute_web_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[str](Url).validate_python(url)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255))
def test_a_key_is_any_printable_ascii(key: str) -> None:
    assert TypeAdapter[str](IdempotencyKey).validate_python(key) == key


@pytest.mark.parametrize("key", ["x" * 256, "é", "a\n", "a\tb", "\x7f", "\ud800"])
def test_any_other_key_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[str](IdempotencyKey).validate_python(key)


def test_an_empty_key_counts_as_missing() -> None:
    with pytest.raises(IdempotencyKeyMissing):
        TypeAdapter[str](IdempotencyKey).validate_python("")
