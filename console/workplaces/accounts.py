"""A tenant's accounts at payment providers: their health, and new keys, which no page shows again."""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import accounts
from console.guard import ConsoleRoute
from console.workplaces.desk import TheDesk, typed
from domain.errors import NotFound
from domain.tenant import MAY_ADMINISTER
from providers.base import PROVIDERS
from storage import accounts as rows

PATH: Final = "/console/accounts"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=ConsoleRoute)

_FIELD: Final = "key_"


@router.get("")
async def show_accounts(desk: TheDesk) -> HTMLResponse:
    """Those that take new payments; for owners a form for each company that we know."""
    listed = await accounts.list_accounts(desk.person(), desk.here)
    kinds = {name: _names(name) for name in sorted(PROVIDERS)}
    return await desk.page("accounts.html", accounts=listed.data, kinds=kinds)


def _names(provider: str) -> dict[str, bool]:
    """What its keys are called on the wire, and whether it can do without."""
    fields = PROVIDERS[provider].Secrets.model_fields
    return {field.alias or name: field.is_required() for name, field in fields.items()}


@router.post("/{provider}")
async def set_account(provider: str, desk: TheDesk, request: Request) -> Response:
    """All its keys at once. An address of its own that was set over the API stays."""
    person = desk.person(MAY_ADMINISTER)
    if provider not in PROVIDERS:
        raise NotFound
    form = await request.form()
    keys = {name: str(form.get(_FIELD + name, "")).strip() for name in _names(provider)}
    wanted: dict[str, Any] = {"credentials": {name: key for name, key in keys.items() if key}}
    async with desk.looking() as tx:
        known = await rows.get(tx, provider)
    if known is not None and known.api_base is not None:
        wanted["apiBase"] = known.api_base
    body = typed(accounts.NewAccount, **wanted)
    await accounts.set_account(provider, body, person, desk.here, desk.about)
    return desk.back(PATH, "saved")


@router.post("/{provider}/retire")
async def retire_account(provider: str, desk: TheDesk) -> Response:
    person = desk.person(MAY_ADMINISTER)
    await accounts.retire_account(provider, person, desk.here, desk.about, desk.later)
    return desk.back(PATH, "retired")
