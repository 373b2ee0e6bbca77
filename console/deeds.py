"""What people have done about a payment: a page says what will happen, and the form on it has it done, once.

The routes of the API do it, under the roles that they ask for. What the pages leave out they would refuse.
"""

import secrets
from typing import Annotated, Any, Final

from fastapi import APIRouter, BackgroundTasks, Form, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.approvals import NewReview, operators_asker, propose, review_payment
from api.browsers import Visitor
from api.deliveries import redeliver
from api.deps import About, House, TheHouse
from api.payments import cancel_payment
from api.refunds import NewRefund, create_refund
from console import typed
from console.frame import Crumb, back, framed
from console.guard import HOME, ConsoleRoute, TheVisitor, tenants_person
from console.pages import language_of
from console.possible import refundable
from console.reading import reading
from console.texts import TEXTS
from documents.words import Language, money
from domain.entitlement import Entitlement
from domain.errors import IllegalTransition, NotFound, PaymentDisputed, RefundExceedsCaptured
from domain.money import Money
from domain.payment import DISPUTED, OPEN, Payment, PaymentStatus
from domain.refund import RefundState
from domain.tenant import MAY_TRADE, PartialRefundPolicy
from domain.text import FreeText, IdempotencyKey
from domain.verdicts import Choice
from storage import entitlements, payments, tenants

PAYMENTS: Final = f"{HOME}/payments"
router = APIRouter(prefix=PAYMENTS, include_in_schema=False, route_class=ConsoleRoute)

Reason = Annotated[str, FreeText(500, min_length=0)]


class RefundForm(BaseModel):
    """What the page that asked for it sends back; what else a browser sends along does not matter."""

    amount_minor: Annotated[int, Field(ge=1, le=2**53)]
    key: IdempotencyKey
    """Made with the page: pressed twice, or reloaded, its button refunds once."""
    reason: Reason = ""


async def _page(
    request: Request, here: House, who: Visitor, payment: Payment, template: str, **facts: Any
) -> HTMLResponse:
    """A page below the payment's own."""
    language = language_of(request)
    crumbs = [
        Crumb(PAYMENTS, TEXTS[language]["nav_payments"]),
        Crumb(f"{PAYMENTS}/{payment.id}", _written(payment.order.money, language)),
    ]
    return await framed(request, here, who, template, crumbs, payment=payment, **facts)


def _written(sum_: Money, language: Language) -> str:
    return money(sum_.amount_minor, sum_.currency, language, spoken=True)


async def _payment(here: House, who: Visitor, payment_id: str) -> Payment:
    """Raises ``NotFound``, and ``Forbidden`` for who may not trade for its tenant."""
    tenants_person(who, MAY_TRADE)
    async with reading(here, who) as tx:
        return await payments.get(tx, payment_id)


# --- Cancelling -----------------------------------------------------------------------------------


@router.get("/{payment_id}/cancel")
async def ask_to_cancel(payment_id: str, request: Request, here: TheHouse, who: TheVisitor) -> HTMLResponse:
    payment = await _payment(here, who, payment_id)
    if payment.status not in OPEN:
        raise IllegalTransition(f"A payment that is {payment.status} cannot be cancelled.")
    amount = _written(payment.order.money, language_of(request))
    return await _page(request, here, who, payment, "deeds/cancel.html", amount=amount)


@router.post("/{payment_id}/cancel")
async def cancel(
    payment_id: str, request: Request, here: TheHouse, who: TheVisitor, about: About
) -> Response:
    """The company decides; until it has, the payment's page says so."""
    told = await cancel_payment(payment_id, tenants_person(who, MAY_TRADE), here, about)
    ended = told.status is PaymentStatus.CANCELLED
    return back(request, f"{PAYMENTS}/{payment_id}", "payment_cancelled" if ended else "cancel_asked")


# --- Giving money back ----------------------------------------------------------------------------


@router.get("/{payment_id}/refund")
async def ask_to_refund(
    payment_id: str,
    request: Request,
    here: TheHouse,
    who: TheVisitor,
    amount: Annotated[str | None, Query(max_length=64)] = None,
) -> HTMLResponse:
    """How much, to begin with. With an amount that can go back: what will happen, and the form for it."""
    payment = await _payment(here, who, payment_id)
    left, language = _left(payment), language_of(request)
    facts = {
        "left": _written(left, language),
        "typed": amount or typed.plainly(left.amount_minor, left.currency, language),
        "wrong": None,
    }
    if amount is None:
        return await _page(request, here, who, payment, "deeds/refund.html", **facts)
    wanted = typed.amount(amount, left.currency, language)
    if wanted is None or not 0 < wanted <= left.amount_minor:
        facts["wrong"] = "refund_too_much" if wanted else "refund_no_amount"
        return await _page(request, here, who, payment, "deeds/refund.html", **facts)
    sum_ = Money(amount_minor=wanted, currency=left.currency)
    facts |= await _consequences(here, payment, sum_, language)
    return await _page(request, here, who, payment, "deeds/refunding.html", **facts)


