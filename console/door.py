"""The door of the console: signing in, as a tenant's person or as the platform's operator, and out again."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from api import browsers
from api.deps import About, Exchange, House, TheHouse, opened_by
from api.logins import recognized
from api.problems import refusal_for
from console.guard import HOME, LOGIN, ConsoleRoute, FormRoute, TheVisitor, place, spoken
from console.pages import in_words, language_of, other, render
from domain.errors import Unauthorized
from domain.limits import Scope
from storage.tenants import Lock

_LONGEST_TYPED: Final = 256
# What is said at the door itself. Whatever else goes wrong has its own page.
_SAID_HERE: Final = frozenset({"unauthorized", "rate_limited"})


class DoorRoute(FormRoute):
    """Who is not let in finds the same forms again, and is told why."""

    def trouble(self, request: Request, error: Exception) -> Response:
        """What was typed is not shown again."""
        code = refusal_for(error).code
        if code not in _SAID_HERE:
            return super().trouble(request, error)
        wanted = place(request.query_params.get("next", HOME))
        page = in_words(request, error, "login.html", **_form(request, wanted, code))
        page.headers["Referrer-Policy"] = "same-origin"
        return page


entrance = APIRouter(prefix=LOGIN, include_in_schema=False, route_class=DoorRoute)
exits = APIRouter(prefix=HOME, include_in_schema=False, route_class=ConsoleRoute)

Next = Annotated[str, Query(alias="next")]


@entrance.get("")
async def show(request: Request, here: TheHouse, wanted: Next = HOME) -> Response:
    """The forms; who is signed in already has no need of them."""
    if await browsers.visitor_of(here, request) is not None:
        return RedirectResponse(place(wanted), 303)
    return render("login.html", _form(request, place(wanted), None), referrer="same-origin")


@entrance.post("")
async def sign_in(
    request: Request,
    here: TheHouse,
    about: About,
    app_name: Annotated[str, Form()] = "",
    app_secret: Annotated[str, Form()] = "",
    wanted: Next = HOME,
) -> Response:
    """A tenant's person, by a credential's present secret; its role is theirs."""
    with here.at_door("console"):
        name, secret = _typed(app_name), _typed(app_secret)
        _, lock = await recognized(here, about, name, secret, "console.sign_in", person=True)
    return await _enter(request, here, about, lock, wanted)


@entrance.post("/operator")
async def sign_in_operator(
    request: Request,
    here: TheHouse,
    about: About,
    admin_key: Annotated[str, Form()] = "",
    wanted: Next = HOME,
) -> Response:
    """The platform's operator, by the key that the API takes of them, too."""
    async with here.limits.counting(Scope.FAILED_LOGIN, about.address, Unauthorized):
        await here.limits.check(Scope.FAILED_LOGIN, about.address)
        with here.at_door("console"):
            opened_by(here, admin_key)
    return await _enter(request, here, about, None, wanted)


@exits.post("/logout")
async def sign_out(request: Request, who: TheVisitor, here: TheHouse, about: About) -> Response:
    """The session is gone from the database, so its cookie opens nothing, whoever has it."""
    return await leave(request, here, about, who)


async def leave(request: Request, here: House, about: Exchange, who: browsers.Visitor) -> Response:
    await browsers.end(here, about, who, who.session.id)
    answer = RedirectResponse(LOGIN + spoken(request), 303)
    browsers.take_back(answer, here)
    return answer


async def _enter(request: Request, here: House, about: Exchange, lock: Lock | None, wanted: str) -> Response:
    """A session of its own, whatever cookie came along; one that was open in this browser ends."""
    before = await browsers.visitor_of(here, request)
    if before is not None:
        await browsers.end(here, about, before, before.session.id)
    cookie = await browsers.begin(here, about, lock, request.headers.get("user-agent", ""))
    going = place(wanted)
    answer = RedirectResponse(going + spoken(request) if going == HOME else going, 303)
    browsers.hand_over(answer, here, cookie)
    return answer


def _typed(text: str) -> str:
    """What may be a name or a secret. Anything else is none, and no database should be asked for it."""
    if not text.isascii() or not text.isprintable() or len(text) > _LONGEST_TYPED:
        raise Unauthorized
    return text.strip()


def _form(request: Request, wanted: str, refused: str | None) -> dict[str, Any]:
    language = language_of(request)
    onwards = {} if wanted == HOME else {"next": wanted}
    chosen = {"lang": language} if "lang" in request.query_params else {}
    return {
        "language": language,
        "other": other(language),
        "onwards": urlencode(onwards | chosen),
        "elsewhere": urlencode(onwards | {"lang": other(language)}),
        "refused": refused,
    }
