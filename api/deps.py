"""What routes are handed: the house behind them, who is calling, and their idempotency key."""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.requests import HTTPConnection
from temporalio.client import Client

from activities.world import World
from api.affairs import Affair, Lately, concerns
from api.limits import Limits, household
from api.lookout import Lookout
from api.measures import Requests
from api.tokens import AccessClaims, Tokens
from api.turns import Turns
from domain import text
from domain.errors import Forbidden, Unauthorized
from domain.limits import Scope
from domain.tenant import MAY_ADMINISTER, MAY_TRADE, Caller, Credential, Role
from storage import tenants
from storage.audit import Deed

# How long a verified token is believed without looking again; the bound on a revocation is 60 s.
_BELIEVED_FOR: Final = timedelta(seconds=20)
_MOST_BELIEVED: Final = 10_000
# So many of the database's connections at most look up who a stranger may be: the rest is for payments.
_STRANGERS: Final = 4


class Believed:
    """Tokens verified a moment ago, by digest: verifying costs more than all else in a small read."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[AccessClaims, datetime]] = OrderedDict()

    def get(self, token: str, now: datetime) -> AccessClaims | None:
        known = self._known.get(_digest(token))
        if known is None or now >= min(known[1] + _BELIEVED_FOR, known[0].expires_at):
            return None
        return known[0]

    def put(self, token: str, claims: AccessClaims, now: datetime) -> None:
        self._known[_digest(token)] = (claims, now)
        while len(self._known) > _MOST_BELIEVED:
            self._known.popitem(last=False)


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


@dataclass(frozen=True)
class House:
    """Everything a route may use, built once by ``serve``."""

    world: World
    temporal: Client
    tokens: Tokens
    admin_keys: tuple[str, ...]
    public_url: str
    development: bool
    api_base_allowed: bool
    sandbox_platform_key: str | None
    limits: Limits
    requests: Requests
    """What this process counts of the requests it answers."""
    temporal_ui: str | None = None
    """The origin of Temporal's UI, whose pages may ask to have payloads opened."""
    believed: Believed = field(default_factory=Believed)
    turns: Turns = field(default_factory=Turns)
    lately: Lately = field(default_factory=Lately)
    lookout: Lookout = field(default_factory=Lookout)
    strangers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_STRANGERS))
    """Held while something is looked up for a request that nothing vouches for yet."""

    @contextmanager
    def at_door(self, kind: str) -> Iterator[None]:
        """Count who is turned away in here as somebody that nothing vouches for."""
        try:
            yield
        except Unauthorized:
            self.requests.unvouched(kind)
            raise


def house(request: Request) -> House:
    found: House = request.app.state.house
    return found


TheHouse = Annotated[House, Depends(house)]


class _OneBearer(HTTPBearer):
    """Of two such headers a proxy may have looked at the one, and we at the other: neither counts."""

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        once = len(request.headers.getlist("Authorization")) == 1
        return await super().__call__(request) if once else None


class _OneKey(APIKeyHeader):
    """As with ``_OneBearer``."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        once = len(request.headers.getlist(self.model.name)) == 1
        return await super().__call__(request) if once else None


_bearer = _OneBearer(
    scheme_name="HTTPBearer", auto_error=False, description="The access token of POST /v1/tenants/login"
)
_admin = _OneKey(
    scheme_name="APIKeyHeader",
    name="X-Admin-Key",
    auto_error=False,
    description="The platform operator's key",
)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def caller(request: Request, here: TheHouse, bearer: Bearer) -> Caller:
    """Who is calling, as their token vouches and their credential still does. It is their tenant's affair.

    Raises ``Unauthorized``, ``TokenExpired`` or ``RateLimited``.
    """
    who = await vouched_for(here, bearer)
    concerns(request, Affair(tenant_id=who.tenant_id, actor=actor(who), credential_id=who.credential_id))
    return who


async def vouched_for(here: House, bearer: HTTPAuthorizationCredentials | None) -> Caller:
    """Who holds this token, if their tenant does not ask too often. Raises as ``caller`` does."""
    with here.at_door("token"):
        who = await _holder(here, bearer)
    await here.limits.spend(Scope.TENANT, who.tenant_id)
    return who


async def _holder(here: House, bearer: HTTPAuthorizationCredentials | None) -> Caller:
    if bearer is None:
        raise Unauthorized
    now, token = here.world.clock(), bearer.credentials
    known = here.believed.get(token, now)
    if known is not None:
        return known.caller
    claims = here.tokens.read_access(token, now)
    who = claims.caller
    async with here.world.database.tenant(who.tenant_id) as tx:
        lock = await tenants.lock(tx, who.credential_id, now)
    if lock is None or lock.credential.revoked or lock.credential.version != claims.version:
        raise Unauthorized
    if (lock.credential.name, lock.credential.role) != (who.name, who.role):
        raise Unauthorized
    here.believed.put(token, claims, now)
    return who


AnyCaller = Annotated[Caller, Depends(caller)]


def _one_of(roles: frozenset[Role]) -> Any:
    async def allowed(who: AnyCaller) -> Caller:
        if who.role not in roles:
            raise Forbidden
        return who

    # Named in the schema, where OpenAPI 3.1 has the roles that a route asks for.
    return Security(allowed, scopes=sorted(roles))


Trader = Annotated[Caller, _one_of(MAY_TRADE)]
Owner = Annotated[Caller, _one_of(MAY_ADMINISTER)]


def address(request: Request) -> str:
    """Who is counted as one where nobody says who they are."""
    return household(request.client.host) if request.client else ""


Address = Annotated[str, Depends(address)]


async def in_public(here: TheHouse, address: Address) -> None:
    """For what needs no token of a tenant: as often as one address may ask. Raises ``RateLimited``."""
    await here.limits.spend(Scope.PUBLIC, address)


InPublic = Depends(in_public)


async def operator(here: TheHouse, key: Annotated[str | None, Depends(_admin)]) -> str:
    """The platform's operator. Raises ``Unauthorized``."""
    with here.at_door("admin"):
        return opened_by(here, key)


def opened_by(here: House, key: str | None) -> str:
    """Who shows such a key. Raises ``Unauthorized``."""
    if key is None or not sum(hmac.compare_digest(key.encode(), ours.encode()) for ours in here.admin_keys):
        raise Unauthorized
    return "platform"


PlatformOperator = Annotated[str, Depends(operator)]

IdempotencyKey = Annotated[
    text.IdempotencyKey,
    Header(alias="Idempotency-Key", description="Names this request for ever; a repeat meets its result"),
]


def actor(who: Caller | Credential) -> str:
    """How the audit trail names whoever acts for a tenant."""
    credential_id = who.id if isinstance(who, Credential) else who.credential_id
    return f"{who.role}:{who.name}:{credential_id}"


class Exchange:
    """The request's id, what its answer shall carry beside the body, and how its deeds are recorded."""

    def __init__(self, request: Request, response: Response, here: TheHouse) -> None:
        self._request = request
        self.request_id: str | None = getattr(request.state, "request_id", None)
        self.address = address(request)
        self.headers = response.headers
        self._response = response
        self._clock = here.world.clock

    def status(self, code: int) -> None:
        self._response.status_code = code

    def concerns(self, affair: Affair) -> None:
        """Say whose affair this is, where no token does."""
        concerns(self._request, affair)

    def deed(self, tenant_id: str, by: str, action: str, resource: str) -> Deed:
        return Deed(
            tenant_id=tenant_id,
            actor=by,
            action=action,
            resource=resource,
            correlation_id=self.request_id,
            at=self._clock(),
        )


About = Annotated[Exchange, Depends()]
