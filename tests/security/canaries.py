"""Secrets that are looked for afterwards, in whatever spelling, wherever a process may have left them."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx

# Random enough that nobody else writes it by chance.
_ENOUGH: Final = 12
_HALF: Final = 16


@dataclass(frozen=True)
class Canary:
    """A secret, and the part of it that no id and no public prefix gives away."""

    kind: str
    secret: str = field(repr=False)

    @property
    def core(self) -> str:
        return re.split(r"[_.]", self.secret)[-1] if self.kind != "card" else self.secret

    def spellings(self) -> set[bytes]:
        """As it is, cut in halves, and as programs write it down."""
        core = self.core
        pieces = {self.secret, core, core[::-1]}
        if len(core) >= 2 * _HALF:
            pieces |= {core[:_HALF], core[-_HALF:]}
        found = {each.encode() for piece in pieces for each in _written(piece)}
        return {each for each in found if len(each) >= _ENOUGH}


def _written(text: str) -> Iterator[str]:
    raw = text.encode()
    yield from (text, quote(text, safe=""), json.dumps(text)[1:-1], raw.hex(), raw.hex().upper())
    # Wherever in a longer text it begins: what is sure of its base64, at each of three places.
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(bytes(shift) + raw).decode().rstrip("=")
            yield encoded[4 if shift else 0 : len(encoded) - len(encoded) % 4 - 4]


class Search:
    """Which canaries were seen where."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._needles = [(each.kind, needle) for each in canaries for needle in each.spellings()]
        self.places = 0
        self.found: list[str] = []

    def text(self, where: str, content: bytes | str, *, but: tuple[str, ...] = ()) -> None:
        """Look for all of them, except for the kinds that belong there."""
        self.places += 1
        hay = content.encode() if isinstance(content, str) else content
        seen = {kind for kind, needle in self._needles if kind not in but and needle in hay}
        self.found += [f"{kind} in {where}" for kind in sorted(seen)]

    def files(self, folder: Path, pattern: str = "**/*", *, but: tuple[str, ...] = ()) -> None:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                self.text(str(path), path.read_bytes(), but=but)


@dataclass
class Recorder:
    """All that was answered, and to what."""

    answers: list[tuple[str, bytes]] = field(default_factory=list)

    async def hear(self, answer: httpx.Response) -> None:
        await answer.aread()
        asked = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
        self.answers.append((asked, repr(answer.headers.raw).encode() + answer.content))
