"""What every value in this house has in common, and how things get their names."""

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen fact. Unknown fields are refused, so a typo cannot pass for data."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Value):
    """A value that travels between processes, which may be of different versions during a deploy.

    Fields are only ever added, as optional ones; whoever does not know one yet passes it over.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


# Crockford's alphabet sorts like the numbers it writes; lower case keeps ids pleasant in URLs.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str, at: datetime) -> str:
    """A fresh id: sortable by ``at`` to the millisecond, with 80 random bits behind."""
    return _identifier(prefix, at, secrets.token_bytes(10))


def derived_id(prefix: str, at: datetime, *parts: str) -> str:
    """The same id for the same parts and instant, so that a repeated step meets its own work."""
    return _identifier(prefix, at, sha256("\x1f".join(parts).encode()).digest()[:10])


def first_id(prefix: str, at: datetime) -> str:
    """What sorts before every id of that millisecond, and after all earlier ones."""
    return _identifier(prefix, at, bytes(10))


def _identifier(prefix: str, at: datetime, entropy: bytes) -> str:
    milliseconds = int(at.astimezone(UTC).timestamp() * 1000)
    number = milliseconds << 80 | int.from_bytes(entropy, "big")
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def minted_at(identifier: str) -> datetime:
    """When an id of ours was made, to the millisecond. Raises ValueError for what is none."""
    prefix, _, written = identifier.rpartition("_")
    if not prefix or len(written) != 26:
        raise ValueError("this is no id of ours")
    number = 0
    for character in written:
        number = number << 5 | _ALPHABET.index(character)
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number >> 80)
    except OverflowError as error:
        raise ValueError("this is no id of ours") from error
