"""What all workplaces share: who sees what, how a page is put together, and what is said when one says no."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

from fastapi import BackgroundTasks, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BeforeValidator, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.deps import About, TheHouse
from api.problems import refusal_for
from api.strict import Model
from console.frame import framed
from console.guard import ConsoleRoute, TheVisitor, place, tenants_person, the_operator
from console.pages import in_words, language_of, moment
from console.texts import TEXTS
from documents.words import money
from domain.errors import Refusal, ValidationFailed
from domain.tenant import MAY_ADMINISTER, MAY_TRADE, Caller, Role

PAGE: Final = 50
"""How many rows a list shows at once."""
Blank = BeforeValidator(lambda typed: typed or None)
"""A field of a form that was left empty is sent, and says nothing."""
Word = Annotated[str | None, Blank]
M = TypeVar("M", bound=Model)

# What a person can do something about; whatever else goes wrong has the page of all troubles.
_SAID_HERE: Final = frozenset(
    {
        *("four_eyes", "illegal_transition", "limit_exceeded", "payment_disputed"),
        *("tenant_suspended", "validation_failed"),
    }
)


class DeskRoute(ConsoleRoute):
    """What is refused here is said in words, with what was wrong and the way back."""

    def trouble(self, request: Request, error: Exception) -> Response:
        """As everywhere, unless it is something that the person can mend."""
        refusal = refusal_for(error)
        if refusal.code not in _SAID_HERE:
            return super().trouble(request, error)
        facts = {"refused": refusal.code, "detail": refusal.detail, "back": _whence(request)}
        page = in_words(request, error, "desk/refused.html", faults=_faults(request, refusal), **facts)
        page.headers["Referrer-Policy"] = "same-origin"
        return page


def _faults(request: Request, refusal: Refusal) -> list[tuple[str, str]]:
    """Which field, by the name on its form, and what is wrong with it."""
    texts = TEXTS[language_of(request)]
    errors = refusal.errors if isinstance(refusal, ValidationFailed) else ()
    found: dict[str, str] = {}
    for pointer, said in errors:
        # One complaint of each field is enough.
        found.setdefault(texts.get(f"field_{_field(pointer)}", pointer.strip("/")), said)
    return [*found.items()]


def _field(pointer: str) -> str:
    names = [part for part in pointer.split("/") if part not in {"", "query"}]
    return names[0] if names else ""


def _whence(request: Request) -> str:
    """The page that the form stood on, as the browser says it; else the console's first one."""
    parts = urlsplit(request.headers.get("referer", ""))
    return place(f"{parts.path}?{parts.query}".removesuffix("?"))


class Desk:
    """A request at a workplace: who makes it, what they may see, and how it is answered."""

    def __init__(
        self, request: Request, here: TheHouse, who: TheVisitor, about: About, later: BackgroundTasks
    ) -> None:
        self.request, self.here, self.who = request, here, who
        self.about, self.later = about, later
        self.path = request.url.path

    def person(self, roles: frozenset[Role] = frozenset(Role)) -> Caller:
        """The tenant's person who asks. Raises ``Forbidden`` for other roles and for the operator."""
        return tenants_person(self.who, roles)

    def operator(self) -> str:
        """How the record names the platform's operator. Raises ``Forbidden`` for everybody else."""
        the_operator(self.who)
        return self.who.session.tenant_id

    def looking(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that sees what they may see: their tenant's things; as the operator, all."""
        database, caller = self.here.world.database, self.who.caller
        return database.system() if caller is None else database.tenant(caller.tenant_id)

    async def page(self, template: str, **facts: Any) -> HTMLResponse:
        """A page within the frame; ``template`` is one of ``templates/desk``."""
        language, caller = language_of(self.request), self.who.caller
        role = None if caller is None else caller.role
        common = {
            "at": partial(moment, language=language),
            "amount": partial(money, language=language, spoken=True),
            "trades": role in MAY_TRADE,
            "owns": role in MAY_ADMINISTER,
            "decides": role is Role.APPROVER,
            "operates": caller is None,
            "asked": lambda name: self.request.query_params.get(name, ""),
            "further": _further(self.request),
            "done": TEXTS[language].get(f"done_{self.request.query_params.get('done', '')}"),
        }
        return await framed(self.request, self.here, self.who, f"desk/{template}", **(common | facts))

    def back(self, path: str, done: str | None = None) -> RedirectResponse:
        """To a page, after a form did its work; ``done`` names what the page says of that."""
        query = {"lang": language_of(self.request)} if "lang" in self.request.query_params else {}
        said = {} if done is None else {"done": done}
        return RedirectResponse(f"{path}?{urlencode(query | said)}".removesuffix("?"), 303)


TheDesk = Annotated[Desk, Depends()]


def _further(request: Request) -> Callable[..., str]:
    """Makes this page's address with something else in its query; what is None is left out."""

    def further(**changes: object) -> str:
        kept = {name: value for name, value in request.query_params.items() if name != "done"}
        query = {name: value for name, value in (kept | changes).items() if value not in {None, ""}}
        return f"?{urlencode(query)}"

    return further


def typed(kind: type[M], **facts: Any) -> M:
    """What somebody typed, by the API's names, held to what the API takes. Refused as it is there."""
    try:
        return kind.model_validate(facts)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
        ) from None
