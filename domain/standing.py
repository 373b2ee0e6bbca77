"""What a subscription is: its terms, how it stands, and the steps that ``domain.lifecycle`` takes with it.

All instants are in a subscription's own billing time, but where they are said to be the world's.
"""

from datetime import datetime, timedelta

from domain.billing import SubscriptionStatus, in_order
from domain.calendar import MONTHS_A_YEAR, Interval, Period, Rhythm
from domain.catalog import Price
from domain.dunning import RETRIED_ON
from domain.event_types import SubscriptionNews
from domain.invoice import InvoiceStatus, Line, Reason
from domain.values import Message, Value

S = SubscriptionStatus


class Terms(Value):
    """What is subscribed to: a price of a plan, and for how many seats."""

    plan_id: str
    plan_name: str
    price: Price
    quantity: int

    @property
    def total_minor(self) -> int:
        """Of a whole period."""
        return self.price.of(self.quantity).amount_minor


class Subscription(Value):
    """A subscription as its row tells it, all instants in its own billing time."""

    id: str
    tenant_id: str
    user_id: str
    customer_id: str
    account_id: str
    provider: str
    provider_run: bool = False
    """Whether the company keeps the schedule, and we mirror it."""
    provider_reference: str | None = None
    status: SubscriptionStatus
    terms: Terms
    pending: Terms | None = None
    """What it will be from the next period on."""
    billed: Terms | None = None
    """By what the present period was billed, where its terms have changed since without a bill."""
    rhythm: Rhythm
    next_number: int = 0
    """The number, in the rhythm, of the period that follows the present one."""
    period: Period | None = None
    trial_end: datetime | None = None
    reminded: bool = False
    set_up_at: datetime | None = None
    """When the subscriber left a way of paying for a trial to come."""
    method_changed: bool = False
    """There is news of what can be charged, and nobody has acted on it."""
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    """When somebody wished it ended, or it ended by itself."""
    ended_at: datetime | None = None
    paused_at: datetime | None = None
    credit_minor: int = 0
    tries: int = 0
    """How many of the tries that the calendar asks for were in vain."""
    dunning_since: datetime | None = None
    next_try_at: datetime | None = None
    give_up_at: datetime | None = None
    reread_at: datetime | None = None
    """When the company that keeps the schedule is asked again how it stands, by the world's clock."""
    sandbox: bool
    begun_at: datetime
    """By the world's clock."""
    ahead: timedelta = timedelta()
    """How far its company of play money is ahead of the world."""
    created_at: datetime
    updated_at: datetime

    def time(self, wall: datetime, scale: float) -> datetime:
        """Its billing time when the world's clock shows ``wall``; never before what has happened to it.

        An installation that counts ``scale`` times faster does so from the subscription's beginning on.
        """
        return max(wall + self.ahead + (wall - self.begun_at) * (scale - 1), self.updated_at)

    def wall(self, at: datetime, scale: float) -> datetime:
        """What the world's clock shows when it is ``at`` in its billing time."""
        # Rounded up: whoever looks then must find that it is time.
        return self.begun_at + (at - self.ahead - self.begun_at) / scale + timedelta(milliseconds=1)

    @property
    def ref(self) -> "SubscriptionRef":
        return SubscriptionRef(tenant_id=self.tenant_id, subscription_id=self.id)

    @property
    def mrr_e4(self) -> int:
        """What it brings in a month, in ten-thousandths of a minor unit; a trial brings nothing yet."""
        if self.status not in {S.ACTIVE, S.PAST_DUE}:
            return 0
        price = self.terms.price
        months = price.interval_count * (MONTHS_A_YEAR if price.interval is Interval.YEAR else 1)
        return self.terms.total_minor * 10_000 // months

    @property
    def grace_ends(self) -> datetime | None:
        """Until when it is given although it is owed, where nobody tries to have it paid any more."""
        if self.give_up_at is None and self.cancel_at_period_end and self.dunning_since is not None:
            return self.dunning_since + RETRIED_ON[-1]
        return self.give_up_at

    @property
    def cancel_at(self) -> datetime | None:
        """When the wish to end it is carried out."""
        if not self.cancel_at_period_end or self.period is None:
            return None
        return min(self.period.end, self.grace_ends or self.period.end)

    def turned(self, to: SubscriptionStatus, at: datetime, **facts: object) -> "Subscription":
        """In another status. Raises ``IllegalTransition`` for one it cannot come to."""
        if to is not self.status:
            in_order(self.status, to)
        return self.model_copy(update={"status": to, "updated_at": at, **facts})


class SubscriptionRef(Message):
    """What a subscription's workflow is told: ids only."""

    tenant_id: str
    subscription_id: str


class Bill(Value):
    """An invoice to be made. Whatever invoice is open is part of it from then on."""

    reason: Reason
    lines: tuple[Line, ...]
    period: Period


class Step(Value):
    """What becomes of a subscription at one instant."""

    after: Subscription
    at: datetime
    told: tuple[SubscriptionNews, ...] = ()
    bill: Bill | None = None
    drop: InvoiceStatus | None = None
    """What becomes of the open invoice, or the draft, when it is not replaced."""
    charge: bool = False
    """Whether what is open is to be charged now."""
    grant: bool = False
    """Whether rights follow the terms from here on, with nothing to be paid first."""
