"""The console's first page."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.deps import TheHouse
from console.frame import framed
from console.guard import HOME, ConsoleRoute, TheVisitor

router = APIRouter(prefix=HOME, include_in_schema=False, route_class=ConsoleRoute)


@router.get("")
async def overview(request: Request, here: TheHouse, who: TheVisitor) -> HTMLResponse:
    return await framed(request, here, who, "overview.html")
