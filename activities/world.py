"""What a step needs from outside, built once by a composition root and handed down as values."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.measures import Measures
from activities.outbound import Gate
from domain.errors import ProviderRejected, ProviderUnavailable
from domain.health import Health
from domain.payment import PaymentOrder, PaymentRef
from domain.refund import RefundRef
from domain.standing import SubscriptionRef
from domain.tenant import ProviderAccount
from providers.base import PROVIDERS, Provider
from providers.line import Lines
from storage import accounts
from storage.database import Database
from storage.notary import Notary
from storage.vault import Vault

log = structlog.get_logger(__name__)

# A minute of waiting stays at least a second, however fast an installation counts.
_SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True)
class World:
    database: Database
    vault: Vault
    notary: Notary
    http: httpx.AsyncClient
    """To payment providers. Its own retries are off; retrying is Temporal's business."""
    guarded_http: httpx.AsyncClient
    """To providers at addresses that tenants named: it reaches public ones only, and follows no redirects."""
    gate: Gate
    """The same, to tenants' endpoints: a client for each, so that slow ones take nobody's connections."""
    api_bases: Mapping[str, str]
    """Where providers are, by name, for accounts that do not say so themselves."""
    clock: Callable[[], datetime]
    time_scale: float
    wake: Callable[[str, Sequence[str]], Awaitable[None]]
    """Tell the couriers of these endpoints of this tenant that there is something to carry."""
    start_refund: Callable[[RefundRef], Awaitable[None]]
    """Have a refund that is on record carried out. What does not get through, the sweep finds."""
    start_payment: Callable[[PaymentRef], Awaitable[None]]
    """Have a payment that is on record carried out, as the same for refunds."""
    wake_subscription: Callable[[SubscriptionRef], Awaitable[None]]
    """Tell whoever leads this subscription that something has changed, or have it led. As for refunds."""
    payers_page: Callable[[PaymentOrder], str]
    """Our own page, on which a payer sees how a payment stands. Always the same for the same order."""
    measures: Measures
    """What this process counts of its own work."""
    lines: Lines

    def scaled(self, delay: timedelta) -> timedelta:
        """A business delay as this installation counts it."""
        return max(delay / self.time_scale, _SHORTEST) if delay else delay

    async def provider(
        self, tx: AsyncConnection, account_id: str, name: str | None = None
    ) -> tuple[ProviderAccount, Provider]:
        """An account and an adapter holding its secrets, for use here and now.

        Raises ``NotFound`` for an unknown account, or one of another provider than ``name``, and
        ``ProviderRejected`` when its settings cannot be used. Without its adapter, which may have been part
        of a package, it is ``ProviderUnavailable``: what was begun waits.
        """
        account, secrets, credentials = await accounts.unlock(tx, self.vault, account_id, name)
        adapter = PROVIDERS.get(account.provider)
        if adapter is None:
            raise ProviderUnavailable(f"{account.provider} has no adapter in this installation")
        base = account.api_base or self.api_bases.get(account.provider)
        http = self.http if account.api_base is None else self.guarded_http
        try:
            return account, adapter(http, base, secrets, self.lines.to(account, credentials))
        except ValidationError:
            # Its text, and its cause's, would show the secrets.
            raise ProviderRejected("The account's credentials cannot be used.") from None


def lines_of(measures: Measures) -> Lines:
    """The lines of a process: a person is called when one is out of order, and each call is measured."""
    return Lines(alarm=_out_of_order, heard=measures.called)


def _out_of_order(account: ProviderAccount, state: Health) -> None:
    what = "provider_refuses_account" if state is Health.REFUSED else "provider_line_closed"
    alert(what, tenant_id=account.tenant_id, provider=account.provider, account_id=account.id)


def alert(what: str, **ids: object) -> None:
    """Call a person: no rule of ours mends this. ``docs/reliability.md`` lists all that may be cried out."""
    log.error("alert", alert=what, **ids)
