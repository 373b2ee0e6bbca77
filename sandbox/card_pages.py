"""The pages where a customer leaves a card for later, and where they see to those that are kept."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox import cards, customers, dialects, portals, setups, web
from sandbox.customers import Customer
from sandbox.errors import Refused
from sandbox.gate import Call, perform
from sandbox.portals import Portal
from sandbox.setups import Setup
from sandbox.wire import world_of
from sandbox.world import World


@dataclass(frozen=True, slots=True)
class Leaving:
    """One look at a setup session's page, in one language."""

    setup: Setup
    language: str

    def page(self, *, error: str | None = None, conflict: bool = False) -> Response:
        """Show the session as it stands now, with what went wrong just before."""
        setup = self.setup
        state = "challenge" if setup.status == "open" and setup.challenge else setup.status
        return web.page(
            "setup.html",
            self.language,
            409 if conflict else 200,
            setup=setup,
            state=state,
            error=error,
            conflict="setup_conflict" if conflict else None,
            cards=cards.SHOWN_TO_KEEP,
        )

    def leave_for(self, address: str | None) -> Response:
        """Send the customer back to the shop, or stay when the shop named no address."""
        return web.leave_for(address) if address else self.page()


async def show_setup(request: Request) -> Response:
    """Show where a card can be left."""
    return await _leaving(request, "setup.page", lambda _world, leaving: leaving.page())


async def act_on_setup(request: Request) -> Response:
    """Do what the customer chose. Sent twice, the second finds the session no longer open."""
    form = await web.form(request)
    number, action = form.get("cardNumber", ""), form.get("action", "pay")
    return await _leaving(
        request, "setup.keep", lambda world, leaving: _leave(world, leaving, number, action)
    )


def _leave(world: World, leaving: Leaving, number: str, action: str) -> Response:
    setup = leaving.setup
    if setup.status != "open":
        return leaving.page(conflict=True)
    if action == "close":
        setups.give_up(world, setup)
        return leaving.leave_for(setup.cancel_url)
    if action in {"approve", "refuse"}:
        setups.answer_challenge(world, setup, approved=action == "approve")
    elif action == "pay":
        setups.attempt(world, setup, cards.read(number))
    else:
        raise Refused(400, "unknown_action", "action is pay, close, approve or refuse")
    if setup.payment_method:
        return leaving.leave_for(setup.success_url)
    error = None if setup.challenge or setup.last_error is None else setup.last_error["code"]
    return leaving.page(error=error)


async def _leaving(
    request: Request, operation: str, effect: Callable[[World, Leaving], Response]
) -> Response:
    world, language = world_of(request), web.language_of(request)
    known = world.store.get(Setup, request.path_params["id"])
    if known is None:
        return web.nothing_here(language)

    def again() -> Response:
        # Read inside the transaction: what was read outside only says whom the call is about.
        return effect(world, Leaving(world.store.get(Setup, known.id) or known, language))

    call = Call(request, operation, known.account, known.reference, dialect=dialects.of(known))
    return await perform(world, call, again)


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a customer's portal, in one language."""

    world: World
    portal: Portal
    language: str

    @property
    def customer(self) -> Customer:
        """Read whose portal it is."""
        return customers.find(self.world, self.portal.customer, self.portal.account)

    def page(self, *, error: str | None = None, done: str | None = None, conflict: bool = False) -> Response:
        """Show what is kept now, with what was done or went wrong just before."""
        return web.page(
            "portal.html",
            self.language,
            409 if conflict else 200,
            portal=self.portal,
            kept=customers.methods(self.world, self.customer),
            error=error,
            done=done,
            conflict="portal_conflict" if conflict else None,
            cards=cards.SHOWN_TO_KEEP,
        )


async def show_portal(request: Request) -> Response:
    """Show a customer what is kept of them."""
    return await _visiting(request, "portal.page", lambda visit: visit.page())


async def act_on_portal(request: Request) -> Response:
    """Keep another card, or forget one."""
    form = await web.form(request)
    return await _visiting(request, "portal.act", lambda visit: _see_to(visit, form))


def _see_to(visit: Visit, form: dict[str, str]) -> Response:
    action = form.get("action", "update")
    if action == "update":
        error = portals.update(visit.world, visit.customer, cards.read(form.get("cardNumber", "")))
        return visit.page(error=error, done=None if error else "updated")
    if action != "remove":
        raise Refused(400, "unknown_action", "action is update or remove")
    removed = portals.remove(visit.world, visit.customer, form.get("method"))
    return visit.page(done="removed") if removed else visit.page(conflict=True)


async def _visiting(request: Request, operation: str, effect: Callable[[Visit], Response]) -> Response:
    world, language = world_of(request), web.language_of(request)
    portal = world.store.get(Portal, request.path_params["id"])
    if portal is None:
        return web.nothing_here(language)
    if portal.is_over(world):
        return web.page("lapsed.html", language, 410, portal=portal)
    call = Call(request, operation, portal.account, portal.reference, dialect=dialects.of(portal))
    return await perform(world, call, lambda: effect(Visit(world, portal, language)))


ROUTES: list[BaseRoute] = [
    Route("/setup/{id}", show_setup),
    Route("/setup/{id}", act_on_setup, methods=["POST"]),
    Route("/portal/{id}", show_portal),
    Route("/portal/{id}", act_on_portal, methods=["POST"]),
]
