"""What a subscriber has: told from our own rows alone, which webhooks and workflows keep."""

from typing import Annotated

from fastapi import APIRouter, Query

from activities import billing
from api.deps import AnyCaller, TheHouse
from api.strict import Answer, Instant, StrictRoute
from api.subscribed import PlanName
from domain.billing import Access, SubscriptionStatus, access
from domain.invoicing import upcoming
from domain.standing import Subscription
from storage import invoices, subscriptions, tenants

router = APIRouter(prefix="/v1/billing", tags=["billing"], route_class=StrictRoute)


class NextInvoice(Answer):
    """What will be asked for next, and when, if nothing changes until then."""

    date: Instant
    total: int
    amount_due: int
    currency: str


class Status(Answer):
    user_id: str
    subscription_id: str | None = None
    status: SubscriptionStatus | None = None
    access: Access
    plan: PlanName | None = None
    price_id: str | None = None
    quantity: int | None = None
    current_period_start: Instant | None = None
    current_period_end: Instant | None = None
    trial_end: Instant | None = None
    cancel_at: Instant | None = None
    canceled_at: Instant | None = None
    cancel_at_period_end: bool = False
    next_invoice: NextInvoice | None = None
    provider: str | None = None

    @classmethod
    def of(cls, sub: Subscription, next_invoice: NextInvoice | None) -> "Status":
        period = sub.period
        return cls(
            subscription_id=sub.id,
            access=access(sub.status),
            plan=PlanName(id=sub.terms.plan_id, name=sub.terms.plan_name),
            price_id=sub.terms.price.id,
            quantity=sub.terms.quantity,
            current_period_start=None if period is None else period.start,
            current_period_end=None if period is None else period.end,
            cancel_at=sub.cancel_at,
            next_invoice=next_invoice,
            **sub.model_dump(
                include={"user_id", "status", "trial_end", "canceled_at", "cancel_at_period_end", "provider"}
            ),
        )


@router.get("/status")
async def billing_status(
    who: AnyCaller,
    here: TheHouse,
    user_id: Annotated[str | None, Query(alias="userId", min_length=1, max_length=128)] = None,
) -> Status:
    """What this user has by a subscription, or the tenant itself: a live one, else the latest."""
    subscriber = user_id or who.tenant_id
    async with here.world.database.tenant(who.tenant_id) as tx:
        sub = await subscriptions.of_user(tx, subscriber)
        if sub is None:
            return Status(user_id=subscriber, access=access(None))
        open_ = await invoices.pending(tx, sub.id, lock=False)
        heading = await billing.heading(tx, await tenants.get(tx, who.tenant_id), sub)
    found = upcoming(sub, open_, heading)
    if found is None:
        return Status.of(sub, None)
    at, sums = found
    following = NextInvoice(
        date=at,
        total=sums.total_minor,
        amount_due=sums.amount_due_minor,
        currency=sub.terms.price.money.currency,
    )
    return Status.of(sub, following)
