"""Stripe's API, played by our core: payments here, the rest beside it. Mounted at ``/stripe``."""

from collections.abc import Callable
from dataclasses import replace
from secrets import token_hex

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import checkout, disputes, refunds, wire
from sandbox.charges import Charge
from sandbox.checkout import Session
from sandbox.dialects import Shown, learn
from sandbox.disputes import Dispute
from sandbox.errors import Refused
from sandbox.faces import forms
from sandbox.faces import stripe_billing as billing
from sandbox.faces import stripe_objects as objects
from sandbox.faces import stripe_regulars as regulars
from sandbox.faces.stripe_calls import caller, found, known, known_customer, lifetime, one_time, write
from sandbox.faces.stripe_forms import Changes, Expanding, Lookup, NewRefund, NewSession
from sandbox.faces.stripe_lists import listing
from sandbox.faces.stripe_words import API_VERSION, STRIPE, now
from sandbox.gate import Call, perform
from sandbox.idempotency import Answer
from sandbox.payments import Payment
from sandbox.refunds import Refund
from sandbox.setups import Setup
from sandbox.wire import Handler, world_of
from sandbox.world import World


async def create_session(request: Request) -> Response:
    """Offer a payment."""
    world, account = world_of(request), caller(request)
    params = await forms.read_body(request)
    if params.get("mode") == "setup":
        return await billing.create_setup(request, params)
    order = forms.understand(params, NewSession)
    call = write(request, "checkout.create", account, order.reference)

    def effect() -> Answer:
        session = checkout.open_session(world, _session(world, account, order))
        shown = objects.session(session)
        checkout.overtake(world, session)
        return 200, expanded(world, account, shown, order.expand)

    return await one_time(world, call, params, effect)


def _session(world: World, account: str, order: NewSession) -> Session:
    made_at = world.clock.real()
    customer = known_customer(world, order.customer, account) if order.customer else None
    identity, currency = checkout.new_session_id("cs_test"), order.currency
    return Session(
        id=identity,
        account=account,
        reference=order.reference,
        created_at=made_at,
        dialect=STRIPE.NAME,
        amount=objects.price_in(order.amount, currency),
        currency=currency,
        url=f"{world.config.public_url}/pay/{identity}",
        expires_at=lifetime(made_at, order.expires_at),
        customer=customer.id if customer and order.payment_intent_data.setup_future_usage else None,
        description=order.description,
        customer_email=order.customer_email,
        success_url=order.success_url.replace("{CHECKOUT_SESSION_ID}", identity),
        cancel_url=order.cancel_url,
        metadata=order.metadata,
        lasting=True,
        asked=order.kept(),
    )


async def expire_session(request: Request) -> Response:
    """Withdraw an offer that is open."""
    world, account, identity = world_of(request), caller(request), request.path_params["id"]
    params = await forms.read_body(request)
    order = forms.understand(params, Expanding)
    before = known(world, Session, identity, account)

    def pretend() -> Response:
        shown = objects.session(found(world, Session, identity, account))
        return JSONResponse({**shown, "status": "expired", "url": None})

    def effect() -> Answer:
        session = found(world, Session, identity, account)
        if session.status != "open":
            status = objects.session(session)["status"]
            raise Refused(
                400, "not_open", f"only an open Checkout Session can be expired, this one is {status}"
            )
        shown = objects.session(checkout.expire(world, session))
        return 200, expanded(world, account, shown, order.expand)

    call = write(request, "checkout.close", account, before.reference if before else None)
    return await one_time(world, replace(call, pretend=pretend), params, effect)


async def create_refund(request: Request) -> Response:
    """Give money back."""
    world, account = world_of(request), caller(request)
    params = await forms.read_body(request)
    order = forms.understand(params, NewRefund)
    before = _payment(world, account, order)
    call = write(request, "refund.create", account, before.reference if before else None)

    def effect() -> Answer:
        payment = _payment(world, account, order)
        if payment is None:
            raise Refused(400, "invalid_request", "this PaymentIntent has no successful charge to refund")
        amount = None if order.amount is None else objects.amount_in(order.amount, payment.currency)
        wanted = refunds.Order(amount, order.reference, order.reason, asked={"metadata": order.metadata})
        shown = objects.refund(refunds.refund(world, payment, wanted))
        return 200, expanded(world, account, shown, order.expand)

    return await one_time(world, call, params, effect)


def _payment(world: World, account: str, order: NewRefund) -> Payment | None:
    """Find what is to be refunded; None for an intent nobody has paid."""
    if order.payment_intent is None:
        return found(world, Payment, objects.payment_id(order.charge or ""), account)
    charge = known(world, Charge, order.payment_intent, account)
    session = charge or _intended(world, order.payment_intent, account)
    return world.store.get(Payment, session.payment) if session.payment else None


async def change_dispute(request: Request) -> Response:
    """Take a merchant's evidence; it is handed in at once unless the merchant says otherwise."""
    world, account, identity = world_of(request), caller(request), request.path_params["id"]
    params = await forms.read_body(request)
    order = forms.understand(params, Changes)
    before = known(world, Dispute, identity, account)

    def effect() -> Answer:
        dispute = found(world, Dispute, identity, account)
        dispute.asked = {"metadata": {**dispute.asked.get("metadata", {}), **order.metadata}}
        world.store.update(dispute)
        if order.evidence or "submit" in order.model_fields_set:
            if dispute.status not in {"inquiry", "open"}:
                raise Refused(400, "not_open", f"this dispute is {dispute.status}")
            facts = {**(dispute.evidence or {}), **order.evidence}
            disputes.answer(world, dispute, facts, submit=order.submit)
        shown = objects.dispute(dispute, now(world))
        return 200, expanded(world, account, shown, order.expand)

    call = write(request, "dispute.answer", account, before.reference if before else None)
    return await one_time(world, call, params, effect)


