"""Text that comes from outside: what may be stored, logged and shown, and what is refused at the door.

No check here repeats the text in its message, so an error can be shown to anyone.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, EmailStr, Field, StringConstraints, TypeAdapter, ValidationError

from domain.errors import IdempotencyKeyMissing

_MAX_EMAIL_CHARACTERS = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets
_MAX_URL_CHARACTERS = 2048
_MAX_KEY_CHARACTERS = 255

_CARD_DIGITS = range(13, 20)  # ISO/IEC 7812-1 account numbers as they are issued

# Digits in groups joined by one space or dash; and UUIDs, of which one in thousands would look like a card.
_DIGIT_GROUPS = re.compile(r"[0-9]+(?:[ -][0-9]+)*")
_UUID = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z])")

# Names that RFC 2606 and RFC 6761 reserve for tests; integrators use them, email-validator refuses them.
_RESERVED_DOMAIN = re.compile(r"(?<=[@.])(?:test|invalid|localhost|local)$", re.IGNORECASE)

# What ``check_characters`` asks for, as far as a schema can say it: for readers of the OpenAPI.
_NO_CONTROLS = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"

_email = TypeAdapter[str](EmailStr)


def holds_card_number(text: str) -> bool:
    """Whether 13 to 19 digits that pass the Luhn check (ISO/IEC 7812-1, annex B) stand anywhere in ``text``.

    The digits may be of any script and come in groups parted by single spaces or dashes; neighbouring
    groups, like an expiry date after the number, do not hide it.
    """
    plain = _UUID.sub("_", "".join(map(_plain, text)))
    return any(
        len(digits) in _CARD_DIGITS and _passes_luhn(digits)
        for run in _DIGIT_GROUPS.findall(plain)
        for digits in _candidates(re.split("[ -]", run))
    )


def _plain(character: str) -> str:
    """Return the ASCII digit, space or dash a reader would see; any other character as it is."""
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    return {"Zs": " ", "Pd": "-"}.get(unicodedata.category(character), character)


def _candidates(groups: list[str]) -> Iterator[str]:
    """Yield every run of neighbouring groups short enough to be one card number."""
    for start in range(len(groups)):
        digits = ""
        for group in groups[start:]:
            digits += group
            if len(digits) >= _CARD_DIGITS.stop:
                break
            yield digits


def _passes_luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def check_characters(text: str) -> str:
    """``text`` itself, unless it holds what PostgreSQL, JSON or a terminal could not carry: ValueError."""
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs" or (category == "Cc" and character not in "\n\t"):
            raise ValueError("control characters and lone surrogates are not accepted")
    return text


def check_free_text(text: str) -> str:
    """``text`` itself, if it is storable and free of card numbers; else ValueError."""
    if holds_card_number(check_characters(text)):
        raise ValueError("this looks like a card number; card numbers are not accepted anywhere")
    return text


class FreeText(StringConstraints):
    """Marks a string someone wrote: ``Annotated[str, FreeText(500)]``. Lengths in characters, inclusive."""

    def __init__(self, max_length: int, *, min_length: int = 1) -> None:
        """Accept ``min_length`` to ``max_length`` characters."""
        super().__init__(strict=True, min_length=min_length, max_length=max_length)

    def __iter__(self) -> Iterator[Any]:
        """Yield the single constraints, as pydantic reads grouped metadata."""
        yield from super().__iter__()
        yield AfterValidator(check_free_text)
        yield Field(json_schema_extra={"pattern": _NO_CONTROLS})


def check_email(text: str) -> str:
    """``text`` itself, if it is a bare address (RFC 5321); else ValueError. Nothing is looked up."""
    if len(text) <= _MAX_EMAIL_CHARACTERS and not set(text) & set('<>" \t\r\n'):
        try:
            _email.validate_python(_RESERVED_DOMAIN.sub("example", text))
        except (ValidationError, UnicodeError):
            pass
        else:
            return check_free_text(text)
    raise ValueError("this is not an e-mail address")


def check_url(text: str) -> str:
    """``text`` itself, if it is an absolute http(s) URL with a host and without credentials; else ValueError.

    Characters outside printable ASCII, spaces and backslashes are refused: readers of URLs disagree on them.
    """
    if len(text) <= _MAX_URL_CHARACTERS and re.fullmatch(r"[!-\[\]-~]+", text):
        try:
            parts = urlsplit(text)
            has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            has_host = False
        if has_host and parts.scheme in ("http", "https") and "@" not in parts.netloc:
            return text
    raise ValueError(f"an absolute http or https URL of at most {_MAX_URL_CHARACTERS} characters is needed")


def check_idempotency_key(key: str) -> str:
    """``key`` itself, if it is 1 to 255 printable ASCII characters.

    Raises IdempotencyKeyMissing for an empty one, ValueError for the rest.
    """
    if not key:
        raise IdempotencyKeyMissing
    if len(key) > _MAX_KEY_CHARACTERS or not re.fullmatch(r"[ -~]+", key):
        raise ValueError(f"1 to {_MAX_KEY_CHARACTERS} printable ASCII characters are needed")
    return key


Email = Annotated[
    str, AfterValidator(check_email), Field(json_schema_extra={"format": "email", "maxLength": 254})
]
Url = Annotated[str, AfterValidator(check_url), Field(json_schema_extra={"format": "uri", "maxLength": 2048})]
IdempotencyKey = Annotated[
    str,
    AfterValidator(check_idempotency_key),
    # White space around a header's value is not part of it (RFC 9110, section 5.5).
    Field(json_schema_extra={"minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"}),
]
