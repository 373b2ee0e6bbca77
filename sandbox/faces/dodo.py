"""Dodo Payments' API, played by our core: payments here, the rest beside it. Mounted at ``/dodo``.

No call knows an idempotency key, and no session can be withdrawn: it lives for a day, whatever happens.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import islice

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from sandbox import checkout, refunds
from sandbox.checkout import Session
from sandbox.dialects import Shown, learn
from sandbox.disputes import Dispute
from sandbox.errors import Refused
from sandbox.faces import dodo_billing as billing
from sandbox.faces import dodo_objects as objects
from sandbox.faces.dodo_forms import (
    PAYMENT,
    REFUND,
    SUBSCRIPTION,
    Lookup,
    NewRefund,
    NewSession,
    read,
    read_query,
)
from sandbox.faces.dodo_words import DODO
from sandbox.gate import Call, perform
from sandbox.payments import Payment
from sandbox.refunds import Refund
from sandbox.store import Query, R, Record
from sandbox.wire import Handler, caller, refusing, world_of
from sandbox.world import World

_PAYER = {"name": "Sandbox Payer", "email": "payer@example.com"}
"""Who pays when the merchant names nobody."""


async def create_session(request: Request) -> Response:
    """Offer a payment."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewSession)
    order.check()
    reference = order.metadata.get(SUBSCRIPTION if order.plan else PAYMENT)
    call = Call(request, "checkout.create", account, reference, dialect=DODO)

    def effect() -> Response:
        wanted = _session(world, account, order)
        if order.plan:
            return JSONResponse(billing.begin(world, order, wanted))
        session = checkout.open_session(world, wanted)
        checkout.overtake(world, session)
        return JSONResponse({"session_id": session.id, "checkout_url": session.url})

    return await perform(world, call, effect)


def _session(world: World, account: str, order: NewSession) -> Session:
    identity, made_at = checkout.new_session_id("cks"), world.clock.real()
    customer, address = _customer(world, account, order), order.billing_address
    return Session(
        id=identity,
        account=account,
        reference=order.metadata.get(PAYMENT),
        created_at=made_at,
        dialect=DODO.NAME,
        amount=order.amount,
        currency=order.currency,
        url=f"{world.config.public_url}/pay/{identity}",
        expires_at=made_at + checkout.LIFE,
        description=", ".join(item.product_id for item in order.product_cart),
        customer_email=customer["email"],
        success_url=order.return_url,
        cancel_url=order.cancel_url,
        metadata=order.metadata,
        asked={
            "cart": [item.model_dump() for item in order.product_cart],
            "customer": customer,
            "billing": address.model_dump(exclude_none=True) if address else {},
        },
    )


def _customer(world: World, account: str, order: NewSession) -> dict[str, str]:
    given = order.customer.model_dump(exclude_none=True) if order.customer else {}
    customer = {**_PAYER, **given, **billing.known_customer(world, given.get("customer_id"), account)}
    return {"customer_id": objects.customer_id(account, customer["email"]), **customer}


async def create_refund(request: Request) -> Response:
    """Give money back."""
    world, account = world_of(request), caller(request)
    order = await read(request, NewRefund)
    known = _get(world, Session, objects.session_id(order.payment_id), account)
    call = Call(request, "refund.create", account, known.reference if known else None, dialect=DODO)

    def effect() -> Response:
        session = _tried(world, order.payment_id, account)
        payment = world.store.get(Payment, session.payment) if session.payment else None
        if payment is None:
            raise Refused(400, "PAYMENT_NOT_SUCCEEDED", "this payment has not succeeded")
        amount = _refundable(world, session, payment, order)
        wanted = refunds.Order(
            amount=amount,
            reference=order.metadata.get(REFUND),
            reason=order.reason,
            prefix="ref",
            asked={"metadata": order.metadata},
        )
        return JSONResponse(objects.refund(world, refunds.refund(world, payment, wanted)))

    return await perform(world, call, effect)


def _refundable(world: World, session: Session, payment: Payment, order: NewRefund) -> int:
    """Find out what is to go back; refuse what Dodo Payments does not do."""
    left = payment.amount - payment.amount_refunded
    if any(one.status == "pending" for one in world.store.all(Refund, Query(parent=payment.id))):
        raise Refused(409, "EXISTING_REFUND_REQUEST_PROCESSING", "an earlier refund is still being processed")
    if not left:
        raise Refused(400, "PAYMENT_ALREADY_REFUNDED", "this payment has been refunded")
    if order.currency not in {None, payment.currency}:
        raise Refused(400, "invalid_request", "a refund is made in the currency of its payment")
    prices = {item["product_id"]: item["amount"] * item["quantity"] for item in session.asked["cart"]}
    amount = 0
    for item in order.items or ():
        if item.item_id not in prices:
            raise Refused(400, "LINE_ITEM_NOT_FOUND", "this payment has no such line item")
        amount += item.amount or prices[item.item_id]
    return amount or left


