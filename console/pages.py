"""How every page is made: templates that escape, a policy that lets in nothing foreign, two languages."""

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from babel.dates import format_date
from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from api.problems import refusal_for, respond
from console.texts import TEXTS
from documents.words import Language

_HERE: Final = Path(__file__).parent

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
}
_templates: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

router = APIRouter(include_in_schema=False)
router.mount("/assets", StaticFiles(directory=_HERE / "static"), name="assets")


def render(
    template: str, facts: Mapping[str, Any], status: int = 200, *, referrer: str = "no-referrer"
) -> HTMLResponse:
    """The page as an answer; ``facts`` are escaped wherever the template puts them.

    What extends ``base.html`` needs ``language``, and says ``sandbox`` where no money moves. ``referrer`` is
    the page's Referrer-Policy.
    """
    language = facts.get("language", Language.EN)
    page = _templates.get_template(template).render({"t": TEXTS[language], "sandbox": False, **facts})
    headers = {**_HEADERS, "Referrer-Policy": referrer, "Content-Language": str(language)}
    return HTMLResponse(page, status, headers=headers)


def language_of(request: Request) -> Language:
    """What the address asks for by ``lang``, else what the browser likes best, else English."""
    asked = request.query_params.get("lang")
    if asked in set(Language):
        return Language(asked)
    liked: list[tuple[float, Language]] = []
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, quality = part.strip().partition(";q=")
        name = tag.partition("-")[0].lower()
        if name in set(Language) and (weight := _weight(quality)) > 0:
            liked.append((weight, Language(name)))
    return max(liked, key=lambda like: like[0], default=(1, Language.EN))[1]


def other(language: Language) -> Language:
    """The language that a page offers beside its own."""
    return Language.EN if language is Language.HU else Language.HU


def _weight(quality: str) -> float:
    try:
        return float(quality or 1)
    except ValueError:
        return 0


class PageRoute(APIRoute):
    """A route for people: what it refuses is told by a page, unless the caller takes no pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def for_people(request: Request) -> Response:
            try:
                await self.admit(request)
                return await answer(request)
            except Exception as error:
                if not _takes_pages(request):
                    raise
                page = self.trouble(request, error)
                await request.app.state.problems_told(request, page)
                return page

        return for_people

    async def admit(self, request: Request) -> None:
        """Raises a ``Refusal`` for who may not even ask; here there is nobody like that."""

    def trouble(self, request: Request, error: Exception) -> Response:
        """The problem that a program would be told of, in a person's words and with the same headers."""
        return in_words(request, error)


def _takes_pages(request: Request) -> bool:
    accepted = request.headers.get("accept", "*/*")
    return "text/html" in accepted or "*/*" in accepted


def moment(at: datetime, language: Language) -> dict[str, str]:
    """Written in UTC; a script may put the reader's own zone in its place."""
    return {
        "exact": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "written": f"{format_date(at, 'medium', locale=language)} {at:%H:%M} UTC",
    }


def in_words(request: Request, error: Exception, template: str = "trouble.html", **more: Any) -> HTMLResponse:
    """The problem as a page. ``more`` are facts that the template needs beside those of every trouble."""
    problem = respond(request, error)
    language, code = language_of(request), refusal_for(error).code
    facts = {
        "language": language,
        "trouble": code if f"{code}_title" in TEXTS[language] else "trouble",
        "request_id": getattr(request.state, "request_id", None),
    }
    page = render(template, facts | more, problem.status_code)
    for name in ("WWW-Authenticate", "Retry-After"):
        if name in problem.headers:
            page.headers[name] = problem.headers[name]
    return page
