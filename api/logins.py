"""Whether an app's name and a secret belong together: asked for programs, who get a token, and for people."""

from api import secrets
from api.affairs import Affair
from api.deps import Exchange, House
from domain.errors import Unauthorized
from domain.limits import Scope
from domain.tenant import Tenant
from storage import tenants


async def recognized(
    here: House, about: Exchange, name: str, secret: str, action: str, *, person: bool = False
) -> tuple[Tenant, tenants.Lock]:
    """The tenant of this name, and the credential that its secret opens.

    Every way in comes through here, so this is where logins are counted: each of an app, and those that fail
    from an address, whichever app they name. A secret that was replaced lets programs in for the overlap of
    its rotation; ``person``: nobody reads a secret by heart, so they come with the present one or not at
    all. ``action`` is how a refusal is put on the tenant's record. Raises ``Unauthorized``, ``RateLimited``.
    """
    # First: else each name that somebody makes up would be counted, and so remembered.
    await here.limits.check(Scope.FAILED_LOGIN, about.address)
    await here.limits.spend(Scope.LOGIN, name)
    async with here.limits.counting(Scope.FAILED_LOGIN, about.address, Unauthorized):
        return await _recognized(here, about, name, secret, action, person=person)


async def _recognized(
    here: House, about: Exchange, name: str, secret: str, action: str, *, person: bool
) -> tuple[Tenant, tenants.Lock]:
    now = here.world.clock()
    credential_id = secrets.credential_of(secret)
    async with here.world.database.system() as tx:
        tenant = await tenants.by_app_name(tx, name)
        lock = None if credential_id is None else await tenants.lock(tx, credential_id, now)
    if tenant is None or (lock and (lock.credential.tenant_id != tenant.id or lock.credential.revoked)):
        lock = None
    if tenant is not None:
        claimed = "unknown" if lock is None else f"claimed:{lock.credential.id}"
        about.concerns(Affair(tenant_id=tenant.id, actor=claimed, proven=False, action=action))
    hashes = () if lock is None else lock.hashes[:1] if person else lock.hashes
    # Even a wrong name costs a comparison, so that answers do not tell which names exist.
    opened = await secrets.opens(secret, hashes)
    if tenant is None or lock is None or not opened:
        raise Unauthorized("This app name and secret do not belong together.")
    return tenant, lock
