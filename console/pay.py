"""The payer's page: how one payment stands, for whoever holds its checkout token.

What it shows is our row. Of the address only ``token`` and ``lang`` are read; whatever a provider or a
stranger wrote beside them means nothing here.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, BackgroundTasks, Query, Request
from fastapi.responses import HTMLResponse

from api.deps import InPublic, TheHouse
from api.payments import nudge, payee
from console.pages import PageRoute, language_of, moment, other, render
from console.situations import MANNERS, Situation, Way, arrived, given_back, situation
from documents.words import Language, money
from domain.errors import NotFound, Unauthorized
from domain.money import Money
from domain.payment import Payment, PaymentStatus
from storage import payments, tenants

router = APIRouter(prefix="/pay", include_in_schema=False, route_class=PageRoute, dependencies=[InPublic])

_DECLINED: Final = "payment.attempt_failed"


@router.get("/{payment_id}")
async def show(
    payment_id: str,
    request: Request,
    here: TheHouse,
    later: BackgroundTasks,
    token: Annotated[str | None, Query()] = None,
) -> HTMLResponse:
    """The page. To look at an UNKNOWN payment has its provider asked, as over the API."""
    if token is None:
        raise Unauthorized
    async with here.world.database.tenant(payee(here, token, payment_id)) as tx:
        payment = await payments.get(tx, payment_id)
        tenant = await tenants.get(tx, payment.order.tenant_id)
        past = await payments.history(tx, payment_id)
    if payment.status is PaymentStatus.UNKNOWN:
        later.add_task(nudge, here, payment)
    stands = situation(payment, here.world.clock(), declined=past[-1]["type"] == _DECLINED)
    facts = view(payment, stands, language_of(request))
    return render("pay.html", facts | {"tenant": tenant.name, "token": token})


@router.get("/{rest:path}")
def nothing(rest: str) -> HTMLResponse:  # noqa: ARG001 - the path's own parameter
    """People who follow half an address get a page as well."""
    raise NotFound


def view(payment: Payment, stands: Situation, language: Language) -> dict[str, Any]:
    """What the template shows, beside the tenant's name."""
    order, manner = payment.order, MANNERS[stands]
    amounts = {"amount": order.money, "arrived": arrived(payment), "given_back": given_back(payment)}
    pay_by = order.expires_at if manner.way is Way.PAY else None
    ways = {Way.PAY: payment.checkout_url, Way.AGAIN: order.cancel_url, Way.ON: order.success_url}
    return {
        "language": language,
        "other": other(language),
        "situation": stands,
        "tone": manner.tone,
        "way": manner.way,
        "moving": manner.moving,
        "address": _linkable(ways.get(manner.way)),
        "sandbox": order.sandbox,
        "description": order.description,
        "reference": payment.id,
        "ordered_at": moment(order.created_at, language),
        "pay_by": None if pay_by is None else moment(pay_by, language),
        **{name: _amount(sum_, language) for name, sum_ in amounts.items()},
    }


def _amount(sum_: Money | None, language: Language) -> str | None:
    return None if sum_ is None else money(sum_.amount_minor, sum_.currency, language, spoken=True)


def _linkable(address: str | None) -> str | None:
    """An address that a page may link to: what else was taken once, nobody should follow."""
    return address if address is not None and address.startswith(("https://", "http://")) else None
