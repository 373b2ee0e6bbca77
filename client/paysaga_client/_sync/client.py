# Derived from _async/client.py by client/derive.py: change that one.
"""The client: one object per tenant, with everything the platform offers that tenant on it."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import httpx

from paysaga_client._sync.billing import Billing, Invoices, Plans, Subscriptions
from paysaga_client._sync.books import Audit, Ledger, Reconciliation, Reports
from paysaga_client._sync.outbound import Deliveries, Events, WebhookEndpoints
from paysaga_client._sync.payments import Approvals, Disputes, Payments, Refunds
from paysaga_client._sync.rights import Entitlements
from paysaga_client._sync.session import Login, Session
from paysaga_client._sync.tenancy import Credentials, Providers, Tenants
from paysaga_client.retry import Retry

PATIENT: Final = Retry()
TIMEOUT: Final = httpx.Timeout(30, connect=5)


class Paysaga:
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
        http_client: httpx.Client | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._who = f"{base_url!r}, {app_name!r}"
        http = http_client or httpx.Client(timeout=timeout)
        self._own_http = http if http_client is None else None
        session = Session(
            http,
            base_url,
            Login(app_name, app_secret),
            retry=retry,
            clock=clock,
            sleep=sleep,
        )
        self.tenants = Tenants(session)
        self.credentials = Credentials(session)
        self.providers = Providers(session)
        self.payments = Payments(session)
        self.refunds = Refunds(session)
        self.disputes = Disputes(session)
        self.approvals = Approvals(session)
        self.entitlements = Entitlements(session)
        self.plans = Plans(session)
        self.billing = Billing(session)
        self.subscriptions = Subscriptions(session)
        self.invoices = Invoices(session)
        self.webhook_endpoints = WebhookEndpoints(session)
        self.deliveries = Deliveries(session)
        self.events = Events(session)
        self.audit = Audit(session)
        self.ledger = Ledger(session)
        self.reports = Reports(session)
        self.reconciliation = Reconciliation(session)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._who})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back, but for those of a client that was given."""
        if self._own_http is not None:
            self._own_http.close()
