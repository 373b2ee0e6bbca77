"""The platform's tenants, for its operator: who they are, how they stand, and what waits for a person."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import tenants as routes
from console.guard import ConsoleRoute
from console.workplaces.desk import PAGE, TheDesk, Word, typed
from storage import attention, glance, health, tenants
from storage.attention import Matter

PATH: Final = "/console/tenants"
router = APIRouter(prefix="/console", include_in_schema=False, route_class=ConsoleRoute)

# By the first letters of its id: the page that shows a thing to the operator.
_PAGES: Final = {"pay": "payments", "inb": "inbox"}


@router.get("/tenants")
async def show_tenants(
    desk: TheDesk,
    words: Annotated[str, Query(alias="q", max_length=128)] = "",
    cursor: Annotated[str | None, Query(pattern="^ten_[0-9a-z]{26}$")] = None,
) -> HTMLResponse:
    """All of them, or those whose names hold some words."""
    desk.operator()
    async with desk.looking() as tx:
        found = await tenants.search(tx, words.strip(), cursor, PAGE)
    after = found[-1].id if len(found) == PAGE else None
    return await desk.page("tenants.html", tenants=found, next=after)


@router.post("/tenants")
async def register_tenant(
    desk: TheDesk,
    name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    organization: Annotated[Word, Form()] = None,
    webhook_url: Annotated[Word, Form()] = None,
    live: Annotated[Word, Form()] = None,
) -> HTMLResponse:
    """The answer shows the secrets, this once. Real money moves only if the box was ticked."""
    by = desk.operator()
    wanted = typed(
        routes.NewTenant,
        name=name.strip(),
        contactEmail=email.strip(),
        organization=organization,
        webhookUrl=webhook_url,
        sandbox=live is None,
    )
    made = await routes.register(wanted, by, desk.here, desk.about)
    facts = {
        "what": "ten_secret",
        "subject": f"{made.name}: {made.app_name}",
        "secret": made.app_secret,
        "second": made.webhook_secret,
        "onward": f"{PATH}/{made.id}",
    }
    return await desk.page("secret.html", **facts)


@router.get("/tenants/{tenant_id}")
async def show_tenant(tenant_id: str, desk: TheDesk) -> HTMLResponse:
    """One: its state, its accounts' health, and how much there is of what may need somebody."""
    desk.operator()
    world = desk.here.world
    async with world.database.tenant(tenant_id) as tx:
        facts: dict[str, Any] = {
            "subject": await tenants.get(tx, tenant_id),
            "counts": await glance.counts(tx),
            "accounts": await health.standings(tx, world.clock()),
        }
    return await desk.page("tenant.html", (PATH, "nav_tenants"), **facts)


@router.post("/tenants/{tenant_id}/suspend")
async def suspend_tenant(tenant_id: str, desk: TheDesk) -> Response:
    await routes.suspend(tenant_id, desk.operator(), desk.here, desk.about)
    return desk.back(f"{PATH}/{tenant_id}", "suspended")


@router.post("/tenants/{tenant_id}/resume")
async def resume_tenant(tenant_id: str, desk: TheDesk) -> Response:
    await routes.resume(tenant_id, desk.operator(), desk.here, desk.about)
    return desk.back(f"{PATH}/{tenant_id}", "resumed")


@router.get("/attention")
async def show_attention(desk: TheDesk) -> HTMLResponse:
    """What waits for a person, the oldest first, found by looking now."""
    desk.operator()
    async with desk.looking() as tx:
        found = await attention.matters(tx, desk.here.world.clock())
    return await desk.page("attention.html", matters=[(matter, _page_of(matter)) for matter in found])


def _page_of(matter: Matter) -> str | None:
    page = _PAGES.get(matter.subject.partition("_")[0])
    return None if page is None else f"/console/{page}/{matter.subject}"
