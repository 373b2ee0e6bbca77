"""Tenants, their credentials and their accounts at payment providers."""

import re
import secrets as entropy
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from fastapi import APIRouter
from pydantic import AfterValidator, Field
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.outbound import screen
from api import secrets
from api.deps import About, AnyCaller, Exchange, House, Owner, PlatformOperator, TheHouse, actor
from api.invoices import PartyAnswer, TaxAnswer
from api.logins import recognized
from api.strict import Answer, Instant, Model, StrictRoute
from domain.billing import AfterDunning, Schedule
from domain.catalog import MOST_LISTED
from domain.endpoint import Endpoint
from domain.errors import ValidationFailed
from domain.money import CURRENCIES, LARGEST
from domain.signatures import new_secret
from domain.tenant import (
    Credential,
    LatePolicy,
    PartialRefundPolicy,
    ProviderAccount,
    Role,
    Tenant,
    TenantSettings,
)
from domain.text import Email, FreeText, Url
from domain.values import new_id
from providers.base import PROVIDERS
from providers.sandbox import Sandbox, ready_made
from storage import accounts, audit, catalog, endpoints, tenants

router = APIRouter(prefix="/v1/tenants", tags=["tenants"], route_class=StrictRoute)

_APP_NAME: Final = 40
_NOT_NULL: Final = {
    "checkout_expires_in_seconds",
    "provider_order",
    "routing_rules",
    "late_payment",
    "partial_refund",
    "refund_approval_threshold",
    "after_dunning",
    "subscription_schedule",
    "billing_zone",
    "tax",
}


class NewTenant(Model):
    name: Annotated[str, FreeText(128)]
    contact_email: Email
    webhook_url: Url | None = None
    sandbox: bool
    organization: Annotated[str, FreeText(128)] | None = None


class RegisteredTenant(Answer):
    id: str
    app_name: str
    app_secret: str
    name: str
    sandbox: bool
    status: str
    created_at: Instant
    webhook_secret: str | None
    """What verifies our webhooks; only when a webhookUrl was given, and only here."""


class Login(Model):
    app_name: Annotated[str, Field(min_length=1, max_length=64)]
    app_secret: Annotated[str, Field(min_length=1, max_length=256)]


class AccessToken(Answer):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - RFC 6750's word, no secret
    expires_in: int
    tenant_id: str
    app_name: str


class TenantAnswer(Answer):
    id: str
    app_name: str
    name: str
    contact_email: str
    organization: str | None
    sandbox: bool
    status: str
    settings: dict[str, Any]
    created_at: Instant

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantAnswer":
        return cls(
            status=_status(tenant),
            settings=SettingsAnswer(**tenant.settings.model_dump()).model_dump(),
            **tenant.model_dump(include={*cls.model_fields} - {"settings", "status"}),
        )


class RuleAnswer(Answer):
    currencies: tuple[str, ...]
    min_amount: int | None
    max_amount: int | None
    providers: tuple[str, ...]


class SettingsAnswer(Answer):
    checkout_expires_in_seconds: int
    default_provider: str | None
    provider_order: tuple[str, ...]
    routing_rules: tuple[RuleAnswer, ...]
    late_payment: LatePolicy
    partial_refund: PartialRefundPolicy
    refund_approval_threshold: dict[str, int]
    after_dunning: AfterDunning
    subscription_schedule: Schedule
    billing_zone: str
    tax: TaxAnswer
    invoice_issuer: PartyAnswer | None
    pricing_plans: tuple[str, ...] | None
    pricing_checkout_url: str | None


@router.post("/register", status_code=201)
async def register(body: NewTenant, by: PlatformOperator, here: TheHouse, about: About) -> RegisteredTenant:
    """A new tenant with its first credential. Its secrets are shown here and never again."""
    now = here.world.clock()
    if body.webhook_url is not None:
        await screen(body.webhook_url, development=here.development, pointer="/webhookUrl")
    tenant = Tenant(
        id=new_id("ten", now),
        app_name=_app_name(body.name),
        suspended=False,
        settings=TenantSettings(),
        created_at=now,
        **body.model_dump(exclude={"webhook_url"}),
    )
    owner = Credential(
        id=new_id("crd", now), tenant_id=tenant.id, name="owner", role=Role.OWNER, version=1, revoked=False
    )
    app_secret = secrets.new_secret(owner.id)
    secret_hash = await secrets.hashed(app_secret)
    webhook_secret, data_key = None, await here.world.vault.new_data_key(tenant.id)
    async with here.world.database.tenant(tenant.id) as tx:
        await tenants.add(tx, tenant, data_key)
        await tenants.add_credential(tx, owner, secret_hash, now)
        if body.webhook_url is not None:
            webhook_secret = new_secret(entropy.token_bytes(32))
            endpoint = Endpoint(
                id=new_id("whe", now),
                tenant_id=tenant.id,
                sandbox=tenant.sandbox,
                url=body.webhook_url,
                created_at=now,
                updated_at=now,
            )
            await endpoints.add(tx, here.world.vault, endpoint, webhook_secret)
        if tenant.sandbox and here.sandbox_platform_key is not None:
            account = ProviderAccount(
                id=new_id("acc", now),
                tenant_id=tenant.id,
                provider=Sandbox.name,
                api_base=None,
                created_at=now,
            )
            keys = ready_made(here.sandbox_platform_key, account.id)
            await accounts.put(tx, here.world.vault, account, keys)
        await audit.record(tx, about.deed(tenant.id, by, "tenant.registered", tenant.id))
    return RegisteredTenant(
        app_secret=app_secret,
        webhook_secret=webhook_secret,
        status=_status(tenant),
        **tenant.model_dump(include={"id", "app_name", "name", "sandbox", "created_at"}),
    )


