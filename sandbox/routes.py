"""What the API's routes have in common: a write with its key, one record read, a list paged."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.errors import missing
from sandbox.gate import Call, perform
from sandbox.idempotency import read_key
from sandbox.store import Record
from sandbox.wire import Filters, Handler, caller, listing, read_query, world_of


def write(request: Request, operation: str, account: str, reference: str | None) -> Call:
    """Describe a call that changes something, with the key it came under."""
    return Call(request, operation, account, reference, read_key(request.headers.get("idempotency-key")))


def reader(kind: type[Record], operation: str) -> Handler:
    """Make the route that shows one record."""

    async def read_one(request: Request) -> Response:
        world, account = world_of(request), caller(request)
        identity = request.path_params["id"]
        known = world.store.get(kind, identity, account)

        def effect() -> Response:
            record = world.store.get(kind, identity, account)
            if record is None:
                raise missing(kind.KIND.replace("_", " "))
            return JSONResponse(record.wire())

        call = Call(request, operation, account, known.reference if known else None)
        return await perform(world, call, effect)

    return read_one


def lister(kind: type[Record], operation: str) -> Handler:
    """Make the route that lists records, oldest first."""

    async def list_some(request: Request) -> Response:
        world, account = world_of(request), caller(request)
        filters = read_query(request, Filters)
        call = Call(request, operation, account, filters.reference)
        return await perform(
            world, call, lambda: JSONResponse(listing(world.store.page(kind, filters.query(account))))
        )

    return list_some
