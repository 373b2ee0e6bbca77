"""Every block of code in the documents is run, or says why not; what pages show is what there is."""

import re
import shutil
import tomllib
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
import yaml

from api.app import build
from local.ports import any_port
from tests.docs.pages import PAGES, blocks, name, needs_a_house, read
from tests.docs.reader import Reader, node
from tests.docs.shapes import message, shown
from tests.house import House

QUICK = {"README.md", "client/README.md"}
"""Pages that are followed in `make test`; `make slow` follows the others."""
FOLLOWED = [page for page in PAGES if needs_a_house(page)]
EVERYBODYS = {"127.0.0.1:8000": "apiUrl", "127.0.0.1:8001": "sandboxUrl"}
"""Where pages have the parts of the platform."""
OWN = [f"127.0.0.1:{port}" for port in (9000, 9001, 8090, 8091)]
"""Where a reader's own servers listen: their application, and a sandbox beside the platform's."""


def followed() -> list[object]:
    return [
        pytest.param(page, id=name(page), marks=[] if name(page) in QUICK else pytest.mark.slow)
        for page in FOLLOWED
    ]


@pytest.mark.skipif(not shutil.which("curl") or not shutil.which("bash"), reason="needs bash and curl")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", followed())
def test_a_reader_can_follow(page: Path, house: House, tmp_path: Path) -> None:
    if node() is None and any(block.runs and block.language == "javascript" for block in blocks(page)):
        pytest.skip("needs node 20 or newer")
    (tmp_path / ".paysaga").symlink_to(house.data_dir)
    places = {there: httpx.URL(house.ready[url]).netloc.decode() for there, url in EVERYBODYS.items()}
    env = {
        "API": house.ready["apiUrl"],
        "CONTROL": house.ready["sandboxControlUrl"],
        "ADMIN_KEY": house.ready["adminKey"],
    }
    own = {there: f"127.0.0.1:{any_port()}" for there in OWN}
    with Reader(tmp_path, places | own, env) as reader:
        reader.read(read(page))


def _nobody_lives_here() -> NoReturn:
    raise AssertionError


# --- What can be judged by looking at it ----------------------------------------------------------


@pytest.fixture(scope="module")
def routes() -> set[tuple[str, str]]:
    """Method and path of every route there is."""
    app = build(_nobody_lives_here, public_url="http://127.0.0.1:8000", development=True)
    return {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_shows_is_well_formed(page: Path, routes: set[tuple[str, str]]) -> None:
    for block in blocks(page):
        if block.language == "json":
            shown(block.code)
        elif block.language == "toml":
            tomllib.loads(block.code)
        elif block.language == "yaml":
            assert all(yaml.safe_load_all(block.code))
        elif block.language == "http":
            first, _, _ = message(block.code)
            method, path, *_ = first.split()
            assert not path.startswith("/v1") or exists(method, path, routes), first


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_route_that_a_page_names_exists(page: Path, routes: set[tuple[str, str]]) -> None:
    if name(page) == "docs/sandbox.md":
        return  # It names another company's.
    named = re.findall(r"\b(GET|POST|PUT|PATCH|DELETE)\s+(/v1[^\s`]*)", page.read_text())
    assert [(method, path) for method, path in named if not exists(method, path, routes)] == []


def exists(method: str, path: str, routes: set[tuple[str, str]]) -> bool:
    """Whether there is such a route; its end may be said beside it, as in a table of deeds."""
    parts = path.partition("?")[0].rstrip(".,;:)").split("/")
    return any(
        method == known and len(parts) <= len(template) and all(map(_fits, parts, template))
        for known, template in ((known, whole.split("/")) for known, whole in routes)
    )


def _fits(part: str, template: str) -> bool:
    return part == template or template.startswith("{")
