"""What .dockerignore lets into the image is what our services need, and nothing of this checkout besides.

That they really start from it is shown by `test_installation.py`.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.deploy.compose import image_files
from tests.deploy.test_compose import OURS, SERVICES
from tests.docs.pages import ROOT

FILES = set(image_files())
MODULES = {place.with_suffix("") for place in FILES if place.suffix == ".py"}
TOP = {place.parts[0].removesuffix(".py") for place in FILES}
# `paysaga dev` is for a laptop: it brings a database server along, which no image of ours holds.
LEFT_OUT = {"dev"}


def imported(place: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / place).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@cache
def of_ours(name: str) -> bool:
    top = ROOT / name.partition(".")[0]
    return top.with_suffix(".py").exists() or (top / "__init__.py").exists()


def is_there(name: str) -> bool:
    place = Path(*name.split("."))
    return place in MODULES or place / "__init__" in MODULES


def test_every_module_in_the_image_finds_what_it_imports() -> None:
    missing = {
        f"{place} wants {name}"
        for place in FILES
        if place.suffix == ".py"
        for name in imported(place)
        if of_ours(name) and name not in LEFT_OUT and not is_there(name)
    }
    assert not missing


@pytest.mark.parametrize("service", sorted(OURS))
def test_what_a_service_runs_is_in_the_image(service: str) -> None:
    module = SERVICES[service]["command"][2]
    assert is_there(module)


def test_nothing_comes_along_that_is_not_run() -> None:
    assert not TOP & {".git", ".venv", ".env", "tests", "client", "deploy", "dev", "docker-compose.yml"}
    assert not [place for place in FILES if place.suffix in {".pyc", ".db"} or "_build" in place.parts]


def test_what_is_read_beside_code_comes_along() -> None:
    for folder, pattern in {
        "console": "static/*.css",
        "sandbox": "templates/*.html",
        "storage": "migrations/versions/*.py",
        "docs": "errors.md",
    }.items():
        wanted = {path.relative_to(ROOT) for path in (ROOT / folder).glob(pattern)}
        assert wanted
        assert wanted <= FILES


def test_what_builds_the_image_is_pinned_as_elsewhere() -> None:
    text = (ROOT / "Dockerfile").read_text()
    (uv,) = re.findall(r"\buv==([\d.]+)", text)
    assert f"UV_VERSION={uv}\n" in (ROOT / "scripts/bootstrap").read_text()
    (base,) = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    assert re.fullmatch(r"python:3\.13\.\d+-slim-\w+", base)
    assert text.rindex("\nUSER ") > text.rindex("\nRUN ")
