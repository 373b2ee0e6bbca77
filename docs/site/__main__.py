"""Builds the documents as a site: ``python -m docs.site [FOLDER]``, which is ``make docs``.

The pages are gathered in a folder of their own first: those that are written, those that are made of the
code, and a table of contents. Whatever is doubtful, such as a link that leads nowhere, fails the build.
"""

import os
import re
import shutil
import sys
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
    written = {page.relative_to(DOCS): page.read_text() for page in _written()}
    written[Path("changelog.md")] = (ROOT / "CHANGELOG.md").read_text()
    made = {Path("events.md"): events.page()}
    for name, text in routes.pages(routes.schema()).items():
        made[Path("api") / f"{name}.md"] = text
    for path, text in (written | made).items():
        target = source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_for_sphinx(written_out(text), path))
    (source / "index.md").write_text(index({path.with_suffix("").as_posix() for path in written | made}))


def _written() -> list[Path]:
    return [page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts]


def _for_sphinx(text: str, page: Path) -> str:
    """Pictures that need a script are shown as they are written, and links that leave the site as words."""
    text = re.sub(r"^( *```)mermaid$", r"\1text", text, flags=re.MULTILINE)

    def link(found: re.Match[str]) -> str:
        target = found[2].partition("#")[0]
        outside = target and not (DOCS / page.parent / target).resolve().is_relative_to(DOCS)
        return found[1] if outside and "://" not in target else found[0]

    return re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", link, text)


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
