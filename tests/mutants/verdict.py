"""What a run of a mutant's tests says about it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants.mutant import Mutant


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    survived: tuple[str, ...]
    """Of each test that should have killed it and did not: what it did instead."""
    seconds: float

    @property
    def killed(self) -> bool:
        return not self.survived


def written_down(file: Path) -> list[dict[str, Any]]:
    """What the witness saw."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def judge(mutant: Mutant, seen: Sequence[dict[str, Any]], seconds: float) -> Verdict:
    failures = ((test, _instead(test, seen)) for test in mutant.killers)
    return Verdict(mutant, tuple(f"{test} {why}" for test, why in failures if why is not None), seconds)


def _instead(test: str, seen: Sequence[dict[str, Any]]) -> str | None:
    its = [line for line in seen if line["test"] == test]
    if not its:
        return "was not run"
    failed = [line for line in its if line["outcome"] == "failed"]
    if not failed:
        return "passes"
    if any(line["asserted"] for line in failed):
        return None
    return f"breaks without asserting anything: {failed[0]['error']} in {failed[0]['when']}"


def passing(tests: Sequence[str], seen: Sequence[dict[str, Any]]) -> list[str]:
    """Those of the tests that were run and passed."""
    failed = {line["test"] for line in seen if line["outcome"] == "failed"}
    passed = {line["test"] for line in seen if (line["when"], line["outcome"]) == ("call", "passed")}
    return [test for test in tests if test in passed - failed]
