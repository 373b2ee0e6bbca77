"""The page with a tenant's price list, for those who have no page of their own to put the element on."""

from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.deps import InPublic, TheHouse
from console.embed import on_sale
from console.pages import PageRoute, language_of, other, render
from console.pricelist import WORDS

router = APIRouter(prefix="/pricing", include_in_schema=False, route_class=PageRoute, dependencies=[InPublic])


@router.get("/{tenant_id}")
async def page(tenant_id: str, request: Request, here: TheHouse, currency: str = "") -> HTMLResponse:
    """A page with the element. Where its buttons lead, the tenant's settings say, never the address."""
    language = language_of(request)
    tenant, listed = await on_sale(here, tenant_id, language)
    address = tenant.settings.pricing_checkout_url
    facts = {
        "language": language,
        "other": other(language),
        "words": WORDS[language],
        "sandbox": tenant.sandbox,
        "list": listed,
        "currency": currency if currency in listed.currencies else next(iter(listed.currencies), ""),
        "address": address,
        "links": {price.id: _link(address, price.id) for plan in listed.plans for price in plan.prices},
    }
    return render("pricing.html", facts)


def _link(address: str | None, price_id: str) -> str | None:
    """The tenant's address with what was chosen added to its query, as the element does it."""
    if address is None:
        return None
    parts = urlsplit(address)
    chosen = urlencode({"priceId": price_id, "quantity": 1})
    return parts._replace(query="&".join(filter(None, (parts.query, chosen)))).geturl()
