"""Stripe's API as far as charging again needs it: customers, what they keep, charges without them."""

import re
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox import charges, checkout, customers, portals, setups
from sandbox.charges import Charge
from sandbox.customers import Customer
from sandbox.dialects import Shown
from sandbox.errors import Refused
from sandbox.events import emit
from sandbox.faces import forms
from sandbox.faces import stripe_objects as objects
from sandbox.faces import stripe_regulars as regulars
from sandbox.faces.stripe_calls import caller, found, known_customer, lifetime, one_time, write
from sandbox.faces.stripe_forms import (
    CUSTOMER,
    Cancellation,
    NewCustomer,
    NewIntent,
    NewPortal,
    NewSetup,
    Search,
)
from sandbox.faces.stripe_words import STRIPE
from sandbox.gate import Call, perform
from sandbox.idempotency import Answer, digest, enabled
from sandbox.portals import Portal
from sandbox.setups import Setup
from sandbox.store import Query, new_id
from sandbox.wire import world_of
from sandbox.world import World

_BY_METADATA: Final = re.compile(r"metadata\['([^']{1,40})'\]:'([^']{1,500})'")


async def create_customer(request: Request) -> Response:
    """Make a customer."""
    world, account = world_of(request), caller(request)
    params = await forms.read_body(request)
    order = forms.understand(params, NewCustomer)
    reference = order.metadata.get(CUSTOMER)

    def effect() -> Answer:
        made = Customer(
            id=new_id("cus"),
            account=account,
            reference=reference,
            created_at=world.clock.real(),
            dialect=STRIPE.NAME,
            email=order.email,
            name=order.name,
        )
        world.store.insert(made)
        return 200, regulars.customer(made)

    return await one_time(world, write(request, "customer.create", account, reference), params, effect)


async def search_customers(request: Request) -> Response:
    """Find customers by what their merchant noted; nothing else is searched here, and nothing lags."""
    world, account = world_of(request), caller(request)
    search = forms.understand(forms.read_query(request), Search)
    match = _BY_METADATA.fullmatch(search.query)
    if match is None or match[1] != CUSTOMER:
        raise Refused(
            400, "invalid_request", f"the sandbox searches for metadata['{CUSTOMER}'] only", "query"
        )

    def effect() -> Response:
        known = world.store.all(Customer, Query(account=account, reference=match[2]))
        shown = [regulars.customer(one) for one in known if one.dialect == STRIPE.NAME]
        page = {"object": "search_result", "data": shown, "has_more": False, "url": "/v1/customers/search"}
        return JSONResponse({**page, "next_page": None})

    return await perform(world, _read(request, "customer.read", account, match[2]), effect)


async def read_customer(request: Request) -> Response:
    """Show a customer, and by what they want to be charged."""
    return await _of_customer(request, "customer.read", lambda _world, one: regulars.customer(one))


async def list_methods(request: Request) -> Response:
    """List what a customer keeps, newest first. Whatever they want used, the customer says."""

    def show(world: World, customer: Customer) -> Shown:
        kept = sorted(customers.methods(world, customer), key=lambda one: one.created_at, reverse=True)
        url = f"/v1/customers/{customer.id}/payment_methods"
        data = [regulars.method(one) for one in kept]
        return {"object": "list", "data": data, "has_more": False, "url": url}

    return await _of_customer(request, "customer.methods", show)


async def _of_customer(
    request: Request, operation: str, show: Callable[[World, Customer], Shown]
) -> Response:
    world, account, identity = world_of(request), caller(request), request.path_params["id"]
    known = world.store.get(Customer, identity, account)

    def effect() -> Response:
        return JSONResponse(show(world, found(world, Customer, identity, account)))

    return await perform(
        world, _read(request, operation, account, known.reference if known else None), effect
    )


