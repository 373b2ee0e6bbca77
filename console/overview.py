"""The console's first page: how a tenant's business goes, or how the platform stands, and what waits."""

from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.browsers import Visitor
from api.deps import House, TheHouse
from console import platform
from console.business import Business
from console.charts import Pen
from console.frame import framed
from console.guard import HOME, ConsoleRoute, TheVisitor, spoken
from console.pages import language_of, moment
from console.spans import CHOICES, Chosen, TheDays
from console.texts import TEXTS
from documents.words import Language
from domain.tenant import Caller
from storage import health, overview, tenants
from storage.overview import Kind, Waiting

router = APIRouter(prefix=HOME, include_in_schema=False, route_class=ConsoleRoute)

# Where each is looked after.
_DESKS: Final = {
    Kind.APPROVAL: "/console/approvals",
    Kind.REVIEW: "/console/payments?status=REVIEW",
    Kind.UNKNOWN: "/console/payments?status=UNKNOWN",
    Kind.DISPUTE: "/console/disputes",
    Kind.EVENT: "/console/inbox",
    Kind.ENDPOINT: "/console/endpoints",
}


@router.get("")
async def first(request: Request, here: TheHouse, who: TheVisitor, chosen: TheDays) -> HTMLResponse:
    """A tenant's people see its business in the days they chose; the operator sees the platform."""
    if who.caller is None:
        return await platform.overview(request, here, who)
    return await _business(request, here, who, who.caller, chosen)


async def _business(
    request: Request, here: House, who: Visitor, caller: Caller, chosen: Chosen
) -> HTMLResponse:
    language, now = language_of(request), here.world.clock()
    t = TEXTS[language]
    async with here.world.database.tenant(caller.tenant_id, frozen=True) as tx:
        tenant = await tenants.get(tx, caller.tenant_id)
        zone = ZoneInfo(tenant.settings.billing_zone)
        span = await chosen.span(tx, now, zone)
        business = await Business.read(tx, span, zone, now)
        waiting = await overview.waiting(tx, now)
        accounts = await health.standings(tx, now)
        posts = await overview.posts(tx, now)
        is_new = await overview.is_new(tx)
    pen = Pen(language, zone)
    return await framed(
        request,
        here,
        who,
        "overview.html",
        is_new=is_new,
        chosen=chosen,
        choices=CHOICES,
        zone=tenant.settings.billing_zone,
        span={"start": moment(span.start, language), "end": moment(span.end, language)},
        ahead=span.end > now and chosen.end is None,
        waiting=[_waits(each, request, language, pen) for each in waiting],
        troubled=platform.troubled(accounts, language),
        posts=posts,
        posts_since=None if posts.since is None else moment(posts.since, language),
        tiles=list(business.tiles(pen, t)),
        charts=list(business.charts(pen, t)),
        failures=business.failures(pen),
        went_back=list(business.went_back(pen, t)),
        movements=list(business.movements(pen)),
    )


def _waits(each: Waiting, request: Request, language: Language, pen: Pen) -> dict[str, Any]:
    desk, asked = _DESKS[each.kind], spoken(request)
    return {
        "kind": each.kind,
        "number": pen.number(each.count).text,
        "since": moment(each.since, language),
        "path": desk + (asked.replace("?", "&") if "?" in desk else asked),
    }
