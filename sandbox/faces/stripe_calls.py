"""What the routes of Stripe's face have in common: who calls, under which key, about what."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from sandbox import wire
from sandbox.clock import from_microseconds
from sandbox.customers import Customer
from sandbox.errors import Refused
from sandbox.faces.forms import Params
from sandbox.faces.stripe_words import STRIPE
from sandbox.gate import Call, perform
from sandbox.idempotency import Answer, digest, once, read_key
from sandbox.store import R
from sandbox.world import World

_SHORTEST, _LONGEST = timedelta(minutes=30), timedelta(hours=24)
_SLACK = timedelta(seconds=5)


def lifetime(made_at: datetime, until: int | None) -> datetime:
    """Say when a session ends; refuse what Stripe does not keep open."""
    if until is None:
        return made_at + _LONGEST
    expires_at = from_microseconds(until * 1_000_000)
    if not _SHORTEST - _SLACK <= expires_at - made_at <= _LONGEST + _SLACK:
        raise Refused(400, "invalid_request", "expires_at is 30 minutes to 24 hours away", "expires_at")
    return expires_at


def known(world: World, kind: type[R], identity: str, account: str) -> R | None:
    """Read a record that came to be through this face; None for any other."""
    record = world.store.get(kind, identity, account)
    return record if record is not None and record.dialect == STRIPE.NAME else None


def found(world: World, kind: type[R], identity: str, account: str) -> R:
    """Read a record that came to be through this face; any other looks like none."""
    record = known(world, kind, identity, account)
    if record is None:
        raise Refused(404, "not_found", f"No such {kind.KIND.replace('_', '.')}", "id")
    return record


def known_customer(world: World, identity: str, account: str) -> Customer:
    """Read a customer whom a form names."""
    customer = known(world, Customer, identity, account)
    if customer is None:
        raise Refused(400, "not_found", "No such customer", "customer")
    return customer


def write(request: Request, operation: str, account: str, reference: str | None) -> Call:
    """Describe a call that changes something, with the key it came under."""
    key = read_key(request.headers.get("idempotency-key"))
    return Call(request, operation, account, reference, key, dialect=STRIPE)


async def one_time(world: World, call: Call, params: Params, effect: Callable[[], Answer]) -> Response:
    """Do something once per key."""
    asked = digest(call.request.url.path, params)
    return await perform(world, call, lambda: once(world, call.account or "", call.key, asked, effect))


def caller(request: Request) -> str:
    """Name the account that calls, by a bearer's key or by one given as the user of Basic authentication."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return wire.caller(request)
    try:
        user = base64.b64decode(given, validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        user = ""
    return wire.caller(request, f"Bearer {user}")
