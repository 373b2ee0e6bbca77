"""What is asked of a provider that charges again and again, and what it says about that.

Subscriptions themselves are billing's; here are the words only, so that an adapter can be written and tried.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from domain.evidence import Id, Shown, countable, storable
from domain.money import Money
from domain.values import Message, Value


class SubscriptionWord(StrEnum):
    """What a provider can say about a subscription: the contract's eight statuses, and no answer."""

    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"
    UNCLEAR = "unclear"
    """A word nobody knows. Never evidence of anything."""


class SubscriptionObservation(Message):
    """What a provider said of a subscription, translated and dated."""

    kind: Literal["subscription"] = "subscription"
    word: SubscriptionWord
    raw_state: Annotated[str, Shown(255), AfterValidator(storable)]
    cause_id: Annotated[str, Shown(255), AfterValidator(storable)]
    subscription_id: Id | None = None
    """Our reference, as the provider repeats it."""
    reference: Id
    """The provider's own name for it."""
    customer: Id | None = None
    price: Id | None = None
    """What is subscribed to, by the provider's name."""
    quantity: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    current_period_start: AwareDatetime | None = None
    current_period_end: AwareDatetime | None = None
    trial_end: AwareDatetime | None = None
    cancel_at: AwareDatetime | None = None
    canceled_at: AwareDatetime | None = None
    cancel_at_period_end: bool = False
    sandbox: bool | None = None
    told_at: AwareDatetime | None = None
    """When the provider says it happened: words that came in another order are put in theirs by this. None
    for what was read, which is as it stands at ``observed_at``."""
    observed_at: datetime
    evidence_sha256: str | None = None


class InvoiceWord(StrEnum):
    """What a provider can say about one bill of a subscription."""

    DRAFT = "draft"
    OPEN = "open"
    PAYMENT_FAILED = "payment_failed"
    """Still open: a charge was tried, and declined."""
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"
    UNCLEAR = "unclear"


class InvoiceObservation(Message):
    """What a provider said of a bill of one of its subscriptions."""

    kind: Literal["invoice"] = "invoice"
    word: InvoiceWord
    raw_state: Annotated[str, Shown(255), AfterValidator(storable)]
    cause_id: Annotated[str, Shown(255), AfterValidator(storable)]
    reference: Id
    subscription: Id
    """The provider's name of the subscription that is billed."""
    subscription_id: Id | None = None
    """Ours, as the provider repeats it."""
    money: Annotated[Money, AfterValidator(countable)] | None = None
    sandbox: bool | None = None
    observed_at: datetime
    evidence_sha256: str | None = None


class CustomerObservation(Message):
    """That what a customer can be charged by has changed: a card was saved, replaced or taken away."""

    kind: Literal["customer"] = "customer"
    raw_state: Annotated[str, Shown(255), AfterValidator(storable)]
    """The provider's word for what happened."""
    cause_id: Annotated[str, Shown(255), AfterValidator(storable)]
    reference: Id
    """The provider's name for the customer."""
    customer_id: Id | None = None
    """Ours, as the provider repeats it."""
    setup_id: Id | None = None
    """Our reference of the setup page that was completed, if it is that which happened."""
    sandbox: bool | None = None
    observed_at: datetime
    evidence_sha256: str | None = None


class ClockObservation(Message):
    """What a provider of play money shows on the clock that its users can push forward."""

    kind: Literal["clock"] = "clock"
    raw_state: Annotated[str, Shown(255), AfterValidator(storable)]
    cause_id: Annotated[str, Shown(255), AfterValidator(storable)]
    ahead_seconds: Annotated[int, Field(ge=0, lt=1 << 40)]
    """By how much it is ahead of the clocks of the world."""
    observed_at: datetime
    evidence_sha256: str | None = None


BillingNews = SubscriptionObservation | InvoiceObservation | CustomerObservation | ClockObservation
"""What a provider tells that is not of one payment."""


class Customer(Value):
    """Somebody who pays again. ``id`` is ours (``cus_…``), and the operation key."""

    id: str
    email: str | None = None
    name: str | None = None


class SavedMethod(Value):
    """A way of paying that the provider keeps; never more of a card than this."""

    reference: str
    kind: str
    """The provider's word: ``card``, ``sepa_debit``, …"""
    brand: str | None = None
    last4: str | None = None


class Charge(Value):
    """Money to be taken without the payer being there. ``payment_id`` is the operation key."""

    payment_id: str
    money: Money
    customer: str
    """The provider's name."""
    method: str
    """What ``saved_methods`` called it; at a company that charges by subscription, the subscription."""
    description: str | None = None


class SetupOrder(Value):
    """A hosted page where a customer leaves a way of paying, and nothing is taken."""

    id: str
    """The operation key, and our reference."""
    customer: str
    """The provider's name."""
    success_url: str | None = None
    cancel_url: str | None = None
    expires_at: datetime


class SubscriptionOrder(Value):
    """A subscription to be begun at a hosted checkout. ``subscription_id`` is ours, and the operation key."""

    subscription_id: str
    customer: str
    """The provider's name."""
    price: str
    quantity: int = 1
    trial_days: int | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    expires_at: datetime


class Proration(StrEnum):
    """When a change is billed."""

    AT_ONCE = "at_once"
    """The difference of what is left of the period, invoiced now."""
    NONE = "none"
    """From the next period on; nothing is invoiced for this one."""


class PlanChange(Value):
    """What a subscription should be from now on. ``key`` names this wish once and for ever."""

    key: str
    price: str
    quantity: int = 1
    proration: Proration = Proration.AT_ONCE