def _reader(operation: str, find: Callable[[World, str, str], Record], show: Callable[..., Shown]) -> Handler:
    """Make the route that shows one object."""

    async def read_one(request: Request) -> Response:
        world, account, identity = world_of(request), caller(request), request.path_params["id"]
        try:
            reference = find(world, identity, account).reference
        except Refused:
            reference = None  # the effect will say so

        def effect() -> Response:
            return JSONResponse(show(world, find(world, identity, account)))

        return await perform(world, Call(request, operation, account, reference, dialect=DODO), effect)

    return read_one


def _lister(
    operation: str, kind: type[R], made_at: Callable[[R], datetime | None], show: Callable[[World, R], Shown]
) -> Handler:
    """Make the route that lists objects, newest first; those with no time yet are left out."""

    async def list_some(request: Request) -> Response:
        world, account = world_of(request), caller(request)
        lookup = read_query(request)

        def effect() -> Response:
            records = world.store.all(kind, Query(account=account))
            dated = [(made_at(one), one) for one in records if one.dialect == DODO.NAME]
            chosen = [(at, one) for at, one in dated if at is not None and _within(at, lookup)]
            chosen.sort(key=lambda entry: entry[0], reverse=True)
            fitting = (shown for _, one in chosen if _fits(shown := show(world, one), lookup))
            first = lookup.page_number * lookup.page_size
            return JSONResponse({"items": list(islice(fitting, first, first + lookup.page_size))})

        return await perform(world, Call(request, operation, account, None, dialect=DODO), effect)

    return list_some


def _within(instant: datetime, lookup: Lookup) -> bool:
    after = lookup.created_at_gte is None or instant >= lookup.created_at_gte
    return after and (lookup.created_at_lte is None or instant <= lookup.created_at_lte)


def _fits(shown: Shown, lookup: Lookup) -> bool:
    asked = {name: getattr(lookup, name) for name in ("status", "dispute_status", "dispute_stage")}
    fits = all(wanted in {None, shown.get(name)} for name, wanted in asked.items())
    return fits and lookup.customer_id in {None, shown.get("customer", {}).get("customer_id")}


def _get(world: World, kind: type[R], identity: str, account: str) -> R | None:
    record = world.store.get(kind, identity, account)
    return record if record is not None and record.dialect == DODO.NAME else None


def _found(kind: type[R]) -> Callable[[World, str, str], R]:
    """Make what reads a record that came to be through this face; any other looks like none."""

    def find(world: World, identity: str, account: str) -> R:
        record = _get(world, kind, identity, account)
        if record is None:
            raise Refused(404, "not_found", f"no such {kind.KIND.replace('_', ' ')}")
        return record

    return find


def _tried(world: World, identity: str, account: str) -> Session:
    session = _get(world, Session, objects.session_id(identity), account)
    if session is None or session.attempted_at is None:
        raise Refused(404, "not_found", "no such payment")
    return session


def _made(record: Record) -> datetime:
    return record.created_at


def _show_session(_world: World, session: Session) -> Shown:
    return objects.session(session)


def _show_listed_dispute(_world: World, dispute: Dispute) -> Shown:
    return objects.dispute(dispute)


ROUTES: list[BaseRoute] = [
    *billing.ROUTES,
    Route("/checkouts", create_session, methods=["POST"]),
    Route("/checkouts/{id}", _reader("checkout.read", _found(Session), _show_session)),
    Route(
        "/payments", _lister("payment.list", Session, lambda one: one.attempted_at, objects.payment_in_list)
    ),
    Route("/payments/{id}", _reader("payment.read", _tried, objects.payment)),
    Route("/refunds", create_refund, methods=["POST"]),
    Route("/refunds", _lister("refund.list", Refund, _made, objects.refund_in_list)),
    Route("/refunds/{id}", _reader("refund.read", _found(Refund), objects.refund)),
    Route("/disputes", _lister("dispute.list", Dispute, _made, _show_listed_dispute)),
    Route("/disputes/{id}", _reader("dispute.read", _found(Dispute), objects.whole_dispute)),
]


def face(world: World) -> Mount:
    """Put Dodo Payments' API together, with its manners throughout."""
    learn(DODO)
    app = Starlette(routes=ROUTES, exception_handlers=refusing(DODO))
    app.state.world = world
    return Mount("/dodo", app)