def _reader(operation: str, read: Callable[[World, str, str], tuple[str | None, Shown]]) -> Handler:
    """Make the route that shows one object; ``read`` gives the reference it is about, and the object."""

    async def read_one(request: Request) -> Response:
        world, account, identity = world_of(request), caller(request), request.path_params["id"]
        order = forms.understand(forms.read_query(request), Expanding)

        def effect() -> Response:
            _, shown = read(world, account, identity)
            return JSONResponse(expanded(world, account, shown, order.expand))

        try:
            reference, _ = read(world, account, identity)
        except Refused:
            reference = None  # the effect will say so
        return await perform(world, Call(request, operation, account, reference, dialect=STRIPE), effect)

    return read_one


def _read_session(world: World, account: str, identity: str) -> tuple[str | None, Shown]:
    setup = known(world, Setup, identity, account)
    if setup is not None:
        return setup.reference, regulars.setup_session(setup)
    session = found(world, Session, identity, account)
    return session.reference, objects.session(session)


def _read_intent(world: World, account: str, identity: str) -> tuple[str | None, Shown]:
    charge = known(world, Charge, identity, account)
    if charge is not None:
        return charge.reference, regulars.intent(charge)
    session = _intended(world, identity, account)
    return session.reference, objects.intent(session)


def _read_charge(world: World, account: str, identity: str) -> tuple[str | None, Shown]:
    payment = found(world, Payment, objects.payment_id(identity), account)
    return payment.reference, objects.charge(payment)


def _read_refund(world: World, account: str, identity: str) -> tuple[str | None, Shown]:
    refund = found(world, Refund, identity, account)
    return refund.reference, objects.refund(refund)


def _read_dispute(world: World, account: str, identity: str) -> tuple[str | None, Shown]:
    dispute = found(world, Dispute, identity, account)
    return dispute.reference, objects.dispute(dispute, now(world))


def _lister(operation: str, kind: str) -> Handler:
    """Make the route that lists objects, newest first."""

    async def list_some(request: Request) -> Response:
        world, account = world_of(request), caller(request)
        lookup = forms.understand(forms.read_query(request), Lookup)
        session = known(world, Session, objects.session_id(lookup.payment_intent or ""), account)
        call = Call(request, operation, account, session.reference if session else None, dialect=STRIPE)

        def effect() -> Response:
            page = listing(world, account, kind, lookup)
            inner = [path.removeprefix("data.") for path in lookup.expand]
            page["data"] = [expanded(world, account, item, inner) for item in page["data"]]
            return JSONResponse({**page, "url": request.url.path.removeprefix("/stripe")})

        return await perform(world, call, effect)

    return list_some


def expanded(world: World, account: str, shown: Shown, paths: list[str]) -> Shown:
    """Put objects in the place of their ids, as the caller asked."""
    readers = {"payment_intent": _read_intent, "charge": _read_charge, "latest_charge": _read_charge}
    for path in paths:
        head, _, rest = path.partition(".")
        if head not in readers or head not in shown:
            raise Refused(400, "invalid_request", f"This property cannot be expanded ({head}).", "expand")
        if isinstance(shown[head], str):
            _, inner = readers[head](world, account, shown[head])
            shown = {**shown, head: inner}
        if rest and shown[head] is not None:
            shown = {**shown, head: expanded(world, account, shown[head], [rest])}
    return shown


def _intended(world: World, identity: str, account: str) -> Session:
    session = known(world, Session, objects.session_id(identity), account)
    if session is None or session.attempted_at is None:
        raise Refused(404, "not_found", "No such payment_intent", "intent")
    return session


class _Labelled:
    """Puts on every answer what Stripe puts there: an id to ask its support about, and the API's version."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def labelled(message: Message) -> None:
            if message["type"] == "http.response.start":
                labels = {"request-id": f"req_{token_hex(7)}", "stripe-version": API_VERSION}
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in labels.items()),
                ]
            await send(message)

        await self.app(scope, receive, labelled)


ROUTES: list[BaseRoute] = [
    *billing.ROUTES,
    Route("/v1/checkout/sessions", create_session, methods=["POST"]),
    Route("/v1/checkout/sessions", _lister("checkout.find", "checkout.session")),
    Route("/v1/checkout/sessions/{id}", _reader("checkout.read", _read_session)),
    Route("/v1/checkout/sessions/{id}/expire", expire_session, methods=["POST"]),
    Route("/v1/payment_intents", _lister("payment.list", "payment_intent")),
    Route("/v1/payment_intents/{id}", _reader("payment.read", _read_intent)),
    Route("/v1/charges/{id}", _reader("payment.read", _read_charge)),
    Route("/v1/refunds", create_refund, methods=["POST"]),
    Route("/v1/refunds", _lister("refund.list", "refund")),
    Route("/v1/refunds/{id}", _reader("refund.read", _read_refund)),
    Route("/v1/disputes", _lister("dispute.list", "dispute")),
    Route("/v1/disputes/{id}", _reader("dispute.read", _read_dispute)),
    Route("/v1/disputes/{id}", change_dispute, methods=["POST"]),
]


def face(world: World) -> Mount:
    """Put Stripe's API together, with Stripe's manners throughout."""
    learn(STRIPE)
    app = Starlette(routes=ROUTES, exception_handlers=wire.refusing(STRIPE))
    app.state.world = world
    return Mount("/stripe", _Labelled(app))
