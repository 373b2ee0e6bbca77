"""The answers to OWASP ASVS 5.0 are complete, and each names something that is there."""

import re
from pathlib import Path
from typing import Final

import pytest

PROJECT: Final = Path(__file__).resolve().parents[2]
LINES: Final = re.findall(
    r"^\| (\d+\.\d+\.\d+) \| ([123]) \| .+ \| (.+) \| (.+) \|$",
    (PROJECT / "docs" / "security.md").read_text(),
    re.MULTILINE,
)
SECTIONS: Final = {
    "8.1": 4,
    "8.2": 4,
    "8.3": 3,
    "8.4": 2,
    "9.1": 3,
    "9.2": 4,
    "11.1": 4,
    "11.2": 5,
    "11.3": 5,
    "11.4": 4,
    "11.5": 2,
    "11.6": 2,
    "11.7": 2,
    "16.1": 1,
    "16.2": 5,
    "16.3": 4,
    "16.4": 3,
    "16.5": 4,
}
"""How many requirements each section of the standard has."""


def test_every_requirement_of_the_four_chapters_is_answered_once() -> None:
    wanted = [f"{section}.{number + 1}" for section, many in SECTIONS.items() for number in range(many)]
    assert [line[0] for line in LINES] == wanted


@pytest.mark.parametrize("line", LINES, ids=[line[0] for line in LINES])
def test_an_answer_is_a_plain_word_and_shown_by_something_that_is_there(line: tuple[str, ...]) -> None:
    _, _, answer, shown_by = line
    assert re.match(r"(Yes|Partly|No|Operator|Not ours)(:|$)", answer), answer
    assert answer == "Yes" or ":" in answer, "what is missing, or why"
    named = re.findall(r"`([^`]+)`", shown_by)
    assert named
    assert [name for name in named if not (PROJECT / name).exists()] == []
