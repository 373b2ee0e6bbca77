"""A tenant's audit trail: what happened, newest first, and whether it is still as it was sealed."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from api import audit
from api.audit import MOST_AT_ONCE
from console.guard import ConsoleRoute
from console.workplaces.desk import PAGE, TheDesk, Word
from storage.audit import Search

PATH: Final = "/console/audit"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=ConsoleRoute)

Typed = Annotated[Word, Query(max_length=160)]


@router.get("")
async def show_records(
    desk: TheDesk,
    actor: Typed = None,
    action: Typed = None,
    resource: Typed = None,
    result: Typed = None,
    about: Typed = None,
    cursor: Annotated[str | None, Query(pattern="^aud_[0-9]{19}$")] = None,
) -> HTMLResponse:
    """Records that are exactly so."""
    wanted = Search(actor=actor, action=action, resource=resource, result=result, correlation_id=about)
    page = await audit.list_records(desk.person(), desk.here, wanted, limit=PAGE, cursor=cursor)
    return await desk.page("audit.html", page=page)


@router.get("/verify")
async def verify_trail(desk: TheDesk, after: Annotated[int, Query(ge=0, le=2**53)] = 0) -> HTMLResponse:
    """Examine so many records, and offer to go on where there are more."""
    report = await audit.verify_trail(desk.person(), desk.here, after, MOST_AT_ONCE)
    return await desk.page("verified.html", (PATH, "nav_audit"), report=report)
