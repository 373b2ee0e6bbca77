"""Builds the documents as a site: ``python -m docs.site [FOLDER]``, which is ``make docs``.

The pages are gathered in a folder of their own first: those that are written, those that are made of the
code, and a table of contents. Whatever is doubtful, such as a link that leads nowhere, fails the build.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from sphinx.cmd.build import build_main

from api.docs import written_out
from docs.site import events, routes
from docs.site.contents import CONTENTS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_HERE = Path(__file__).parent


def gather(source: Path) -> None:
    """Put all pages into the empty folder ``source``."""
    origins = {page: place for place, page in _written().items()}
    pages = {place: _linked(page, place, origins) for page, place in origins.items()}
    pages["events"] = events.page()
    pages |= {f"api/{name}": text for name, text in routes.pages(routes.schema()).items()}
    for place, text in (pages | {"index": index(set(pages))}).items():
        target = source / f"{place}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        # Pictures that need a script are shown as they are written.
        target.write_text(re.sub(r"^( *```)mermaid$", r"\1text", text, flags=re.MULTILINE))


def _written() -> dict[str, Path]:
    """The pages that are written by hand, by their places in the site."""
    pages = {
        page.relative_to(DOCS).with_suffix("").as_posix(): page
        for page in sorted(DOCS.rglob("*.md"))
        if "_build" not in page.parts
    }
    beside = {
        "changelog": ROOT / "CHANGELOG.md",
        "integration/python": ROOT / "client" / "README.md",
        "integration/shop": ROOT / "examples" / "shop" / "README.md",
    }
    return pages | {place: page for place, page in beside.items() if page.exists()}


def _linked(page: Path, place: str, places: Mapping[Path, str]) -> str:
    """A page whose links lead to pages of the site; what is none of these is mere words."""

    def link(found: re.Match[str]) -> str:
        target, hash_, anchor = found[2].partition("#")
        if "://" in target or not target:
            return found[0]
        known = places.get((page.parent / target).resolve())
        if known is None:
            return found[1]
        return f"[{found[1]}]({os.path.relpath(known, Path(place).parent)}.md{hash_}{anchor})"

    return re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", link, written_out(page.read_text()))


def index(known: set[str]) -> str:
    """The first page: what there is, in order. A page of the contents that is not written yet is left out."""
    lines = [
        "# Paysaga",
        "",
        "Payments as durable sagas: what a tenant, an operator and a reader of the code needs.",
        "",
    ]
    for caption, places in CONTENTS.items():
        pages = [page for place in places for page in _at(place, known)]
        lines += ["```{toctree}", f":caption: {caption}", ":maxdepth: 1", "", *pages, "```", ""]
    return "\n".join(lines)


def _at(place: str, known: set[str]) -> list[str]:
    if not place.endswith("*"):
        return [place] if place in known else []
    return sorted(page for page in known if page.startswith(place[:-1]))


def build(folder: Path) -> int:
    """Build the site into ``folder/html``; 0 when nothing was doubtful."""
    shutil.rmtree(folder, ignore_errors=True)
    source = folder / "pages"
    source.mkdir(parents=True)
    gather(source)
    told = ["--fail-on-warning", "--nitpicky", "--keep-going", "--quiet", "--conf-dir", str(_HERE)]
    return build_main([*told, "--doctree-dir", str(folder / "doctrees"), str(source), str(folder / "html")])


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "_build"
    failed = build(folder)
    if not failed:
        print(f"The site is built. Open {os.path.relpath(folder / 'html' / 'index.html')}")  # noqa: T201
    return failed


if __name__ == "__main__":
    sys.exit(main())
