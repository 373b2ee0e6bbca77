"""The records: audit trail, ledger, reports, reconciliation. Amounts are integers in minor units."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from paysaga_client.models.base import Answer, Named, Word
from paysaga_client.models.payments import DisputeState, RefundState

# --- Audit ----------------------------------------------------------------------------------------

BreachKind = Annotated[
    Literal["edited", "deleted", "inserted", "swapped", "truncated", "resealed", "forged"], Word
]


class AuditRecord(Answer):
    id: str
    tenant_id: str
    organization: str | None
    actor: str
    correlation_id: str | None
    action: str
    resource: str
    provider: str | None
    result: str
    failure: str | None
    at: AwareDatetime
    number: int | None
    """Its place in the sealed chain; None for seconds after it was written."""


class Breach(Answer):
    kind: BreachKind
    number: int
    record: str | None
    detail: str


class Verification(Answer):
    """What an examination of the trail found. ``complete`` is False where another request has to go on."""

    verified: bool
    complete: bool
    after: int
    until: int
    records: int
    sealed: int
    pending: int
    checkpoints: int
    head: str | None
    exported: bool
    findings: tuple[Breach, ...]
    more_findings: int


# --- Ledger ---------------------------------------------------------------------------------------

LedgerAccount = Annotated[
    Literal[
        "provider_receivable", "tenant_revenue", "refunds", "dispute_holds", "losses", "fees", "suspense"
    ],
    Word,
]


class Balance(Answer):
    account: LedgerAccount
    currency: str
    balance: int


class LedgerEntry(Answer):
    id: str
    transaction_id: str
    payment_id: str
    account: LedgerAccount
    currency: str
    amount: int
    at: AwareDatetime


# --- Reports --------------------------------------------------------------------------------------


class Sum(Answer):
    count: int
    amount: int


class Volume(Answer):
    currency: str
    created: Sum
    succeeded: Sum
    refunded: Sum
    disputed: Sum
    net: int


class SuccessRate(Answer):
    succeeded: int
    ended: int
    basis_points: int | None


class RefundFigures(Answer):
    status: RefundState
    currency: str
    count: int
    amount: int


class DisputesOfStatus(Answer):
    status: DisputeState
    currency: str
    count: int
    amount: int


class DisputeFigures(Answer):
    opened: int
    won: int
    lost: int
    by_status: tuple[DisputesOfStatus, ...]


class TimeToPay(Answer):
    payments: int
    median_seconds: int | None
    p95_seconds: int | None


class Revenue(Answer):
    """Monthly recurring revenue in one currency, and what moved it."""

    currency: str
    start: int
    new: int
    reactivated: int
    expansion: int
    contraction: int
    churned: int
    end: int
    churn_basis_points: int | None


class Churn(Answer):
    at_start: int
    lost: int
    basis_points: int | None


class Trials(Answer):
    started: int
    ended: int
    converted: int
    basis_points: int | None


class RecoveredSums(Answer):
    currency: str
    failed: Sum
    recovered: Sum
    lost: Sum
    pending: Sum


class DunningRecovery(Answer):
    failed: int
    recovered: int
    lost: int
    pending: int
    basis_points: int | None
    by_currency: tuple[RecoveredSums, ...]


class Summary(Answer):
    from_: AwareDatetime = Field(alias="from")
    to: AwareDatetime
    """Exclusive."""
    volume: tuple[Volume, ...]
    payments_by_status: dict[str, int]
    success_rate: SuccessRate
    failures_by_reason: dict[str, int]
    refunds: tuple[RefundFigures, ...]
    disputes: DisputeFigures
    time_to_pay: TimeToPay
    mrr: tuple[Revenue, ...]
    churn: Churn
    trials: Trials
    recovery: DunningRecovery


# --- Reconciliation -------------------------------------------------------------------------------

RunState = Annotated[Literal["RUNNING", "DONE", "FAILED"], Word]
Drift = Annotated[
    Literal[
        "missing_here",
        "missing_there",
        "amount",
        "state",
        "refund",
        "unknown_reference",
        "stale_pending",
        "double",
    ],
    Word,
]
DriftAction = Annotated[Literal["REPAIRED", "REPORTED", "WAITING"], Word]


class Run(Named):
    """One comparison of the platform's books with a provider's."""

    provider: str
    account_id: str
    status: RunState
    since: AwareDatetime
    until: AwareDatetime
    compared: dict[str, int]
    failure: str | None
    found: dict[str, dict[str, int]]
    """How many differences, by class and by what was done about them."""
    started_at: AwareDatetime
    ended_at: AwareDatetime | None


class Repair(Answer):
    letter_id: str
    state: str
    note: str | None


class Difference(Answer):
    id: str
    subject: Annotated[Literal["payment", "refund", "dispute"], Word]
    payment_id: str | None
    our_id: str | None
    provider_reference: str | None
    here: str
    there: str
    action: DriftAction
    repaired_by: Repair | None


class DifferencesOfClass(Answer):
    class_: Drift = Field(alias="class")
    count: int
    data: tuple[Difference, ...]


class RunInFull(Run):
    differences: tuple[DifferencesOfClass, ...]
