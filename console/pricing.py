"""The price list for everybody: the element ``<paysaga-pricing>``, what it reads, and a page with it.

No credential is taken here and none is given: who sees a price list is a stranger. A suspended tenant sells
nothing, so its list looks like one that never was.
"""

import gzip
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import HTMLResponse

from api.deps import House, TheHouse
from console import pages
from console.pricelist import WORDS, PriceList, price_list
from documents.words import Language
from domain.errors import NotFound
from domain.tenant import Tenant
from storage import catalog, tenants

router = APIRouter(include_in_schema=False)

_SCRIPT: Final = Path(__file__).parent / "static" / "pricing.js"
_TENANT_ID: Final = re.compile(r"ten_[0-9a-z]{26}")
_A_MINUTE: Final = 60
# Any site may read these two; they hold nothing that depends on who is asking.
_FOR_ALL_SITES: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

_TEXTS: Final[Mapping[Language, Mapping[str, str]]] = {
    Language.EN: {
        "title": "Prices",
        "sandbox": "Sandbox: nothing here costs real money.",
        "in_the_shop": "To choose a plan, go to the shop.",
        "other": "Magyar",
        "missing": "There is no price list here",
        "missing_more": "Check the address, or ask whoever gave it to you.",
    },
    Language.HU: {
        "title": "Árak",
        "sandbox": "Sandbox: itt semmi nem kerül valódi pénzbe.",
        "in_the_shop": "Csomagot az üzletben választhat.",
        "other": "English",
        "missing": "Itt nincs árlista",
        "missing_more": "Ellenőrizze a címet, vagy kérdezze meg, akitől kapta.",
    },
}


class NotListed(NotFound):
    """A tenant that is unknown or sells nothing; also a page of another site may read that."""

    headers = _FOR_ALL_SITES


@router.get("/embed/pricing.js")
def script(request: Request) -> Response:
    """The element. It changes with releases, at one address."""
    return _cacheable(request, _script(), "text/javascript; charset=utf-8")


@router.get("/embed/{tenant_id}/plans.json")
async def plans(tenant_id: str, request: Request, here: TheHouse, lang: str = "en") -> Response:
    """What this tenant sells; in English, unless it is asked for in Hungarian."""
    language = Language.HU if lang == Language.HU else Language.EN
    _, listed = await _listed(here, tenant_id, language)
    return _cacheable(request, listed.model_dump_json().encode(), "application/json")


@router.get("/pricing/{tenant_id}")
async def page(
    tenant_id: str,
    here: TheHouse,
    lang: str = "",
    currency: str = "",
    accept_language: Annotated[str, Header()] = "",
) -> HTMLResponse:
    """A page with the element. Where its buttons lead, the tenant's settings say, never the address."""
    language = _language(lang, accept_language)
    facts: dict[str, Any] = {
        "language": language,
        "other": _other(language),
        "t": _TEXTS[language],
        "words": WORDS[language],
    }
    try:
        tenant, listed = await _listed(here, tenant_id, language)
    except NotFound:
        return pages.render("pricing_missing.html", facts, NotFound.status)
    chosen = currency if currency in listed.currencies else next(iter(listed.currencies), "")
    address = tenant.settings.pricing_checkout_url
    links = {price.id: _link(address, price.id) for plan in listed.plans for price in plan.prices if address}
    facts |= {"list": listed, "currency": chosen, "address": address, "links": links}
    return pages.render("pricing.html", facts)


async def _listed(here: House, tenant_id: str, language: Language) -> tuple[Tenant, PriceList]:
    """Raises ``NotListed``. Row-level security shows this tenant's rows only, whoever is asking."""
    if not _TENANT_ID.fullmatch(tenant_id):
        raise NotListed
    async with here.world.database.tenant(tenant_id) as tx:
        try:
            tenant = await tenants.get(tx, tenant_id)
        except NotFound:
            raise NotListed from None
        if tenant.suspended:
            raise NotListed
        found = await catalog.listed(tx, tenant.settings.pricing_plans)
    return tenant, price_list(tenant, found, language)


def _cacheable(request: Request, body: bytes, media_type: str) -> Response:
    """For a minute without asking, and then until it has changed (RFC 9110, section 13)."""
    tag = f'W/"{sha256(body).hexdigest()[:32]}"'
    headers = {
        **_FOR_ALL_SITES,
        "Cache-Control": f"public, max-age={_A_MINUTE}",
        "ETag": tag,
        "Vary": "Accept-Encoding",
    }
    known = (each.strip() for each in request.headers.get("if-none-match", "").split(","))
    if tag in known:
        return Response(status_code=304, headers=headers)
    if re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\b)", request.headers.get("accept-encoding", "")):
        body, headers["Content-Encoding"] = _smaller(body), "gzip"
    return Response(body, headers=headers, media_type=media_type)


@lru_cache(maxsize=64)
def _smaller(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


@cache
def _script() -> bytes:
    return _SCRIPT.read_bytes()


def _link(address: str, price_id: str) -> str:
    """The tenant's address with what was chosen added to its query; the element does the same."""
    parts = urlsplit(address)
    chosen = urlencode({"priceId": price_id, "quantity": 1})
    return parts._replace(query="&".join(filter(None, (parts.query, chosen)))).geturl()


def _language(asked: str, accepted: str) -> Language:
    """What the address says, else what the browser prefers of the two (RFC 9110, section 12.5.4)."""
    ranked = [("" if asked not in {*Language} else asked, 2.0)]
    for part in accepted.split(","):
        tag, _, quality = part.strip().partition(";")
        weight = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)", quality) if quality else None
        ranked.append((tag.lower()[:2], float(weight[1]) if weight else 1.0))
    ranked.sort(key=lambda entry: -entry[1])
    return next((Language(tag) for tag, _ in ranked if tag in {*Language}), Language.EN)


def _other(language: Language) -> Language:
    return Language.EN if language is Language.HU else Language.HU
