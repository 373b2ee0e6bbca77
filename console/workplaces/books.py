"""Where providers' books differ from ours: runs of reconciliation, and how each difference was mended."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import reconciliation as routes
from api.reconciliation import RunAnswer
from console.guard import ConsoleRoute
from console.workplaces.desk import PAGE, TheDesk, Word, typed
from domain.tenant import MAY_TRADE
from storage import accounts, reconciliation

PATH: Final = "/console/reconciliation"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=ConsoleRoute)


@router.get("")
async def show_runs(desk: TheDesk, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> HTMLResponse:
    """Runs, newest first: a tenant's own, or everybody's for the operator."""
    async with desk.looking() as tx:
        runs = await reconciliation.find(tx, PAGE, offset)
        found = await reconciliation.tally(tx, [run.id for run in runs])
        providers = [] if desk.who.caller is None else [each.provider for each in await accounts.live(tx)]
    facts = {
        "runs": [(run, RunAnswer.of(run, found[run.id])) for run in runs],
        "providers": providers,
        "next": offset + PAGE if len(runs) == PAGE else None,
    }
    return await desk.page("runs.html", **facts)


@router.post("")
async def start_run(desk: TheDesk, provider: Annotated[Word, Form()] = None) -> Response:
    """One that is under way already is the one that they get."""
    person = desk.person(MAY_TRADE)
    run = await routes.start_run(
        typed(routes.NewRun, provider=provider), person, desk.here, desk.about, desk.later
    )
    return desk.back(f"{PATH}/{run.id}", "started")


@router.get("/{run_id}")
async def show_run(run_id: str, desk: TheDesk) -> HTMLResponse:
    """One, with what it found by class, and what has become of each difference."""
    async with desk.looking() as tx:
        run = await reconciliation.get(tx, run_id)
    shown = await routes.run_in_full(desk.here, run.tenant_id, run_id)
    return await desk.page("run.html", (PATH, "nav_reconciliation"), run=shown, owner=run.tenant_id)
