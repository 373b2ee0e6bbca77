"""What one process counts of its own work, for Prometheus: how long things took, and how they went.

Labels come from closed sets, names in our code: nobody outside can make a series by what they send.
"""

from collections.abc import Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from domain.errors import (
    NotYet,
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
    Refusal,
)
from storage.inbox import Effect

# From a webhook that takes effect at once to one that waits for days: who asks is how long money was unseen.
_AGES: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200, 259_200)
# A company may take ten seconds, then the call is given up (``providers.wire.DEADLINE``).
_CALLS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 10)
# A receiver may take fifteen (``activities.exchange.PATIENCE_SECONDS``).
_EXCHANGES: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
# A step is some transactions, with a call or without; a courier's round may take half a minute.
_STEPS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)

# The narrower first.
_OUTCOMES: Final[Mapping[type[ProviderError], str]] = {
    ProviderAuthFailed: "auth",
    ProviderRejected: "rejected",
    ProviderUnavailable: "unavailable",
    OutcomeUnknown: "unknown",
}


def new_registry() -> CollectorRegistry:
    """For all that one process counts; what it takes of memory and files is in it from the start."""
    # When a series began is a series more for each, and nobody asks.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # it says what it does
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


class Measures:
    """What steps and calls are told to; one of them in a process, in its one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._ages = Histogram(
            "billing_webhook_age_seconds",
            "From receiving a provider's event to the transaction in which it took effect.",
            ["provider"],
            buckets=_AGES,
            registry=registry,
        )
        self.calls = Histogram(
            "billing_provider_call_duration_seconds",
            "Requests to payment companies, by what was wanted and how it went; not those held back.",
            ["provider", "verb", "outcome"],
            buckets=_CALLS,
            registry=registry,
        )
        self._deliveries = Counter(
            "billing_deliveries",
            "Attempts to deliver an event to a tenant's endpoint, by how they ended.",
            ["outcome"],
            registry=registry,
        )
        self._exchanges = Histogram(
            "billing_delivery_duration_seconds",
            "From the look-up of an endpoint's address to the end of its answer.",
            buckets=_EXCHANGES,
            registry=registry,
        )
        self._steps = Histogram(
            "billing_activity_duration_seconds",
            "Attempts at a step of a workflow, by how they ended.",
            ["activity", "outcome"],
            buckets=_STEPS,
            registry=registry,
        )
        self._stumbles = Counter(
            "billing_sweep_failures",
            "Rounds of a sweep that did not get through; the next one begins with the same.",
            ["sweep"],
            registry=registry,
        )
        self._in_trouble: Gauge | None = None
        for outcome in ("delivered", "failed", "gave_up"):
            self._deliveries.labels(outcome)

    def took_effect(self, effect: Effect | None) -> None:
        """To be told when that is on disk; of a repeat, which has no effect, too."""
        if effect is not None:
            self._ages.labels(effect.provider).observe(max(0.0, effect.age.total_seconds()))

    def called(self, provider: str, verb: str, trouble: BaseException | None, seconds: float) -> None:
        """A request that left, or could have; ``trouble`` is what came of it instead of an answer."""
        # Whoever was interrupted does not know what became of it.
        found = (outcome for kind, outcome in _OUTCOMES.items() if isinstance(trouble, kind))
        outcome = "ok" if trouble is None else next(found, "unknown")
        self.calls.labels(provider, verb, outcome).observe(seconds)

    def delivered(self, outcome: str, seconds: float) -> None:
        self._deliveries.labels(outcome).inc()
        self._exchanges.observe(seconds)

    def stepped(self, activity: str, trouble: BaseException | None, seconds: float) -> None:
        self._steps.labels(activity, _ending(trouble)).observe(seconds)

    def sweeps(self, sweep: str) -> None:
        """One that begins its rounds; its failures show as 0 until there are some."""
        self._stumbles.labels(sweep)

    def stumbled(self, sweep: str) -> None:
        self._stumbles.labels(sweep).inc()

    def in_trouble(self, workflows: int) -> None:
        """So many open workflows make no progress: counted by whoever looks, and shown from then on."""
        if self._in_trouble is None:
            self._in_trouble = Gauge(
                "billing_workflow_problems",
                "Open workflows whose tasks fail again and again, as Temporal reports them.",
                registry=self.registry,
            )
        self._in_trouble.set(workflows)


def _ending(trouble: BaseException | None) -> str:
    """How an attempt at a step ended, so that a bug can be told from a company that is away."""
    if trouble is None:
        return "ok"
    if isinstance(trouble, NotYet):
        return "not_yet"
    if isinstance(trouble, Refusal):
        return "postponed" if trouble.retryable else "refused"
    return "failed" if isinstance(trouble, Exception) else "interrupted"