def _left(payment: Payment) -> Money:
    """What can go back now. Raises what the API would."""
    if payment.status is not PaymentStatus.SUCCEEDED or payment.captured is None:
        raise IllegalTransition(f"A payment that is {payment.status} has nothing to refund.")
    if payment.dispute_status in DISPUTED:
        raise PaymentDisputed
    left = refundable(payment)
    if left <= 0:
        raise RefundExceedsCaptured(paymentId=payment.id)
    return Money(amount_minor=left, currency=payment.captured.currency)


async def _consequences(here: House, payment: Payment, sum_: Money, language: Language) -> dict[str, Any]:
    """What a refund of this much will do, in amounts and rights; and the key that lets it happen once."""
    tenant_id = payment.order.tenant_id
    async with here.world.database.tenant(tenant_id) as tx:
        settings = (await tenants.get(tx, tenant_id)).settings
        rights = await entitlements.of_payment(tx, payment.id, here.world.clock())
    whole = sum_.amount_minor == refundable(payment)
    ends = whole or settings.partial_refund is PartialRefundPolicy.REVOKE
    return {
        "amount": _written(sum_, language),
        "amount_minor": sum_.amount_minor,
        "remains": money(refundable(payment) - sum_.amount_minor, sum_.currency, language, spoken=True),
        "whole": whole,
        "needs_approval": settings.needs_approval(sum_),
        "rights": [_right(right) for right in rights if right.active],
        "rights_end": ends,
        "key": f"console-{secrets.token_hex(16)}",
    }


def _right(right: Entitlement) -> str:
    return right.feature if right.quantity == 1 else f"{right.feature} × {right.quantity}"


@router.post("/{payment_id}/refund")
async def refund(
    payment_id: str,
    request: Request,
    here: TheHouse,
    who: TheVisitor,
    about: About,
    later: BackgroundTasks,
    form: Annotated[RefundForm, Form()],
) -> Response:
    """Once for each page that showed it, however often its button is pressed."""
    wish = NewRefund(amount=form.amount_minor, reason=form.reason.strip() or None)
    person = tenants_person(who, MAY_TRADE)
    given = await create_refund(payment_id, wish, form.key, person, here, about, later)
    waits = given.status is RefundState.PENDING_APPROVAL
    return back(request, f"{PAYMENTS}/{payment_id}", "refund_asked" if waits else "refund_begun")


# --- Money under review ---------------------------------------------------------------------------


@router.get("/{payment_id}/review/{choice}")
async def ask_to_review(
    payment_id: str, choice: Choice, request: Request, here: TheHouse, who: TheVisitor
) -> HTMLResponse:
    """What would be done with the money. Whoever asks, an approver of the tenant decides."""
    _may_propose(who)
    async with reading(here, who) as tx:
        payment = await payments.get(tx, payment_id)
    if payment.status is not PaymentStatus.REVIEW or payment.captured is None:
        raise IllegalTransition(f"A payment that is {payment.status} leaves nothing to decide.")
    language = language_of(request)
    facts = {
        "choice": choice,
        "amount": _written(payment.captured, language),
        "ordered": _written(payment.order.money, language),
    }
    return await _page(request, here, who, payment, "deeds/review.html", **facts)


@router.post("/{payment_id}/review/{choice}")
async def review(
    payment_id: str,
    choice: Choice,
    request: Request,
    here: TheHouse,
    who: TheVisitor,
    about: About,
    later: BackgroundTasks,
    reason: Annotated[Reason, Form()] = "",
) -> Response:
    """A tenant's person asks as over the API; the operator as with ``paysaga payments accept|refund``."""
    wish = NewReview(decision=choice, reason=reason.strip() or None)
    _may_propose(who)
    if who.caller is not None:
        await review_payment(payment_id, wish, who.caller, here, about, later)
    else:
        async with here.world.database.system() as tx:
            tenant_id = await payments.owner(tx, payment_id)
        if tenant_id is None:
            raise NotFound
        asker = operators_asker(here, wish.reason, about)
        await propose(here, tenant_id, payment_id, (choice, asker), later)
    return back(request, f"{PAYMENTS}/{payment_id}", "review_asked")


def _may_propose(who: Visitor) -> None:
    if who.caller is not None:
        tenants_person(who, MAY_TRADE)


# --- Webhooks -------------------------------------------------------------------------------------


@router.post("/{payment_id}/deliveries/{delivery_id}/redeliver")
async def send_again(
    payment_id: str,
    delivery_id: str,
    request: Request,
    here: TheHouse,
    who: TheVisitor,
    about: About,
    later: BackgroundTasks,
) -> Response:
    """The same event to the same endpoint, at once."""
    await redeliver(delivery_id, tenants_person(who, MAY_TRADE), here, about, later)
    return back(request, f"{PAYMENTS}/{payment_id}", "delivery_again")
