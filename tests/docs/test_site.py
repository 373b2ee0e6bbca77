"""The site: all pages in the promised order, made of what there is, and nothing fetched from elsewhere."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs.site import events, routes
from docs.site.contents import places
from domain.event_data import EVENT_DATA, is_described
from domain.event_types import EVENT_TYPES
from tests.docs.pages import PAGES, ROOT, name

MADE = {"errors", "api/index", "events", "changelog"}


def test_every_page_that_is_written_has_its_place() -> None:
    written = {
        name(page).removeprefix("docs/").removesuffix(".md") for page in PAGES if "docs/" in name(page)
    }
    assert {page for page in written if not any(fnmatch(page, place) for place in places())} == set()


@pytest.fixture(scope="module")
def api() -> routes.Schema:
    return routes.schema()


def test_every_call_of_the_schema_is_on_the_page_of_its_noun(api: routes.Schema) -> None:
    pages = routes.pages(api)
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            assert f"`{method.upper()} {path}`" in pages[operation["tags"][0].replace(" ", "-")]
            assert f"`{method.upper()} {path}`" in pages["index"]


def test_a_call_says_who_may_make_it_and_within_which_limits(api: routes.Schema) -> None:
    page = routes.pages(api)["payments"]
    create = page.partition("## Create payment\n")[2].partition("\n## ")[0]
    assert "**Who**: the tenant, role `operator` or `owner`." in create
    key = "string, `^[!-~]([ -~]*[!-~])?$`, 1 to 255 characters"
    assert f"| `Idempotency-Key` | header | {key} | **needed** |" in create
    assert "| `currency` | `AED` … `ZWG`, " in create
    assert "| `expiresInSeconds` | integer, 60 to 86 400 or null | |" in create
    assert "| `entitlements[].feature` | string, 1 to 128 characters | **needed** |" in create
    assert "**Answer** `201`: [CreatedPayment](#createdpayment)" in create
    assert "### CreatedPayment" in page


def test_the_catalogue_tells_of_every_event_and_every_member() -> None:
    page = events.page()
    for type_, sentence in EVENT_TYPES.items():
        assert f"| `{type_}` | {sentence} |" in page
        for form in EVENT_DATA[type_]:
            assert all(f"| `{member}` |" in page for member in form.model_json_schema()["properties"])


@pytest.mark.parametrize("type_", sorted({type_.partition(".")[0] for type_ in EVENT_TYPES}))
def test_the_catalogue_shows_an_event_of_each_noun(type_: str) -> None:
    shown = re.findall(rf'"type": "({type_}\.\w+)"', events.page())
    assert shown
    for each in shown:
        event = events.example(each)
        assert is_described(event["type"], event["data"])


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_the_site_is_built_without_a_doubt_and_needs_nobody_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "docs.site", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    html = tmp_path / "html"
    pages = {str(page.relative_to(html)): page.read_text() for page in html.rglob("*.html")}

    reached, waiting = set(), ["index.html"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += linked(html, page, pages[page])
    assert reached == set(pages) - {"genindex.html", "search.html"}

    order = [link.removesuffix(".html") for link in linked(html, "index.html", article(pages["index.html"]))]
    assert order == sorted(
        order, key=lambda page: next(i for i, place in enumerate(places()) if fnmatch(page, place))
    )
    assert set(order) >= MADE

    for page, text in pages.items():
        assert loaded(text) == [], page
        assert str(ROOT) not in text, page
        assert str(tmp_path) not in text, page
    styles = [sheet.read_text() for sheet in html.rglob("*.css")]
    assert not [sheet for sheet in styles if re.search(r"""(@import|url\()\s*["']?(https?:)?//""", sheet)]


def article(page: str) -> str:
    return page.partition('<article role="main"')[2].partition("</article>")[0]


def linked(html: Path, page: str, text: str) -> list[str]:
    """The pages of the site that a page leads to, in its order."""
    targets = re.findall(r'<a [^>]*href="([^"#:]+)[^":]*"', text)
    found = [(html / page).parent.joinpath(unquote(target)).resolve() for target in targets]
    names = [str(path.relative_to(html)) for path in found if path.suffix == ".html"]
    return list(
        dict.fromkeys(each for each in names if each not in {"genindex.html", "search.html", "index.html"})
    )


def loaded(text: str) -> list[str]:
    """What a browser would fetch from others by itself."""
    tags = re.findall(r"<(?:link|script|img|iframe|source|video|audio)\b[^>]*>", text)
    return [tag for tag in tags if re.search(r"""(?:src|href|srcset)=["'](https?:)?//""", tag)]
