"""The frame of every page of the console: whose it is, what else there is for their role, and the way out.

Pages are put together from the macros of ``templates/parts.html``; what these need of a request is made here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.responses import RedirectResponse

from api.browsers import Visitor
from api.deps import House
from console.guard import HOME, spoken
from console.pages import language_of, other, render
from console.texts import TEXTS
from domain.tenant import MAY_ADMINISTER, Caller
from storage import tenants

Audience = Callable[[Caller | None], bool]


def anyone(_who: Caller | None) -> bool:
    return True


def tenants_people(who: Caller | None) -> bool:
    return who is not None


def owners(who: Caller | None) -> bool:
    return who is not None and who.role in MAY_ADMINISTER


def the_operator(who: Caller | None) -> bool:
    return who is None


class Group(StrEnum):
    """Ways that stand together, in this order; each is the key of its name."""

    BUSINESS = "nav_business"
    WEBHOOKS = "nav_webhooks"
    SETTINGS = "nav_settings"
    HELP = "nav_help"


@dataclass(frozen=True)
class Way:
    """A line of the navigation. ``text`` is its key; who is not its audience does not see it."""

    path: str
    text: str
    group: Group
    audience: Audience = anyone


class Crumb(NamedTuple):
    """A page above the present one. ``text`` is what it is called, as it is to be read."""

    path: str
    text: str


YOU: Final = f"{HOME}/you"

# What may be seen is decided by each page; this only spares people ways that would lead them nowhere.
NAVIGATION: Final = (
    Way(HOME, "nav_overview", Group.BUSINESS),
    Way(f"{HOME}/payments", "nav_payments", Group.BUSINESS),
    Way(f"{HOME}/refunds", "nav_refunds", Group.BUSINESS),
    Way(f"{HOME}/disputes", "nav_disputes", Group.BUSINESS),
    Way("/console/attention", "nav_attention", Group.BUSINESS, the_operator),
    Way("/console/tenants", "nav_tenants", Group.BUSINESS, the_operator),
    Way("/console/approvals", "nav_approvals", Group.BUSINESS, tenants_people),
    Way("/console/reconciliation", "nav_reconciliation", Group.BUSINESS),
    Way("/console/audit", "nav_audit", Group.BUSINESS, tenants_people),
    Way("/console/endpoints", "nav_endpoints", Group.WEBHOOKS, tenants_people),
    Way("/console/inbox", "nav_inbox", Group.WEBHOOKS),
    Way("/console/accounts", "nav_accounts", Group.SETTINGS, tenants_people),
    Way("/console/settings", "nav_choices", Group.SETTINGS, tenants_people),
    Way("/console/keys", "nav_keys", Group.SETTINGS, owners),
    Way(YOU, "nav_you", Group.SETTINGS),
    Way("/pricing/{tenant_id}", "nav_pricing", Group.HELP, tenants_people),
    Way("/docs/operations/console", "nav_operations", Group.HELP, the_operator),
    Way("/docs", "nav_reference", Group.HELP),
)


async def framed(
    request: Request,
    here: House,
    who: Visitor,
    template: str,
    crumbs: Sequence[Crumb] = (),
    **facts: Any,
) -> HTMLResponse:
    """A page within the frame. The template extends ``console.html`` and fills its block ``heading``.

    What was done just before is told by ``?done=`` (see ``back``); of the query nothing else is shown.
    """
    language, tenant = language_of(request), None
    if who.caller is not None:
        async with here.world.database.tenant(who.caller.tenant_id) as tx:
            tenant = await tenants.get(tx, who.caller.tenant_id)
    frame = {
        "language": language,
        "other": other(language),
        "elsewhere": address(request, lang=other(language)),
        "sandbox": tenant is not None and tenant.sandbox,
        "tenant": tenant,
        "whose": TEXTS[language]["platform"] if tenant is None else tenant.name,
        "who": who.caller,
        "spoken": spoken(request),
        "form_token": who.form_token,
        "ways": list(_ways(request, who)),
        "crumbs": [Crumb(crumb.path + spoken(request), crumb.text) for crumb in crumbs],
        "done": _done(request),
    }
    return render(template, frame | facts, referrer="same-origin")


def address(request: Request, **changes: str | None) -> str:
    """This page with its query changed: None takes a part of it out. What was done is not said again."""
    query = dict(request.query_params) | {"done": None} | changes
    kept = {name: value for name, value in query.items() if value is not None}
    return request.url.path + (f"?{urlencode(kept)}" if kept else "")


def back(request: Request, path: str, done: str | None = None) -> RedirectResponse:
    """Where a form leads when it has been heard. ``done`` is a text's key without its ``done_``."""
    query = spoken(request)
    if done is not None:
        query += f"{'&' if query else '?'}done={done}"
    return RedirectResponse(path + query, 303)


def _done(request: Request) -> str | None:
    """What the query says was done, if that is one of our words: its text is never the query's."""
    return TEXTS[language_of(request)].get(f"done_{request.query_params.get('done')}")


def _ways(request: Request, who: Visitor) -> Iterator[dict[str, Any]]:
    """The navigation, group by group; the way to this page is marked, or to the page above it."""
    seen = [way for way in NAVIGATION if way.audience(who.caller)]
    closest = max((way.path for way in seen if _leads_to(way.path, request.url.path)), key=len, default=None)
    order = list(Group)
    for group, ways in groupby(sorted(seen, key=lambda way: order.index(way.group)), lambda way: way.group):
        yield {
            "group": group,
            "ways": [
                {
                    "path": way.path.format(tenant_id=who.session.tenant_id) + spoken(request),
                    "text": way.text,
                    "here": "page"
                    if way.path == request.url.path
                    else "true"
                    if way.path == closest
                    else None,
                }
                for way in ways
            ],
        }


def _leads_to(path: str, place: str) -> bool:
    return place == path or (path != HOME and place.startswith(f"{path}/"))
