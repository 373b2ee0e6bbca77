"""The guides that come with the code, as pages: what a problem's ``type`` points at can be opened.

And the page to try the API from. What is written into these pages is named by its digest in their policy.
"""

import base64
import re
from functools import cache
from hashlib import sha256
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt

from api.edge import NOTHING
from domain.errors import NotFound, Refusal, refusals

_TABLE: Final = "<!-- table of codes -->\n"
_SECTION: Final = re.compile(r"^## (\w+)$", re.MULTILINE)
_NOTE: Final = re.compile(
    r"^ *<!-- (?:run|python|javascript|fill|expect|background|data|skip)\b.*?-->\n?", re.MULTILINE | re.DOTALL
)
"""What tests/docs reads, and nobody else."""
router = APIRouter(prefix="/docs", include_in_schema=False)

ASSETS: Final = "/docs/assets"
"""Where Swagger UI's own files are: nobody's browser is sent to a third party."""

_GUIDES: Final = Path(__file__).parent.parent / "docs"
_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif }
body { max-width: 46rem; margin: 0 auto; padding: 2rem 1rem 6rem }
pre, code { font: 14px/1.5 ui-monospace, monospace; background: #8882 }
pre { padding: .8rem; overflow-x: auto; border-radius: .4rem } pre code { background: none }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884 }
:target { background: #fd06; scroll-margin-top: 1rem }
"""


_START: Final = """
SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, showExtensions: true,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout",
});
"""
_TO_TRY: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Paysaga: API reference</title>
<link rel="icon" href="{ASSETS}/favicon.png">
<link rel="stylesheet" href="{ASSETS}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{ASSETS}/swagger-ui-bundle.js"></script>
<script>{_START}</script>
</body>
</html>
"""


def _digest(written: str) -> str:
    """How a policy names what stands in the page itself (Content Security Policy Level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(sha256(written.encode()).digest()).decode()}'"


_OF_GUIDES: Final = f"{NOTHING}; style-src {_digest(_STYLE)}; img-src 'self'"
_OF_TRYING: Final = (
    f"{NOTHING}; script-src 'self' {_digest(_START)}; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'"
)


@router.get("")
def reference() -> HTMLResponse:
    """Every route, to be tried."""
    return HTMLResponse(_TO_TRY, headers={"Content-Security-Policy": _OF_TRYING})


@router.get("/{page:path}")
def guide(page: str) -> HTMLResponse:
    """One guide by its place among the documents, with an anchor on every heading."""
    # In the repository the guides point at each other as files.
    found = _pages().get(page.removesuffix(".md"))
    if found is None:
        raise NotFound
    return HTMLResponse(found, headers={"Content-Security-Policy": _OF_GUIDES})


@cache
def _pages() -> dict[str, str]:
    found = ((path.relative_to(_GUIDES), path) for path in _GUIDES.rglob("*.md"))
    return {
        place.with_suffix("").as_posix(): _rendered(written_out(path.read_text()))
        for place, path in found
        if "_build" not in place.parts
    }


def written_out(source: str) -> str:
    """A guide as its readers see it: with the facts of every error, and without the notes of our tests."""
    codes: dict[str, list[type[Refusal]]] = {}
    for kind in refusals():
        codes.setdefault(kind.code, []).append(kind)
    table = "| Status | Code | Title |\n|---|---|---|\n" + "".join(
        f"| {kinds[0].status} | [`{code}`](#{code}) | {kinds[0].title} |\n"
        for code, kinds in sorted(codes.items(), key=lambda item: (item[1][0].status, item[0]))
    )
    if _TABLE in source:
        source = _SECTION.sub(lambda heading: _facts(heading[0], codes[heading[1]]), source)
    return _NOTE.sub("", source.replace(_TABLE, table))


def _facts(heading: str, kinds: list[type[Refusal]]) -> str:
    said = dict.fromkeys("retryable" if kind.retryable else "not retryable" for kind in kinds)
    return f"{heading}\n\n`{kinds[0].status}` · {', in some cases '.join(said)} · {kinds[0].title}"


def _rendered(source: str) -> str:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(source)
    title = "Paysaga"
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            words = following.content.replace("`", "")
            token.attrSet("id", re.sub(r"[^\w]+", "-", words.lower()).strip("-"))
            title = words if token.tag == "h1" else title
    body = markdown.renderer.render(tokens, markdown.options, {})
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>"
    )
