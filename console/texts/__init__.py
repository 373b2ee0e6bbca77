"""All that pages say, in each language; the same keys in both. Braces are places for values.

A module for each part of the pages. No two of them may use the same key.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Final

from console.texts import (
    books,
    deeds,
    desk,
    entry,
    everywhere,
    frame,
    hooks,
    office,
    overview,
    payer,
    payments,
    timeline,
)
from documents.words import Language

_PARTS: Final = (
    *(everywhere, payer, entry, frame, overview, payments, timeline, deeds),
    *(desk, hooks, office, books),
)


def _together(language: Language) -> Mapping[str, str]:
    texts: dict[str, str] = {}
    for part in _PARTS:
        said = _said(part, language)
        if taken := texts.keys() & said.keys():
            raise ValueError(f"texts are said twice: {sorted(taken)}")
        texts |= said
    return texts


def _said(part: ModuleType, language: Language) -> dict[str, str]:
    said: dict[str, str] = getattr(part, language.name)
    return said


TEXTS: Final[Mapping[Language, Mapping[str, str]]] = {language: _together(language) for language in Language}
