"""The tenant itself: its settings, credentials and accounts at payment providers."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from paysaga_client.models.base import Answer, Wish, Word

Role = Annotated[Literal["owner", "operator", "approver", "readonly"], Word]
LatePayment = Annotated[Literal["refund", "accept", "hold"], Word]
PartialRefund = Annotated[Literal["keep", "revoke"], Word]
AfterDunning = Annotated[Literal["cancel", "unpaid"], Word]
Schedule = Annotated[Literal["ours", "provider"], Word]
AccountState = Annotated[Literal["ok", "troubled", "closed", "refused"], Word]


class AccessToken(Answer):
    """What a login is answered with; the client keeps it to itself."""

    access_token: str = Field(repr=False)
    token_type: str = "Bearer"  # noqa: S105 - RFC 6750's word, no secret
    expires_in: int
    tenant_id: str
    app_name: str


class TaxRate(Answer):
    rate_basis_points: int
    """2700 are 27 %."""
    inclusive: bool
    label: str


class Party(Answer):
    name: str
    address: str | None
    tax_number: str | None
    email: str | None


class RoutingRule(Answer):
    currencies: tuple[str, ...]
    min_amount: int | None
    max_amount: int | None
    providers: tuple[str, ...]


class Settings(Answer):
    checkout_expires_in_seconds: int
    default_provider: str | None
    provider_order: tuple[str, ...]
    routing_rules: tuple[RoutingRule, ...]
    late_payment: LatePayment
    partial_refund: PartialRefund
    refund_approval_threshold: dict[str, int]
    after_dunning: AfterDunning
    subscription_schedule: Schedule
    billing_zone: str
    tax: TaxRate
    invoice_issuer: Party | None
    pricing_plans: tuple[str, ...] | None
    """What the price list shows; None: every active plan."""
    pricing_checkout_url: str | None


class Tenant(Answer):
    id: str
    app_name: str
    name: str
    contact_email: str
    organization: str | None
    sandbox: bool
    status: str
    settings: Settings
    created_at: AwareDatetime


class NewRoutingRule(Wish):
    """Where payments of a kind go. Amounts are minor units, both ends included."""

    providers: tuple[str, ...]
    currencies: tuple[str, ...] | None = None
    min_amount: int | None = None
    max_amount: int | None = None


class NewTax(Wish):
    rate_basis_points: int
    inclusive: bool | None = None
    label: str | None = None


class NewIssuer(Wish):
    name: str
    address: str | None = None
    tax_number: str | None = None
    email: str | None = None


class Credential(Answer):
    id: str
    name: str
    role: Role


class CredentialWithSecret(Credential):
    app_secret: str = Field(repr=False)
    """Shown once."""


class ProviderAccount(Answer):
    account_id: str
    provider: str
    webhook_url: str
    """To be pasted into the provider's dashboard."""
    created_at: AwareDatetime


class Health(Answer):
    state: AccountState
    since: AwareDatetime | None
    last_failure: str | None


class ProviderAccountWithHealth(ProviderAccount):
    health: Health
