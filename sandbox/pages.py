"""The hosted checkout: pages in Hungarian and English that need neither JavaScript nor a mouse."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox import cards, checkout, dialects, money
from sandbox.checkout import Session
from sandbox.errors import Refused
from sandbox.gate import Call, perform
from sandbox.texts import TEXTS
from sandbox.wire import LARGEST_BODY, world_of
from sandbox.world import World

_HERE = Path(__file__).parent
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
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a session's page, in one language."""

    session: Session
    language: str

    def page(self, *, error: str | None = None, conflict: bool = False) -> Response:
        """Show the session as it stands now, with what went wrong just before."""
        status = 409 if conflict else 200
        html = _TEMPLATES.get_template("pay.html").render(
            session=self.session,
            company=dialects.of(self.session).TITLE,
            state=self._state(),
            error=error,
            conflict=conflict,
            language=self.language,
            t=TEXTS[self.language],
            amount=money.shown(self.session.amount, self.session.currency, self.language),
            cards=cards.SHOWN,
        )
        return HTMLResponse(html, status, {**_HEADERS, "Content-Language": self.language})

    def leave_for(self, address: str | None) -> Response:
        """Send the payer back to the shop, or stay when the shop named no address."""
        return RedirectResponse(address, 303, _HEADERS) if address else self.page()

    def _state(self) -> str:
        session = self.session
        if session.status == "open":
            return "challenge" if session.challenge else "open"
        return session.payment_status if session.status == "complete" else session.status


async def show(request: Request) -> Response:
    """Show the checkout."""
    return await _visit(request, "checkout.page", lambda _world, visit: visit.page())


async def act(request: Request) -> Response:
    """Do what the payer chose. Sent twice, it captures once: the second finds the session no longer open."""
    form = await _form(request)
    number, action = form.get("cardNumber", ""), form.get("action", "pay")
    return await _visit(request, "checkout.pay", lambda world, visit: _act(world, visit, number, action))


def _act(world: World, visit: Visit, number: str, action: str) -> Response:
    session = visit.session
    if session.status != "open":
        return visit.page(conflict=True)
    if action == "close":
        checkout.give_up(world, session)
        return visit.leave_for(session.cancel_url)
    if action == "fail":
        session.challenge = None
        checkout.decline(world, session, cards.PLAIN_DECLINE.decline)
    elif action in {"approve", "refuse"}:
        checkout.answer_challenge(world, session, approved=action == "approve")
    elif action == "pay":
        checkout.attempt(world, session, cards.read(number))
    else:
        raise Refused(400, "unknown_action", "action is pay, fail, close, approve or refuse")
    return _aftermath(visit, session)


def _aftermath(visit: Visit, session: Session) -> Response:
    if session.status == "open" and session.challenge is None and session.last_error:
        return visit.page(error=session.last_error["code"])
    return visit.page() if session.status == "open" else visit.leave_for(session.success_url)


async def _visit(request: Request, operation: str, effect: Callable[[World, Visit], Response]) -> Response:
    world, identity = world_of(request), request.path_params["id"]
    language = _language(request)
    known = world.store.get(Session, identity)
    if known is None:
        return _nothing_here(language)
    call = Call(request, operation, known.account, known.reference)
    # Read again inside the transaction: what was read outside only says whom the call is about.
    return await perform(world, call, lambda: effect(world, Visit(checkout.find(world, identity), language)))


def _nothing_here(language: str) -> Response:
    html = _TEMPLATES.get_template("missing.html").render(language=language, t=TEXTS[language])
    return HTMLResponse(html, 404, _HEADERS)


async def _form(request: Request) -> dict[str, str]:
    raw = await request.body()
    if len(raw) > LARGEST_BODY:
        raise Refused(413, "body_too_large", "a form is at most 256 KiB")
    try:
        fields = parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise Refused(400, "invalid_request", "this form cannot be read") from None
    return {name: values[0] for name, values in fields.items()}


def _language(request: Request) -> str:
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


ROUTES: list[BaseRoute] = [
    Route("/pay/{id}", show),
    Route("/pay/{id}", act, methods=["POST"]),
    Mount("/static", StaticFiles(directory=_HERE / "static")),
]
