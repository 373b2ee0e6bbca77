# Derived from _async/books.py by client/derive.py: change that one.
"""The records: audit trail, ledger, reports, reconciliation."""

from collections.abc import Iterator
from datetime import datetime

from paysaga_client._sync.paging import by_cursor, by_offset
from paysaga_client._sync.session import Session
from paysaga_client.models.base import Page
from paysaga_client.models.books import (
    AuditRecord,
    Balance,
    LedgerAccount,
    LedgerEntry,
    Run,
    RunInFull,
    Summary,
    Verification,
)
from paysaga_client.wire import Call, members, path


class Audit:
    """Who did what, append-only and sealed into a chain."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(
        self,
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        actor: str | None = None,
        action: str | None = None,
        resource: str | None = None,
        correlation_id: str | None = None,
        result: str | None = None,
        failure: str | None = None,
        provider: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[AuditRecord]:
        """One page, newest first."""
        query = {
            "from_": from_,
            "to": to,
            "actor": actor,
            "action": action,
            "resource": resource,
            "correlation_id": correlation_id,
            "result": result,
            "failure": failure,
            "provider": provider,
            "limit": limit,
            "cursor": cursor,
        }
        return self._session.ask(Call("GET", "/v1/audit", query), Page[AuditRecord])

    def iterate(
        self,
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        actor: str | None = None,
        action: str | None = None,
        resource: str | None = None,
        correlation_id: str | None = None,
        result: str | None = None,
        failure: str | None = None,
        provider: str | None = None,
    ) -> Iterator[AuditRecord]:
        """All of them, newest first."""
        query = {
            "from_": from_,
            "to": to,
            "actor": actor,
            "action": action,
            "resource": resource,
            "correlation_id": correlation_id,
            "result": result,
            "failure": failure,
            "provider": provider,
        }
        return by_cursor(self._session, Call("GET", "/v1/audit", query), Page[AuditRecord])

    def verify(self, *, after: int = 0, limit: int | None = None) -> Verification:
        """Examine the chain from here on. If the answer is not ``complete``, go on after its ``until``."""
        call = Call("GET", "/v1/audit/verify", {"after": after, "limit": limit})
        return self._session.ask(call, Verification)


class Ledger:
    """The double-entry books."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def balances(self, *, currency: str | None = None, at: datetime | None = None) -> tuple[Balance, ...]:
        call = Call("GET", "/v1/ledger/balances", {"currency": currency, "at": at})
        return (self._session.ask(call, Page[Balance])).data

    def entries(
        self,
        *,
        payment_id: str | None = None,
        account: LedgerAccount | None = None,
        currency: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[LedgerEntry]:
        """One page of lines, newest first."""
        query = {
            "payment_id": payment_id,
            "account": account,
            "currency": currency,
            "limit": limit,
            "cursor": cursor,
        }
        return self._session.ask(Call("GET", "/v1/ledger/entries", query), Page[LedgerEntry])

    def iterate_entries(
        self,
        *,
        payment_id: str | None = None,
        account: LedgerAccount | None = None,
        currency: str | None = None,
    ) -> Iterator[LedgerEntry]:
        """All lines, newest first."""
        query = {"payment_id": payment_id, "account": account, "currency": currency}
        return by_cursor(self._session, Call("GET", "/v1/ledger/entries", query), Page[LedgerEntry])


class Reports:
    def __init__(self, session: Session) -> None:
        self._session = session

    def summary(self, *, from_: datetime | None = None, to: datetime | None = None) -> Summary:
        """The figures of a period; ``to`` is exclusive."""
        return self._session.ask(Call("GET", "/v1/reports/summary", {"from_": from_, "to": to}), Summary)

    def payments_csv(self, *, from_: datetime | None = None, to: datetime | None = None) -> bytes:
        """All payments of a period as a table, UTF-8."""
        call = Call("GET", "/v1/reports/payments.csv", {"from_": from_, "to": to})
        return (self._session.fetch(call)).content


class Reconciliation:
    """Comparisons of the platform's books with the providers'."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(self, provider: str | None = None) -> Run:
        """Compare now, and not at the usual hour."""
        call = Call("POST", "/v1/reconciliation/runs", body=members(provider=provider))
        return self._session.ask(call, Run)

    def get(self, run_id: str) -> RunInFull:
        return self._session.ask(Call("GET", path("/v1/reconciliation/runs/{}", run_id)), RunInFull)

    def list(self, *, limit: int | None = None, offset: int | None = None) -> Page[Run]:
        """One page, newest first."""
        query = {"limit": limit, "offset": offset}
        return self._session.ask(Call("GET", "/v1/reconciliation/runs", query), Page[Run])

    def iterate(self) -> Iterator[Run]:
        return by_offset(self._session, Call("GET", "/v1/reconciliation/runs"), Page[Run])
