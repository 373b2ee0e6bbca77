"""What is published: a wheel that needs nothing but what it names, and types that a strict checker takes."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, codes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def needed(name: str, found: set[str]) -> set[str]:
    """Everything that ``name`` needs to be installed, itself included."""
    if name not in found:
        found.add(name)
        for requirement in distribution(name).requires or ():
            if ";" not in requirement:
                needed(re.split(r"[^\w.-]", requirement)[0], found)
    return found


def test_the_wheel_works_where_nothing_else_is(tmp_path: Path) -> None:
    run(
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        tmp_path,
        cwd=ROOT / "client",
    )
    (wheel,) = tmp_path.glob("paysaga_client-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "paysaga_client/py.typed" in archive.namelist()
        assert not [name for name in archive.namelist() if not name.startswith("paysaga_client")]
        (facts,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        required = re.findall(r"^Requires-Dist: ([\w-]+)", archive.read(facts).decode(), re.MULTILINE)
        venv.create(tmp_path / "fresh")
        (packages,) = (tmp_path / "fresh").glob("lib/python*/site-packages")
        archive.extractall(packages)
    assert required == ["httpx", "pydantic"]
    for name in set().union(*(needed(name, set()) for name in required)):
        # As an installer would, only by links.
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or () if file.parts[0] != ".."}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(installed.locate_file(top))))
    program = "import paysaga_client as p; print(p.__version__, p.AsyncPaysaga('http://api', 'me', 'secret'))"
    said = run(tmp_path / "fresh/bin/python", "-I", "-c", program, cwd=tmp_path)
    assert said == "0.1.0 AsyncPaysaga('http://api', 'me')\n"


def test_a_strict_checker_takes_what_the_page_shows(tmp_path: Path) -> None:
    # Django comes without types.
    pages = [block for block in codes("client/README.md", "python") if "django" not in block]
    (handler,) = (block for block in pages if "import Event" in block)
    shops = [block for block in pages if "webhooks.verify" in block]
    texts = ["".join(block for block in pages if block not in shops), *(handler + shop for shop in shops)]
    files = [tmp_path / f"page_{number}.py" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    run(
        sys.executable, "-m", "mypy", "--strict", "--config-file=", *files,
        cwd=tmp_path, MYPYPATH=str(ROOT / "client"),
    )  # fmt: skip