@router.post("/login")
async def login(body: Login, here: TheHouse, about: About) -> AccessToken:
    """An access token for a credential of this app. Each app may ask ten times a minute.

    An address from which many logins fail is not heard for a while, whichever app it asks for.
    """
    with here.at_door("login"):
        tenant, lock = await recognized(here, about, body.app_name, body.app_secret, "tenant.login")
    credential = lock.credential
    async with here.world.database.tenant(tenant.id) as tx:
        await audit.record(tx, about.deed(tenant.id, actor(credential), "tenant.login", credential.id))
    return AccessToken(
        access_token=here.tokens.access(credential, here.world.clock()),
        expires_in=int(here.tokens.life.total_seconds()),
        tenant_id=tenant.id,
        app_name=tenant.app_name,
    )


@router.get("/me")
async def me(who: AnyCaller, here: TheHouse) -> TenantAnswer:
    async with here.world.database.tenant(who.tenant_id) as tx:
        return TenantAnswer.of(await tenants.get(tx, who.tenant_id))


def _is_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("these are not all currencies we know")
    return code


Currency = Annotated[str, AfterValidator(_is_currency)]


ProviderName = Annotated[str, Field(max_length=32)]


PlanId = Annotated[str, Field(max_length=32)]


class NewRule(Model):
    """Where payments of a kind go. Amounts are minor units, both ends included; see ``_check_rules``."""

    currencies: Annotated[tuple[Currency, ...], Field(max_length=200)] = ()
    min_amount: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    max_amount: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    providers: Annotated[tuple[ProviderName, ...], Field(min_length=1, max_length=8)]


@cache
def _zones() -> frozenset[str]:
    # What these mean is each machine's own.
    return frozenset(available_timezones() - {"Factory", "localtime"})


def _is_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("this is not a time zone's name as IANA has it")
    return name


class NewTax(Model):
    """What new invoices say of taxes: a rate of yours. Nothing here knows any law."""

    rate_basis_points: Annotated[int, Field(ge=0, le=10_000)]
    """2700 are 27 %."""
    inclusive: bool = True
    """Whether prices hold it already; else it comes on top."""
    label: Annotated[str, FreeText(32)] = "VAT"


class NewIssuer(Model):
    name: Annotated[str, FreeText(160)]
    address: Annotated[str, FreeText(500)] | None = None
    tax_number: Annotated[str, FreeText(64)] | None = None
    email: Email | None = None


class NewSettings(Model):
    checkout_expires_in_seconds: Annotated[int, Field(ge=60, le=86_400)] | None = None
    default_provider: ProviderName | None = None
    provider_order: Annotated[tuple[ProviderName, ...], Field(max_length=10)] | None = None
    routing_rules: Annotated[tuple[NewRule, ...], Field(max_length=20)] | None = None
    """All of them; the first that covers a payment decides where it goes."""
    late_payment: LatePolicy | None = None
    partial_refund: PartialRefundPolicy | None = None
    refund_approval_threshold: dict[Currency, Annotated[int, Field(ge=0, le=LARGEST)]] | None = None
    """By currency, all of them: a refund of more needs an approver. What is not named needs none."""
    after_dunning: AfterDunning | None = None
    subscription_schedule: Schedule | None = None
    """What becomes of a subscription when all tries to have it paid were in vain."""
    billing_zone: Annotated[str, Field(max_length=64), AfterValidator(_is_zone)] | None = None
    """In whose days the periods of new subscriptions are counted, and documents are dated."""
    tax: NewTax | None = None
    invoice_issuer: NewIssuer | None = None
    """What stands on new invoices as their issuer; null is the tenant's name."""
    pricing_plans: Annotated[tuple[PlanId, ...], Field(max_length=MOST_LISTED)] | None = None
    """What the public price list shows, in this order; null is every active plan, the oldest first."""
    pricing_checkout_url: Url | None = None
    """Where the page of the price list leads whoever has chosen, with the price's id in its query."""


