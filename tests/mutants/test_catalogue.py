"""The mutants keep up with the code they break; breaking it for real is for ``make mutants``."""

import ast
from pathlib import Path

import pytest

from tests.mutants.catalogue import ALL, MUTANTS
from tests.mutants.mutant import Edit, Mutant, Outdated
from tests.mutants.verdict import judge, passing
from tests.mutants.witness import is_assertion

PROJECT = Path(__file__).resolve().parents[2]
every_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@every_mutant
def test_what_a_mutant_replaces_is_there_once_and_leaves_python_behind(
    mutant: Mutant, tmp_path: Path
) -> None:
    for edit in mutant.edits:
        (tmp_path / edit.file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / edit.file).write_text((PROJECT / edit.file).read_text())
    mutant.apply(tmp_path)
    for edit in mutant.edits:
        changed = (tmp_path / edit.file).read_text()
        assert changed != (PROJECT / edit.file).read_text()
        ast.parse(changed)


@every_mutant
def test_a_mutants_killers_are_tests_of_the_ordinary_suite(mutant: Mutant) -> None:
    assert mutant.killers
    for killer in mutant.killers:
        file, name = killer.split("[")[0].split("::")
        module = ast.parse((PROJECT / file).read_text())
        assert name in {getattr(node, "name", None) for node in module.body}


def test_a_name_means_one_mutant() -> None:
    names = [mutant.name for mutant in ALL]
    assert len({*names}) == len(names)


def test_a_mutant_of_code_that_has_moved_on_says_so(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("twice = twice\n")
    for text in ("never", "twice"):
        with pytest.raises(Outdated, match=r"code\.py holds [02] times"):
            Edit("code.py", text, "").changed(tmp_path)


# --- What counts as killed ------------------------------------------------------------------------

MUTANT = Mutant("m", "", (), ("a", "b"))


def line(test: str, when: str = "call", outcome: str = "failed", **more: object) -> dict[str, object]:
    return {
        "test": test,
        "when": when,
        "outcome": outcome,
        "asserted": True,
        "error": "AssertionError",
    } | more


def test_a_mutant_is_killed_when_each_of_its_tests_fails_by_an_assertion() -> None:
    assert judge(MUTANT, [line("a"), line("b"), line("c", outcome="passed")], 1).killed


@pytest.mark.parametrize(
    ("seen", "instead"),
    [
        ([], "b was not run"),
        ([line("b", outcome="passed")], "b passes"),
        ([line("b", outcome="skipped")], "b passes"),
        (
            [line("b", "setup", asserted=False, error="CannotStart")],
            "b breaks without asserting anything: CannotStart in setup",
        ),
        (
            [line("b", asserted=False, error="ImportError")],
            "b breaks without asserting anything: ImportError in call",
        ),
    ],
)
def test_a_mutant_survives_a_test_that_says_nothing_of_it(
    seen: list[dict[str, object]], instead: str
) -> None:
    assert judge(MUTANT, [line("a"), *seen], 1).survived == (instead,)


def test_a_test_that_fails_on_its_way_out_does_not_pass() -> None:
    called = line("a", outcome="passed")
    assert passing(["a", "b"], [called]) == ["a"]
    assert passing(["a", "b"], [called, line("a", "teardown")]) == []


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (AssertionError(), True),
        (pytest.fail.Exception("DID NOT RAISE"), True),
        (pytest.fail.Exception("Timeout (>60.0s) from pytest-timeout."), False),
        (ValueError("too many values to unpack (expected 1)"), True),
        (ValueError("something else"), False),
        (ImportError(), False),
        (TypeError(), False),
    ],
)
def test_only_what_a_test_asserts_counts(error: BaseException, counts: bool) -> None:  # noqa: FBT001
    assert is_assertion(error) is counts
