"""Figures for Prometheus, in its text format: how the platform stands, and nothing of any one tenant."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from api.deps import TheHouse
from domain.health import Health
from domain.limits import Scope
from providers.base import PROVIDERS
from storage import health

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(here: TheHouse) -> Response:
    """Counted over all tenants, so that the page needs no credentials and gives nobody away."""
    async with here.world.database.system() as tx:
        counted = await health.census(tx, here.world.clock())
    # What all processes know is in the database, and limits are counted by each: a registry of this one page
    # has nothing else in it.
    page = CollectorRegistry()
    accounts = Gauge(
        "billing_provider_accounts",
        "Provider accounts that take new payments, by how they can be used.",
        ["provider", "state"],
        registry=page,
    )
    for provider in sorted({*PROVIDERS, *(provider for provider, _ in counted)}):
        for state in Health:
            accounts.labels(provider, state).set(counted.get((provider, state), 0))
    refused = Counter(
        "billing_rate_limited", "Requests this process refused as too many.", ["scope"], registry=page
    )
    for scope in Scope:
        refused.labels(scope).inc(here.limits.refused[scope])
    alone = Counter(
        "billing_rate_limits_unreachable",
        "How often what all processes count could not be read, so that this one counted alone.",
        registry=page,
    )
    alone.inc(here.limits.unreachable)
    return Response(generate_latest(page), media_type=CONTENT_TYPE_LATEST)
