"""What all workplaces share: who sees what, how a page is put together, and what a form has to say."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from fastapi import BackgroundTasks, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.deps import About, TheHouse
from api.strict import Model
from console.frame import Crumb, address, back, framed
from console.guard import TheVisitor, tenants_person, the_operator
from console.pages import language_of, moment
from console.reading import reading
from console.texts import TEXTS
from documents.words import money
from domain.tenant import MAY_ADMINISTER, MAY_TRADE, Caller, Role

PAGE: Final = 50
"""How many rows a list shows at once."""
Blank = BeforeValidator(lambda typed: typed or None)
"""A field of a form that was left empty is sent, and says nothing."""
Word = Annotated[str | None, Blank]
M = TypeVar("M", bound=Model)


class Desk:
    """A request at a workplace: who makes it, what they may see, and how it is answered."""

    def __init__(
        self, request: Request, here: TheHouse, who: TheVisitor, about: About, later: BackgroundTasks
    ) -> None:
        self.request, self.here, self.who = request, here, who
        self.about, self.later = about, later
        self.language = language_of(request)

    def person(self, roles: frozenset[Role] = frozenset(Role)) -> Caller:
        """The tenant's person who asks. Raises ``Forbidden`` for other roles and for the operator."""
        return tenants_person(self.who, roles)

    def operator(self) -> str:
        """How the record names the platform's operator. Raises ``Forbidden`` for everybody else."""
        the_operator(self.who)
        return self.who.session.tenant_id

    def looking(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that sees what they may see: their tenant's things; as the operator, all."""
        return reading(self.here, self.who)

    async def page(self, template: str, *crumbs: tuple[str, str], **facts: Any) -> HTMLResponse:
        """A page within the frame; ``template`` is one of ``templates/desk``.

        ``crumbs`` are the pages above it, each with the key of its name.
        """
        language, caller = self.language, self.who.caller
        role = None if caller is None else caller.role
        common = {
            "at": partial(moment, language=language),
            "amount": partial(money, language=language, spoken=True),
            "trades": role in MAY_TRADE,
            "owns": role in MAY_ADMINISTER,
            "decides": role is Role.APPROVER,
            "operates": caller is None,
            "asked": lambda name: self.request.query_params.get(name, ""),
            "further": partial(address, self.request),
        }
        above = [Crumb(path, TEXTS[language][key]) for path, key in crumbs]
        return await framed(self.request, self.here, self.who, f"desk/{template}", above, **(common | facts))

    def back(self, path: str, done: str | None = None) -> Response:
        """Where a form leads that was heard; see ``frame.back``."""
        return back(self.request, path, done)


TheDesk = Annotated[Desk, Depends()]


def typed(kind: type[M], **facts: Any) -> M:
    """What somebody typed, by the API's names, held to what the API takes. Refused as it is there."""
    try:
        return kind.model_validate(facts)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
        ) from None
