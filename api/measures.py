"""What one process counts of the requests it answers. Labels are our own words, never a caller's."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from domain.errors import SignatureInvalid, SignatureMissing, UnreadableEvent
from providers.base import PROVIDERS

# Reads take milliseconds; a create waits up to five seconds for its checkout.
_REQUESTS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Companies give an answer some ten seconds, and call slow what takes more than a few.
_WEBHOOKS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNKNOWN: Final = "unknown"
ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"
UNAVAILABLE: Final = "unavailable"
_REFUSED: Final = {
    SignatureMissing.code: "refused_signature",
    SignatureInvalid.code: "refused_signature",
    UnreadableEvent.code: "refused_unreadable",
}
OUTCOMES: Final = (
    *(ACCEPTED, DUPLICATE, "refused_signature", "refused_unreadable", "refused_other", UNAVAILABLE),
)
# What nobody vouched for says nothing of how long we take over a company's words.
_TAKEN: Final = frozenset({ACCEPTED, DUPLICATE, "refused_unreadable", UNAVAILABLE})
DOORS: Final = ("login", "token", "admin", "console")


class Requests:
    """What routes and the edge are told to; one of them in a process, in its one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._answered = Histogram(
            "billing_http_request_duration_seconds",
            "Requests answered, by the template of their route and the class of their status.",
            ["method", "route", "status"],
            buckets=_REQUESTS,
            registry=registry,
        )
        self._webhooks = Histogram(
            "billing_webhook_processing_duration_seconds",
            "From a company's webhook to our answer; those that nobody vouched for are left out.",
            ["provider"],
            buckets=_WEBHOOKS,
            registry=registry,
        )
        self._received = Counter(
            "billing_webhooks_received",
            "Webhooks from companies, or who claims to be one, by what became of them.",
            ["provider", "outcome"],
            registry=registry,
        )
        self._unvouched = Counter(
            "billing_auth_failures",
            "Who could not show that they are whom they say, by the door they came to.",
            ["kind"],
            registry=registry,
        )
        for kind in DOORS:
            self._unvouched.labels(kind)
        for provider in PROVIDERS:
            self._webhooks.labels(provider)
            for outcome in OUTCOMES:
                self._received.labels(provider, outcome)

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request, whatever it asked for. What no route knows is one series together."""
        known = method if method in _METHODS else _UNKNOWN
        self._answered.labels(known, route or _UNKNOWN, f"{status // 100}xx").observe(seconds)

    def told(self, provider: str, answer: tuple[int, str | None], seconds: float, *, duplicate: bool) -> None:
        """A webhook: what it was answered, by status and problem. A ``duplicate`` told nothing new."""
        status, code = answer
        company = provider if provider in PROVIDERS else _UNKNOWN
        outcome = _REFUSED.get(code or "", "refused_other")
        if status < 300:
            outcome = DUPLICATE if duplicate else ACCEPTED
        elif status >= 500:
            outcome = UNAVAILABLE
        self._received.labels(company, outcome).inc()
        if outcome in _TAKEN:
            self._webhooks.labels(company).observe(seconds)

    def unvouched(self, kind: str) -> None:
        """Somebody was turned away at one of ``DOORS``."""
        self._unvouched.labels(kind).inc()
