"""Where workflows run, how long a step may take before it is tried again, and who goes first."""

from datetime import timedelta
from typing import Any, Final

from temporalio.common import (
    Priority,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)
from temporalio.workflow import ActivityConfig

from domain.money import Money

QUEUE: Final = "paysaga"
COURIER_QUEUE: Final = "paysaga-couriers"
"""Tenants' endpoints may be slow; they have workers of their own, so that money never waits for them."""
BOOKS_QUEUE: Final = "paysaga-books"
"""To read a provider's books may take minutes: it has a few hands of its own, for the same reason."""

TENANT_ID: Final = SearchAttributeKey.for_keyword("TenantId")
PAYMENT_STATUS: Final = SearchAttributeKey.for_keyword("PaymentStatus")
PROVIDER_NAME: Final = SearchAttributeKey.for_keyword("Provider")
PROVIDER_REFERENCE: Final = SearchAttributeKey.for_keyword("ProviderReference")
CURRENCY: Final = SearchAttributeKey.for_keyword("Currency")
AMOUNT_MINOR: Final = SearchAttributeKey.for_int("AmountMinor")
DUE_AT: Final = SearchAttributeKey.for_datetime("DueAt")


def found_by(
    tenant_id: str, provider: str | None = None, money: Money | None = None, status: str | None = None
) -> TypedSearchAttributes:
    """What operators filter workflows by."""
    pairs: list[SearchAttributePair[Any]] = [SearchAttributePair(TENANT_ID, tenant_id)]
    if provider is not None:
        pairs.append(SearchAttributePair(PROVIDER_NAME, provider))
    if money is not None:
        pairs.append(SearchAttributePair(CURRENCY, money.currency))
        pairs.append(SearchAttributePair(AMOUNT_MINOR, money.amount_minor))
    if status is not None:
        pairs.append(SearchAttributePair(PAYMENT_STATUS, status))
    return TypedSearchAttributes(pairs)


def step(
    policy: ActivityConfig, tenant_id: str, urgency: int, summary: str, within: timedelta | None = None
) -> ActivityConfig:
    """How one step runs: by its policy, in its tenant's turn, insisting no longer than ``within``."""
    config: ActivityConfig = {**policy, "priority": fair(tenant_id, urgency), "summary": summary}
    if within is not None:
        config["schedule_to_close_timeout"] = within
    return config


def fair(tenant_id: str, urgency: int) -> Priority:
    """1 settle and refund, 2 create, 3 subscription, 4 courier, 5 reconciliation; tenants take turns."""
    return Priority(priority_key=urgency, fairness_key=tenant_id)


# Our own database: quick, and retried until it answers.
STORE: Final = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=20),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5)
    ),
)

# Somebody else's API: two calls of ten seconds at the worst. How long we insist is the caller's to say.
PROVIDER: Final = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=22),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=15)
    ),
)

# A subscription's next step: our database, and at most one question to a provider before. It waits for both.
LEAD: Final = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=10)),
)

# A question that is put again and again; each attempt names the time of the next one itself.
PATIENT: Final = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=15), maximum_interval=timedelta(days=1)),
)

# How long a provider may stay silent when we have to know, before we say that nobody does.
PATIENCE: Final = timedelta(seconds=30)

# A timer that is due already still has to be one.
AT_ONCE: Final = timedelta(milliseconds=1)

# One round of a courier: it begins deliveries for 5 s, and the last of them may take 15 s.
CARRY: Final = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=timedelta(seconds=20),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)),
)

# All of an account's books, a page at a time; how far it has come stands in the run's row.
READ_BOOKS: Final = ActivityConfig(
    task_queue=BOOKS_QUEUE,
    start_to_close_timeout=timedelta(hours=2),
    heartbeat_timeout=timedelta(seconds=20),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
)
