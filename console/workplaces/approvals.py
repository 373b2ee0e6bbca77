"""What waits for a second person, what it would do, and that person's answer."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import approvals
from console.guard import ConsoleRoute
from console.workplaces.desk import PAGE, TheDesk
from domain.approval import ApprovalState
from storage import approvals as rows

PATH: Final = "/console/approvals"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=ConsoleRoute)


@router.get("")
async def show_approvals(
    desk: TheDesk, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> HTMLResponse:
    """What waits, and below it what has been decided."""
    person = desk.person()
    waiting = await approvals.list_approvals(person, desk.here, ApprovalState.PENDING, 100, 0)
    some = (await approvals.list_approvals(person, desk.here, None, PAGE, offset)).data
    decided = [each for each in some if each.status is not ApprovalState.PENDING]
    after = offset + PAGE if len(some) == PAGE else None
    return await desk.page("approvals.html", waiting=waiting.data, decided=decided, next=after)


@router.get("/{approval_id}")
async def show_approval(approval_id: str, desk: TheDesk) -> HTMLResponse:
    """One, with what it would do and the buttons for whoever may decide."""
    person = desk.person()
    async with desk.looking() as tx:
        asked = await rows.get(tx, approval_id)
    is_mine = asked.requester_credential_id == person.credential_id
    return await desk.page(
        "approval.html", (PATH, "nav_approvals"), approval=approvals.ApprovalAnswer.of(asked), is_mine=is_mine
    )


@router.post("/{approval_id}/approve")
async def approve(approval_id: str, desk: TheDesk) -> Response:
    await approvals.approve(approval_id, desk.person(), desk.here, desk.about, desk.later)
    return desk.back(f"{PATH}/{approval_id}", "approved")


@router.post("/{approval_id}/reject")
async def reject(approval_id: str, desk: TheDesk) -> Response:
    await approvals.reject(approval_id, desk.person(), desk.here, desk.about, desk.later)
    return desk.back(f"{PATH}/{approval_id}", "rejected")
