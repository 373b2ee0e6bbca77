"""What other sites put on their pages: the element ``<paysaga-pricing>``, and the price list it reads.

No credential is taken here and none is given: who sees a price list is a stranger. Any site may read both,
as they hold nothing that depends on who is asking.
"""

import gzip
import re
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response

from api.deps import House, InPublic, TheHouse
from console.pricelist import PriceList, price_list
from documents.words import Language
from domain.errors import NotFound
from domain.tenant import Tenant
from storage import catalog, tenants

router = APIRouter(prefix="/embed", include_in_schema=False, dependencies=[InPublic])

_SCRIPT: Final = Path(__file__).parent / "static" / "pricing.js"
_TENANT_ID: Final = re.compile(r"ten_[0-9a-z]{26}")
_TAKES_GZIP: Final = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_A_MINUTE: Final = 60
_FOR_ALL_SITES: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


class NotListed(NotFound):
    """A tenant that is unknown or sells nothing; a page of another site may read that, too."""

    headers = _FOR_ALL_SITES


@router.get("/pricing.js")
def script(request: Request) -> Response:
    """The element. It changes with releases, at one address."""
    return _cacheable(request, _script(), "text/javascript; charset=utf-8")


@router.get("/{tenant_id}/plans.json")
async def plans(tenant_id: str, request: Request, here: TheHouse, lang: str = "en") -> Response:
    """What this tenant sells; in English, unless it is asked for in Hungarian."""
    language = Language.HU if lang == Language.HU else Language.EN
    _, listed = await on_sale(here, tenant_id, language)
    return _cacheable(request, listed.model_dump_json().encode(), "application/json")


async def on_sale(here: House, tenant_id: str, language: Language) -> tuple[Tenant, PriceList]:
    """A tenant, and its price list. Raises ``NotListed``, also for one that is suspended: it sells nothing.

    Row-level security shows this tenant's rows only, whoever is asking.
    """
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
    """For a minute without asking, and then until it has changed (RFC 9110, section 13.1.2)."""
    tag = f'W/"{sha256(body).hexdigest()[:32]}"'
    headers = {
        **_FOR_ALL_SITES,
        "Cache-Control": f"public, max-age={_A_MINUTE}",
        "ETag": tag,
        "Vary": "Accept-Encoding",
    }
    if tag in (each.strip() for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    if _TAKES_GZIP.search(request.headers.get("accept-encoding", "")):
        body, headers["Content-Encoding"] = _smaller(body), "gzip"
    return Response(body, headers=headers, media_type=media_type)


@lru_cache(maxsize=64)
def _smaller(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


@cache
def _script() -> bytes:
    return _SCRIPT.read_bytes()
