"""How every page is made: templates that escape, a policy that lets in nothing foreign."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_HERE: Final = Path(__file__).parent

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_templates: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

router = APIRouter(include_in_schema=False)
router.mount("/assets", StaticFiles(directory=_HERE / "static"), name="assets")


def render(template: str, facts: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """The page as an answer; ``facts`` are escaped wherever the template puts them."""
    page = _templates.get_template(template).render(facts)
    return HTMLResponse(
        page, status, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    )
