"""The pages of the documents as the harness reads them: blocks of code, and notes that only it sees.

A note is an HTML comment, ``<!-- word: text -->``. CONTRIBUTING.md says which words there are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "client/*.md", "docs/**/*.md", "examples/*/*.md")
    for path in ROOT.glob(pattern)
    if "_build" not in path.parts
)

HIDDEN = {"run": "sh", "python": "python", "javascript": "javascript"}
"""Notes that are code themselves: what a reader would have done by then."""
ABOUT_A_BLOCK = {"skip", "expect", "background", "data"}
FILLS = "fill"
OTHERS = {"table of codes"}
"""Comments that are read by somebody else."""

COMMANDS = {"sh", "console", "python", "javascript"}
DATA = {"json", "http", "toml", "yaml"}
PROSE = {"text", "mermaid", "html"}
"""Nothing of these is run here; what a browser makes of a page is tried in `tests/browser`."""


class BadPage(Exception):
    """A page says something to the harness that it does not understand."""


@dataclass(frozen=True)
class Block:
    """What stands between two fences, and what was noted just before."""

    page: str
    line: int
    language: str
    code: str
    section: int
    hidden: bool = False
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def skipped(self) -> str | None:
        """Why it is not run."""
        return self.notes.get("skip")

    @property
    def runs(self) -> bool:
        return self.language in COMMANDS and self.skipped is None


@dataclass(frozen=True)
class Fill:
    """What some words of the page stand for from here on: ``pay_… = $PAYMENT``."""

    place: str
    words: str
    meaning: str


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: Path) -> list[Block | Fill]:
    """All that the harness does with a page, in the page's order."""
    return list(_items(name(path), path.read_text()))


def blocks(path: Path) -> list[Block]:
    return [item for item in read(path) if isinstance(item, Block)]


def codes(page: str, language: str) -> list[str]:
    """The code of a page, as a reader would paste it."""
    return [block.code for block in blocks(ROOT / page) if block.language == language and not block.hidden]


def needs_a_house(path: Path) -> bool:
    """Whether something on the page is run: the rest can be judged by looking at it."""
    return _readable(path) and any(block.runs for block in blocks(path))


def _readable(path: Path) -> bool:
    """Whether it can be looked at; a test of its own says so of each page."""
    try:
        blocks(path)
    except BadPage:
        return False
    return True


def left_out() -> list[Block]:
    """The blocks of all pages that are not run, each with its reason."""
    return [block for page in PAGES if _readable(page) for block in blocks(page) if block.skipped]


def _items(page: str, text: str) -> Iterator[Block | Fill]:
    notes: dict[str, str] = {}
    section = 0
    for token in MarkdownIt("commonmark").parse(text):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "heading_open":
            section += 1
        elif token.type == "html_block":
            for word, said in _notes(page, token):
                if word in HIDDEN:
                    yield Block(page, line, HIDDEN[word], said, section, hidden=True, notes=notes)
                    notes = {}
                elif word == FILLS:
                    yield from _fills(f"{page}:{line}", said)
                else:
                    notes[word] = said
        elif token.type in {"fence", "code_block"}:
            language = token.info.strip()
            if language not in COMMANDS | DATA | PROSE:
                raise BadPage(f"{page}:{line}: nobody knows what to do with {language or 'unnamed'!r} code")
            yield Block(page, line, language, token.content, section, notes=notes)
            notes = {}
    if notes:
        raise BadPage(f"{page}: no block follows {notes}")


def _notes(page: str, token: Token) -> Iterator[tuple[str, str]]:
    for comment in re.findall(r"<!--(.*?)-->", token.content, re.DOTALL):
        if comment.strip() in OTHERS:
            continue
        word, colon, said = (part.strip() for part in comment.partition(":"))
        if (
            word not in {*HIDDEN, *ABOUT_A_BLOCK, FILLS}
            or (colon and not said)
            or (not colon and word != "data")
        ):
            raise BadPage(f"{page}:{token.map and token.map[0] + 1}: {comment.strip()!r} is no note")
        yield word, said


def _fills(place: str, said: str) -> Iterator[Fill]:
    for line in said.splitlines():
        words, equals, meaning = (part.strip() for part in line.partition(" = "))
        if not equals:
            raise BadPage(f"{place}: {line!r} does not say what something stands for")
        yield Fill(place, words, meaning)
