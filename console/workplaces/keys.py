"""Who may log in for a tenant: credentials with their roles. A secret is shown once, to who asked for it."""

from typing import Annotated, Final

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import credentials
from api.credentials import CredentialWithSecret
from console.guard import ConsoleRoute
from console.workplaces.desk import Desk, TheDesk, typed
from domain.tenant import MAY_ADMINISTER, Role

PATH: Final = "/console/keys"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=ConsoleRoute)


@router.get("")
async def show_credentials(desk: TheDesk) -> HTMLResponse:
    """All that may log in, and for owners a form for one more."""
    person = desk.person()
    listed = await credentials.list_credentials(person, desk.here)
    mine = person.credential_id
    return await desk.page("keys.html", credentials=listed.data, roles=[*Role], mine=mine)


@router.post("")
async def add_credential(
    desk: TheDesk, name: Annotated[str, Form()] = "", role: Annotated[str, Form()] = ""
) -> HTMLResponse:
    """The answer shows its secret, this once."""
    person = desk.person(MAY_ADMINISTER)
    wanted = typed(credentials.NewCredential, name=name.strip(), role=role)
    return await _secret_shown(desk, await credentials.add_credential(wanted, person, desk.here, desk.about))


@router.post("/{credential_id}/rotate")
async def rotate_secret(
    credential_id: str, desk: TheDesk, overlap: Annotated[int, Form()] = 86_400
) -> HTMLResponse:
    """As above. Whoever is signed in with the old one is not any more, this person perhaps included."""
    person = desk.person(MAY_ADMINISTER)
    wanted = typed(credentials.Rotation, overlapSeconds=overlap)
    made = await credentials.rotate_secret(credential_id, person, desk.here, desk.about, wanted)
    return await _secret_shown(desk, made)


async def _secret_shown(desk: Desk, made: CredentialWithSecret) -> HTMLResponse:
    facts = {"what": "key_secret", "subject": made.name, "secret": made.app_secret, "onward": PATH}
    return await desk.page("secret.html", **facts)


@router.post("/{credential_id}/revoke")
async def revoke_credential(credential_id: str, desk: TheDesk) -> Response:
    person = desk.person(MAY_ADMINISTER)
    await credentials.revoke_credential(credential_id, person, desk.here, desk.about)
    return desk.back(PATH, "revoked")
