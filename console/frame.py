"""The frame of every page of the console: whose it is, what else there is for their role, and the way out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse

from api.browsers import Visitor
from api.deps import House
from console.guard import HOME, spoken
from console.pages import language_of, other, render
from domain.tenant import Caller
from storage import tenants

Audience = Callable[[Caller | None], bool]


def anyone(_who: Caller | None) -> bool:
    return True


def tenants_people(who: Caller | None) -> bool:
    return who is not None


def the_operator(who: Caller | None) -> bool:
    return who is None


@dataclass(frozen=True)
class Way:
    """A line of the navigation. ``text`` is its key; who is not its audience does not see it."""

    path: str
    text: str
    audience: Audience = anyone


# What may be seen is decided by each page; this only spares people ways that would lead them nowhere.
NAVIGATION: Final = (
    Way(HOME, "nav_home"),
    Way("/console/endpoints", "nav_endpoints", tenants_people),
    Way("/console/approvals", "nav_approvals", tenants_people),
    Way("/pricing/{tenant_id}", "nav_pricing", tenants_people),
    Way("/docs/operations/console", "nav_operations", the_operator),
    Way("/docs", "nav_reference"),
)


async def framed(request: Request, here: House, who: Visitor, template: str, **facts: Any) -> HTMLResponse:
    """A page within the frame. The template extends ``console.html``."""
    language, tenant = language_of(request), None
    if who.caller is not None:
        async with here.world.database.tenant(who.caller.tenant_id) as tx:
            tenant = await tenants.get(tx, who.caller.tenant_id)
    frame = {
        "language": language,
        "other": other(language),
        "sandbox": tenant is not None and tenant.sandbox,
        "tenant": tenant,
        "who": who.caller,
        "spoken": spoken(request),
        "form_token": who.form_token,
        "ways": [
            {
                "path": way.path.format(tenant_id=who.session.tenant_id) + spoken(request),
                "text": way.text,
                "here": way.path == request.url.path,
            }
            for way in NAVIGATION
            if way.audience(who.caller)
        ],
    }
    return render(template, frame | facts, referrer="same-origin")
