"""Tenants: the product teams that use the platform, and the people and programs that act for them."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from domain.billing import AfterDunning, Schedule
from domain.invoice import Party, Tax
from domain.money import Money
from domain.values import Value


class Role(StrEnum):
    OWNER = "owner"
    """Everything, credentials and provider accounts included."""
    OPERATOR = "operator"
    """The daily business: payments and what follows from them."""
    APPROVER = "approver"
    """Reads, and decides on what others asked for."""
    READONLY = "readonly"


# Who may change what. Reading is open to every role.
MAY_TRADE = frozenset({Role.OWNER, Role.OPERATOR})
MAY_ADMINISTER = frozenset({Role.OWNER})


class LatePolicy(StrEnum):
    """What becomes of money that arrives after its payment has EXPIRED or was CANCELLED."""

    REFUND = "refund"
    """It goes back, all of it, once; nothing is granted."""
    ACCEPT = "accept"
    """The payment succeeds after all."""
    HOLD = "hold"
    """A person decides."""


class PartialRefundPolicy(StrEnum):
    """What a partial refund does to the rights that were paid for."""

    KEEP = "keep"
    REVOKE = "revoke"


class RoutingRule(Value):
    """Which providers payments of a kind go to, first choice first. What is not said does not matter."""

    currencies: tuple[str, ...] = ()
    """None: all of them."""
    min_amount: int | None = None
    """In minor units of the one currency that the rule names, like ``max_amount``; both are included."""
    max_amount: int | None = None
    providers: tuple[str, ...]

    def covers(self, money: Money) -> bool:
        if self.currencies and money.currency not in self.currencies:
            return False
        if self.min_amount is not None and money.amount_minor < self.min_amount:
            return False
        return self.max_amount is None or money.amount_minor <= self.max_amount


class TenantSettings(Value):
    """What a tenant may choose for itself."""

    checkout_expires_in_seconds: int = 900
    default_provider: str | None = None
    provider_order: tuple[str, ...] = ()
    """Providers to be tried one after the other, for payments that name none."""
    routing_rules: tuple[RoutingRule, ...] = ()
    """The first that covers a payment says where it goes, instead of the two above; ``domain.routing``."""
    late_payment: LatePolicy = LatePolicy.REFUND
    partial_refund: PartialRefundPolicy = PartialRefundPolicy.KEEP
    after_dunning: AfterDunning = AfterDunning.CANCEL
    subscription_schedule: Schedule = Schedule.OURS
    """Who runs new subscriptions; a company that cannot leave it to us runs them whatever this says."""
    billing_zone: str = "UTC"
    """The IANA name of the zone in whose days subscriptions are counted."""
    tax: Tax = Tax()
    """What new invoices say of taxes."""
    invoice_issuer: Party | None = None
    """What stands on them as their issuer; the tenant's name, if nothing else does."""
    refund_approval_threshold: dict[str, int] = Field(default_factory=dict)
    """By currency, in minor units: a refund of more than that needs a second person."""

    pricing_plans: tuple[str, ...] | None = None
    """The plans on the public price list, in this order; all that are active, if nothing was chosen."""
    pricing_checkout_url: str | None = None
    """Where the price list's page sends whoever has chosen; with none it has no buttons."""

    def needs_approval(self, refund: Money) -> bool:
        threshold = self.refund_approval_threshold.get(refund.currency)
        return threshold is not None and refund.amount_minor > threshold


class Tenant(Value):
    id: str
    name: str
    app_name: str
    contact_email: str
    organization: str | None
    sandbox: bool
    suspended: bool
    settings: TenantSettings
    created_at: datetime


class Credential(Value):
    """A name that may log in for a tenant. Its secret is known to its holder only."""

    id: str
    tenant_id: str
    name: str
    role: Role
    version: int
    """Grows with every revocation; tokens carry the version they were made under."""
    revoked: bool


class Caller(Value):
    """Who is asking, as their token vouches."""

    tenant_id: str
    credential_id: str
    name: str
    role: Role


class ProviderAccount(Value):
    """A tenant's account at a payment provider, without its secrets."""

    id: str
    tenant_id: str
    provider: str
    api_base: str | None
    created_at: datetime
