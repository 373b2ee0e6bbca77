"""The client: one object per tenant, with everything the platform offers that tenant on it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import httpx

from paysaga_client._async.billing import AsyncBilling, AsyncInvoices, AsyncPlans, AsyncSubscriptions
from paysaga_client._async.books import AsyncAudit, AsyncLedger, AsyncReconciliation, AsyncReports
from paysaga_client._async.outbound import AsyncDeliveries, AsyncEvents, AsyncWebhookEndpoints
from paysaga_client._async.payments import AsyncApprovals, AsyncDisputes, AsyncPayments, AsyncRefunds
from paysaga_client._async.rights import AsyncEntitlements
from paysaga_client._async.session import AsyncSession, Login
from paysaga_client._async.tenancy import AsyncCredentials, AsyncProviders, AsyncTenants
from paysaga_client.retry import Retry

PATIENT: Final = Retry()
TIMEOUT: Final = httpx.Timeout(30, connect=5)


class AsyncPaysaga:
    """Talks to the platform as one tenant. Make one and keep it: it holds connections and the token.

    It logs in when it first needs to. ``timeout`` is of each try, ``retry`` says how many there are. An
    ``http_client`` of yours brings its own time-outs and proxies, and is not closed here. ``clock`` (seconds
    that only grow) and ``sleep`` can be replaced, for tests that have no time.
    """

    def __init__(
        self,
        base_url: str,
        app_name: str,
        app_secret: str,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        retry: Retry = PATIENT,
        http_client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._who = f"{base_url!r}, {app_name!r}"
        http = http_client or httpx.AsyncClient(timeout=timeout)
        self._own_http = http if http_client is None else None
        session = AsyncSession(
            http,
            base_url,
            Login(app_name, app_secret),
            retry=retry,
            clock=clock,
            sleep=sleep,
        )
        self.tenants = AsyncTenants(session)
        self.credentials = AsyncCredentials(session)
        self.providers = AsyncProviders(session)
        self.payments = AsyncPayments(session)
        self.refunds = AsyncRefunds(session)
        self.disputes = AsyncDisputes(session)
        self.approvals = AsyncApprovals(session)
        self.entitlements = AsyncEntitlements(session)
        self.plans = AsyncPlans(session)
        self.billing = AsyncBilling(session)
        self.subscriptions = AsyncSubscriptions(session)
        self.invoices = AsyncInvoices(session)
        self.webhook_endpoints = AsyncWebhookEndpoints(session)
        self.deliveries = AsyncDeliveries(session)
        self.events = AsyncEvents(session)
        self.audit = AsyncAudit(session)
        self.ledger = AsyncLedger(session)
        self.reports = AsyncReports(session)
        self.reconciliation = AsyncReconciliation(session)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._who})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back, but for those of a client that was given."""
        if self._own_http is not None:
            await self._own_http.aclose()