@router.patch("/me/settings")
async def change_settings(body: NewSettings, who: Owner, here: TheHouse, about: About) -> SettingsAnswer:
    """Change the members that are sent; `null` for the provider means the oldest account.

    `tax` and `invoiceIssuer` are replaced as a whole, for invoices that are made from then on.
    """
    sent = body.model_dump(exclude_unset=True)
    for name in _NOT_NULL & sent.keys():
        if sent[name] is None:
            raise ValidationFailed(errors=((f"/{to_camel(name)}", "this cannot be null"),))
    _check_rules(body.routing_rules or ())
    async with here.world.database.tenant(who.tenant_id) as tx:
        _check_providers(sent, {account.provider for account in await accounts.live(tx)})
        if chosen := sent.get("pricing_plans"):
            await _check_listed(tx, chosen)
        tenant = await tenants.get(tx, who.tenant_id)
        settings = TenantSettings.model_validate(tenant.settings.model_dump() | sent)
        await tenants.choose(tx, tenant.id, settings)
        await audit.record(tx, about.deed(tenant.id, actor(who), "tenant.settings_changed", tenant.id))
    return SettingsAnswer(**settings.model_dump())


def _check_providers(sent: Mapping[str, Any], known: set[str]) -> None:
    if sent.get("default_provider") not in {None, *known}:
        raise ValidationFailed(errors=(("/defaultProvider", "there is no account at this provider"),))
    order = sent.get("provider_order", ())
    if len(set(order)) != len(order) or not known.issuperset(order):
        raise ValidationFailed(
            errors=(("/providerOrder", "each is a provider where there is an account, named once"),)
        )


async def _check_listed(tx: AsyncConnection, plan_ids: Sequence[str]) -> None:
    known = {plan.id for plan in await catalog.listed(tx, plan_ids)}
    if len(known) != len(plan_ids):
        raise ValidationFailed(errors=(("/pricingPlans", "each is an active plan of yours, named once"),))


def _check_rules(rules: Sequence[NewRule]) -> None:
    """Rules may name providers where there is no account yet, but none that nobody has heard of."""
    for number, rule in enumerate(rules):
        fault = _fault(rule)
        if fault is not None:
            member, why = fault
            raise ValidationFailed(errors=((f"/routingRules/{number}/{member}", why),))


def _fault(rule: NewRule) -> tuple[str, str] | None:
    if not PROVIDERS.keys() >= {*rule.providers} or len({*rule.providers}) != len(rule.providers):
        return "providers", "each is a provider we know, named once"
    if len({*rule.currencies}) != len(rule.currencies):
        return "currencies", "each is named once"
    for member, amount in (("minAmount", rule.min_amount), ("maxAmount", rule.max_amount)):
        if amount is not None and len(rule.currencies) != 1:
            return member, "an amount needs exactly one currency, whose minor units it counts"
    if rule.min_amount is not None and rule.max_amount is not None and rule.min_amount > rule.max_amount:
        return "maxAmount", "this is less than minAmount"
    return None


@router.post("/{tenant_id}/suspend")
async def suspend(tenant_id: str, by: PlatformOperator, here: TheHouse, about: About) -> TenantAnswer:
    """No new payments from now on; running ones finish."""
    return await _suspend(here, tenant_id, by, about, suspended=True)


@router.post("/{tenant_id}/resume")
async def resume(tenant_id: str, by: PlatformOperator, here: TheHouse, about: About) -> TenantAnswer:
    return await _suspend(here, tenant_id, by, about, suspended=False)


async def _suspend(here: House, tenant_id: str, by: str, about: Exchange, *, suspended: bool) -> TenantAnswer:
    async with here.world.database.tenant(tenant_id) as tx:
        tenant = await tenants.suspend(tx, tenant_id, suspended=suspended)
        action = "tenant.suspended" if suspended else "tenant.resumed"
        await audit.record(tx, about.deed(tenant_id, by, action, tenant_id))
    return TenantAnswer.of(tenant)


def _status(tenant: Tenant) -> str:
    return "suspended" if tenant.suspended else "active"


def _app_name(name: str) -> str:
    """A login name people can recognise; the tail keeps namesakes apart."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_APP_NAME].strip("-")
    return f"{slug or 'app'}-{entropy.token_hex(4)}"
