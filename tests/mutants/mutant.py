"""A mutant: the house with one guard taken away, and the tests that must fail in it."""

from dataclasses import dataclass
from pathlib import Path


class Outdated(Exception):
    """The text that a mutant replaces is not there, or not only once: the mutant must follow the code."""


@dataclass(frozen=True)
class Edit:
    """Replace this text, which stands there exactly once."""

    file: str
    old: str
    new: str

    def changed(self, tree: Path) -> str:
        """The file as it would be. Raises ``Outdated``."""
        text = (tree / self.file).read_text()
        if (times := text.count(self.old)) != 1:
            raise Outdated(f"{self.file} holds {times} times: {self.old.strip()}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Mutant:
    """``breaks`` says what is broken, and what would go wrong in the world."""

    name: str
    breaks: str
    edits: tuple[Edit, ...]
    killers: tuple[str, ...]
    """Ids of tests of the ordinary suite. Each of them must fail, by an assertion of its own."""

    def apply(self, tree: Path) -> None:
        """Break this tree. Raises ``Outdated``."""
        for edit in self.edits:
            (tree / edit.file).write_text(edit.changed(tree))


@dataclass(frozen=True)
class Waiting:
    """A mutant of something that is not built yet."""

    name: str
    breaks: str
    waits_for: str
