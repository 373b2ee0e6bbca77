"""The tenant itself: its settings, credentials and accounts at payment providers."""

from collections.abc import Mapping, Sequence

from paysaga_client._async.session import AsyncSession
from paysaga_client.models.base import UNSET, Page, Unset
from paysaga_client.models.tenancy import (
    AfterDunning,
    Credential,
    CredentialWithSecret,
    LatePayment,
    NewIssuer,
    NewRoutingRule,
    NewTax,
    PartialRefund,
    ProviderAccount,
    ProviderAccountWithHealth,
    Role,
    Schedule,
    Settings,
    Tenant,
)
from paysaga_client.wire import Call, changes, members, path


class AsyncTenants:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def me(self) -> Tenant:
        return await self._session.ask(Call("GET", "/v1/tenants/me"), Tenant)

    async def change_settings(
        self,
        *,
        checkout_expires_in_seconds: int | Unset = UNSET,
        default_provider: str | Unset | None = UNSET,
        provider_order: Sequence[str] | Unset = UNSET,
        routing_rules: Sequence[NewRoutingRule] | Unset = UNSET,
        late_payment: LatePayment | Unset = UNSET,
        partial_refund: PartialRefund | Unset = UNSET,
        refund_approval_threshold: Mapping[str, int] | Unset = UNSET,
        after_dunning: AfterDunning | Unset = UNSET,
        subscription_schedule: Schedule | Unset = UNSET,
        billing_zone: str | Unset = UNSET,
        tax: NewTax | Unset = UNSET,
        invoice_issuer: NewIssuer | Unset | None = UNSET,
        pricing_plans: Sequence[str] | Unset | None = UNSET,
        pricing_checkout_url: str | Unset | None = UNSET,
    ) -> Settings:
        """Change what is named; lists, thresholds, tax and issuer are replaced as a whole."""
        body = changes(
            checkout_expires_in_seconds=checkout_expires_in_seconds,
            default_provider=default_provider,
            provider_order=provider_order,
            routing_rules=routing_rules,
            late_payment=late_payment,
            partial_refund=partial_refund,
            refund_approval_threshold=refund_approval_threshold,
            after_dunning=after_dunning,
            subscription_schedule=subscription_schedule,
            billing_zone=billing_zone,
            tax=tax,
            invoice_issuer=invoice_issuer,
            pricing_plans=pricing_plans,
            pricing_checkout_url=pricing_checkout_url,
        )
        call = Call("PATCH", "/v1/tenants/me/settings", body=body, harmless=True)
        return await self._session.ask(call, Settings)


class AsyncCredentials:
    """Further people and programs that may log in, each with a role."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list(self) -> tuple[Credential, ...]:
        return (await self._session.ask(Call("GET", "/v1/tenants/me/credentials"), Page[Credential])).data

    async def create(self, name: str, role: Role) -> CredentialWithSecret:
        call = Call("POST", "/v1/tenants/me/credentials", body=members(name=name, role=role))
        return await self._session.ask(call, CredentialWithSecret)

    async def rotate(self, credential_id: str, *, overlap_seconds: int | None = None) -> CredentialWithSecret:
        """A new secret; the present one still works for the overlap, a day unless another is named."""
        call = Call(
            "POST",
            path("/v1/tenants/me/credentials/{}/rotate", credential_id),
            body=members(overlap_seconds=overlap_seconds),
        )
        return await self._session.ask(call, CredentialWithSecret)

    async def revoke(self, credential_id: str) -> None:
        """No login any more, and its tokens end within 60 seconds."""
        await self._session.fetch(Call("DELETE", path("/v1/tenants/me/credentials/{}", credential_id)))


class AsyncProviders:
    """Accounts at payment providers: credentials go in, and never come out again."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list(self) -> tuple[ProviderAccountWithHealth, ...]:
        call = Call("GET", "/v1/tenants/me/providers")
        return (await self._session.ask(call, Page[ProviderAccountWithHealth])).data

    async def set(
        self, provider: str, credentials: Mapping[str, str], *, api_base: str | None = None
    ) -> ProviderAccount:
        """Take payments through this account, or change its credentials, which the provider names."""
        call = Call(
            "PUT",
            path("/v1/tenants/me/providers/{}", provider),
            body=members(credentials=credentials, api_base=api_base),
        )
        return await self._session.ask(call, ProviderAccount)

    async def retire(self, provider: str) -> None:
        """No new payments through this provider; running ones finish."""
        await self._session.fetch(Call("DELETE", path("/v1/tenants/me/providers/{}", provider)))
