"""The API by which merchants charge again: customers, what they keep, charges without them, their pages."""

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox import charges, customers, portals, setups
from sandbox.charges import Charge
from sandbox.customers import Customer
from sandbox.gate import Call, perform
from sandbox.idempotency import Answer, digest, enabled, once
from sandbox.portals import Portal
from sandbox.routes import lister, reader, write
from sandbox.setups import Setup
from sandbox.store import new_id
from sandbox.wire import LARGEST_AMOUNT, Body, Instant, Reference, WebAddress, caller, read, world_of


class NewCustomer(Body):
    """The body of ``POST /v1/customers``."""

    reference: Reference
    email: Annotated[str, Field(max_length=254)] | None = None
    name: Annotated[str, Field(max_length=200)] | None = None


class NewSetup(Body):
    """The body of ``POST /v1/setup_sessions``."""

    reference: Reference
    customer: str
    success_url: WebAddress | None = None
    cancel_url: WebAddress | None = None
    expires_at: Instant | None = None


class NewCharge(Body):
    """The body of ``POST /v1/charges``."""

    reference: Reference
    amount: Annotated[int, Field(ge=1, le=LARGEST_AMOUNT)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    customer: str
    payment_method: str
    description: Annotated[str, Field(max_length=500)] | None = None


class NewPortal(Body):
    """The body of ``POST /v1/portal_sessions``."""

    customer: str
    return_url: WebAddress


async def ensure_customer(request: Request) -> Response:
    """Find or make the customer of a reference. It needs no key to be safe to repeat."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewCustomer)

    def effect() -> Response:
        made = Customer(id=new_id("cu"), account=account, created_at=world.clock.real(), **order.model_dump())
        known = customers.ensure(world, made)
        return JSONResponse(known.wire(), 201 if known is made else 200)

    return await perform(world, write(request, "customer.create", account, order.reference), effect)


async def list_methods(request: Request) -> Response:
    """List what a customer can be charged by: first what they want used."""
    world, account, identity = world_of(request), caller(request), request.path_params["id"]
    known = world.store.get(Customer, identity, account)

    def effect() -> Response:
        kept = customers.methods(world, customers.find(world, identity, account))
        return JSONResponse({"data": [method.wire() for method in kept]})

    call = Call(request, "customer.methods", account, known.reference if known else None)
    return await perform(world, call, effect)


async def create_setup(request: Request) -> Response:
    """Offer a customer to leave a card."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewSetup)
    call = write(request, "setup.create", account, order.reference)

    def effect() -> Answer:
        identity, now = new_id("su"), world.clock.real()
        setup = Setup(
            id=identity,
            account=account,
            created_at=now,
            url=f"{world.config.public_url}/setup/{identity}",
            expires_at=order.expires_at or now + setups.LIFE,
            **order.model_dump(exclude={"expires_at"}),
        )
        return 201, setups.open_setup(world, setup).wire()

    asked = digest(request.url.path, order.model_dump(mode="json"))
    return await perform(world, call, lambda: once(world, account, call.key, asked, effect))


async def create_charge(request: Request) -> Response:
    """Take money from a kept card. A decline is an answer of 402, remembered like a success."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewCharge)
    call = write(request, "charge.create", account, order.reference)

    def effect() -> Response:
        wanted = Charge(
            id=new_id("ch"),
            account=account,
            created_at=world.clock.real(),
            key=call.key if enabled(world) else None,
            asked=digest(request.url.path, order.model_dump(mode="json")),
            **order.model_dump(),
        )
        known = charges.made_before(world, wanted)
        return _answer(known, replayed=True) if known else _answer(charges.attempt(world, wanted))

    return await perform(world, call, effect)


def _answer(charge: Charge, *, replayed: bool = False) -> Response:
    headers = {"Idempotent-Replayed": "true"} if replayed else None
    if charge.last_error is None:
        return JSONResponse(charge.wire(), 201, headers)
    return JSONResponse(
        {"error": {"type": "card_error", **charge.last_error, "charge": charge.id}}, 402, headers
    )


async def create_portal(request: Request) -> Response:
    """Open a page where a customer sees to their cards; each visit has its own."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewPortal)
    known = world.store.get(Customer, order.customer, account)

    def effect() -> Response:
        customer = customers.find(world, order.customer, account)
        identity, now = new_id("po"), world.clock.real()
        portal = Portal(
            id=identity,
            account=account,
            reference=customer.reference,
            created_at=now,
            customer=customer.id,
            url=f"{world.config.public_url}/portal/{identity}",
            expires_at=now + portals.LIFE,
            return_url=order.return_url,
        )
        world.store.insert(portal)
        return JSONResponse(portal.wire(), 201)

    call = write(request, "portal.create", account, known.reference if known else None)
    return await perform(world, call, effect)


ROUTES: list[BaseRoute] = [
    Route("/v1/customers", ensure_customer, methods=["POST"]),
    Route("/v1/customers", lister(Customer, "customer.read")),
    Route("/v1/customers/{id}", reader(Customer, "customer.read")),
    Route("/v1/customers/{id}/payment_methods", list_methods),
    Route("/v1/setup_sessions", create_setup, methods=["POST"]),
    Route("/v1/setup_sessions", lister(Setup, "setup.read")),
    Route("/v1/setup_sessions/{id}", reader(Setup, "setup.read")),
    Route("/v1/charges", create_charge, methods=["POST"]),
    Route("/v1/charges", lister(Charge, "charge.find")),
    Route("/v1/charges/{id}", reader(Charge, "charge.read")),
    Route("/v1/portal_sessions", create_portal, methods=["POST"]),
]
