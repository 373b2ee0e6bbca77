"""What operators ask a platform from the command line: its invariants, and the story of a payment."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import httpx

from domain.chain import Checkpoint
from domain.errors import NotFound
from domain.money import Money
from domain.values import Value
from local.running import find
from settings import listed, told
from storage import custody, health, invariants, reports
from storage.database import Database
from storage.invariants import Finding
from storage.notary import Keyring, Notary, read_keys
from workflows.payment import workflow_id

# The sandbox's words for a dispute whose money is not the merchant's.
_HELD_THERE: Final = frozenset({"open", "under_review", "lost"})


@dataclass(frozen=True)
class Platform:
    """Where to ask."""

    database: Database
    sandbox: tuple[str, str] | None
    """Its address, and that of its control port: only where both are known its ledger is a witness."""
    temporal_ui: str | None
    temporal: tuple[str, str] | None
    """Temporal's address and namespace."""
    payload_keys: list[bytes] | None
    """What Temporal's payloads are sealed with; empty where they are plain, None where nobody has said."""
    audit: "Witnesses"


@dataclass(frozen=True)
class Witnesses:
    """What the audit trails are held against, as far as it is at hand."""

    keys: Keyring | None
    exported: Mapping[str, Checkpoint] | None
    """The newest checkpoint of each tenant that was kept outside of the database."""


@asynccontextmanager
async def platform() -> AsyncIterator[Platform | None]:
    """The platform that our settings name, or the one that runs here; None when there is neither."""
    ready = await find() or {}
    url = told("database_url") or ready.get("databaseUrl")
    if url is None:
        yield None
        return
    database = Database(url, pool_size=2)
    ui = ready.get("temporalUiUrl")
    try:
        yield Platform(
            database=database,
            sandbox=(ready["sandboxUrl"], ready["sandboxControlUrl"]) if ready else None,
            temporal=_temporal(ready),
            payload_keys=_payload_keys(ready),
            audit=witnesses(ready),
            temporal_ui=ui and f"{ui}/namespaces/{ready['namespace']}/workflows",
        )
    finally:
        await database.close()


def _temporal(ready: dict[str, Any]) -> tuple[str, str] | None:
    address = told("temporal_address") or ready.get("temporalAddress")
    namespace = told("temporal_namespace") or ready.get("namespace") or "default"
    return None if address is None else (address, namespace)


def _payload_keys(ready: dict[str, Any]) -> list[bytes] | None:
    named = told("payload_keys") or ready.get("payloadKeys")
    if named:
        return [base64.b64decode(key, validate=True) for key in listed(named)]
    return [] if ready or told("env") == "development" else None


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
        await _sealed(here),
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


async def _sealed(here: Platform) -> Check:
    reports = await trails(here)
    findings = [
        Finding(subject=f"{report.tenant_id} {breach.number}", problem=f"{breach.kind}: {breach.detail}")
        for report in reports
        for breach in report.findings
    ]
    sealed, pending = sum(each.sealed for each in reports), sum(each.pending for each in reports)
    detail = f"{sealed} records sealed, {pending} wait for it; {scope(here.audit)}"
    return _check("I7 the audit chain and its checkpoints verify", findings, detail)


async def trails(here: Platform, tenant_id: str | None = None) -> list[custody.Report]:
    """What became of the trail of each tenant, or of this one. Raises ``NotFound`` for an unknown one."""
    async with here.database.system() as tx:
        known = await custody.tenants_with_trails(tx)
    if tenant_id is not None and tenant_id not in known:
        raise NotFound
    trusted = None if here.audit.keys is None else here.audit.keys.trusts
    reports = []
    for each in known if tenant_id is None else [tenant_id]:
        exported = None if here.audit.exported is None else here.audit.exported.get(each)
        async with here.database.system(frozen=True) as tx:
            wanted = custody.Request(tenant_id=each, exported=exported)
            reports.append(await custody.examine(tx, wanted, trusted))
    return reports


def scope(audit: Witnesses) -> str:
    """What could be looked at, and what could not."""
    keys = (
        "signatures were not looked at, for want of a key"
        if audit.keys is None
        else "signatures were looked at"
    )
    files = "compared with" if audit.exported is not None else "not compared with"
    return f"{keys}; {files} checkpoints kept elsewhere"


def witnesses(
    ready: Mapping[str, Any], keys: Path | None = None, checkpoints: Path | None = None
) -> Witnesses:
    """What our settings name, or the platform that runs here, unless files are named.

    Raises ``ValueError`` or ``OSError`` for files that cannot be used.
    """
    seeds = told("audit_keys")
    public = keys or (None if seeds else ready.get("auditKeysFile"))
    kept = checkpoints or told("audit_checkpoints_file") or ready.get("auditCheckpointsFile")
    keyring = None
    if public is not None:
        keyring = Keyring(read_keys(Path(public).read_text()))
    elif seeds:
        keyring = Notary([base64.b64decode(seed) for seed in listed(seeds)]).keyring
    exported = None if kept is None or not Path(kept).exists() else _newest(Path(kept))
    return Witnesses(keys=keyring, exported=exported)


def _newest(path: Path) -> dict[str, Checkpoint]:
    """Each tenant's last line. A line that was cut off, by a full disk say, says nothing."""
    newest: dict[str, Checkpoint] = {}
    with path.open() as lines:
        for line in lines:
            with suppress(ValueError):
                point = Checkpoint.read(json.loads(line))
                known = newest.get(point.tenant_id)
                if known is None or known.number <= point.number:
                    newest[point.tenant_id] = point
    return newest


async def _witnessed(here: Platform) -> list[Check]:
    """What only the provider can bear out."""
    promises = "I2 the provider captured once, what we say it did", "I6 our books equal the provider's own"
    if here.sandbox is None:
        return [_skipped(promise, "no provider ledger is within reach") for promise in promises]
    address, control = here.sandbox
    async with here.database.system() as tx:
        ours = await invariants.payments_at(tx, "sandbox", address)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        try:
            answer = await http.get(f"{control}/_control/ledger")
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


async def providers(here: Platform) -> list[health.Standing]:
    """How every tenant's provider accounts stand now."""
    async with here.database.system() as tx:
        return await health.standings(tx, datetime.now(UTC))


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