async def create_setup(request: Request, params: forms.Params) -> Response:
    """Offer a customer to leave a card."""
    world, account = world_of(request), caller(request)
    order = forms.understand(params, NewSetup)

    def effect() -> Answer:
        identity, now = checkout.new_session_id("cs_test"), world.clock.real()
        setup = Setup(
            id=identity,
            account=account,
            reference=order.client_reference_id,
            created_at=now,
            dialect=STRIPE.NAME,
            customer=known_customer(world, order.customer, account).id,
            url=f"{world.config.public_url}/setup/{identity}",
            expires_at=lifetime(now, order.expires_at),
            success_url=order.success_url.replace("{CHECKOUT_SESSION_ID}", identity),
            cancel_url=order.cancel_url,
        )
        return 200, regulars.setup_session(setups.open_setup(world, setup))

    call = write(request, "setup.create", account, order.client_reference_id)
    return await one_time(world, call, params, effect)


async def create_intent(request: Request) -> Response:
    """Charge what a customer keeps. A decline is remembered under its key, like a success."""
    world, account = world_of(request), caller(request)
    params = await forms.read_body(request)
    order = forms.understand(params, NewIntent)
    call = write(request, "charge.create", account, order.reference)

    def effect() -> Response:
        wanted = Charge(
            id=new_id("pi"),
            account=account,
            reference=order.reference,
            created_at=world.clock.real(),
            dialect=STRIPE.NAME,
            amount=objects.price_in(order.amount, order.currency.upper()),
            currency=order.currency.upper(),
            customer=known_customer(world, order.customer, account).id,
            payment_method=order.payment_method,
            description=order.description,
            metadata=order.metadata,
            key=call.key if enabled(world) else None,
            asked=digest(request.url.path, params),
        )
        made = charges.made_before(world, wanted) or charges.attempt(world, wanted)
        shown = regulars.intent(made)
        if made.last_error is None:
            return JSONResponse(shown)
        # What was answered first is answered again, whatever has become of it since.
        shown = regulars.intent(made.model_copy(update={"status": "failed"}))
        return JSONResponse({"error": {**shown["last_payment_error"], "payment_intent": shown}}, 402)

    return await perform(world, call, effect)


async def cancel_intent(request: Request) -> Response:
    """Give up a charge that has not brought any money."""
    world, account, identity = world_of(request), caller(request), request.path_params["id"]
    params = await forms.read_body(request)
    order = forms.understand(params, Cancellation)
    known = world.store.get(Charge, identity, account)

    def effect() -> Answer:
        charge = found(world, Charge, identity, account)
        if order.expand or charge.status != "failed":
            raise Refused(
                400, "payment_intent_unexpected_state", f"this PaymentIntent is {charge.status}", "intent"
            )
        charge.status, charge.given_up = "cancelled", order.cancellation_reason
        world.store.update(charge)
        emit(world, "charge.cancelled", charge)
        return 200, regulars.intent(charge)

    call = write(request, "charge.close", account, known.reference if known else None)
    return await one_time(world, call, params, effect)


async def create_portal(request: Request) -> Response:
    """Open a page where a customer sees to their cards."""
    world, account = world_of(request), caller(request)
    params = await forms.read_body(request)
    order = forms.understand(params, NewPortal)

    def effect() -> Answer:
        customer, now, name = (
            known_customer(world, order.customer, account),
            world.clock.real(),
            new_id("bps"),
        )
        portal = Portal(
            id=name,
            account=account,
            reference=customer.reference,
            created_at=now,
            dialect=STRIPE.NAME,
            customer=customer.id,
            url=f"{world.config.public_url}/portal/{name}",
            expires_at=now + portals.LIFE,
            return_url=order.return_url,
        )
        world.store.insert(portal)
        return 200, regulars.portal(portal)

    return await one_time(world, write(request, "portal.create", account, None), params, effect)


def _read(request: Request, operation: str, account: str, reference: str | None) -> Call:
    return Call(request, operation, account, reference, dialect=STRIPE)


ROUTES: list[BaseRoute] = [
    Route("/v1/customers", create_customer, methods=["POST"]),
    Route("/v1/customers/search", search_customers),
    Route("/v1/customers/{id}", read_customer),
    Route("/v1/customers/{id}/payment_methods", list_methods),
    Route("/v1/payment_intents", create_intent, methods=["POST"]),
    Route("/v1/payment_intents/{id}/cancel", cancel_intent, methods=["POST"]),
    Route("/v1/billing_portal/sessions", create_portal, methods=["POST"]),
]
