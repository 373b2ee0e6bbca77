"""The other way into the room: by the month, on the platform's own price list."""

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from desk import ROOM, User, go, page, shop
from paysaga_client import AsyncPaysaga
from paysaga_client.models import NewFeature, NewPrice

PLAN: Final = "Member"
HERE: Final = "/membership"

router = APIRouter(prefix=HERE)


async def have_a_plan(paysaga: AsyncPaysaga) -> None:
    """Most tenants make their plans once, by hand. This one is new each time it is tried out."""
    if any([plan.name == PLAN async for plan in paysaga.plans.iterate(active=True)]):
        return
    month = NewPrice(amount=590, currency="EUR", interval="month", trial_days=7)
    year = NewPrice(amount=5900, currency="EUR", interval="year")
    await paysaga.plans.create(
        name=PLAN,
        description="The room, for as long as you like",
        features=[NewFeature(feature=ROOM)],
        prices=[month, year],
    )


@router.get("")
async def membership(request: Request, user: User, *, back: bool = False) -> HTMLResponse:
    """The component on this page shows the prices, and sends what was chosen to ``subscribe``.

    ``back`` stands in an address, so it proves nothing. It says that it is worth looking again.
    """
    standing = await shop.paysaga.billing.status(user)
    return page(request, "membership.html", user=user, shop=shop, standing=standing, back=back)


class Choice(BaseModel):
    priceId: str  # noqa: N815 - the component's own words
    quantity: int = 1


@router.post("")
async def subscribe(choice: Choice, user: User) -> dict[str, str]:
    """The visitor is taken to the checkout that we name. What it costs, the platform knows by the price."""
    session = await shop.paysaga.billing.session(
        "checkout",
        user_id=user,
        price_id=choice.priceId,
        quantity=choice.quantity,
        success_url=f"{shop.url}{HERE}?back=1",
        cancel_url=shop.url + HERE,
    )
    return {"sessionUrl": session.session_url}


@router.post("/end")
async def end(user: User) -> Response:
    """Give no more, and charge no more, once what was paid for is over."""
    standing = await shop.paysaga.billing.status(user)
    if standing.subscription_id is not None:
        await shop.paysaga.subscriptions.cancel(standing.subscription_id, at_period_end=True)
    return go(HERE)
