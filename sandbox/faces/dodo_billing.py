"""Dodo Payments' API as far as subscriptions need it: customers, what they keep and subscribe to."""

from collections.abc import Callable
from itertools import islice

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox import customers, portals
from sandbox.checkout import Session
from sandbox.customers import Customer
from sandbox.dialects import Shown
from sandbox.errors import Refused
from sandbox.faces import dodo_objects as objects
from sandbox.faces import dodo_subscriptions as subscriptions
from sandbox.faces.dodo_forms import (
    CUSTOMER,
    SUBSCRIPTION,
    NewCustomer,
    NewPlan,
    NewSession,
    Patch,
    read,
    read_query,
)
from sandbox.faces.dodo_products import plan
from sandbox.faces.dodo_subscriptions import Subscription
from sandbox.faces.dodo_words import DODO
from sandbox.gate import Call, perform
from sandbox.portals import Portal
from sandbox.store import Query, R, new_id
from sandbox.wire import caller, world_of
from sandbox.world import World


def begin(world: World, order: NewSession, session: Session) -> Shown:
    """Offer a subscription at the session that was asked for; at once its name is known, and nothing more."""
    item, now = order.product_cart[0], world.clock.now()
    buyer = _buyer(world, order, session)
    subscription = Subscription(
        id=new_id("sub"),
        account=session.account,
        reference=order.metadata.get(SUBSCRIPTION),
        # As its periods: what is told of it is told by one clock.
        created_at=now,
        dialect=DODO.NAME,
        customer=buyer.id,
        product=item.product_id,
        quantity=item.quantity,
        trial_days=order.trial_days,
        metadata=order.metadata,
        billing=session.asked["billing"],
        since=now,
        until=now,
    )
    session.reference, session.customer = subscription.reference, buyer.id
    session.customer_email = buyer.email
    session.asked = subscriptions.asked_for(subscription, buyer)
    url = subscriptions.offer(world, subscription, buyer, session)
    return {"session_id": session.id, "checkout_url": url}


def _buyer(world: World, order: NewSession, session: Session) -> Customer:
    given = order.customer
    if given is not None and given.customer_id is not None:
        return _customer(world, given.customer_id, session.account)
    who = session.asked["customer"]
    made = _new_customer(world, session.account, who["email"], who["name"], None)
    world.store.insert(made)
    return made


def _new_customer(world: World, account: str, email: str, name: str, reference: str | None) -> Customer:
    return Customer(
        id=new_id("cus"),
        account=account,
        reference=reference,
        created_at=world.clock.real(),
        dialect=DODO.NAME,
        email=email,
        name=name,
    )


async def create_customer(request: Request) -> Response:
    """Make a customer; whoever asks twice has two, whatever the address."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewCustomer)
    reference = order.metadata.get(CUSTOMER)

    def effect() -> Response:
        made = _new_customer(world, account, order.email, order.name, reference)
        world.store.insert(made)
        return JSONResponse(objects.customer(made))

    return await perform(world, Call(request, "customer.create", account, reference, dialect=DODO), effect)


async def list_customers(request: Request) -> Response:
    """List customers, newest first."""
    world, account, lookup = world_of(request), caller(request), read_query(request)

    def effect() -> Response:
        known = world.store.all(Customer, Query(account=account))[::-1]
        fitting = (one for one in known if one.dialect == DODO.NAME and lookup.email in {None, one.email})
        first = lookup.page_number * lookup.page_size
        chosen = islice(fitting, first, first + lookup.page_size)
        return JSONResponse({"items": [objects.customer(one) for one in chosen]})

    return await perform(world, Call(request, "customer.read", account, None, dialect=DODO), effect)


async def create_portal(request: Request) -> Response:
    """Open a page where a customer sees to their cards."""
    world, account, identity = world_of(request), caller(request), request.path_params["id"]

    def effect() -> Response:
        customer, now, name = _customer(world, identity, account), world.clock.real(), new_id("po")
        portal = Portal(
            id=name,
            account=account,
            reference=customer.reference,
            created_at=now,
            dialect=DODO.NAME,
            customer=customer.id,
            url=f"{world.config.public_url}/portal/{name}",
            expires_at=now + portals.LIFE,
            return_url=request.query_params.get("return_url") or world.config.public_url,
        )
        world.store.insert(portal)
        return JSONResponse({"link": portal.url})

    return await perform(world, Call(request, "portal.create", account, None, dialect=DODO), effect)


async def list_methods(request: Request) -> Response:
    """List what a customer keeps."""
    world, account, identity = world_of(request), caller(request), request.path_params["id"]

    def effect() -> Response:
        kept = customers.methods(world, _customer(world, identity, account))
        return JSONResponse({"items": [objects.saved_method(method) for method in kept]})

    return await perform(world, Call(request, "customer.methods", account, None, dialect=DODO), effect)


async def read_subscription(request: Request) -> Response:
    """Show a subscription."""
    return await _about(request, "subscription.read", lambda _world, _found: None)


async def patch_subscription(request: Request) -> Response:
    """End a subscription, now or with its period."""
    order = await read(request, Patch)

    def change(world: World, found: Subscription) -> None:
        if order.cancel_at_next_billing_date is not None:
            subscriptions.cancel_at_next(world, found, wanted=order.cancel_at_next_billing_date)
        if order.status is not None:
            subscriptions.cancel(world, found)

    return await _about(request, "subscription.cancel", change)


async def change_plan(request: Request) -> Response:
    """Change what is subscribed to. The answer tells nothing of it."""
    order = await read(request, NewPlan)
    to = plan(order.product_id)
    if to is None:
        raise Refused(422, "PRODUCT_NOT_RECURRING", "this product is no subscription")

    def change(world: World, found: Subscription) -> Response:
        prorated = order.proration_billing_mode != "do_not_bill"
        subscriptions.change(world, found, to, order.quantity, prorated=prorated)
        return JSONResponse({})

    return await _about(request, "subscription.change", change)


async def _about(
    request: Request, operation: str, act: Callable[[World, Subscription], Response | None]
) -> Response:
    world, account, identity = world_of(request), caller(request), request.path_params["id"]
    known = world.store.get(Subscription, identity, account)

    def effect() -> Response:
        found = _found(world, Subscription, identity, account)
        return act(world, found) or JSONResponse(objects.subscription(world, found))

    reference = known.reference if known else None
    return await perform(world, Call(request, operation, account, reference, dialect=DODO), effect)


def _customer(world: World, identity: str, account: str) -> Customer:
    return _found(world, Customer, identity, account)


def _found(world: World, kind: type[R], identity: str, account: str) -> R:
    record = world.store.get(kind, identity, account)
    if record is None or record.dialect != DODO.NAME:
        raise Refused(404, "not_found", f"no such {kind.KIND.removeprefix('dodo_')}")
    return record


def known_customer(world: World, identity: str | None, account: str) -> dict[str, str]:
    """Lay out whom a session names by their id; nothing, when it names nobody so."""
    return {} if identity is None else subscriptions.who(_customer(world, identity, account))


ROUTES: list[BaseRoute] = [
    Route("/customers", create_customer, methods=["POST"]),
    Route("/customers", list_customers),
    Route("/customers/{id}/customer-portal/session", create_portal, methods=["POST"]),
    Route("/customers/{id}/payment-methods", list_methods),
    Route("/subscriptions/{id}", read_subscription),
    Route("/subscriptions/{id}", patch_subscription, methods=["PATCH"]),
    Route("/subscriptions/{id}/change-plan", change_plan, methods=["POST"]),
]
