"""What operators ask a platform from the command line: its invariants, and the story of a payment."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import quote

import httpx

from domain.errors import NotFound
from domain.money import Money
from domain.values import Value
from local.running import find
from storage import invariants, reports
from storage.database import Database
from storage.invariants import Finding
from workflows.payment import workflow_id

# The sandbox's words for a dispute whose money is not the merchant's.
_HELD_THERE: Final = frozenset({"open", "under_review", "lost"})


@dataclass(frozen=True)
class Platform:
    """Where to ask. The sandbox's ledger is a witness only where its control port is known."""

    database: Database
    sandbox_control_url: str | None
    temporal_ui: str | None
    temporal: tuple[str, str] | None
    """Temporal's address and namespace."""


@asynccontextmanager
async def platform() -> AsyncIterator[Platform | None]:
    """The platform the environment names, or the one that runs here; None when there is neither."""
    ready = await find() or {}
    url = os.environ.get("PAYSAGA_DATABASE_URL") or ready.get("databaseUrl")
    if url is None:
        yield None
        return
    database = Database(url, pool_size=2)
    ui = ready.get("temporalUiUrl")
    try:
        yield Platform(
            database=database,
            sandbox_control_url=ready.get("sandboxControlUrl"),
            temporal=_temporal(ready),
            temporal_ui=ui and f"{ui}/namespaces/{ready['namespace']}/workflows",
        )
    finally:
        await database.close()


def _temporal(ready: dict[str, Any]) -> tuple[str, str] | None:
    address = os.environ.get("PAYSAGA_TEMPORAL_ADDRESS") or ready.get("temporalAddress")
    namespace = os.environ.get("PAYSAGA_TEMPORAL_NAMESPACE") or ready.get("namespace") or "default"
    return None if address is None else (address, namespace)


class Check(Value):
    promise: str
    outcome: Literal["ok", "breach", "skipped"]
    detail: str = ""
    findings: tuple[Finding, ...] = ()


async def verify(here: Platform) -> list[Check]:
    """Every invariant, asked now. What cannot be asked says so; it does not pass."""
    checks = []
    async with here.database.system() as tx:
        for question in invariants.QUESTIONS:
            findings = await invariants.ask(tx, question, datetime.now(UTC))
            checks.append(_check(question, findings))
    checks += [
        *await _witnessed(here),
        Check(
            promise="I7 the audit chain and its checkpoints verify",
            outcome="skipped",
            detail="audit records are append-only, but not yet sealed into a chain",
        ),
        Check(
            promise="I10 no secret where it does not belong",
            outcome="skipped",
            detail="needs logs and dumps; the test suite looks for it",
        ),
    ]
    return sorted(checks, key=lambda check: int(check.promise.split()[0][1:]))


def _check(promise: str, findings: list[Finding], detail: str = "") -> Check:
    outcome: Literal["ok", "breach"] = "breach" if findings else "ok"
    return Check(promise=promise, outcome=outcome, detail=detail, findings=tuple(findings))


async def _witnessed(here: Platform) -> list[Check]:
    """What only the provider can bear out."""
    promises = "I2 the provider captured once, what we say it did", "I6 our books equal the provider's own"
    if here.sandbox_control_url is None:
        return [_skipped(promise, "no provider ledger is within reach") for promise in promises]
    async with here.database.system() as tx:
        ours = await invariants.payments_at(tx, "sandbox")
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        try:
            answer = await http.get(f"{here.sandbox_control_url}/_control/ledger")
            ledger = answer.raise_for_status().json()
        except httpx.HTTPError as error:
            return [_skipped(promise, f"the sandbox does not answer: {error!r}") for promise in promises]
    compared = f"{len(ours)} payments compared with the sandbox's ledger"
    found = _compare(ours, ledger), _unequal(ours, ledger)
    return [_check(promise, findings, compared) for promise, findings in zip(promises, found, strict=True)]


def _skipped(promise: str, why: str) -> Check:
    return Check(promise=promise, outcome="skipped", detail=why)


def _unequal(ours: list[invariants.Witnessed], ledger: dict[str, Any]) -> list[Finding]:
    """Where what the provider owes by its own account is not what it owes by ours."""
    owed: dict[str, dict[str, int]] = {}

    def add(entry: dict[str, Any], amount: int) -> None:
        of_payment = owed.setdefault(entry["reference"], {})
        of_payment[entry["currency"]] = of_payment.get(entry["currency"], 0) + amount

    for capture in ledger["captures"]:
        add(capture, capture["amount"])
    for refund in ledger["refunds"]:
        add(refund, -refund["amount"] if refund["status"] == "succeeded" else 0)
    for dispute in ledger["disputes"]:
        add(dispute, -dispute["fee"])
        add(dispute, -dispute["amount"] if dispute["status"] in _HELD_THERE else 0)
    findings = []
    for payment in ours:
        there = {currency: amount for currency, amount in owed.get(payment.id, {}).items() if amount}
        if not payment.moving and not payment.quarantined and there != payment.receivable:
            problem = f"the provider owes {there or 0}, our books say {payment.receivable or 0}"
            findings.append(Finding(subject=payment.id, problem=problem))
    return findings


def _compare(ours: list[invariants.Witnessed], ledger: dict[str, Any]) -> list[Finding]:
    captures: dict[str, list[Money]] = {}
    for capture in ledger["captures"]:
        money = Money(amount_minor=capture["amount"], currency=capture["currency"])
        captures.setdefault(capture["reference"], []).append(money)
    returned: dict[str, int] = {}
    for refund in ledger["refunds"]:
        if refund["status"] != "failed":
            returned[refund["reference"]] = returned.get(refund["reference"], 0) + refund["amount"]
    payable: dict[str, int] = {}
    for session in ledger["sessions"]:
        if session["status"] == "open":
            payable[session["reference"]] = payable.get(session["reference"], 0) + 1
    findings = []
    for payment in ours:
        problem = _disagreement(payment, captures.get(payment.id, []), payable.get(payment.id, 0))
        if problem is None and returned.get(payment.id, 0) > payment.returned:
            problem = f"{returned[payment.id]} went back, ours say {payment.returned}"
        if problem:
            findings.append(Finding(subject=payment.id, problem=problem))
    return findings


def _disagreement(payment: invariants.Witnessed, captured: list[Money], payable: int) -> str | None:
    ordered = Money(amount_minor=payment.amount_minor, currency=payment.currency)
    if len(captured) > 1:
        return f"captured {len(captured)} times"
    if payable > 1:
        return f"{payable} checkouts can be paid"
    if payment.status == "SUCCEEDED" and captured != [ordered] and not (captured and payment.accepted):
        return f"SUCCEEDED with {ordered}, captured {captured or 'nothing'}"
    unpaid = payment.status in {"FAILED", "EXPIRED", "CANCELLED"}
    if unpaid and captured and payment.returned != captured[0].amount_minor and not payment.quarantined:
        return f"{payment.status}, but {captured[0]} was captured and does not go back"
    return None


async def dossier(here: Platform, payment_id: str) -> dict[str, Any] | None:
    """All we hold on a payment, ready to be shown; None for an unknown one."""
    async with here.database.system() as tx:
        try:
            found = await reports.dossier(tx, payment_id)
        except NotFound:
            return None
    payment = found["payment"]
    workflow = workflow_id(payment["tenant_id"], payment_id)
    return found | {
        "money": str(Money(amount_minor=payment["amount_minor"], currency=payment["currency"])),
        "workflow": f"{here.temporal_ui}/{quote(workflow, safe='')}" if here.temporal_ui else workflow,
    }
