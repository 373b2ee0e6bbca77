"""Puts the HTTP face together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from operator import attrgetter

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from api import (
    accounts,
    affairs,
    approvals,
    audit,
    billing,
    codec,
    credentials,
    deliveries,
    disputes,
    docs,
    endpoints,
    entitlements,
    events,
    health,
    invoices,
    ledger,
    metrics,
    payments,
    plans,
    problems,
    proofs,
    reconciliation,
    refunds,
    reports,
    sessions,
    subscriptions,
    tenants,
    webhooks,
)
from api.deps import House
from api.edge import Edge
from api.measures import Requests

Opening = Callable[[], AbstractAsyncContextManager[House]]


def build(
    opening: Opening, *, public_url: str, development: bool, requests: Requests | None = None
) -> FastAPI:
    """The application. ``opening`` builds the house inside the server's own event loop, and closes it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opening() as here:
            app.state.house = here
            yield

    # For Swagger UI's files only; the page that shows them is ours, with its policy.
    app = FastAPIOffline(
        docs_url=None,
        static_url=docs.ASSETS,
        title="Paysaga",
        version="1",
        summary="Payments as durable sagas",
        lifespan=lifespan,
        redoc_url=None,
        # What generated clients call them: the functions' own names are unique, and say enough.
        generate_unique_id_function=attrgetter("name"),
        # A redirect to "the same with a slash" trusts the Host header; there is one name for each thing.
        redirect_slashes=False,
    )
    nouns = (
        tenants,
        credentials,
        accounts,
        payments,
        proofs,
        refunds,
        approvals,
        disputes,
        plans,
        sessions,
        billing,
        subscriptions,
        invoices,
        ledger,
        reconciliation,
        reports,
        entitlements,
        endpoints,
        deliveries,
        events,
        webhooks,
        audit,
        health,
        metrics,
        codec,
        docs,
    )
    for noun in nouns:
        app.include_router(noun.router)
    problems.install(app, public_url, affairs.on_record)
    app.add_middleware(Edge, development=development, requests=requests)
    return app
