"""A tenant's credentials: further people and programs that may log in, each with a role."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api import secrets
from api.deps import About, AnyCaller, Owner, TheHouse, actor
from api.strict import Answer, Model, StrictRoute
from domain.errors import IllegalTransition
from domain.tenant import Credential, Role
from domain.text import FreeText
from domain.values import new_id
from storage import audit, tenants

router = APIRouter(prefix="/v1/tenants/me/credentials", tags=["credentials"], route_class=StrictRoute)


class NewCredential(Model):
    name: Annotated[str, FreeText(64)]
    role: Role


class CredentialAnswer(Answer):
    id: str
    name: str
    role: Role


class CredentialWithSecret(CredentialAnswer):
    app_secret: str
    """Shown once. It logs in with the tenant's appName."""


class CredentialList(Answer):
    data: list[CredentialAnswer]


class Rotation(Model):
    overlap_seconds: Annotated[int, Field(ge=0, le=604_800)] = 86_400


@router.post("", status_code=201)
async def add_credential(
    body: NewCredential, who: Owner, here: TheHouse, about: About
) -> CredentialWithSecret:
    now = here.world.clock()
    credential = Credential(
        id=new_id("crd", now), tenant_id=who.tenant_id, version=1, revoked=False, **body.model_dump()
    )
    secret = secrets.new_secret(credential.id)
    secret_hash = await secrets.hashed(secret)
    async with here.world.database.tenant(who.tenant_id) as tx:
        await tenants.add_credential(tx, credential, secret_hash, now)
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "credential.added", credential.id))
    return CredentialWithSecret(
        id=credential.id, name=credential.name, role=credential.role, app_secret=secret
    )


@router.get("")
async def list_credentials(who: AnyCaller, here: TheHouse) -> CredentialList:
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await tenants.list_credentials(tx)
    return CredentialList(data=[CredentialAnswer(id=c.id, name=c.name, role=c.role) for c in found])


@router.post("/{credential_id}/rotate")
async def rotate_secret(
    credential_id: str, who: Owner, here: TheHouse, about: About, body: Rotation = Rotation()
) -> CredentialWithSecret:
    """A new secret; the present one still works for the overlap, at most two live at a time."""
    now = here.world.clock()
    secret = secrets.new_secret(credential_id)
    secret_hash = await secrets.hashed(secret)
    until = now + timedelta(seconds=body.overlap_seconds)
    async with here.world.database.tenant(who.tenant_id) as tx:
        credential = await tenants.rotate(tx, credential_id, secret_hash, until)
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "credential.rotated", credential_id))
    return CredentialWithSecret(
        id=credential.id, name=credential.name, role=credential.role, app_secret=secret
    )


@router.delete("/{credential_id}", status_code=204)
async def revoke_credential(credential_id: str, who: Owner, here: TheHouse, about: About) -> None:
    """No login any more, and its tokens end within 60 seconds."""
    if credential_id == who.credential_id:
        raise IllegalTransition("A credential cannot revoke itself; use another owner's.")
    async with here.world.database.tenant(who.tenant_id) as tx:
        await tenants.revoke(tx, credential_id, here.world.clock())
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "credential.revoked", credential_id))
