"""The hosted checkout: pages in Hungarian and English that need neither JavaScript nor a mouse."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox import cards, checkout, dialects, money, web
from sandbox.checkout import Session
from sandbox.errors import Refused
from sandbox.gate import Call, perform
from sandbox.wire import world_of
from sandbox.world import World


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a session's page, in one language."""

    session: Session
    language: str

    def page(self, *, error: str | None = None, conflict: bool = False) -> Response:
        """Show the session as it stands now, with what went wrong just before."""
        return web.page(
            "pay.html",
            self.language,
            409 if conflict else 200,
            session=self.session,
            company=dialects.of(self.session).TITLE,
            state=self._state(),
            error=error,
            conflict="conflict" if conflict else None,
            amount=money.shown(self.session.amount, self.session.currency, self.language),
            cards=cards.SHOWN_TO_KEEP if self.session.customer else cards.SHOWN,
        )

    def leave_for(self, address: str | None) -> Response:
        """Send the payer back to the shop, or stay when the shop named no address."""
        return web.leave_for(address) if address else self.page()

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
    form = await web.form(request)
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
    language = web.language_of(request)
    known = world.store.get(Session, identity)
    if known is None:
        return web.nothing_here(language)
    call = Call(request, operation, known.account, known.reference, dialect=dialects.of(known))
    # Read again inside the transaction: what was read outside only says whom the call is about.
    return await perform(world, call, lambda: effect(world, Visit(checkout.find(world, identity), language)))


ROUTES: list[BaseRoute] = [
    Route("/pay/{id}", show),
    Route("/pay/{id}", act, methods=["POST"]),
    Mount("/static", StaticFiles(directory=web.HERE / "static")),
]
