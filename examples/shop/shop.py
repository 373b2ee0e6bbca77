"""A tiny shop that is paid through Paysaga: what a tenant's backend has to do, and nothing else.

Read it from `buy` on. Card numbers never come here: the payer types them at the payment company.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from fastapi import Cookie, Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

import membership
from books import Books, Order
from desk import HERE, ROOM, User, go, page, shop
from endpoint import webhook_secret
from paysaga_client import (
    ApiError,
    AsyncPaysaga,
    Grant,
    OrderAlreadyPaid,
    OrderHasOpenPayment,
    PaysagaError,
    webhooks,
)
from paysaga_client.models import Payment


@dataclass(frozen=True)
class Product:
    name: str
    amount: int
    """In the currency's smallest unit: cents."""
    seconds: int
    currency: str = "EUR"

    @property
    def price(self) -> str:
        return f"{self.currency} {self.amount // 100:,}.{self.amount % 100:02}"


PRODUCTS: Final = {
    "day": Product("A day in the members’ room", 490, 24 * 3600),
    "year": Product("A year in the members’ room", 4900, 365 * 24 * 3600),
}


@asynccontextmanager
async def opening_hours(_: FastAPI) -> AsyncIterator[None]:
    """The client logs in when it first asks, keeps the token, and logs in again before that expires."""
    folder = Path(os.environ.get("SHOP_DATA", "shop-data"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shop.books = Books(folder / "shop.db")
    async with AsyncPaysaga(shop.api, os.environ["APP_NAME"], os.environ["APP_SECRET"]) as shop.paysaga:
        shop.tenant_id = (await shop.paysaga.tenants.me()).id
        await membership.have_a_plan(shop.paysaga)
        shop.secret = os.environ.get("WEBHOOK_SECRET") or await webhook_secret(
            shop.paysaga, f"{shop.url}/webhooks", folder / "webhook.json"
        )
        yield


app = FastAPI(lifespan=opening_hours, openapi_url=None)
app.mount("/static", StaticFiles(directory=HERE / "static"))
app.include_router(membership.router)


# --- Who is there ---------------------------------------------------------------------------------


@app.get("/")
async def front(request: Request, visitor: Annotated[str, Cookie()] = "") -> HTMLResponse:
    user = shop.books.who_is(visitor)
    if user is None:
        return page(request, "sign_in.html", user=None)
    return page(
        request,
        "front.html",
        user=user,
        products={key: (product, uuid.uuid4()) for key, product in PRODUCTS.items()},
        orders=[(order, PRODUCTS[order.product]) for order in shop.books.orders(user)],
    )


@app.post("/sign-in")
async def sign_in(name: Annotated[str, Form(min_length=1, max_length=40)]) -> Response:
    """Whoever says who they are is believed: a shop has its own way to know its people."""
    answer = go("/")
    answer.set_cookie("visitor", shop.books.sign_in(name), httponly=True, samesite="lax")
    return answer


# --- Buying ---------------------------------------------------------------------------------------


def own_order(order_id: str, user: User) -> Order:
    order = shop.books.order(order_id, user)
    if order is None:
        raise HTTPException(404)
    return order


OwnOrder = Annotated[Order, Depends(own_order)]


@app.post("/orders")
async def buy(user: User, order: Annotated[uuid.UUID, Form()], product: Annotated[str, Form()]) -> Response:
    """The order is written down before money is asked for, so that no payment is without its order."""
    if product not in PRODUCTS:
        raise HTTPException(422)
    shop.books.write_down(str(order), user, product)
    return await pay(own_order(str(order), user))


@app.post("/orders/{order_id}/pay")
async def pay(order: OwnOrder) -> Response:
    """Send the payer to the checkout: of the payment that is open, or of a new one if that came to nothing.

    The client derives the idempotency key from the order. So it is safe to come here again after a time-out,
    a crash or a double click: the order is paid once.
    """
    product = PRODUCTS[order.product]
    back = f"{shop.url}/orders/{order.id}"
    payment: Payment
    try:
        payment = await shop.paysaga.payments.create(
            order_id=order.id,
            user_id=order.user,
            amount=product.amount,
            currency=product.currency,
            description=product.name,
            success_url=back,
            cancel_url=back,
            expires_in_seconds=3600,
            entitlements=[Grant(feature=ROOM, duration_seconds=product.seconds)],
        )
    except (OrderHasOpenPayment, OrderAlreadyPaid) as refusal:
        # Begun with other words, before we moved to another address, say. That one counts.
        if refusal.payment_id is None:
            raise
        payment = await shop.paysaga.payments.get(refusal.payment_id)
    shop.books.has_payment(order.id, payment.id)
    return go(payment.checkout_url or back)


@app.get("/orders/{order_id}")
async def show_order(request: Request, order: OwnOrder) -> HTMLResponse:
    """Where the payer comes back to. The address proves nothing, whatever stands in it: we ask."""
    payment = await shop.paysaga.payments.get(order.payment_id) if order.payment_id else None
    return page(
        request,
        "order.html",
        user=order.user,
        order=order,
        product=PRODUCTS[order.product],
        payment=payment,
        letters=shop.books.letters(order.id),
        looks_again=more_to_come(order, payment),
    )


def more_to_come(order: Order, payment: Payment | None) -> bool:
    """Whether something will change soon: at the payment company, or here, when the webhook has come."""
    if payment is None:
        return False
    books_are_behind = (payment.paid and order.status == "open") or (
        payment.refund_status == "FULL" and order.status == "paid"
    )
    return books_are_behind or not payment.ended or payment.refund_status == "PENDING"


@app.post("/orders/{order_id}/refund")
async def refund(order: OwnOrder) -> Response:
    """Give all of it back. By its reference it is one refund, however often the button is pressed."""
    if order.payment_id is None:
        raise HTTPException(409)
    await shop.paysaga.payments.refund(order.payment_id, reason="the buyer's wish", reference=order.id)
    return go(f"/orders/{order.id}")


# --- What was bought ------------------------------------------------------------------------------


@app.get("/members")
async def members_room(request: Request, user: User) -> HTMLResponse:
    """Asked at each visit, since a right may end: by time, by a refund, by a dispute."""
    right = await shop.paysaga.entitlements.check(ROOM, user)
    return page(request, "members.html", status=200 if right else 403, user=user, right=right)


# --- What the platform tells us -------------------------------------------------------------------


@app.post("/webhooks")
async def hear(request: Request) -> Response:
    """Verified as the bytes that came, before anything reads them; 2xx once it is written down."""
    try:
        event = webhooks.verify(shop.secret, request.headers, await request.body())
    except webhooks.WebhookError:
        return Response(status_code=400)
    shop.books.hear(event)
    return Response(status_code=204)


@app.exception_handler(PaysagaError)
async def trouble(request: Request, error: PaysagaError) -> HTMLResponse:
    """Not known is not yes: nothing is called paid and no room is opened. Asking again harms nothing."""
    refused = isinstance(error, ApiError) and error.status < 500
    quote = getattr(error, "request_id", None)
    return page(
        request, "trouble.html", status=409 if refused else 503, user=None, refused=refused, quote=quote
    )
