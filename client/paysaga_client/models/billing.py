"""Plans, subscriptions and invoices. Amounts are integers in the currency's minor units."""

from typing import Annotated, Literal

from pydantic import AwareDatetime

from paysaga_client.models.base import Answer, Named, Wish, Word
from paysaga_client.models.tenancy import Party, TaxRate

Interval = Annotated[Literal["month", "year"], Word]
SubscriptionStatus = Annotated[
    Literal[
        "incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused", "canceled"
    ],
    Word,
]
Access = Annotated[Literal["full", "grace", "none"], Word]
Proration = Annotated[Literal["prorate", "none", "next_period"], Word]
Mode = Annotated[Literal["checkout", "portal"], Word]
InvoiceStatus = Annotated[Literal["draft", "open", "paid", "uncollectible", "void"], Word]
InvoiceReason = Annotated[Literal["subscription_create", "subscription_cycle", "subscription_update"], Word]
LineKind = Annotated[Literal["period", "unused", "remaining", "trial"], Word]
Language = Literal["en", "hu"]


# --- Plans ----------------------------------------------------------------------------------------


class NewFeature(Wish):
    feature: str
    limit: int | None = None


class NewPrice(Wish):
    amount: int
    currency: str
    interval: Interval
    interval_count: int | None = None
    trial_days: int | None = None
    per_seat: bool | None = None
    provider_prices: dict[str, str] | None = None


class Feature(Answer):
    feature: str
    limit: int | None = None


class Price(Answer):
    id: str
    amount: int
    currency: str
    interval: Interval
    interval_count: int
    trial_days: int
    per_seat: bool
    provider_prices: dict[str, str]


class SupersededPrice(Price):
    superseded_at: AwareDatetime


class Plan(Named):
    name: str
    description: str | None
    tier: str | None
    active: bool
    features: tuple[Feature, ...]
    prices: tuple[Price, ...]
    superseded_prices: tuple[SupersededPrice, ...]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class PlanName(Answer):
    id: str
    name: str


# --- Subscriptions --------------------------------------------------------------------------------


class BillTo(Wish):
    """Who stands on the invoices."""

    name: str
    address: str | None = None
    tax_number: str | None = None


class BillingSession(Answer):
    id: str
    mode: Mode
    session_url: str
    """Where to send the subscriber."""
    subscription_id: str | None
    expires_at: AwareDatetime


class NextInvoice(Answer):
    date: AwareDatetime
    total: int
    amount_due: int
    currency: str


class BillingStatus(Answer):
    """How a subscriber stands. ``access`` is what to switch on."""

    user_id: str
    subscription_id: str | None = None
    status: SubscriptionStatus | None = None
    access: Access
    plan: PlanName | None = None
    price_id: str | None = None
    quantity: int | None = None
    current_period_start: AwareDatetime | None = None
    current_period_end: AwareDatetime | None = None
    trial_end: AwareDatetime | None = None
    cancel_at: AwareDatetime | None = None
    canceled_at: AwareDatetime | None = None
    cancel_at_period_end: bool = False
    next_invoice: NextInvoice | None = None
    provider: str | None = None


class PendingChange(Answer):
    plan: PlanName
    price_id: str
    quantity: int


class Subscription(Named):
    tenant_id: str
    user_id: str
    status: SubscriptionStatus
    access: Access
    plan: PlanName
    price_id: str
    quantity: int
    currency: str
    current_period_start: AwareDatetime | None
    current_period_end: AwareDatetime | None
    trial_end: AwareDatetime | None
    cancel_at: AwareDatetime | None
    canceled_at: AwareDatetime | None
    cancel_at_period_end: bool
    ended_at: AwareDatetime | None
    paused_at: AwareDatetime | None
    pending: PendingChange | None
    credit: int
    provider: str
    sandbox: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime


class SubscriptionEvent(Answer):
    id: str
    type: str
    status: SubscriptionStatus
    actor: str
    at: AwareDatetime


class WholeSubscription(Subscription):
    latest_invoice_id: str | None
    events: tuple[SubscriptionEvent, ...]
    """Oldest first."""


# --- Invoices -------------------------------------------------------------------------------------


class Line(Answer):
    kind: LineKind
    plan: str
    price_id: str
    quantity: int
    unit_amount: int
    amount: int
    period_start: AwareDatetime
    period_end: AwareDatetime


class CreditNote(Answer):
    id: str
    number: int
    amount: int
    tax: int
    currency: str
    refund_id: str
    reason: str | None
    void: bool
    created_at: AwareDatetime


class Invoice(Named):
    subscription_id: str
    user_id: str
    number: int | None
    """Without gaps per tenant; a draft has none."""
    status: InvoiceStatus
    reason: InvoiceReason
    currency: str
    lines: tuple[Line, ...]
    tax_rate: TaxRate
    subtotal: int
    tax: int
    total: int
    credited: int
    credit_applied: int
    amount_due: int
    amount_paid: int
    amount_credited: int
    credit_notes: tuple[CreditNote, ...]
    period_start: AwareDatetime
    period_end: AwareDatetime
    issuer: Party
    recipient: Party
    payment_id: str | None
    replaced_by: str | None
    sandbox: bool
    created_at: AwareDatetime
    opened_at: AwareDatetime | None
    paid_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class ChangedSubscription(Subscription):
    invoice: Invoice | None
    """The one that the change made, if it made one."""


class Preview(Answer):
    """What a change would invoice now. With its ``proration_date`` the change costs just this."""

    subtotal: int
    tax: int
    total: int
    credited: int
    credit_applied: int
    amount_due: int
    currency: str
    lines: tuple[Line, ...]
    proration_date: AwareDatetime
