"""What all pages share: two languages, plain forms, and nothing that a browser should not be told."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.errors import Refused
from sandbox.texts import TEXTS
from sandbox.wire import LARGEST_BODY

HERE = Path(__file__).parent
_HEADERS = {
    # No form-action: Chromium would apply it to the redirect that takes a payer back to the shop.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(template: str, language: str, status: int = 200, **facts: Any) -> Response:
    """Show a page in a language."""
    html = _TEMPLATES.get_template(template).render(language=language, t=TEXTS[language], **facts)
    return HTMLResponse(html, status, {**_HEADERS, "Content-Language": language})


def leave_for(address: str) -> Response:
    """Send somebody back to the shop."""
    return RedirectResponse(address, 303, _HEADERS)


def nothing_here(language: str) -> Response:
    """Say that the address leads nowhere."""
    return page("missing.html", language, 404)


async def form(request: Request) -> dict[str, str]:
    """Read what was filled in; the first of each name."""
    raw = await request.body()
    if len(raw) > LARGEST_BODY:
        raise Refused(413, "body_too_large", "a form is at most 256 KiB")
    try:
        fields = parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise Refused(400, "invalid_request", "this form cannot be read") from None
    return {name: values[0] for name, values in fields.items()}


def language_of(request: Request) -> str:
    """Choose Hungarian when the address says so, or when the browser prefers it to English."""
    asked = request.query_params.get("lang", "")
    if asked in TEXTS:
        return asked
    ranked: list[tuple[float, str]] = []
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            ranked.append((float(quality or 1), tag.lower()[:2]))
        except ValueError:
            continue
    ranked.sort(key=lambda entry: -entry[0])
    return next((tag for _quality, tag in ranked if tag in TEXTS), "en")
