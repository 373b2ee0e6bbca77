"""A tenant's accounts at payment providers: credentials go in, and never come out again."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, BackgroundTasks
from pydantic import Field, ValidationError

from activities.outbound import screen
from activities.reconciliation import Books
from api.deps import About, AnyCaller, House, Owner, TheHouse, actor
from api.strict import Answer, Instant, Model, StrictRoute
from domain.errors import Forbidden, NotFound, ValidationFailed
from domain.health import Health
from domain.tenant import ProviderAccount
from domain.text import Url
from domain.values import new_id
from providers.base import PROVIDERS, Secrets
from storage import accounts, audit, health, tenants
from workflows import schedules

router = APIRouter(prefix="/v1/tenants/me/providers", tags=["providers"], route_class=StrictRoute)
log = structlog.get_logger(__name__)

# They travel in headers, so they are printable ASCII without spaces.
Secret = Annotated[str, Field(min_length=1, max_length=1024, pattern="^[!-~]+$")]


class NewAccount(Model):
    credentials: Annotated[dict[Annotated[str, Field(max_length=64)], Secret], Field(max_length=16)]
    api_base: Url | None = None


class AccountAnswer(Answer):
    account_id: str
    provider: str
    webhook_url: str
    """To be pasted into the provider's dashboard."""
    created_at: Instant


class HealthAnswer(Answer):
    """The worst that any of our processes has met with lately, under the account's present credentials."""

    state: Health
    since: Instant | None
    last_failure: str | None


class AccountWithHealth(AccountAnswer):
    health: HealthAnswer


class AccountList(Answer):
    data: list[AccountWithHealth]


@router.put("/{provider}")
async def set_account(
    provider: str, body: NewAccount, who: Owner, here: TheHouse, about: About
) -> AccountAnswer:
    """Take payments through this account. Credentials may rotate; the account and its webhookUrl stay."""
    if provider not in PROVIDERS:
        raise NotFound
    if body.api_base is not None and not here.api_base_allowed:
        raise Forbidden("This installation does not let accounts name their own apiBase.")
    secrets = _checked(provider, body.credentials)
    if body.api_base is not None:
        await screen(body.api_base, development=here.development, pointer="/apiBase")
    account = ProviderAccount(
        id=new_id("acc", here.world.clock()),
        tenant_id=who.tenant_id,
        provider=provider,
        api_base=body.api_base,
        created_at=here.world.clock(),
    )
    async with here.world.database.tenant(who.tenant_id) as tx:
        tenant = await tenants.get(tx, who.tenant_id)
        if secrets.play_money is not None and secrets.play_money is not tenant.sandbox:
            mode = "test" if tenant.sandbox else "live"
            raise ValidationFailed(errors=(("/credentials", f"this tenant needs keys of the {mode} mode"),))
        account = await accounts.put(tx, here.world.vault, account, body.credentials)
        deed = about.deed(who.tenant_id, actor(who), "provider_account.set", account.id)
        await audit.record(tx, deed.model_copy(update={"provider": provider}))
    return AccountAnswer(**_facts(here, account))


def _checked(provider: str, secrets: dict[str, str]) -> Secrets:
    try:
        return PROVIDERS[provider].Secrets.model_validate(secrets)
    except ValidationError as error:
        known = {field.alias or name for name, field in PROVIDERS[provider].Secrets.model_fields.items()}
        raise ValidationFailed(
            errors=tuple(
                # A name we do not know is input, and input is not repeated.
                (
                    f"/credentials/{fault['loc'][0]}" if fault["loc"][0] in known else "/credentials",
                    fault["msg"],
                )
                for fault in error.errors(include_input=False)
            )
        ) from None


@router.get("")
async def list_accounts(who: AnyCaller, here: TheHouse) -> AccountList:
    async with here.world.database.tenant(who.tenant_id) as tx:
        standings = await health.standings(tx, here.world.clock())
    return AccountList(
        data=[
            AccountWithHealth(
                health=HealthAnswer(**each.model_dump(exclude={"account"})), **_facts(here, each.account)
            )
            for each in standings
        ]
    )


@router.delete("/{provider}", status_code=204)
async def retire_account(
    provider: str, who: Owner, here: TheHouse, about: About, later: BackgroundTasks
) -> None:
    """No new payments through this provider; running ones finish. Its books are looked at no more."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        await accounts.retire(tx, provider, here.world.clock())
        deed = about.deed(who.tenant_id, actor(who), "provider_account.retired", provider)
        await audit.record(tx, deed)
    later.add_task(_close_books, here, Books(tenant_id=who.tenant_id, provider=provider))


async def _close_books(here: House, books: Books) -> None:
    try:
        await schedules.drop(here.temporal, books)
    except Exception as error:  # noqa: BLE001 - the sweep drops what was not dropped
        log.warning("schedule_kept", provider=books.provider, reason=type(error).__name__)


def _facts(here: House, account: ProviderAccount) -> dict[str, Any]:
    return {
        "account_id": account.id,
        "provider": account.provider,
        "webhook_url": f"{here.public_url}/v1/billing/webhooks/{account.provider}/{account.id}",
        "created_at": account.created_at,
    }
