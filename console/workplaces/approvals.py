"""What waits for a second person, what it would do, and that person's answer."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from api import approvals
from api.deps import About, TheHouse
from console.guard import TheVisitor, tenants_person
from console.workplaces.desk import PAGE, DeskRoute, back, desk
from domain.approval import ApprovalState
from storage import approvals as rows

PATH = "/console/approvals"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=DeskRoute)


@router.get("")
async def show_approvals(
    request: Request,
    here: TheHouse,
    who: TheVisitor,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> HTMLResponse:
    """What waits, and below it what has been decided."""
    person = tenants_person(who)
    waiting = (await approvals.list_approvals(person, here, ApprovalState.PENDING, 100, 0)).data
    some = (await approvals.list_approvals(person, here, None, PAGE, offset)).data
    facts = {
        "waiting": waiting,
        "decided": [each for each in some if each.status is not ApprovalState.PENDING],
        "next": offset + PAGE if len(some) == PAGE else None,
    }
    return await desk(request, here, who, "approvals.html", **facts)


@router.get("/{approval_id}")
async def show_approval(approval_id: str, request: Request, here: TheHouse, who: TheVisitor) -> HTMLResponse:
    """One, with what it would do and the buttons for whoever may decide."""
    person = tenants_person(who)
    async with here.world.database.tenant(person.tenant_id) as tx:
        asked = await rows.get(tx, approval_id)
    facts = {
        "approval": approvals.ApprovalAnswer.of(asked),
        "is_mine": asked.requester_credential_id == person.credential_id,
    }
    return await desk(request, here, who, "approval.html", **facts)


@router.post("/{approval_id}/approve")
async def approve(
    approval_id: str,
    request: Request,
    here: TheHouse,
    who: TheVisitor,
    about: About,
    later: BackgroundTasks,
) -> RedirectResponse:
    await approvals.approve(approval_id, tenants_person(who), here, about, later)
    return back(request, f"{PATH}/{approval_id}", "approved")


@router.post("/{approval_id}/reject")
async def reject(
    approval_id: str,
    request: Request,
    here: TheHouse,
    who: TheVisitor,
    about: About,
    later: BackgroundTasks,
) -> RedirectResponse:
    await approvals.reject(approval_id, tenants_person(who), here, about, later)
    return back(request, f"{PATH}/{approval_id}", "rejected")
