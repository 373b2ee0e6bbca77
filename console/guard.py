"""Who may have a page of the console, and which forms are heard. No route of the console can do without.

A browser sends its cookie with whatever any site has it send, so a form must show that it is ours: by the
headers that say where it comes from, which no site can choose, and by the token of its own session.
"""

import hmac
import re
from typing import Annotated, Final
from urllib.parse import urlencode, urlsplit

from fastapi import Depends
from fastapi.responses import RedirectResponse
from starlette.requests import Request
from starlette.responses import Response

from api.affairs import Affair, concerns
from api.browsers import Visitor, visitor_of
from api.deps import House, actor, house
from console.pages import PageRoute, language_of, render
from console.refusals import told
from domain.errors import Forbidden, NotFromHere, Unauthorized
from domain.tenant import Caller, Role

HOME: Final = "/console"
LOGIN: Final = "/console/login"

_READING: Final = frozenset({"GET", "HEAD"})
# Places of ours, spelt in one way only: nothing in it that one reader takes for something else.
_PLACE: Final = re.compile(r"/console(?:/[A-Za-z0-9_-]+)*(?:\?[A-Za-z0-9_.~%&=+:,-]*)?")


class FormRoute(PageRoute):
    """A page whose forms are heard only if they come from a page of ours."""

    async def admit(self, request: Request) -> None:
        """Raises ``NotFromHere``."""
        if request.method not in _READING and not _is_from_here(request, house(request)):
            raise NotFromHere


class ConsoleRoute(FormRoute):
    """A page for who is signed in; whoever is not is shown the way in."""

    async def admit(self, request: Request) -> None:
        """Raises ``NotFromHere`` or ``Unauthorized``. From here on the request is their tenant's affair."""
        await super().admit(request)
        who = await visitor_of(house(request), request)
        if who is None:
            raise Unauthorized
        request.state.visitor = who
        if who.caller is not None:
            asked = f"console.{self.name}"
            concerns(request, Affair(tenant_id=who.caller.tenant_id, actor=actor(who.caller), action=asked))
        if request.method not in _READING and not await _holds_token(request, who):
            raise NotFromHere

    def trouble(self, request: Request, error: Exception) -> Response:
        """What was refused, in words. Who is not signed in is sent to the door, and may go on."""
        if not isinstance(error, Unauthorized):
            return told(request, error, _whence(request))
        if request.method not in _READING:
            return RedirectResponse(LOGIN + spoken(request), 303)
        wanted = place(f"{request.url.path}?{request.url.query}".removesuffix("?"))
        if request.headers.get("sec-fetch-site") == "cross-site":
            # A link on another site, without the cookie. What this page asks for, we ask for ourselves.
            facts = {"language": language_of(request), "wanted": wanted}
            return render("entering.html", facts, referrer="same-origin")
        return RedirectResponse(login_for(wanted), 303)


def visitor(request: Request) -> Visitor:
    who: Visitor = request.state.visitor
    return who


TheVisitor = Annotated[Visitor, Depends(visitor)]


def tenants_person(who: Visitor, roles: frozenset[Role] = frozenset(Role)) -> Caller:
    """Who is asking, for routes of the API that are used from here. Raises ``Forbidden``.

    A route's own check of roles is a dependency, which a call from here does not run: so say the roles again.
    """
    if who.caller is None or who.caller.role not in roles:
        raise Forbidden
    return who.caller


def the_operator(who: Visitor) -> None:
    """For pages that show all tenants' things. Raises ``Forbidden``."""
    if who.caller is not None:
        raise Forbidden


def place(wanted: str) -> str:
    """Where somebody is going, if that is a page of the console; else its first page."""
    return wanted if _PLACE.fullmatch(wanted) else HOME


def _whence(request: Request) -> str:
    """The page of ours that a form was on, or a link."""
    before = urlsplit(request.headers.get("referer", ""))
    return place(f"{before.path}?{before.query}".removesuffix("?"))


def spoken(request: Request) -> str:
    """What keeps the language that was chosen, to be put behind an address that has no query."""
    return f"?lang={language_of(request)}" if "lang" in request.query_params else ""


def login_for(wanted: str) -> str:
    return LOGIN if wanted == HOME else f"{LOGIN}?{urlencode({'next': wanted})}"


def _is_from_here(request: Request, here: House) -> bool:
    """By ``Sec-Fetch-Site`` and ``Origin``: all that are there must say so, and one of them must be there."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in {None, "same-origin"} or (site is None and origin is None):
        return False
    ours = {_origin(here.public_url)}
    if here.development:
        # There, one machine has several names.
        ours.add(_origin(str(request.base_url)))
    return origin is None or origin in ours


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


async def _holds_token(request: Request, who: Visitor) -> bool:
    sent = (await request.form()).get("form_token")
    return isinstance(sent, str) and hmac.compare_digest(sent.encode(), who.form_token.encode())
