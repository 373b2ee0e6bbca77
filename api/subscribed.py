"""A subscription as it is told over HTTP, wherever it is told."""

from typing import Any

from api.strict import Answer, Instant
from domain.billing import Access, SubscriptionStatus, access
from domain.standing import Subscription, Terms


class PlanName(Answer):
    id: str
    name: str


class PendingChange(Answer):
    """What it will be from the next period on."""

    plan: PlanName
    price_id: str
    quantity: int


class SubscriptionAnswer(Answer):
    """All instants in its own billing time: with the sandbox's clock pushed, that is ahead of the world's."""

    id: str
    tenant_id: str
    user_id: str
    status: SubscriptionStatus
    access: Access
    plan: PlanName
    price_id: str
    quantity: int
    currency: str
    current_period_start: Instant | None
    current_period_end: Instant | None
    trial_end: Instant | None
    cancel_at: Instant | None
    """When it ends, if it is to end with its period."""
    canceled_at: Instant | None
    cancel_at_period_end: bool
    ended_at: Instant | None
    paused_at: Instant | None
    pending: PendingChange | None
    credit: int
    """Held for invoices to come, in minor units."""
    provider: str
    sandbox: bool
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, sub: Subscription) -> "SubscriptionAnswer":
        return cls(**told(sub))


def told(sub: Subscription) -> dict[str, Any]:
    """The members of ``SubscriptionAnswer``, for answers that say more."""
    terms, pending, period = sub.terms, sub.pending, sub.period
    own = {"id", "tenant_id", "user_id", "status", "trial_end", "canceled_at", "cancel_at_period_end"}
    own |= {"ended_at", "paused_at", "provider", "sandbox", "created_at", "updated_at"}
    return sub.model_dump(include=own) | {
        "access": access(sub.status),
        "plan": _plan(terms),
        "price_id": terms.price.id,
        "quantity": terms.quantity,
        "currency": terms.price.money.currency,
        "current_period_start": None if period is None else period.start,
        "current_period_end": None if period is None else period.end,
        "cancel_at": sub.cancel_at,
        "pending": pending
        and PendingChange(plan=_plan(pending), price_id=pending.price.id, quantity=pending.quantity),
        "credit": sub.credit_minor,
    }


def _plan(terms: Terms) -> PlanName:
    return PlanName(id=terms.plan_id, name=terms.plan_name)
