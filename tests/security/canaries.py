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
_KEY_BYTES: Final = 32
# What a secret begins with that is none: its kind, and whose it is.
_PUBLIC: Final = re.compile(
    r"(?:pss_\w{26}_|adm_|whsec_|sk_sandbox_acc_\w{26}_|sk_test_|ten_\w{26}\.|eyJ.*\.)"
)
_TEXT: Final = re.compile(rb"[\x20-\x7e]{%d,}" % _ENOUGH)


@dataclass(frozen=True)
class Canary:
    """A secret, and the part of it that no id and no public prefix gives away."""

    kind: str
    secret: str = field(repr=False)

    @property
    def core(self) -> str:
        public = _PUBLIC.match(self.secret)
        return self.secret[public.end() :] if public else self.secret

    def spellings(self) -> set[bytes]:
        """As it is, cut in halves, and as programs write it down."""
        core = self.core
        pieces = {self.secret, core}
        if len(core) >= 2 * _HALF:
            pieces |= {core[:_HALF], core[-_HALF:]}
        if core.isdigit():
            pieces |= {sign.join(core[at : at + 4] for at in range(0, len(core), 4)) for sign in " -"}
        found = {each.encode() for piece in pieces for each in _written(piece)}
        if (key := self._key()) is not None:
            found |= {key, key.hex().encode(), key.hex().upper().encode(), repr(key)[2:-1].encode()}
        return {each for each in found if len(each) >= _ENOUGH}

    def _key(self) -> bytes | None:
        """The bytes that this is the base64 of, if it is a key of ours."""
        try:
            raw = base64.b64decode(self.core, validate=True)
        except ValueError:
            return None
        return raw if len(raw) == _KEY_BYTES else None


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
        needles = [(each.kind, needle) for each in canaries for needle in each.spellings()]
        self._in_text = [each for each in needles if _TEXT.fullmatch(each[1])]
        self._in_bytes = [each for each in needles if not _TEXT.fullmatch(each[1])]
        self.places = 0
        self.found: list[str] = []

    def text(self, where: str, content: bytes | str, *, but: tuple[str, ...] = ()) -> None:
        """Look for all of them, except for the kinds that belong there."""
        self.places += 1
        hay = content.encode() if isinstance(content, str) else content
        # Most of a database's files is no text, and a needle that is one lies whole within a run of it.
        runs = b"\n".join(_TEXT.findall(hay))
        seen = {kind for kind, needle in self._in_text if needle in runs}
        seen |= {kind for kind, needle in self._in_bytes if needle in hay}
        self.found += [f"{kind} in {where}" for kind in sorted(seen.difference(but))]

    def files(self, folder: Path, pattern: str = "**/*", *, but: tuple[str, ...] = ()) -> None:
        for path in sorted(folder.glob(pattern)):
            try:
                content = path.read_bytes() if path.is_file() else None
            except FileNotFoundError:
                # A database that runs puts files away; what was in them is in others by then.
                continue
            if content:
                self.text(str(path.relative_to(folder)), content, but=but)


@dataclass
class Recorder:
    """All that was answered, and to what."""

    answers: list[tuple[str, bytes]] = field(default_factory=list)

    async def hear(self, answer: httpx.Response) -> None:
        await answer.aread()
        asked = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
        self.answers.append((asked, repr(answer.headers.raw).encode() + answer.content))
