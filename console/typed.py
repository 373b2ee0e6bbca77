"""What people type: amounts and days as their language writes them, and names. Exactly that, or nothing."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from documents.words import Language
from domain.money import exponent
from domain.text import check_characters

# Digits may be parted in threes. By a comma in English, by a point in Hungarian, and in both by spaces.
_DECIMAL: Final[Mapping[Language, str]] = {Language.EN: ".", Language.HU: ","}
_GROUPING: Final[Mapping[Language, str]] = {Language.EN: ",", Language.HU: "."}
_LONGEST: Final = 255
_DAY: Final = timedelta(days=1)
_NEVER_LATER_THAN: Final = datetime(9999, 1, 1, tzinfo=UTC)


def amount(typed: str, currency: str, language: Language) -> int | None:
    """Minor units of what somebody typed; None for what is no amount, or could be read in two ways.

    Never rounded: with more decimals than the currency has it is none. Raises ``CurrencyUnsupported``.
    """
    digits, point = exponent(currency), re.escape(_DECIMAL[language])
    group = f"(?:[ \u00a0\u202f]|{re.escape(_GROUPING[language])})"
    fraction = f"(?:{point}([0-9]{{1,{digits}}}))?" if digits else "()"
    written = re.fullmatch(
        rf"([0-9]{{1,16}}|[0-9]{{1,3}}(?:{group}[0-9]{{3}}){{1,5}}){fraction}", typed.strip()
    )
    if written is None:
        return None
    whole = re.sub(group, "", written[1])
    return int(whole + (written[2] or "").ljust(digits, "0"))


def plainly(amount_minor: int, currency: str, language: Language) -> str:
    """An amount as ``amount`` reads it, without groups: what a field is filled with."""
    digits = exponent(currency)
    whole, rest = divmod(amount_minor, 10**digits)
    return f"{whole}{_DECIMAL[language]}{rest:0{digits}}" if rest else str(whole)


def name(typed: str) -> str | None:
    """What may be the name of something. None for nothing, and for what no database can be asked for."""
    stripped = typed.strip()
    try:
        check_characters(stripped)
    except ValueError:
        return None
    return stripped if 0 < len(stripped) <= _LONGEST else None


def day(typed: str) -> datetime | None:
    """When a day begins that is written as in ``2026-11-22``; days are those of UTC."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", typed.strip()):
        return None
    try:
        begun = datetime.fromisoformat(typed.strip()).replace(tzinfo=UTC)
    except ValueError:
        return None
    return begun if begun < _NEVER_LATER_THAN else None


def end_of(begun: datetime) -> datetime:
    """The last moment of the day that begins then."""
    return begun + _DAY - timedelta(microseconds=1)
