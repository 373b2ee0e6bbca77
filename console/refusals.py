"""A refusal as people at work are told it: in its own words, with what was not accepted and the way back."""

from fastapi.responses import HTMLResponse
from starlette.requests import Request

from api.problems import refusal_for
from console.pages import in_words, language_of
from console.texts import TEXTS
from console.texts.refusals import HUNGARIAN
from documents.words import Language
from domain.errors import Refusal, ValidationFailed


def told(request: Request, error: Exception, back: str) -> HTMLResponse:
    """The refusal as a page that leads ``back``. Of a fault of ours it tells no more than any page."""
    refusal, language = refusal_for(error), language_of(request)
    if refusal.code == Refusal.code or f"{refusal.code}_title" in TEXTS[language]:
        return in_words(request, error)
    title = in_its_words(refusal, language)
    return in_words(
        request,
        error,
        "refusal.html",
        title=title,
        # It may quote what a company said; that has no other language.
        detail="" if refusal.detail == refusal.title else refusal.detail,
        faults=refusal.errors if isinstance(refusal, ValidationFailed) else (),
        retryable=refusal.retryable,
        code=refusal.code,
        back=back,
    )


def in_its_words(refusal: Refusal, language: Language) -> str:
    """The title of its class, in ``language``; a title that has no words there stays as it is."""
    if language is Language.EN:
        return refusal.title
    return HUNGARIAN.get(refusal.title, refusal.title)
