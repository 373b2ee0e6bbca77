"""Who is signed in, for whom, and where else; and that there is nothing else."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import browsers
from api.deps import About, TheHouse
from console.door import leave
from console.frame import YOU, back, framed
from console.guard import HOME, ConsoleRoute, TheVisitor
from console.pages import language_of, moment
from domain.errors import NotFound

router = APIRouter(prefix=HOME, include_in_schema=False, route_class=ConsoleRoute)


@router.get("/you")
async def you(request: Request, here: TheHouse, who: TheVisitor) -> HTMLResponse:
    """Who they are, and their sessions."""
    language = language_of(request)
    sessions = [
        {
            "id": session.id,
            "browser": session.browser,
            "here": session.id == who.session.id,
            "created_at": moment(session.created_at, language),
            "seen_at": moment(session.seen_at, language),
        }
        for session in await browsers.sessions_of(here, who)
    ]
    return await framed(request, here, who, "you.html", sessions=sessions)


@router.post("/sessions/end-others")
async def end_others(request: Request, here: TheHouse, who: TheVisitor, about: About) -> Response:
    """All but this one."""
    await browsers.end_others(here, about, who)
    return back(request, YOU, "ended")


@router.post("/sessions/{session_id}/end")
async def end_session(
    session_id: str, request: Request, here: TheHouse, who: TheVisitor, about: About
) -> Response:
    """One of their own; another's is not there. To end the present one is to sign out."""
    if session_id == who.session.id:
        return await leave(request, here, about, who)
    await browsers.end(here, about, who, session_id)
    return back(request, YOU, "ended")


@router.get("/{rest:path}")
def nothing(rest: str) -> HTMLResponse:  # noqa: ARG001 - the path's own parameter
    """Only who is signed in is told what is not there."""
    raise NotFound
