"""The API that merchants' servers call: one short function per route, all through the gate."""

from base64 import b64encode
from dataclasses import replace
from secrets import token_bytes
from typing import Annotated, Any

from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox import billing, card_pages, checkout, customers, disputes, pages, refunds
from sandbox.checkout import Session
from sandbox.dialects import OWN, Event
from sandbox.disputes import Dispute
from sandbox.errors import missing
from sandbox.events import WebhookEndpoint
from sandbox.faces import dodo, stripe
from sandbox.gate import Call, perform
from sandbox.idempotency import Answer, digest, once
from sandbox.payments import Payment
from sandbox.refunds import Refund
from sandbox.routes import lister, reader, write
from sandbox.store import new_id
from sandbox.wire import (
    LARGEST_AMOUNT,
    Body,
    Filters,
    Instant,
    Reference,
    WebAddress,
    caller,
    listing,
    livez,
    read,
    read_query,
    refusing,
    world_of,
)
from sandbox.world import World


class NewSession(Body):
    """The body of ``POST /v1/checkout_sessions``."""

    reference: Reference
    amount: Annotated[int, Field(ge=1, le=LARGEST_AMOUNT)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    description: Annotated[str, Field(max_length=500)] | None = None
    customer_email: Annotated[str, Field(max_length=254)] | None = None
    success_url: WebAddress | None = None
    cancel_url: WebAddress | None = None
    expires_at: Instant | None = None
    metadata: Annotated[dict[str, str], Field(max_length=50, default_factory=dict)]
    customer: str | None = None


class NewRefund(Body):
    """The body of ``POST /v1/refunds``."""

    payment: str
    amount: Annotated[int, Field(ge=1, le=LARGEST_AMOUNT)] | None = None
    reference: Reference | None = None
    reason: Annotated[str, Field(max_length=500)] | None = None


class NewEvidence(Body):
    """The body of ``POST /v1/disputes/{id}/evidence``."""

    evidence: Annotated[dict[str, Any], Field(max_length=100)]
    submit: bool = False


class NewEndpoint(Body):
    """The body of ``POST /v1/webhook_endpoints``."""

    url: WebAddress


class RefundFilters(Filters):
    """The query string of ``GET /v1/refunds``: ``reference`` is the refund's own."""

    payment: str | None = None


async def create_checkout(request: Request) -> Response:
    """Offer a payment."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewSession)
    call = write(request, "checkout.create", account, order.reference)

    def effect() -> Answer:
        if order.customer is not None:
            customers.find(world, order.customer, account)
        session = checkout.open_session(world, _session(world, account, order))
        shown = session.wire()
        checkout.overtake(world, session)
        return 201, shown

    asked = digest(request.url.path, order.model_dump(mode="json"))
    return await perform(world, call, lambda: once(world, account, call.key, asked, effect))


def _session(world: World, account: str, order: NewSession) -> Session:
    identity, now = checkout.new_session_id(), world.clock.real()
    fields = order.model_dump(exclude={"expires_at"})
    return Session(
        id=identity,
        account=account,
        created_at=now,
        url=f"{world.config.public_url}/pay/{identity}",
        expires_at=order.expires_at or now + checkout.LIFE,
        **fields,
    )


async def expire_checkout(request: Request) -> Response:
    """Withdraw an offer."""
    world, account = world_of(request), caller(request)
    identity = request.path_params["id"]
    known = world.store.get(Session, identity, account)

    def pretend() -> Response:
        shown = checkout.find(world, identity, account).wire()
        return JSONResponse({**shown, "status": "expired"})

    def effect() -> Response:
        return JSONResponse(checkout.expire(world, checkout.find(world, identity, account)).wire())

    call = write(request, "checkout.close", account, known.reference if known else None)
    return await perform(world, replace(call, pretend=pretend), effect)


async def create_refund(request: Request) -> Response:
    """Give money back."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewRefund)
    known = world.store.get(Payment, order.payment, account)
    call = write(request, "refund.create", account, known.reference if known else None)

    def effect() -> Answer:
        payment = world.store.get(Payment, order.payment, account)
        if payment is None:
            raise missing("payment")
        wanted = refunds.Order(amount=order.amount, reference=order.reference, reason=order.reason)
        return 201, refunds.refund(world, payment, wanted).wire()

    asked = digest(request.url.path, order.model_dump(mode="json"))
    return await perform(world, call, lambda: once(world, account, call.key, asked, effect))


async def list_refunds(request: Request) -> Response:
    """List refunds by the payment they belong to or by the caller's own reference."""
    world, account = world_of(request), caller(request)
    filters = read_query(request, RefundFilters)
    query = replace(filters.query(account), reference=None, own=filters.reference, parent=filters.payment)
    known = world.store.get(Payment, filters.payment, account) if filters.payment else None
    call = Call(request, "refund.list", account, known.reference if known else None)
    return await perform(world, call, lambda: JSONResponse(listing(world.store.page(Refund, query))))


async def answer_dispute(request: Request) -> Response:
    """Take a merchant's evidence."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewEvidence)
    known = world.store.get(Dispute, request.path_params["id"], account)
    call = write(request, "dispute.answer", account, known.reference if known else None)

    def effect() -> Response:
        dispute = world.store.get(Dispute, request.path_params["id"], account)
        if dispute is None:
            raise missing("dispute")
        return JSONResponse(disputes.answer(world, dispute, order.evidence, submit=order.submit).wire())

    return await perform(world, call, effect)


async def create_endpoint(request: Request) -> Response:
    """Register an address; the answer holds its secret, now and in the list."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewEndpoint)
    endpoint = WebhookEndpoint(
        id=new_id("whe"),
        account=account,
        reference=None,
        created_at=world.clock.real(),
        url=order.url,
        secret="whsec_" + b64encode(token_bytes(32)).decode(),
    )

    def effect() -> Response:
        world.store.insert(endpoint)
        return JSONResponse({**endpoint.wire(), "secret": endpoint.secret}, 201)

    return await perform(world, write(request, "endpoint.create", account, None), effect)


async def delete_endpoint(request: Request) -> Response:
    """Forget an address; what it was still owed is dropped."""
    world, account = world_of(request), caller(request)

    def effect() -> Response:
        endpoint = world.store.get(WebhookEndpoint, request.path_params["id"], account)
        if endpoint is None:
            raise missing("webhook endpoint")
        world.store.delete(endpoint)
        return JSONResponse({"id": endpoint.id, "deleted": True})

    return await perform(world, write(request, "endpoint.delete", account, None), effect)


ROUTES: list[BaseRoute] = [
    Route("/livez", livez),
    Route("/v1/checkout_sessions", create_checkout, methods=["POST"]),
    Route("/v1/checkout_sessions", lister(Session, "checkout.find")),
    Route("/v1/checkout_sessions/{id}", reader(Session, "checkout.read")),
    Route("/v1/checkout_sessions/{id}/expire", expire_checkout, methods=["POST"]),
    Route("/v1/payments", lister(Payment, "payment.list")),
    Route("/v1/payments/{id}", reader(Payment, "payment.read")),
    Route("/v1/refunds", create_refund, methods=["POST"]),
    Route("/v1/refunds", list_refunds),
    Route("/v1/refunds/{id}", reader(Refund, "refund.read")),
    Route("/v1/disputes", lister(Dispute, "dispute.list")),
    Route("/v1/disputes/{id}", reader(Dispute, "dispute.read")),
    Route("/v1/disputes/{id}/evidence", answer_dispute, methods=["POST"]),
    Route("/v1/events", lister(Event, "event.list")),
    Route("/v1/events/{id}", reader(Event, "event.read")),
    Route("/v1/webhook_endpoints", create_endpoint, methods=["POST"]),
    Route("/v1/webhook_endpoints", lister(WebhookEndpoint, "endpoint.list")),
    Route("/v1/webhook_endpoints/{id}", delete_endpoint, methods=["DELETE"]),
    *billing.ROUTES,
    *pages.ROUTES,
    *card_pages.ROUTES,
]


def public_app(world: World) -> Starlette:
    """Put the public port together: the API, the faces and the pages."""
    routes = [stripe.face(world), dodo.face(world), *ROUTES]
    app = Starlette(routes=routes, exception_handlers=refusing(OWN))
    app.state.world = world
    return app
