"""Figures for Prometheus, in its text format: how the platform stands, and nothing of any one tenant."""

from collections.abc import Iterable, Iterator, Mapping

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from api.deps import House, TheHouse
from api.limits import Limits
from domain import outcome
from domain.health import Health
from domain.limits import Scope
from providers.base import PROVIDERS
from storage.facts import Facts

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(here: TheHouse) -> Response:
    """Counted over all tenants, so that the page needs no credentials and gives nobody away."""
    page = CollectorRegistry()
    page.register(_Snapshot([*_of_limits(here.limits), *await _of_platform(here)]))
    own, shared = generate_latest(here.requests.registry), generate_latest(page)
    return Response(own + shared, media_type=CONTENT_TYPE_LATEST)


class _Snapshot:
    """Figures of one moment."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def _of_limits(limits: Limits) -> Iterator[Metric]:
    refused = CounterMetricFamily(
        "billing_rate_limited", "Requests this process refused as too many.", labels=["scope"]
    )
    for scope in Scope:
        refused.add_metric([scope], limits.refused[scope])
    yield refused
    yield CounterMetricFamily(
        "billing_rate_limits_unreachable",
        "How often what all processes count could not be read, so that this one counted alone.",
        value=limits.unreachable,
    )


async def _of_platform(here: House) -> list[Metric]:
    found = await here.lookout.facts(here.world)
    readable = GaugeMetricFamily(
        "billing_facts_readable",
        "1 while this process can read the figures that stand in the database, else 0.",
        value=found is not None,
    )
    return [readable, *([] if found is None else _of_facts(found))]


def _of_facts(found: Facts) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "billing_payments_success",
        "Payments that have succeeded, also late.",
        value=found.ended.get(outcome.SUCCEEDED, 0),
    )
    failed = CounterMetricFamily(
        "billing_payments_failure", "Payments that have ended without success.", labels=["reason"]
    )
    for reason in outcome.REASONS:
        failed.add_metric([reason], found.ended.get(reason, 0))
    yield failed
    for name, told, values in (
        ("billing_payments_open", "Payments that have not ended.", found.payments_open),
        (
            "billing_payment_oldest_seconds",
            "How long the payment has been in that status that has been in it for longest.",
            found.payments_oldest,
        ),
        ("billing_refunds_open", "Refunds that have not ended.", found.refunds_open),
    ):
        yield _by(name, told, "status", values)
    yield _by("billing_inbox_events", "Provider events without effect so far.", "state", found.inbox_events)
    yield _of_accounts(found)
    for name, (told, value) in _single(found).items():
        yield GaugeMetricFamily(name, told, value=value)


def _by(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, told, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _of_accounts(found: Facts) -> Metric:
    family = GaugeMetricFamily(
        "billing_provider_accounts",
        "Provider accounts that take new payments, by how they can be used.",
        labels=["provider", "state"],
    )
    for provider in sorted({*PROVIDERS, *(provider for provider, _ in found.accounts)}):
        for state in Health:
            family.add_metric([provider, state], found.accounts.get((provider, state), 0))
    return family


def _single(found: Facts) -> dict[str, tuple[str, float]]:
    return {
        "billing_inbox_oldest_seconds": (
            "How long the oldest event of a payment of ours has waited to take effect.",
            found.inbox_oldest,
        ),
        "billing_deliveries_due": ("Attempts to deliver whose time has come.", found.deliveries_due),
        "billing_deliveries_oldest_seconds": (
            "By how much the most belated of them is late.",
            found.deliveries_oldest,
        ),
        "billing_endpoints_disabled": ("Endpoints that are told nothing.", found.endpoints_disabled),
        "billing_approvals_pending": ("Decisions that wait for a second person.", found.approvals_pending),
        "billing_audit_breaches": (
            "What the continuing examination of the audit trails has found.",
            found.audit_breaches,
        ),
        "billing_audit_sealed_seconds": (
            "How long the oldest audit record without a seal has waited for it.",
            found.audit_unsealed,
        ),
        "billing_reconciliation_differences": (
            "Differences of the last reconciliations that nothing has mended.",
            found.reconciliation_differences,
        ),
    }
